//! Writing pictures: the JPEGs that the program draws itself where there are no photographs to time it on.

use opencv::core::{Mat, Vec3b, Vector};
use opencv::imgcodecs::imencode_def;
use opencv::imgproc::{COLOR_RGB2BGR, cvt_color_def};

use super::{Rgb, tame_opencv};

/// The picture as a JPEG file of OpenCV's default quality (95).
///
/// # Panics
/// If `picture` does not hold three bytes a pixel.
pub fn encode_jpeg(picture: &Rgb) -> Vec<u8> {
    tame_opencv();
    let (rows, columns) = (picture.height as i32, picture.width as i32);
    let rgb = Mat::new_rows_cols_with_bytes::<Vec3b>(rows, columns, &picture.data).expect("three bytes a pixel");
    let (mut bgr, mut bytes) = (Mat::default(), Vector::<u8>::new());
    cvt_color_def(&rgb, &mut bgr, COLOR_RGB2BGR).expect("red and blue can always change places");
    imencode_def(".jpg", &bgr, &mut bytes).expect("OpenCV writes JPEG");
    bytes.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{decode_rgb, drawn::pattern};
    use super::*;

    #[test]
    fn colours_come_back_where_they_were() {
        let red = Rgb { width: 8, height: 16, data: [250, 30, 90].repeat(8 * 16) };
        let decoded = decode_rgb(&encode_jpeg(&red)).unwrap();
        assert_eq!((decoded.width, decoded.height), (8, 16));
        assert!(decoded.data.iter().zip(&red.data).all(|(found, drawn)| found.abs_diff(*drawn) <= 3));
        assert_eq!(encode_jpeg(&pattern(31, 17)), encode_jpeg(&pattern(31, 17)));
    }
}
