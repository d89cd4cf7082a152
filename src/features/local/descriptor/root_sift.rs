//! Scale-invariant feature transform (Lowe 2004) as OpenCV computes it, with its default parameters but for the number
//! of keypoints; each descriptor under a square root.

use opencv::core::Ptr;
use opencv::features2d::SIFT;
use serde::{Deserialize, Serialize};

use super::keypoints::{check, detect, tame};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;

/// The strongest keypoints. Equally strong ones at the cap are all kept, as OpenCV does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootSift {
    pub max_keypoints: u32,
}

/// OpenCV's numbers are whole and fit into bytes, which lose nothing.
const LAYOUT: Layout = Layout::Roots(128);

/// RootSIFT: `sqrt(x / (L1 + 1e-12))`, whose Euclidean distance is the Hellinger distance of the original
/// (Arandjelovic and Zisserman 2012). A descriptor of zeros stays one.
pub fn root_sift(descriptor: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = f32> {
    let length = descriptor.clone().sum::<f32>() + 1e-12;
    descriptor.map(move |x| (x / length).sqrt())
}

impl Descriptor for RootSift {
    fn check(&self) -> Result<(), String> {
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("root-sift", 2)
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn cost(&self) -> Cost {
        // of the scale space: 4 bytes for 6 Gaussians and 5 differences of a picture of twice the side, and its octaves
        let bytes_a_pixel = 4.0 * 11.0 * 4.0 * 4.0 / 3.0;
        Cost { milliseconds: 15.0, bytes: 140.0 * f64::from(self.max_keypoints), bytes_a_pixel }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        Ok(Box::new(Detector(SIFT::create(self.max_keypoints as i32, 3, 0.04, 10.0, 1.6)?)))
    }
}

struct Detector(Ptr<SIFT>);

impl Describe for Detector {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        detect(&mut self.0, LAYOUT, picture)
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{KeyPoint, Mat, MatTraitConstManual, Vector, no_array};
    use opencv::features2d::Feature2DTrait;

    use super::*;
    use crate::features::local::descriptor::keypoints::tests::{count, hold};
    use crate::image::{canvas, drawn};

    #[test]
    fn every_picture_is_described_and_the_cap_holds() {
        hold(&RootSift { max_keypoints: 500 });
        let capped = count(&RootSift { max_keypoints: 50 }, None);
        assert!((40..=55).contains(&capped), "{capped}");
    }

    #[test]
    fn descriptors_are_whole_numbers_in_a_byte() {
        tame().unwrap();
        let picture = canvas::grey(&drawn::pattern(160, 120));
        let image = Mat::new_rows_cols_with_data(120, 160, &picture.data).unwrap();
        let (mut keypoints, mut found) = (Vector::<KeyPoint>::new(), Mat::default());
        let mut sift = SIFT::create(0, 3, 0.04, 10.0, 1.6).unwrap();
        sift.detect_and_compute(&image, &no_array(), &mut keypoints, &mut found, false).unwrap();
        let values = found.data_typed::<f32>().unwrap();
        assert!(values.len() > 100 * 128);
        assert!(values.iter().all(|&v| f32::from(v as u8) == v));
    }
}
