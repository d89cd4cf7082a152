//! A convolution as a product of matrices: a row of the left one is what an output pixel sees, gathered from the source.
//! The gradient of the input is the same thing with the roles swapped, one product for every phase of the stride.

use crate::tile::GROUP;

/// Which source pixels a row of the product sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gather {
    /// Rows and columns of a source image.
    pub source: [usize; 2],
    /// Numbers of a source pixel, of which `width` from `first` on are seen.
    pub channels: usize,
    pub first: usize,
    pub width: usize,
    /// Rows and columns of an image of the product: one row of the left matrix each.
    pub grid: [usize; 2],
    /// How far the source moves from one to the next.
    pub step: [usize; 2],
    /// Where each tap looks, from there, and its number in the kernel.
    pub taps: Vec<Tap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub offset: [isize; 2],
    /// row x kernel columns + column
    pub number: usize,
}

/// Taps side by side whose pixels are one stretch of memory.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    offset: [isize; 2],
    pixels: usize,
    /// Where its numbers stand in the row.
    start: usize,
}

impl Gather {
    /// Numbers of a row.
    pub fn depth(&self) -> usize {
        self.taps.len() * self.width
    }

    pub fn groups(&self) -> usize {
        self.depth().div_ceil(GROUP)
    }

    pub fn pixels(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Copies `count` rows from row `start` on to `out` as `[group - groups.start][row][16]`. What fills up the last
    /// group is 0.
    pub fn pack(&self, source: &[f32], start: usize, count: usize, groups: std::ops::Range<usize>, out: &mut [f32]) {
        assert!(out.len() >= groups.len() * count * GROUP);
        if self.width.is_multiple_of(GROUP) {
            self.pack_whole(source, start, count, groups, out);
        } else {
            self.pack_any(source, start, count, groups, out);
        }
    }

    /// Every group lies in one pixel.
    fn pack_whole(&self, source: &[f32], start: usize, count: usize, groups: std::ops::Range<usize>, out: &mut [f32]) {
        let in_a_tap = self.width / GROUP;
        let places = self.places(start, count);
        for (tap, &Tap { offset, .. }) in self.taps.iter().enumerate() {
            let (from, to) = ((tap * in_a_tap).max(groups.start), ((tap + 1) * in_a_tap).min(groups.end));
            if from >= to {
                continue;
            }
            let first = self.first + (from - tap * in_a_tap) * GROUP;
            for (row, &(image, place)) in places.iter().enumerate() {
                let pixel = self.pixel(image, place, offset);
                let found = pixel.map(|pixel| &source[pixel * self.channels + first..][..(to - from) * GROUP]);
                for group in from..to {
                    let out = &mut out[((group - groups.start) * count + row) * GROUP..][..GROUP];
                    match found {
                        Some(found) => out.copy_from_slice(&found[(group - from) * GROUP..][..GROUP]),
                        None => out.fill(0.0),
                    }
                }
            }
        }
    }

    /// A row is gathered, then cut into groups.
    fn pack_any(&self, source: &[f32], start: usize, count: usize, groups: std::ops::Range<usize>, out: &mut [f32]) {
        let stretches = self.stretches();
        let mut line = vec![0.0f32; self.groups() * GROUP];
        for (row, (image, place)) in self.places(start, count).into_iter().enumerate() {
            for stretch in &stretches {
                self.copy(source, image, place, stretch, &mut line);
            }
            for group in groups.clone() {
                let out = &mut out[((group - groups.start) * count + row) * GROUP..][..GROUP];
                out.copy_from_slice(&line[group * GROUP..][..GROUP]);
            }
        }
    }

    /// The source pixels of a stretch, zeros where it is outside.
    fn copy(&self, source: &[f32], image: usize, place: [isize; 2], stretch: &Stretch, line: &mut [f32]) {
        let out = &mut line[stretch.start..][..stretch.pixels * self.width];
        let (y, x) = (place[0] + stretch.offset[0], place[1] + stretch.offset[1]);
        let [rows, columns] = self.source;
        let left = ((-x).max(0) as usize).min(stretch.pixels);
        let right = (columns as isize - x).clamp(left as isize, stretch.pixels as isize) as usize;
        if y < 0 || y >= rows as isize || left == right {
            out.fill(0.0);
            return;
        }
        let pixel = (image * rows + y as usize) * columns + (x + left as isize) as usize;
        let found = &source[pixel * self.channels + self.first..][..(right - left) * self.width];
        out[..left * self.width].fill(0.0);
        out[left * self.width..right * self.width].copy_from_slice(found);
        out[right * self.width..].fill(0.0);
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut all: Vec<Stretch> = Vec::new();
        for (number, tap) in self.taps.iter().enumerate() {
            match all.last_mut() {
                Some(last)
                    if self.width == self.channels
                        && last.offset[0] == tap.offset[0]
                        && last.offset[1] + last.pixels as isize == tap.offset[1] =>
                {
                    last.pixels += 1;
                }
                _ => all.push(Stretch { offset: tap.offset, pixels: 1, start: number * self.width }),
            }
        }
        all
    }

    /// Image and source place of each row of the product, before a tap's offset.
    fn places(&self, start: usize, count: usize) -> Vec<(usize, [isize; 2])> {
        let [rows, columns] = self.grid;
        let place = |row: usize| {
            let (image, y, x) = (row / (rows * columns), row / columns % rows, row % columns);
            (image, [(y * self.step[0]) as isize, (x * self.step[1]) as isize])
        };
        (start..start + count).map(place).collect()
    }

    /// The number of a source pixel among those of all images, if it is inside.
    fn pixel(&self, image: usize, place: [isize; 2], offset: [isize; 2]) -> Option<usize> {
        let (y, x) = (place[0] + offset[0], place[1] + offset[1]);
        let [rows, columns] = self.source;
        let inside = y >= 0 && y < rows as isize && x >= 0 && x < columns as isize;
        inside.then(|| (image * rows + y as usize) * columns + x as usize)
    }
}
