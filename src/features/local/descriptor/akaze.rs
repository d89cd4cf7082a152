//! Accelerated KAZE (Alcantarilla, Nuevo and Bartoli 2013) as OpenCV computes it, with its default parameters: keypoints
//! of a nonlinear scale space, and binary descriptors of 486 bits (MLDB).

use opencv::features2d::{AKAZE, AKAZE_DescriptorType, KAZE_DiffusivityType};
use serde::{Deserialize, Serialize};

use super::keypoints::{Strongest, check, tame};
use super::{Describe, DescribeError, Descriptor, Layout};
use crate::features::Cost;

/// 486 bits, and two that are always 0.
const LAYOUT: Layout = Layout::Bits(61);

/// OpenCV's smallest response of a keypoint.
const THRESHOLD: f32 = 0.001;

/// Below this many pixels a side OpenCV's pyramid has a level without pixels.
const SMALLEST: u32 = 16;

/// The strongest keypoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Akaze {
    pub max_keypoints: u32,
}

impl Descriptor for Akaze {
    fn check(&self) -> Result<(), String> {
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("akaze", 1)
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn cost(&self) -> Cost {
        // a scale space of 16 levels, five planes of 4 bytes each
        let bytes_a_pixel = 4.0 * 5.0 * 4.0 * 4.0 / 3.0;
        Cost { milliseconds: 15.0, bytes: 73.0 * f64::from(self.max_keypoints), bytes_a_pixel }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        let (kind, diffusivity) = (AKAZE_DescriptorType::DESCRIPTOR_MLDB, KAZE_DiffusivityType::DIFF_PM_G2);
        let detector = AKAZE::create(kind, 0, 3, THRESHOLD, 4, 4, diffusivity)?;
        let most = self.max_keypoints as usize;
        Ok(Box::new(Strongest { detector, layout: LAYOUT, most, smallest: SMALLEST }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::local::descriptor::keypoints::tests::{count, hold};

    #[test]
    fn every_picture_is_described_and_the_cap_holds() {
        hold(&Akaze { max_keypoints: 500 });
        let (all, capped) = (count(&Akaze { max_keypoints: 500 }, None), count(&Akaze { max_keypoints: 20 }, None));
        assert!(all > 20 && capped == 20, "{all}, {capped}");
    }
}
