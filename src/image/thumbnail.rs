//! Small JPEG pictures of images, for pages.

use opencv::core::{Mat, Vec3b, Vector};
use opencv::imgcodecs::{IMWRITE_JPEG_QUALITY, imencode};

use super::resize::resize;
use super::{Rgb, tame_opencv};

/// Percent, as libjpeg counts.
const QUALITY: i32 = 80;

/// A picture as a JPEG file whose longer side has at most `longest` pixels; small ones are not enlarged.
///
/// # Errors
/// What OpenCV says where it can't write JPEG.
pub fn thumbnail(picture: &Rgb, longest: u32) -> opencv::Result<Vec<u8>> {
    tame_opencv();
    let reduce = f64::from(longest) / f64::from(picture.width.max(picture.height));
    let side = |length: u32| ((f64::from(length) * reduce.min(1.0)).round() as u32).max(1);
    let mut small = resize(picture, side(picture.width), side(picture.height));
    // OpenCV's order is blue, green, red.
    small.data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let pixels = Mat::new_rows_cols_with_bytes::<Vec3b>(small.height as i32, small.width as i32, &small.data)?;
    let mut bytes = Vector::<u8>::new();
    imencode(".jpg", &pixels, &mut bytes, &Vector::from_slice(&[IMWRITE_JPEG_QUALITY, QUALITY]))?;
    Ok(bytes.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{decode_rgb, drawn};

    #[test]
    fn a_thumbnail_keeps_shape_and_colours_and_small_pictures_their_size() {
        let wide = Rgb { width: 300, height: 60, data: [200, 90, 20].repeat(300 * 60) };
        let small = decode_rgb(&thumbnail(&wide, 100).unwrap()).unwrap();
        assert_eq!((small.width, small.height), (100, 20));
        for (value, expected) in small.data.iter().zip([200u8, 90, 20].iter().cycle()) {
            assert!(value.abs_diff(*expected) <= 3, "{value}, expected {expected}");
        }
        let small = decode_rgb(&thumbnail(&drawn::pattern(3, 40), 100).unwrap()).unwrap();
        assert_eq!((small.width, small.height), (3, 40));
        let thin = decode_rgb(&thumbnail(&drawn::pattern(1000, 1), 10).unwrap()).unwrap();
        assert_eq!((thin.width, thin.height), (10, 1));
    }
}
