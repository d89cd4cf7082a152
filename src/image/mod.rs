//! Pixels: decoding, the square canvas, resizing and normalising. Knows nothing of data sets, labels or arms.

pub mod augment;
pub mod canvas;
mod codes;
pub mod compress;
pub mod contact_sheet;
mod container;
pub mod decode;
pub mod degrade;
pub mod encode;
mod entropy;
mod error;
pub mod header;
pub mod heat;
pub mod inspect;
pub mod lab;
pub mod preparation;
pub mod resize;
pub mod sheet;
pub mod smooth;
pub mod tensor;
pub mod traces;

use std::sync::OnceLock;

pub use canvas::Canvas;
pub use decode::{decode_grey, decode_rgb};
pub use error::DecodeError;
pub use header::{Header, header};
pub use inspect::{Inspected, inspect};

/// Raised whenever the same file may come to other pixels: decoding, canvas, resizing.
pub const VERSION: u32 = 1;

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

/// Keeps OpenCV to the calling thread, since images are what runs in parallel here, and its log silent, since every
/// failure is reported with the name of its file. Whoever calls OpenCV calls this first; only the first call acts.
///
/// # Errors
/// OpenCV can't even do that, which is so where memory is short.
pub(crate) fn tame_opencv() -> Result<(), String> {
    static TAMED: OnceLock<Result<(), String>> = OnceLock::new();
    let tame = || {
        opencv::core::set_num_threads(1)?;
        opencv::core::set_log_level(opencv::core::LogLevel::LOG_LEVEL_SILENT).map(drop)
    };
    TAMED.get_or_init(|| tame().map_err(|error| error.message)).clone()
}

#[cfg(test)]
pub(crate) mod drawn {
    //! Pictures drawn by code, for tests of this module and of the descriptors.

    use super::Rgb;

    /// Stripes, checks and ramps with hard edges; differs in every channel. The same formula made the expected
    /// values in `tests/fixtures/preprocessing_drawn.json`.
    pub fn pattern(width: u32, height: u32) -> Rgb {
        let value = |x: u32, y: u32, c: u32| (((x * (7 + 4 * c)) ^ (y * (5 + 2 * c))) + x * y / 3) as u8;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| [value(x, y, 0), value(x, y, 1), value(x, y, 2)]).collect();
        Rgb { width, height, data }
    }
}
