//! The square canvas: the same small frame for every image, so that size, aspect ratio and blur can't tell the class.
//! It comes before everything else that looks at pixels; a network's own resizing follows it.

use super::resize::{resize, resize_and_crop};
use super::{Grey, Rgb};

/// Shorter side reduced (antialiased) to `reduce`, centre `reduce` x `reduce` cut out and brought to `side`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Canvas {
    /// N: side of the canvas in pixels.
    pub side: u32,
    /// R: the side that the image is first reduced to; at most N, pinned in the data set's manifest.
    pub reduce: u32,
}

impl Canvas {
    /// The picture on the canvas: `side` x `side` pixels. One whose shorter side is below `reduce` is enlarged to it.
    pub fn apply(&self, picture: &Rgb) -> Rgb {
        resize(&resize_and_crop(picture, self.reduce, self.reduce), self.side, self.side)
    }
}

/// Luma of a colour picture as OpenCV computes it (BT.601, rounded).
pub fn grey(picture: &Rgb) -> Grey {
    // OpenCV's weights of 0.299, 0.587 and 0.114 in 15 bits (modules/imgproc/src/color.simd_helpers.hpp)
    let luma = |p: &[u8]| (u32::from(p[0]) * 9798 + u32::from(p[1]) * 19235 + u32::from(p[2]) * 3735 + (1 << 14)) >> 15;
    let data = picture.data.chunks_exact(3).map(|pixel| luma(pixel) as u8).collect();
    Grey { width: picture.width, height: picture.height, data }
}
