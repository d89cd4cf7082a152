//! Descriptors at keypoints by OpenCV's detectors: what all of them have in common.

use opencv::core::{KeyPoint, KeyPointTraitConst, Mat, MatTraitConst, MatTraitConstManual, Vector, no_array};
use opencv::features2d::Feature2DTrait;

use super::{Describe, DescribeError, Descriptors, Layout, Picture, Place};
use crate::image::tame_opencv;

/// What has to be done before OpenCV is used.
pub(super) fn tame() -> Result<(), DescribeError> {
    Ok(tame_opencv().map_err(|message| opencv::Error::new(opencv::core::StsNoMem, message))?)
}

/// Finds keypoints and describes them. OpenCV gives bits as bytes, and SIFT's whole numbers from 0 to 255 as floats.
pub(super) fn detect(
    detector: &mut impl Feature2DTrait,
    layout: Layout,
    picture: &Picture,
) -> Result<Descriptors, DescribeError> {
    strongest(detector, layout, picture, usize::MAX)
}

/// The same for a detector that knows no limit: at most so many keypoints, those with the largest response, the first of
/// equal ones, in the order in which they were found.
fn strongest(
    detector: &mut impl Feature2DTrait,
    layout: Layout,
    picture: &Picture,
    most: usize,
) -> Result<Descriptors, DescribeError> {
    let grey = picture.grey();
    let image = Mat::new_rows_cols_with_data(grey.height as i32, grey.width as i32, &grey.data)?;
    let (mut keypoints, mut found) = (Vector::<KeyPoint>::new(), Mat::default());
    detector.detect_and_compute(&image, &no_array(), &mut keypoints, &mut found, false)?;
    if found.empty() {
        return Ok(Descriptors::none(layout));
    }
    let place = |point: KeyPoint| Place { x: point.pt().x, y: point.pt().y, size: point.size() };
    let places = keypoints.iter().map(place).collect();
    let all = match layout {
        Layout::Roots(_) => {
            let bytes = found.data_typed::<f32>()?.iter().map(|&v| v as u8).collect();
            Descriptors::new(layout, bytes, places)
        }
        Layout::Bits(_) => Descriptors::new(layout, found.data_bytes()?.to_vec(), places),
        Layout::Floats(length) => Descriptors::of_floats(length, found.data_typed::<f32>()?.to_vec(), places),
    };
    if all.len() <= most {
        return Ok(all);
    }
    let responses: Vec<f32> = keypoints.iter().map(|point| point.response()).collect();
    let mut kept = Descriptors::none(layout);
    largest(&responses, most).into_iter().for_each(|i| kept.push(&all, i));
    Ok(kept)
}

/// A detector that knows no limit, with what a method gives of it.
pub(super) struct Strongest<D> {
    pub detector: D,
    pub layout: Layout,
    pub most: usize,
    /// Pixels of the shorter side below which a picture has no keypoint, as OpenCV would fail there.
    pub smallest: u32,
}

impl<D: Feature2DTrait + Send> Describe for Strongest<D> {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let (width, height) = picture.size();
        if width.min(height) < self.smallest {
            return Ok(Descriptors::none(self.layout));
        }
        strongest(&mut self.detector, self.layout, picture, self.most)
    }
}

/// The places of the largest responses, at most so many, the first of equal ones; in ascending order.
pub(super) fn largest(responses: &[f32], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..responses.len()).collect();
    if order.len() > most {
        order.sort_by(|&a, &b| responses[b].total_cmp(&responses[a]));
        order.truncate(most);
        order.sort_unstable();
    }
    order
}

/// What is wrong with a number of keypoints, if anything is.
pub(super) fn check(max_keypoints: u32) -> Result<(), String> {
    if max_keypoints == 0 { Err("max_keypoints must be at least 1".into()) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    //! What must hold of every detector.

    use super::*;
    use crate::features::descriptor::Descriptor;
    use crate::image::{Grey, canvas, drawn};

    fn pattern(width: u32, height: u32) -> Grey {
        canvas::grey(&drawn::pattern(width, height))
    }

    /// Flat pictures have no keypoint, tiny ones are described, every picture by a detector that is as new, and every
    /// keypoint lies in the picture.
    pub(in super::super) fn hold(method: &dyn Descriptor) {
        let open = |canvas| method.open(canvas).unwrap();
        for (width, height) in [(1, 1), (1, 300), (2, 7), (40, 40), (200, 200)] {
            let flat = Grey { width, height, data: vec![127; (width * height) as usize] };
            for side in [None, Some(1), Some(96)] {
                assert!(open(side).describe(&(&flat).into()).unwrap().is_empty());
            }
        }
        for (width, height) in (1..12).flat_map(|width| [1, 2, 5, 40].map(|height| (width, height))) {
            assert!(open(Some(1)).describe(&(&pattern(width, height)).into()).is_ok(), "{width} x {height}");
            assert!(open(None).describe(&(&pattern(width, height)).into()).is_ok(), "{width} x {height}");
        }
        let (first, second) = (pattern(160, 120), pattern(96, 96));
        let mut used = open(None);
        let found = used.describe(&(&first).into()).unwrap();
        assert_eq!(used.describe(&(&second).into()).unwrap(), open(None).describe(&(&second).into()).unwrap());
        assert!(!found.is_empty() && found.layout() == method.layout());
        let inside = |place: &Place| (0.0..160.0).contains(&place.x) && (0.0..120.0).contains(&place.y);
        assert!(found.places().iter().all(|place| inside(place) && place.size > 0.0));
    }

    /// How many descriptors a patterned picture has.
    pub(in super::super) fn count(method: &dyn Descriptor, canvas: Option<u32>) -> usize {
        method.open(canvas).unwrap().describe(&(&pattern(160, 120)).into()).unwrap().len()
    }
}
