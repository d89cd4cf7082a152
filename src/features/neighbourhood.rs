//! Eight neighbours of each pixel compared with it: a byte of yes and no. Both the census transform and local binary
//! patterns are that, with other places and signs.

use crate::image::Grey;
use crate::product::vectorised;

use super::pyramid::Codes;

/// Right and down from the pixel in the middle.
pub type Offset = [isize; 2];

/// A byte for each pixel whose neighbours all lie in the picture, so `reach` pixels from every edge: bit `i` tells
/// whether `holds(neighbour i, pixel)`. No offset may be longer than `reach` along an axis.
pub fn compared(
    grey: &Grey,
    reach: usize,
    neighbours: [Offset; 8],
    holds: impl Fn(u8, u8) -> bool + Copy,
) -> Codes<u8> {
    let (row, rows) = (grey.width as usize, grey.height as usize);
    let (width, height) = (row.saturating_sub(2 * reach), rows.saturating_sub(2 * reach));
    if width == 0 || height == 0 {
        return Codes { width: 0, height: 0, codes: Vec::new() };
    }
    let mut codes = vec![0; width * height];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in codes.chunks_exact_mut(width).enumerate() {
                let middle = (y + reach) * row + reach;
                let line = |[x, y]: Offset| &grey.data[middle.strict_add_signed(y * row as isize + x)..][..width];
                let pixels = line([0, 0]);
                let lines = neighbours.map(line);
                for x in 0..width {
                    let mut code = 0;
                    for (bit, line) in lines.iter().enumerate() {
                        code |= u8::from(holds(line[x], pixels[x])) << bit;
                    }
                    out[x] = code;
                }
            }
        },
    );
    Codes { width, height, codes }
}
