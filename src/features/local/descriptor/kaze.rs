//! KAZE (Alcantarilla, Bartoli and Davison 2012) as OpenCV computes it, with its default parameters: keypoints of a
//! nonlinear scale space, which keeps edges, and descriptors of 64 numbers as SURF's.

use opencv::features2d::{KAZE, KAZE_DiffusivityType};
use serde::{Deserialize, Serialize};

use super::keypoints::{Strongest, check, tame};
use super::{Describe, DescribeError, Descriptor, Layout};
use crate::features::Cost;

const LAYOUT: Layout = Layout::Floats(64);

/// OpenCV's smallest response of a keypoint.
const THRESHOLD: f32 = 0.001;

/// Below this many pixels a side nothing that KAZE describes fits into a picture, and below 3 OpenCV reads beyond it.
const SMALLEST: u32 = 16;

/// The strongest keypoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kaze {
    pub max_keypoints: u32,
}

impl Descriptor for Kaze {
    fn check(&self) -> Result<(), String> {
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("kaze", 2)
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        // a scale space of 16 levels of the picture's size, six planes of 4 bytes each, and what diffusion works in
        let bytes_a_pixel = 4.0 * 6.0 * 16.0 + 64.0;
        Cost { milliseconds: 60.0, bytes: 268.0 * f64::from(self.max_keypoints), bytes_a_pixel }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        let detector = KAZE::create(false, false, THRESHOLD, 4, 4, KAZE_DiffusivityType::DIFF_PM_G2)?;
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
        hold(&Kaze { max_keypoints: 500 });
        let (all, capped) = (count(&Kaze { max_keypoints: 500 }, None), count(&Kaze { max_keypoints: 20 }, None));
        assert!(all > 20 && capped == 20, "{all}, {capped}");
    }
}
