//! RootSIFT on a dense grid of several sizes, in grey: Lowe's descriptor (2004) without keypoints, with the flat windows
//! of VLFeat's `vl_dsift`, under the square root of Arandjelovic and Zisserman (2012).

use serde::{Deserialize, Serialize};

use super::dense::{Grid, Seen, sift};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;

/// Descriptors of 4 x 4 windows with 8 directions each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DenseSift(pub Grid);

impl Descriptor for DenseSift {
    fn check(&self) -> Result<(), String> {
        self.0.check()
    }

    fn version(&self) -> (&'static str, u32) {
        ("dense-sift", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(sift::LENGTH)
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost { milliseconds: 5.0, bytes: 0.0, bytes_a_pixel: self.0.bytes_a_pixel(1, sift::LENGTH) }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Dense(self.0.clone())))
    }
}

struct Dense(Grid);

impl Describe for Dense {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let seen = Seen::grey(picture, self.0.longer, self.0.reduce);
        Ok(Descriptors::of_floats(sift::LENGTH, sift::described(&seen, &self.0), self.0.places(&seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dense::naive;
    use super::*;
    use crate::image::Rgb;

    /// The largest difference from the definition.
    fn error(picture: &Rgb, sizes: &[u32], step: u32, smooth: bool) -> f64 {
        let image = naive::grey(picture);
        let all = |&size: &u32| naive::root_sift(&image, size as usize, step as usize, smooth);
        let expected: Vec<Vec<f64>> = sizes.iter().flat_map(all).collect();
        naive::distance(&DenseSift(naive::grid(sizes, step, smooth)), picture, &expected)
    }

    #[test]
    fn descriptors_are_those_of_the_definition() {
        for picture in naive::pictures() {
            assert!(error(&picture, &[3, 4, 6], 2, true) < 1e-3);
            assert!(error(&picture, &[3, 4, 6], 3, false) < 1e-3);
            assert!(error(&picture, &[4, 8, 12], 4, false) < 1e-3);
            assert!(error(&picture, &[1, 2, 5], 7, true) < 1e-3);
        }
        assert!(error(&naive::half_flat(), &[4, 8], 3, false) < 1e-3);
        // what is left of a blurred edge further away is little more than rounding, and all there is to describe
        assert!(error(&naive::half_flat(), &[3, 4, 6], 2, true) < 5e-3);
    }

    #[test]
    fn every_picture_is_described() {
        naive::hold(&DenseSift(naive::grid(&[2, 4], 3, true)), true);
        naive::hold(&DenseSift(Grid { longer: Some(70), reduce: 2, ..naive::grid(&[1, 3], 1, false) }), true);
    }

    #[test]
    fn places_are_centres_and_sizes_what_is_covered() {
        let picture = naive::noise(31, 14);
        let found = naive::describe(&DenseSift(naive::grid(&[4], 5, false)), &picture);
        let places: Vec<_> = found.places().iter().map(|place| (place.x, place.y, place.size)).collect();
        // of 4 windows, the last one of which must begin within 31 and 14 pixels
        assert_eq!(places, [0, 5, 10, 15].map(|x| (x as f32 + 6.0, 6.0, 16.0)));
    }
}
