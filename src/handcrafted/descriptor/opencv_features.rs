//! SIFT and ORB as OpenCV computes them, with its default parameters but for the number of keypoints.

use opencv::core::{KeyPoint, Mat, MatTraitConst, MatTraitConstManual, Ptr, Vector, no_array};
use opencv::features2d::{Feature2DTrait, ORB, ORB_ScoreType, SIFT};

use super::{Describe, DescribeError, Descriptors};
use crate::image::{Grey, tame_opencv};

/// Side of ORB's patch, OpenCV's default. Any other size makes OpenCV replace the learned test pattern by a random one.
const ORB_PATCH: i32 = 31;
/// OpenCV's default width of the border in which ORB looks for no keypoint.
const ORB_BORDER: u32 = 31;

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
    /// On a canvas (`side` pixels) the border is narrowed by [`orb_border`].
    pub fn new(max_keypoints: u32, side: Option<u32>) -> Result<Orb, DescribeError> {
        tame_opencv();
        let border = side.map_or(ORB_BORDER, orb_border) as i32;
        let score = ORB_ScoreType::HARRIS_SCORE;
        Ok(Orb(ORB::create(max_keypoints as i32, 1.2, 8, border, 0, 2, score, ORB_PATCH, 20)?))
    }
}

/// Width of ORB's border on a canvas of `side` pixels: a tenth of it, at most OpenCV's 31 pixels. Those would leave a
/// ninth of a canvas of 96 pixels; patches that reach over the edge see its reflection.
///
/// Measured on the validation images of mini-natural-images (R = 64, N = 96; 300 words of k-means, linear SVM), patch
/// and border: 31 and 31 reach 37.8 % (20 keypoints an image), 31 and 9 51.8 % (211), 31 and 4 50.4 %, 21 and 9
/// 50.1 %, 13 and 13 47.2 %, 13 and 9 44.9 %, 9 and 9 45.5 %. So the patch is not scaled with the canvas.
pub fn orb_border(side: u32) -> u32 {
    (side / 10).min(ORB_BORDER)
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
    fn sift_descriptors_are_whole_numbers_in_a_byte() {
        let picture = canvas::grey(&drawn::pattern(160, 120));
        let found = detect(&mut Sift::new(0).unwrap().0, &picture).unwrap();
        let values = found.data_typed::<f32>().unwrap();
        assert!(values.len() > 100 * 128);
        assert!(values.iter().all(|&v| f32::from(v as u8) == v));
    }

    #[test]
    fn a_detector_starts_afresh_for_every_picture() {
        let (first, second) = (canvas::grey(&drawn::pattern(160, 120)), canvas::grey(&drawn::pattern(96, 96)));
        let mut detectors: [(Box<dyn Describe>, _); 2] = [
            (Box::new(Sift::new(500).unwrap()), Sift::new(500).unwrap().describe(&second).unwrap()),
            (Box::new(Orb::new(500, None).unwrap()), Orb::new(500, None).unwrap().describe(&second).unwrap()),
        ];
        for (used, fresh) in &mut detectors {
            used.describe(&first).unwrap();
            assert_eq!(&used.describe(&second).unwrap(), fresh);
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
    fn the_border_follows_the_canvas() {
        assert_eq!([32, 64, 96, 224, 500].map(orb_border), [3, 6, 9, 22, 31]);
    }
}
