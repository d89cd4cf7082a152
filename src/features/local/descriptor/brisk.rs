//! Binary robust invariant scalable keypoints (Leutenegger, Chli and Siegwart 2011) as OpenCV computes it, with its
//! default parameters: corners in a pyramid, and 512 comparisons of smoothed points on circles around them.

use opencv::features2d::BRISK;
use serde::{Deserialize, Serialize};

use super::keypoints::{Strongest, check, tame};
use super::{Describe, DescribeError, Descriptor, Layout};
use crate::features::Cost;

const LAYOUT: Layout = Layout::Bits(64);

/// Below 6 pixels a side OpenCV's pyramid has a level without pixels.
const SMALLEST: u32 = 6;

/// The strongest keypoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brisk {
    pub max_keypoints: u32,
}

impl Descriptor for Brisk {
    fn check(&self) -> Result<(), String> {
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("brisk", 1)
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn cost(&self) -> Cost {
        // six levels and their scores in bytes, an integral image of the first
        Cost { milliseconds: 15.0, bytes: 76.0 * f64::from(self.max_keypoints), bytes_a_pixel: 12.0 }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        let detector = BRISK::create(30, 3, 1.0)?;
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
        hold(&Brisk { max_keypoints: 500 });
        let (all, capped) = (count(&Brisk { max_keypoints: 500 }, None), count(&Brisk { max_keypoints: 20 }, None));
        assert!(all > 20 && capped == 20, "{all}, {capped}");
    }
}
