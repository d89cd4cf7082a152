//! Decoding by OpenCV, with torchvision's (Pillow's) idea of which files are trusted.
//! JPEG pixels come from libjpeg-turbo, as in Python; pure Rust decoders differ from it by a few grey levels.

use opencv::core::{CV_8U, CV_16U, Mat, MatTraitConst, MatTraitConstManual, Vec3b};
use opencv::imgcodecs::{IMREAD_ANYDEPTH, IMREAD_COLOR, IMREAD_GRAYSCALE, IMREAD_IGNORE_ORIENTATION, imdecode};
use opencv::imgproc::{COLOR_BGR2RGB, cvt_color_def};

use super::header::{MAX_PIXELS, check};
use super::{Grey, Rgb, tame_opencv};

/// Why a file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the file is empty")]
    Empty,
    #[error("not an image ({0})")]
    NotAnImage(String),
    #[error("{0} files are not supported; convert it to PNG or JPEG")]
    Unsupported(&'static str),
    #[error("the file is cut off or damaged ({0})")]
    Damaged(String),
    #[error("{width} x {height} pixels, more than the {MAX_PIXELS} that are taken for a picture; make it smaller")]
    TooLarge { width: u32, height: u32 },
}

/// Colour pixels. Alpha is dropped without composing, 16-bit values are scaled to 8, orientation is ignored.
pub fn decode_rgb(bytes: &[u8]) -> Result<Rgb, DecodeError> {
    let bgr = decode(bytes, IMREAD_COLOR)?;
    let (width, height) = size(&bgr);
    let mut data = vec![0; bgr.total() * 3];
    let mut rgb = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(bgr.rows(), bgr.cols(), &mut data).map_err(unreadable)?;
    cvt_color_def(&bgr, &mut rgb, COLOR_BGR2RGB).map_err(unreadable)?;
    Ok(Rgb { width, height, data })
}

/// Grey pixels as OpenCV's `IMREAD_GRAYSCALE` gives them: a JPEG's own luminance plane.
pub fn decode_grey(bytes: &[u8]) -> Result<Grey, DecodeError> {
    let grey = decode(bytes, IMREAD_GRAYSCALE)?;
    let (width, height) = size(&grey);
    Ok(Grey { width, height, data: grey.data_bytes().map_err(unreadable)?.to_vec() })
}

/// OpenCV's pixels in 8 bits, for a file that was checked first.
fn decode(bytes: &[u8], colour: i32) -> Result<Mat, DecodeError> {
    tame_opencv();
    check(bytes)?;
    let encoded = Mat::from_slice(bytes).map_err(unreadable)?;
    // `IMREAD_ANYDEPTH` keeps 16 bits, which OpenCV would otherwise cut down to the high byte
    let pixels = imdecode(&encoded, colour | IMREAD_ANYDEPTH | IMREAD_IGNORE_ORIENTATION).map_err(unreadable)?;
    match pixels.depth() {
        _ if pixels.empty() => Err(DecodeError::Damaged("its pixels can't be decoded".into())),
        CV_8U => Ok(pixels),
        CV_16U => {
            let mut scaled = Mat::default();
            pixels.convert_to(&mut scaled, CV_8U, 255.0 / 65535.0, 0.0).map_err(unreadable)?;
            Ok(scaled)
        }
        _ => Err(DecodeError::Unsupported("floating-point and 32-bit")),
    }
}

/// OpenCV's version: what every decoded pixel and descriptor depends on.
pub fn version() -> String {
    opencv::core::get_version_string().unwrap_or_default()
}

fn size(pixels: &Mat) -> (u32, u32) {
    (pixels.cols().unsigned_abs(), pixels.rows().unsigned_abs())
}

fn unreadable(error: opencv::Error) -> DecodeError {
    DecodeError::Damaged(error.message)
}
