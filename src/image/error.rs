//! Why a file is no picture here, and the limits beyond which one is refused.

use crate::budget::TooLittle;

/// Pictures of more pixels are refused: Pillow's own limit, beyond which it sees a decompression bomb.
pub const MAX_PIXELS: u64 = 178_956_970;

/// A JPEG of more scans is refused: every scan costs a pass over all pixels, and encoders that look for the smallest
/// file make a few dozen.
pub const MAX_SCANS: usize = 100;

/// Why a file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error("not an image ({0}); JPEG, PNG, BMP, TIFF and WebP are read")]
    NotAnImage(String),
    #[error("{0} files are not supported; convert it to PNG or JPEG")]
    Unsupported(&'static str),
    #[error("the file is cut off or damaged ({0})")]
    Damaged(String),
    #[error("{width} x {height} pixels, more than the {MAX_PIXELS} that are taken for a picture; make it smaller")]
    TooLarge { width: u32, height: u32 },
    #[error("a JPEG of more than {MAX_SCANS} scans, which would take minutes to decode; write it anew")]
    Scans,
    /// The file may be good: it is the machine that can't.
    #[error("its {width} x {height} pixels: decoding them {too_little}; allow more with --memory, or make it smaller")]
    Memory { width: u32, height: u32, too_little: TooLittle },
    #[error("OpenCV: {0}; is there enough memory?")]
    Machine(String),
}

impl DecodeError {
    /// Is it the machine's fault rather than the file's?
    pub fn is_of_machine(&self) -> bool {
        matches!(self, DecodeError::Memory { .. } | DecodeError::Machine(_))
    }
}
