//! Decoding by OpenCV, with torchvision's (Pillow's) idea of which files are trusted.

use super::{Grey, Rgb};

/// Why a file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error("not an image ({0})")]
    NotAnImage(String),
    #[error("{0} files are not supported")]
    Unsupported(&'static str),
    #[error("the file is cut off or damaged ({0})")]
    Damaged(String),
}

/// Size and format as the header states them, found without decoding pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub format: &'static str,
    pub width: u32,
    pub height: u32,
    /// EXIF orientation 1 to 8; 1 where there is none.
    pub orientation: u8,
}

pub fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let _ = bytes;
    todo!()
}

/// Colour pixels. Alpha is dropped without composing, 16-bit values are scaled to 8, orientation is ignored.
pub fn decode_rgb(bytes: &[u8]) -> Result<Rgb, DecodeError> {
    let _ = bytes;
    todo!()
}

/// Grey pixels as OpenCV's `IMREAD_GRAYSCALE` gives them: a JPEG's own luminance plane.
pub fn decode_grey(bytes: &[u8]) -> Result<Grey, DecodeError> {
    let _ = bytes;
    todo!()
}
