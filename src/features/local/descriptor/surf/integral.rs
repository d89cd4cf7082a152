//! Sums over boxes of a picture, each by four look-ups.

use crate::image::Grey;

/// Sums of all pixels above and to the left of each corner of a pixel, modulo 2^32: a sum over a box is exact as long
/// as it is below that itself, however large the picture is.
pub(super) struct Integral {
    pub width: usize,
    pub height: usize,
    /// (height + 1) rows of (width + 1) sums.
    sums: Vec<u32>,
}

impl Integral {
    pub fn new(picture: &Grey) -> Integral {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let mut sums = vec![0_u32; (width + 1) * (height + 1)];
        for (y, pixels) in picture.data.chunks_exact(width.max(1)).enumerate() {
            let (above, below) = sums[y * (width + 1)..].split_at_mut(width + 1);
            let mut row = 0_u32;
            for ((sum, above), &pixel) in below[1..].iter_mut().zip(&above[1..]).zip(pixels) {
                row = row.wrapping_add(u32::from(pixel));
                *sum = above.wrapping_add(row);
            }
        }
        Integral { width, height, sums }
    }

    /// The sums at the corners above row `y`.
    #[inline(always)]
    pub fn row(&self, y: usize) -> &[u32] {
        &self.sums[y * (self.width + 1)..][..self.width + 1]
    }

    /// Haar responses in x and y, in grey levels times pixels: right minus left half, lower minus upper half of a
    /// square of twice `half` pixels a side around a corner of pixels. 0 where it does not lie in the picture.
    #[inline(always)]
    pub fn haar(&self, x: isize, y: isize, half: usize) -> [f32; 2] {
        let reach = half as isize;
        let inside = |at: isize, length: usize| at >= reach && at + reach <= length as isize;
        if !inside(x, self.width) || !inside(y, self.height) {
            return [0.0; 2];
        }
        let (stride, x, y) = (self.width + 1, x as usize, y as usize);
        let upper = &self.sums[(y - half) * stride + x - half..][..2 * half + 1];
        let middle = &self.sums[y * stride + x - half..][..2 * half + 1];
        let lower = &self.sums[(y + half) * stride + x - half..][..2 * half + 1];
        // a sum of the columns between two corners, of all rows
        let columns = |from: usize, to: usize| {
            lower[to].wrapping_sub(lower[from]).wrapping_sub(upper[to].wrapping_sub(upper[from]))
        };
        let rows = |above: &[u32], below: &[u32]| {
            below[2 * half].wrapping_sub(below[0]).wrapping_sub(above[2 * half].wrapping_sub(above[0]))
        };
        let across = columns(half, 2 * half).wrapping_sub(columns(0, half)) as i32;
        let down = rows(middle, lower).wrapping_sub(rows(upper, middle)) as i32;
        [across as f32, down as f32]
    }
}
