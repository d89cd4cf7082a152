//! Decoding by OpenCV, with torchvision's (Pillow's) idea of which files are trusted.
//! JPEG pixels come from libjpeg-turbo, as in Python; pure Rust decoders differ from it by a few grey levels.

use opencv::core::{CV_8U, CV_16U, Mat, MatTraitConst, MatTraitConstManual, StsNoMem, Vec3b};
use opencv::imgcodecs::{IMREAD_ANYDEPTH, IMREAD_COLOR, IMREAD_GRAYSCALE, IMREAD_IGNORE_ORIENTATION, imdecode};
use opencv::imgproc::{COLOR_BGR2RGB, cvt_color_def};

use super::error::DecodeError;
use super::header::{Header, check};
use super::{Grey, Rgb, tame_opencv};
use crate::budget::{self, Taken};

/// Bytes that decoding takes for each pixel at the worst: 16-bit colours and the 8-bit ones made of them, or these and
/// RGB made of them, or a progressive JPEG's coefficients.
pub const BYTES_A_PIXEL: u64 = 9;

/// Colour pixels. Alpha is dropped without composing, 16-bit values are scaled to 8, orientation is ignored.
pub fn decode_rgb(bytes: &[u8]) -> Result<Rgb, DecodeError> {
    let (bgr, _taken) = decode(bytes, IMREAD_COLOR)?;
    let (width, height) = size(&bgr);
    let mut data = Vec::new();
    data.try_reserve_exact(bgr.total() * 3).map_err(|error| DecodeError::Machine(error.to_string()))?;
    data.resize(bgr.total() * 3, 0);
    let mut rgb = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(bgr.rows(), bgr.cols(), &mut data).map_err(unreadable)?;
    cvt_color_def(&bgr, &mut rgb, COLOR_BGR2RGB).map_err(unreadable)?;
    Ok(Rgb { width, height, data })
}

/// Grey pixels as OpenCV's `IMREAD_GRAYSCALE` gives them: a JPEG's own luminance plane.
pub fn decode_grey(bytes: &[u8]) -> Result<Grey, DecodeError> {
    let (grey, _taken) = decode(bytes, IMREAD_GRAYSCALE)?;
    let (width, height) = size(&grey);
    Ok(Grey { width, height, data: grey.data_bytes().map_err(unreadable)?.to_vec() })
}

/// Makes sure that a file can be decoded; the largest value of one of 16 bits.
pub(super) fn pixels(bytes: &[u8]) -> Result<Option<u16>, DecodeError> {
    let (pixels, _taken) = decode_deep(bytes, IMREAD_COLOR)?;
    if pixels.depth() != CV_16U {
        return in_8_bits(pixels).map(|_| None);
    }
    let values = pixels.data_bytes().map_err(unreadable)?.as_chunks::<2>().0;
    Ok(values.iter().map(|&value| u16::from_ne_bytes(value)).max())
}

/// OpenCV's pixels in 8 bits, for a file that was checked first.
fn decode(bytes: &[u8], colour: i32) -> Result<(Mat, Taken<'static>), DecodeError> {
    let (pixels, taken) = decode_deep(bytes, colour)?;
    Ok((in_8_bits(pixels)?, taken))
}

/// OpenCV's pixels as deep as they are, and the memory that was taken for them.
fn decode_deep(bytes: &[u8], colour: i32) -> Result<(Mat, Taken<'static>), DecodeError> {
    tame_opencv().map_err(DecodeError::Machine)?;
    let Header { width, height, .. } = check(bytes)?;
    let taken = budget::of_process().take(u64::from(width) * u64::from(height) * BYTES_A_PIXEL);
    let taken = taken.map_err(|too_little| DecodeError::Memory { width, height, too_little })?;
    let encoded = Mat::from_slice(bytes).map_err(unreadable)?;
    // `IMREAD_ANYDEPTH` keeps 16 bits, which OpenCV would otherwise cut down to the high byte
    let pixels = imdecode(&encoded, colour | IMREAD_ANYDEPTH | IMREAD_IGNORE_ORIENTATION).map_err(unreadable)?;
    if pixels.empty() {
        return Err(DecodeError::Damaged("OpenCV can't decode its pixels".into()));
    }
    Ok((pixels, taken))
}

fn in_8_bits(pixels: Mat) -> Result<Mat, DecodeError> {
    match pixels.depth() {
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
    if error.code == StsNoMem { DecodeError::Machine(error.message) } else { DecodeError::Damaged(error.message) }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_32F, Vector, VectorToVec};
    use opencv::imgcodecs::imencode_def;
    use proptest::prelude::*;

    use super::*;
    use crate::image::drawn::pattern;
    use crate::image::header;

    fn encode(extension: &str, pixels: &impl opencv::core::ToInputArray) -> Vec<u8> {
        let mut bytes = Vector::new();
        assert!(imencode_def(extension, pixels, &mut bytes).unwrap());
        bytes.to_vec()
    }

    /// The picture as a file of a format, written by OpenCV.
    fn file(extension: &str, picture: &Rgb) -> Vec<u8> {
        let (rows, cols) = (picture.height as i32, picture.width as i32);
        let rgb = Mat::new_rows_cols_with_bytes::<Vec3b>(rows, cols, &picture.data).unwrap();
        let mut bgr = Mat::default();
        cvt_color_def(&rgb, &mut bgr, COLOR_BGR2RGB).unwrap();
        encode(extension, &bgr)
    }

    const FORMATS: [(&str, &str); 5] =
        [(".jpg", "JPEG"), (".png", "PNG"), (".bmp", "BMP"), (".tiff", "TIFF"), (".webp", "WebP")];

    #[test]
    fn every_format_is_recognised_and_decoded() {
        let picture = pattern(37, 21);
        for (extension, format) in FORMATS {
            let bytes = file(extension, &picture);
            assert_eq!(header(&bytes), Ok(header::Header { format, width: 37, height: 21, orientation: 1 }));
            let decoded = decode_rgb(&bytes).unwrap();
            assert_eq!((decoded.width, decoded.height, decoded.data.len()), (37, 21, 37 * 21 * 3), "{format}");
            if matches!(format, "PNG" | "BMP" | "TIFF") {
                assert_eq!(decoded, picture, "{format}");
            }
            let grey = decode_grey(&bytes).unwrap();
            assert_eq!((grey.width, grey.height, grey.data.len()), (37, 21, 37 * 21), "{format}");
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_refused() {
        for (extension, format) in FORMATS {
            let bytes = file(extension, &pattern(23, 14));
            for length in 0..bytes.len() {
                let decoded = decode_rgb(&bytes[..length]);
                assert!(decoded.is_err(), "{format} of {} bytes cut to {length}", bytes.len());
                assert_eq!(decode_grey(&bytes[..length]).err(), decoded.err());
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_accepted() {
        for (extension, format) in FORMATS {
            let bytes = file(extension, &pattern(23, 14));
            let longer = [&bytes, b"tail".as_slice()].concat();
            assert_eq!(decode_rgb(&longer), decode_rgb(&bytes), "{format}");
        }
    }

    #[test]
    fn sixteen_bits_are_scaled_and_floats_refused() {
        let values: Vec<u16> = (0..=255).map(|v| v * 257).chain([128, 129, 65_406, 65_407]).collect();
        let scaled: Vec<u8> = (0..=255).chain([0, 1, 254, 255]).collect();
        let deep = Mat::from_slice(&values).unwrap();
        for extension in [".png", ".tiff"] {
            let bytes = encode(extension, &deep);
            assert_eq!(decode_grey(&bytes).unwrap().data, scaled, "{extension}");
            assert_eq!(decode_rgb(&bytes).unwrap().data, scaled.iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>());
        }
        let mut float = Mat::default();
        deep.convert_to(&mut float, CV_32F, 1.0, 0.0).unwrap();
        assert!(matches!(decode_grey(&encode(".tiff", &float)), Err(DecodeError::Unsupported(_))));
    }

    #[test]
    fn other_files_are_refused_with_their_reason() {
        assert_eq!(decode_rgb(b""), Err(DecodeError::Empty));
        let text = decode_rgb(b"hello\nworld").unwrap_err();
        assert_eq!(
            text.to_string(),
            r#"not an image (it starts with "hello\nworld"); JPEG, PNG, BMP, TIFF and WebP are read"#
        );
        let gif = b"GIF89a\x28\x00\x18\x00\x00\x00\x00;";
        assert_eq!(header(gif).map(|h| (h.format, h.width, h.height)), Ok(("GIF", 40, 24)));
        assert_eq!(decode_rgb(gif), Err(DecodeError::Unsupported("GIF")));
        assert!(matches!(decode_rgb(b"\0\0\0\x1cftypheic"), Err(DecodeError::Unsupported(_))));
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let mut bytes = file(".png", &pattern(23, 14));
        let last_of_data = bytes.len() - 17;
        bytes[last_of_data] ^= 1;
        let error = decode_rgb(&bytes).unwrap_err();
        assert_eq!(error, DecodeError::Damaged("checksum of the PNG's IDAT chunk".into()));
    }

    /// A PNG of one row that claims to be of another size.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = file(".png", &pattern(8, 1));
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        bytes
    }

    #[test]
    fn absurd_sizes_are_refused_before_memory_is_taken() {
        let too_large = DecodeError::TooLarge { width: 60_000, height: 60_000 };
        assert_eq!(decode_rgb(&png_claiming(60_000, 60_000)), Err(too_large));
        assert!(matches!(decode_rgb(&png_claiming(u32::MAX, u32::MAX)), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(decode_rgb(&png_claiming(0, 5)), Err(DecodeError::Damaged(_))));
        assert!(matches!(decode_rgb(&png_claiming(8, 2000)), Err(DecodeError::Damaged(_))));
    }

    #[test]
    fn twenty_megapixels_are_decoded() {
        let grey = Mat::new_rows_cols_with_default(3648, 5472, CV_8U, 77.0.into()).unwrap();
        let picture = decode_rgb(&encode(".jpg", &grey)).unwrap();
        assert_eq!((picture.width, picture.height), (5472, 3648));
        assert!(picture.data.iter().all(|&v| v == 77));
    }

    /// EXIF data with nothing but an orientation.
    fn exif(little_endian: bool, orientation: u8) -> Vec<u8> {
        if little_endian {
            [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
        } else {
            [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".as_slice(), &[0, orientation, 0, 0, 0, 0, 0, 0]].concat()
        }
    }

    #[test]
    fn orientation_is_read_and_ignored() {
        let jpeg = file(".jpg", &pattern(23, 14));
        for little_endian in [true, false] {
            let data = [b"Exif\0\0".as_slice(), &exif(little_endian, 6)].concat();
            let segment = [&[0xff, 0xe1, 0, data.len() as u8 + 2], data.as_slice()].concat();
            let turned = [&jpeg[..2], &segment, &jpeg[2..]].concat();
            let stated = header(&turned).unwrap();
            assert_eq!((stated.width, stated.height, stated.orientation), (23, 14, 6));
            assert_eq!(decode_rgb(&turned), decode_rgb(&jpeg));
        }
        let png = file(".png", &pattern(23, 14));
        let checked = [b"eXIf".as_slice(), &exif(false, 3)].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&checked);
        let chunk = [&(checked.len() as u32 - 4).to_be_bytes(), checked.as_slice(), &crc.sum().to_be_bytes()].concat();
        let turned = [&png[..33], &chunk, &png[33..]].concat();
        assert_eq!(header(&turned).unwrap().orientation, 3);
        assert_eq!(decode_rgb(&turned), decode_rgb(&png));
    }

    proptest! {
        #[test]
        fn damage_never_ends_the_program(kind in 0..FORMATS.len(), at in any::<prop::sample::Index>(), value: u8) {
            let mut bytes = file(FORMATS[kind].0, &pattern(23, 14));
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(picture) = decode_rgb(&bytes) {
                prop_assert_eq!(picture.data.len(), picture.width as usize * picture.height as usize * 3);
            }
        }

        #[test]
        fn any_bytes_have_a_header_or_a_reason(start in 0..6_usize, rest: Vec<u8>) {
            let starts: [&[u8]; 6] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\x10\0\0\0WEBP", b"II*\0"];
            let _ = header([starts[start], &rest].concat().as_slice());
        }
    }
}
