//! The square canvas: the same small frame for every image, so that size, aspect ratio and blur can't tell the class.

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
    /// The picture on the canvas; smaller pictures are enlarged.
    pub fn apply(&self, picture: &Rgb) -> Rgb {
        let _ = picture;
        todo!()
    }
}

/// Luma of a colour picture as OpenCV computes it (BT.601, rounded).
pub fn grey(picture: &Rgb) -> Grey {
    let _ = picture;
    todo!()
}
