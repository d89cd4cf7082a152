//! The square canvas: the same small frame for every image, so that size, aspect ratio and blur can't tell the class.
//! It comes before everything else that looks at pixels; a network's own resizing follows it.

use serde::{Deserialize, Serialize};

use super::resize::{resize, resize_and_crop};
use super::{Grey, Rgb};

/// Shorter side reduced (antialiased) to `reduce`, centre `reduce` x `reduce` cut out and brought to `side`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Canvas {
    /// N: side of the canvas in pixels.
    pub side: u32,
    /// R: the side that the image is first reduced to; at most N, pinned in the data set's manifest.
    pub reduce: u32,
}

impl Canvas {
    /// The picture on the canvas: `side` x `side` pixels. One whose shorter side is below `reduce` is enlarged to it.
    pub fn apply(&self, picture: &Rgb) -> Rgb {
        resize(&resize_and_crop(picture, self.reduce, self.reduce), self.side, self.side)
    }
}

/// Luma of a colour picture as OpenCV computes it (BT.601, rounded).
pub fn grey(picture: &Rgb) -> Grey {
    // OpenCV's weights of 0.299, 0.587 and 0.114 in 15 bits (modules/imgproc/src/color.simd_helpers.hpp)
    let luma = |p: &[u8]| (u32::from(p[0]) * 9798 + u32::from(p[1]) * 19235 + u32::from(p[2]) * 3735 + (1 << 14)) >> 15;
    let data = picture.data.chunks_exact(3).map(|pixel| luma(pixel) as u8).collect();
    Grey { width: picture.width, height: picture.height, data }
}

#[cfg(test)]
mod tests {
    use opencv::core::{Mat, MatTraitConstManual, Vec3b};
    use opencv::imgproc::{COLOR_RGB2GRAY, cvt_color_def};
    use proptest::prelude::*;

    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn luma_is_that_of_opencv() {
        let picture = pattern(256, 256);
        let rgb = Mat::new_rows_cols_with_bytes::<Vec3b>(256, 256, &picture.data).unwrap();
        let mut expected = Mat::default();
        cvt_color_def(&rgb, &mut expected, COLOR_RGB2GRAY).unwrap();
        assert_eq!(grey(&picture).data, expected.data_bytes().unwrap());
    }

    #[test]
    fn only_the_central_square_is_seen() {
        let picture = pattern(60, 20);
        let mut sides_blackened = picture.clone();
        for row in sides_blackened.data.chunks_exact_mut(60 * 3) {
            row[..18 * 3].fill(0);
            row[42 * 3..].fill(0);
        }
        let canvas = Canvas { side: 24, reduce: 16 };
        assert_eq!(canvas.apply(&picture), canvas.apply(&sides_blackened));
    }

    #[test]
    fn a_canvas_of_the_pictures_own_size_changes_nothing() {
        let picture = pattern(32, 32);
        assert_eq!(Canvas { side: 32, reduce: 32 }.apply(&picture), picture);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_canvas_is_square(w in 1..80_u32, h in 1..80_u32, reduce in 1..40_u32, more in 0..40_u32, v: u8) {
            let canvas = Canvas { side: reduce + more, reduce };
            let side = canvas.side as usize;
            let drawn = canvas.apply(&pattern(w, h));
            prop_assert_eq!((drawn.width, drawn.height, drawn.data.len()), (canvas.side, canvas.side, side * side * 3));
            let constant = Rgb { width: w, height: h, data: vec![v; (w * h * 3) as usize] };
            prop_assert_eq!(canvas.apply(&constant).data, vec![v; side * side * 3]);
        }
    }
}
