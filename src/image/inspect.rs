//! A look at an image file before anything is measured: is it whole, and is there something to know of its pixels?

use super::decode::pixels;
use super::entropy::{self, Broken};
use super::error::DecodeError;
use super::header::{Header, check};

/// What was found in a file that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    pub header: Header,
    /// The largest value, where that is of at most 12 of 16 bits: cameras and scanners write such files, and scaled to
    /// 8 bits they are nearly black.
    pub dark: Option<u16>,
}

impl From<Header> for Inspected {
    fn from(header: Header) -> Inspected {
        Inspected { header, dark: None }
    }
}

/// Decodes the whole file. A JPEG whose data does not last is refused, though a decoder would take it.
///
/// # Errors
/// See [`DecodeError`].
pub fn inspect(bytes: &[u8]) -> Result<Inspected, DecodeError> {
    let header = check(bytes)?;
    if header.format == "JPEG"
        && let Err(Broken { blocks, of }) = entropy::walk(bytes)
    {
        let what = match 100 * blocks / of.max(1) {
            100 => "the JPEG's data goes on after its last pixel".into(),
            share => format!("{share} % of the JPEG's pixels are there"),
        };
        return Err(DecodeError::Damaged(what));
    }
    Ok(Inspected { header, dark: pixels(bytes)?.filter(|&largest| largest < 1 << 12) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;
    use crate::image::encode::encode_jpeg;

    #[test]
    fn a_jpeg_that_was_cut_and_given_an_end_is_refused() {
        let whole = encode_jpeg(&pattern(160, 120), 90);
        assert_eq!(inspect(&whole).unwrap(), Inspected::from(check(&whole).unwrap()));
        let cut = [&whole[..whole.len() / 2], &[0xff, 0xd9]].concat();
        let error = inspect(&cut).unwrap_err().to_string();
        assert!(error.starts_with("the file is cut off or damaged (") && error.contains(" % of the JPEG's"), "{error}");
    }
}
