//! Oriented FAST and rotated BRIEF (Rublee and others 2011) as OpenCV computes it, with its default parameters but for
//! the number of keypoints, and for the border on a canvas.

use opencv::core::Ptr;
use opencv::features2d::{ORB, ORB_ScoreType};
use serde::{Deserialize, Serialize};

use super::keypoints::{check, detect, tame};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;

/// Side of ORB's patch, OpenCV's default. Any other size makes OpenCV replace the learned test pattern by a random one.
const PATCH: i32 = 31;
/// OpenCV's default width of the border in which ORB looks for no keypoint.
const BORDER: u32 = 31;

const LAYOUT: Layout = Layout::Bits(32);

/// The strongest keypoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orb {
    pub max_keypoints: u32,
}

impl Descriptor for Orb {
    fn check(&self) -> Result<(), String> {
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("orb", 2)
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn cost(&self) -> Cost {
        Cost { milliseconds: 4.0, bytes: 44.0 * f64::from(self.max_keypoints), bytes_a_pixel: 16.0 }
    }

    /// On a canvas the border is narrowed by `border`.
    fn open(&self, canvas: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        let (border, score) = (canvas.map_or(BORDER, border), ORB_ScoreType::HARRIS_SCORE);
        let detector = ORB::create(self.max_keypoints as i32, 1.2, 8, border as i32, 0, 2, score, PATCH, 20)?;
        Ok(Box::new(Detector { detector, border }))
    }
}

/// Width of ORB's border on a canvas of `side` pixels: a tenth of it, from the 3 that FAST needs to
/// OpenCV's 31 pixels. Those would leave an eighth of a canvas of 96 pixels; patches that reach over the edge see its
/// reflection.
///
/// Measured on the validation images of mini-natural-images (R = 64, N = 96; 300 words of k-means, linear SVM), patch
/// and border: 31 and 31 reach 37.8 % (20 keypoints an image), 31 and 9 51.8 % (211), 31 and 4 50.4 %, 21 and 9
/// 50.1 %, 13 and 13 47.2 %, 13 and 9 44.9 %, 9 and 9 45.5 %. So the patch is not scaled with the canvas.
fn border(side: u32) -> u32 {
    (side / 10).clamp(3, BORDER)
}

struct Detector {
    detector: Ptr<ORB>,
    border: u32,
}

impl Describe for Detector {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        // nothing but border: no keypoint can be there, and OpenCV fails to shrink a picture to less than a pixel
        let (width, height) = picture.size();
        if width.min(height) <= 2 * self.border {
            return Ok(Descriptors::none(LAYOUT));
        }
        detect(&mut self.detector, LAYOUT, picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::local::descriptor::keypoints::tests::{count, hold};

    #[test]
    fn every_picture_is_described_and_the_cap_holds() {
        hold(&Orb { max_keypoints: 500 });
        let capped = count(&Orb { max_keypoints: 50 }, Some(96));
        assert!((1..=50).contains(&capped), "{capped}");
    }

    #[test]
    fn the_border_follows_the_canvas() {
        assert_eq!([1, 32, 64, 96, 224, 500].map(border), [3, 3, 6, 9, 22, 31]);
    }
}
