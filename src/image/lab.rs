//! CIE L*a*b* of a pixel, where distances are about as large as they look.

use std::sync::LazyLock;

/// Linear light of each 8-bit value (IEC 61966-2-1, sRGB).
pub static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let value = byte as f64 / 255.0;
        (if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }) as f32
    })
});

/// Linear sRGB to X, Y and Z as shares of the white point D65.
pub const XYZ: [[f32; 3]; 3] = [
    [0.412_453 / 0.950_456, 0.357_580 / 0.950_456, 0.180_423 / 0.950_456],
    [0.212_671, 0.715_160, 0.072_169],
    [0.019_334 / 1.088_754, 0.119_193 / 1.088_754, 0.950_227 / 1.088_754],
];

/// L* from 0 to 100, a* and b* within some 110 of 0; grey has both 0, to rounding.
pub fn lab(pixel: [u8; 3]) -> [f32; 3] {
    let rgb = pixel.map(|byte| LINEAR[usize::from(byte)]);
    let [x, y, z] = XYZ.map(|[r, g, b]| lightness(r * rgb[0] + g * rgb[1] + b * rgb[2]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The cube root, and below 0.008856 the line that goes on from it.
fn lightness(share: f32) -> f32 {
    if share > 0.008_856 { share.cbrt() } else { 7.787 * share + 16.0 / 116.0 }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_32F, Mat, MatTraitConst, MatTraitConstManual, Vec3b, Vec3f};
    use opencv::imgproc::{COLOR_RGB2Lab, cvt_color_def};

    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn colours_are_those_of_opencv() {
        let picture = pattern(64, 64);
        let bytes = Mat::new_rows_cols_with_bytes::<Vec3b>(64, 64, &picture.data).unwrap();
        let (mut floats, mut expected) = (Mat::default(), Mat::default());
        bytes.convert_to(&mut floats, CV_32F, 1.0 / 255.0, 0.0).unwrap();
        cvt_color_def(&floats, &mut expected, COLOR_RGB2Lab).unwrap();
        for (pixel, expected) in picture.data.as_chunks::<3>().0.iter().zip(expected.data_typed::<Vec3f>().unwrap()) {
            // OpenCV looks powers up in a table
            assert!(lab(*pixel).iter().zip(expected.0).all(|(a, b)| (a - b).abs() < 0.6), "{pixel:?}");
        }
    }

    /// Values of Lindbloom's calculator.
    #[test]
    fn primaries_are_where_they_should_be() {
        let expected = [
            ([255, 0, 0], [53.24, 80.09, 67.20]),
            ([0, 255, 0], [87.74, -86.18, 83.18]),
            ([0, 0, 255], [32.30, 79.20, -107.86]),
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
        ];
        for (pixel, expected) in expected {
            assert!(lab(pixel).iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.05), "{pixel:?}: {:?}", lab(pixel));
        }
    }
}
