//! A convolution as a product of matrices: a row of the left one is what an output pixel sees, gathered from the source.
//! The gradient of the input is the same thing with the roles swapped, one product for every phase of the stride.

use std::ops::Range;

use crate::Isa;
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
    /// Filled in by [`Gather::new`].
    pub stretches: Vec<Stretch>,
}

/// Some rows of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub start: usize,
    pub count: usize,
}

/// What is copied at once.
const STEP: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub offset: [isize; 2],
    /// row x kernel columns + column
    pub number: usize,
}

/// Taps side by side whose pixels are one stretch of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    offset: [isize; 2],
    pixels: usize,
    /// Where its numbers stand in the row.
    start: usize,
}

impl Gather {
    /// With its stretches found.
    pub fn new(gather: Gather) -> Gather {
        let mut all: Vec<Stretch> = Vec::new();
        for (number, tap) in gather.taps.iter().enumerate() {
            match all.last_mut() {
                Some(last)
                    if gather.width == gather.channels
                        && last.offset[0] == tap.offset[0]
                        && last.offset[1] + last.pixels as isize == tap.offset[1] =>
                {
                    last.pixels += 1;
                }
                _ => all.push(Stretch { offset: tap.offset, pixels: 1, start: number * gather.width }),
            }
        }
        Gather { stretches: all, ..gather }
    }

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

    /// Copies rows from row `start` on to `out` as `[group - groups.start][row][16]`. What fills up the last group is 0.
    /// `line` has room for [`Gather::line`] numbers.
    pub fn pack(&self, isa: Isa, source: &[f32], rows: Rows, groups: Range<usize>, line: &mut [f32], out: &mut [f32]) {
        assert!(out.len() >= groups.len() * rows.count * GROUP);
        isa.vectorised(
            #[inline(always)]
            || {
                if self.width.is_multiple_of(GROUP) {
                    self.pack_whole(source, rows, groups, out);
                } else {
                    self.pack_any(source, rows, groups, line, out);
                }
            },
        );
    }

    /// Numbers of a row, and room for whole vectors.
    pub fn line(&self) -> usize {
        self.groups() * GROUP + STEP
    }

    /// Every group lies in one pixel.
    #[inline(always)]
    fn pack_whole(&self, source: &[f32], rows: Rows, groups: Range<usize>, out: &mut [f32]) {
        let in_a_tap = self.width / GROUP;
        let taps = groups.start / in_a_tap..groups.end.div_ceil(in_a_tap);
        for row in 0..rows.count {
            let (image, place) = self.place(rows.start + row);
            for tap in taps.clone() {
                let (from, to) = ((tap * in_a_tap).max(groups.start), ((tap + 1) * in_a_tap).min(groups.end));
                let out = out[((from - groups.start) * rows.count + row) * GROUP..].chunks_mut(rows.count * GROUP);
                match self.pixel(image, place, self.taps[tap].offset) {
                    Some(pixel) => {
                        let first = pixel * self.channels + self.first + (from - tap * in_a_tap) * GROUP;
                        let found = source[first..][..(to - from) * GROUP].as_chunks::<GROUP>().0;
                        found.iter().zip(out).for_each(|(found, out)| out[..GROUP].copy_from_slice(found));
                    }
                    None => out.take(to - from).for_each(|out| out[..GROUP].fill(0.0)),
                }
            }
        }
    }

    /// A row is gathered, then cut into groups.
    #[inline(always)]
    fn pack_any(&self, source: &[f32], rows: Rows, groups: Range<usize>, line: &mut [f32], out: &mut [f32]) {
        for row in 0..rows.count {
            let (image, place) = self.place(rows.start + row);
            for stretch in &self.stretches {
                self.copy(source, image, place, stretch, line);
            }
            line[self.depth()..].fill(0.0);
            let found = line[groups.start * GROUP..groups.end * GROUP].as_chunks::<GROUP>().0;
            let out = out[row * GROUP..].chunks_mut(rows.count * GROUP);
            found.iter().zip(out).for_each(|(found, out)| out[..GROUP].copy_from_slice(found));
        }
    }

    /// The source pixels of a stretch, zeros where it is outside. What lies behind it in the line may change.
    #[inline(always)]
    fn copy(&self, source: &[f32], image: usize, place: [isize; 2], stretch: &Stretch, line: &mut [f32]) {
        let (y, x) = (place[0] + stretch.offset[0], place[1] + stretch.offset[1]);
        let [rows, columns] = self.source;
        let count = stretch.pixels * self.width;
        if y >= 0 && y < rows as isize && x >= 0 && x as usize + stretch.pixels <= columns {
            let start = ((image * rows + y as usize) * columns + x as usize) * self.channels + self.first;
            let whole = count.next_multiple_of(STEP);
            if start + whole <= source.len() {
                // a few numbers more than needed, so that these are whole vectors
                let found = source[start..start + whole].as_chunks::<STEP>().0;
                let out = line[stretch.start..][..whole].as_chunks_mut::<STEP>().0;
                out.iter_mut().zip(found).for_each(|(out, found)| *out = *found);
                return;
            }
        }
        let out = &mut line[stretch.start..][..count];
        let left = ((-x).max(0) as usize).min(stretch.pixels);
        let right = (columns as isize - x).clamp(left as isize, stretch.pixels as isize) as usize;
        out.fill(0.0);
        if y >= 0 && y < rows as isize && left < right {
            let pixel = (image * rows + y as usize) * columns + (x + left as isize) as usize;
            let found = &source[pixel * self.channels + self.first..][..(right - left) * self.width];
            out[left * self.width..right * self.width].copy_from_slice(found);
        }
    }

    /// Image and source place of a row of the product, before a tap's offset.
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, [isize; 2]) {
        let [rows, columns] = self.grid;
        let (image, y, x) = (row / (rows * columns), row / columns % rows, row % columns);
        (image, [(y * self.step[0]) as isize, (x * self.step[1]) as isize])
    }

    /// The number of a source pixel among those of all images, if it is inside.
    #[inline(always)]
    fn pixel(&self, image: usize, place: [isize; 2], offset: [isize; 2]) -> Option<usize> {
        let (y, x) = (place[0] + offset[0], place[1] + offset[1]);
        let [rows, columns] = self.source;
        let inside = y >= 0 && y < rows as isize && x >= 0 && x < columns as isize;
        inside.then(|| (image * rows + y as usize) * columns + x as usize)
    }
}
