//! Writing pictures: those that the program draws itself, and small ones for pages.

use opencv::core::{Mat, Vec3b, Vector};
use opencv::imgcodecs::{IMWRITE_JPEG_QUALITY, imencode};
use opencv::imgproc::{COLOR_RGB2BGR, cvt_color_def};

use super::resize::resize;
use super::{Rgb, tame_opencv};

/// Percent, as libjpeg counts.
const THUMBNAIL_QUALITY: i32 = 80;

/// The picture as a JPEG file of this quality, in percent as libjpeg counts.
///
/// # Panics
/// If `picture` does not hold three bytes a pixel.
pub fn encode_jpeg(picture: &Rgb, quality: i32) -> Vec<u8> {
    encode(".jpg", picture, &Vector::from_slice(&[IMWRITE_JPEG_QUALITY, quality]))
}

/// The picture as an uncompressed BMP file.
///
/// # Panics
/// If `picture` does not hold three bytes a pixel.
pub fn encode_bmp(picture: &Rgb) -> Vec<u8> {
    const HEADER: u32 = 54;
    let (row, padded) = (picture.width as usize * 3, (picture.width * 3).next_multiple_of(4));
    let size = padded * picture.height;
    let mut bytes = Vec::with_capacity((HEADER + size) as usize);
    bytes.extend(b"BM");
    // file size, reserved, start of pixels; then BITMAPINFOHEADER: its size, sides, one plane of 24 bits, no
    // compression, size of the pixels, resolution and palette unstated
    for number in [HEADER + size, 0, HEADER, 40, picture.width, picture.height, 24 << 16 | 1, 0, size, 0, 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    assert_eq!(picture.data.len(), row * picture.height as usize, "three bytes a pixel");
    for line in picture.data.chunks_exact(row).rev() {
        bytes.extend(line.chunks_exact(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]));
        bytes.resize(bytes.len() + padded as usize - row, 0);
    }
    bytes
}

/// The picture as a PNG file.
///
/// # Panics
/// If `picture` does not hold three bytes a pixel.
pub fn encode_png(picture: &Rgb) -> Vec<u8> {
    encode(".png", picture, &Vector::new())
}

/// A picture as a JPEG file whose longer side has at most `longest` pixels; small ones are not enlarged.
pub fn thumbnail(picture: &Rgb, longest: u32) -> Vec<u8> {
    let scale = f64::from(longest) / f64::from(picture.width.max(picture.height));
    let side = |length: u32| ((f64::from(length) * scale.min(1.0)).round() as u32).max(1);
    encode_jpeg(&resize(picture, side(picture.width), side(picture.height)), THUMBNAIL_QUALITY)
}

fn encode(format: &str, picture: &Rgb, settings: &Vector<i32>) -> Vec<u8> {
    tame_opencv().expect("OpenCV can run on one thread");
    let (rows, columns) = (picture.height as i32, picture.width as i32);
    let rgb = Mat::new_rows_cols_with_bytes::<Vec3b>(rows, columns, &picture.data).expect("three bytes a pixel");
    let (mut bgr, mut bytes) = (Mat::default(), Vector::<u8>::new());
    cvt_color_def(&rgb, &mut bgr, COLOR_RGB2BGR).expect("red and blue can always change places");
    imencode(format, &bgr, &mut bytes, settings).expect("OpenCV writes this format");
    bytes.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{decode_rgb, drawn::pattern};
    use super::*;

    #[test]
    fn colours_come_back_where_they_were() {
        let red = Rgb { width: 8, height: 16, data: [250, 30, 90].repeat(8 * 16) };
        let decoded = decode_rgb(&encode_jpeg(&red, 95)).unwrap();
        assert_eq!((decoded.width, decoded.height), (8, 16));
        assert!(decoded.data.iter().zip(&red.data).all(|(found, drawn)| found.abs_diff(*drawn) <= 3));
        assert_eq!(encode_jpeg(&pattern(31, 17), 95), encode_jpeg(&pattern(31, 17), 95));
    }

    #[test]
    fn lossless_files_hold_the_same_pixels() {
        for (width, height) in [(31, 17), (32, 1), (2, 3)] {
            let picture = pattern(width, height);
            assert_eq!(decode_rgb(&encode_bmp(&picture)), Ok(picture.clone()));
            assert_eq!(decode_rgb(&encode_png(&picture)), Ok(picture));
        }
    }

    #[test]
    fn a_thumbnail_keeps_the_shape_and_small_pictures_their_size() {
        for ((width, height), expected) in [((300, 60), (100, 20)), ((3, 40), (3, 40)), ((1000, 1), (100, 1))] {
            let small = decode_rgb(&thumbnail(&pattern(width, height), 100)).unwrap();
            assert_eq!((small.width, small.height), expected);
        }
    }
}
