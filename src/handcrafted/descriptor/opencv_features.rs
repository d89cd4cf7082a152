//! SIFT and ORB as OpenCV computes them, with its default parameters but for the number of keypoints.

use opencv::core::{KeyPoint, Mat, MatTraitConst, MatTraitConstManual, Ptr, Vector, no_array};
use opencv::features2d::{Feature2DTrait, ORB, ORB_ScoreType, SIFT};

use super::{Describe, DescribeError, Descriptors};
use crate::image::{Grey, tame_opencv};

/// OpenCV's default side of ORB's patch and width of the border without keypoints.
const ORB_PATCH: u32 = 31;
/// Side of the picture that the default patch is made for here: the usual input of a network.
const ORB_PATCH_SIDE: u32 = 224;

/// Scale-invariant feature transform (Lowe 2004): the strongest `max_keypoints`. Equally strong ones at the cap are
/// all kept, as OpenCV does it.
pub struct Sift(Ptr<SIFT>);

/// Oriented FAST and rotated BRIEF (Rublee and others 2011).
pub struct Orb(Ptr<ORB>);

impl Sift {
    pub fn new(max_keypoints: u32) -> Result<Sift, DescribeError> {
        tame_opencv();
        Ok(Sift(SIFT::create(max_keypoints as i32, 3, 0.04, 10.0, 1.6)?))
    }
}

impl Orb {
    /// On a canvas (`side` pixels) the patch and the border are scaled with it, by [`orb_patch`].
    pub fn new(max_keypoints: u32, side: Option<u32>) -> Result<Orb, DescribeError> {
        tame_opencv();
        let patch = side.map_or(ORB_PATCH, orb_patch) as i32;
        let score = ORB_ScoreType::HARRIS_SCORE;
        Ok(Orb(ORB::create(max_keypoints as i32, 1.2, 8, patch, 0, 2, score, patch, 20)?))
    }
}

/// Side of ORB's patch on a canvas of `side` pixels: 31 at 224 pixels and in that proportion below, odd, at least 9.
/// Unscaled, border and patch would leave a third of a canvas of 96 pixels.
pub fn orb_patch(side: u32) -> u32 {
    (ORB_PATCH * side / ORB_PATCH_SIDE).clamp(9, ORB_PATCH) | 1
}

fn detect(detector: &mut impl Feature2DTrait, picture: &Grey) -> opencv::Result<Mat> {
    let image = Mat::new_rows_cols_with_data(picture.height as i32, picture.width as i32, &picture.data)?;
    let (mut keypoints, mut descriptors) = (Vector::<KeyPoint>::new(), Mat::default());
    detector.detect_and_compute(&image, &no_array(), &mut keypoints, &mut descriptors, false)?;
    Ok(descriptors)
}

impl Describe for Sift {
    fn describe(&mut self, picture: &Grey) -> Result<Descriptors, DescribeError> {
        let found = detect(&mut self.0, picture)?;
        if found.empty() {
            return Ok(Descriptors::Sift(Vec::new()));
        }
        Ok(Descriptors::Sift(found.data_typed::<f32>()?.iter().map(|&v| v as u8).collect()))
    }
}

impl Describe for Orb {
    fn describe(&mut self, picture: &Grey) -> Result<Descriptors, DescribeError> {
        let found = detect(&mut self.0, picture)?;
        if found.empty() {
            return Ok(Descriptors::Orb(Vec::new()));
        }
        Ok(Descriptors::Orb(found.data_bytes()?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{canvas, drawn};

    #[test]
    fn a_picture_without_keypoints_has_no_descriptors() {
        for (width, height) in [(1, 1), (1, 300), (40, 40), (200, 200)] {
            let flat = Grey { width, height, data: vec![127; (width * height) as usize] };
            assert!(Sift::new(500).unwrap().describe(&flat).unwrap().is_empty());
            assert!(Orb::new(500, None).unwrap().describe(&flat).unwrap().is_empty());
        }
    }

    #[test]
    fn a_patterned_picture_has_some_and_the_cap_holds() {
        let picture = canvas::grey(&drawn::pattern(160, 120));
        let sift = Sift::new(50).unwrap().describe(&picture).unwrap();
        let orb = Orb::new(50, Some(96)).unwrap().describe(&picture).unwrap();
        assert!((40..=55).contains(&sift.len()), "{}", sift.len());
        assert!((1..=50).contains(&orb.len()), "{}", orb.len());
    }

    #[test]
    fn the_patch_follows_the_canvas() {
        assert_eq!([32, 64, 96, 224, 500].map(orb_patch), [9, 9, 13, 31, 31]);
    }
}
