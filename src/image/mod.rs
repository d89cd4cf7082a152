//! Pixels: decoding, the square canvas, resizing and normalising. Knows nothing of data sets, labels or arms.

pub mod canvas;
pub mod decode;
pub mod resize;
pub mod tensor;

pub use canvas::Canvas;
pub use decode::{DecodeError, decode_grey, decode_rgb};

/// An 8-bit RGB picture, row-major, three bytes a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    pub width: u32,
    pub height: u32,
    pub data: Vec<u8>,
}

/// An 8-bit grey picture, row-major, one byte a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    pub width: u32,
    pub height: u32,
    pub data: Vec<u8>,
}
