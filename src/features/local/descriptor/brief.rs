//! Binary robust independent elementary features (Calonder, Lepetit, Strecha and Fua 2010), our own: at each keypoint
//! so many comparisons of two points of the smoothed picture, always the same pairs. Upright and of one scale.

use opencv::core::{KeyPoint, KeyPointTraitConst, Mat, MatTraitConstManual, Ptr, Size, Vector, no_array};
use opencv::features2d::{FastFeatureDetector, FastFeatureDetector_DetectorType};
use opencv::imgproc::gaussian_blur_def;
use opencv::prelude::Feature2DTrait;
use serde::{Deserialize, Serialize};

use super::keypoints::{check, largest, tame};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture, Place};
use crate::features::Cost;
use crate::finetune::random::normal;
use crate::random;

/// Side of the patch that points are drawn from, in pixels: that of OpenCV's contributed modules.
const PATCH: i32 = 48;
/// Deviation of the smoothing, and side of its kernel, as in the paper.
const SIGMA: f64 = 2.0;
const KERNEL: i32 = 9;
/// How much lighter or darker than the keypoint the pixels around it are: OpenCV's default for ORB.
const THRESHOLD: i32 = 20;
/// Of the pairs: a constant, since descriptors of two pictures are compared.
const SEED: u64 = 2010;

/// The strongest corners (FAST: Rosten and Drummond 2006).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    pub max_keypoints: u32,
    /// Of a descriptor: 32 or 64. The first 32 are the same.
    pub bytes: usize,
}

/// Two points, x and y in pixels from the keypoint.
type Pair = [[i32; 2]; 2];

impl Descriptor for Brief {
    fn check(&self) -> Result<(), String> {
        if ![32, 64].contains(&self.bytes) {
            return Err(format!("bytes = {} must be 32 or 64", self.bytes));
        }
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("brief", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Bits(self.bytes)
    }

    fn cost(&self) -> Cost {
        let bytes = (self.bytes as f64 + 12.0) * f64::from(self.max_keypoints);
        Cost { milliseconds: 1.0, bytes, bytes_a_pixel: 4.0 }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        tame()?;
        let detector = FastFeatureDetector::create(THRESHOLD, true, FastFeatureDetector_DetectorType::TYPE_9_16)?;
        Ok(Box::new(Detector { detector, pairs: pairs(self.bytes), max_keypoints: self.max_keypoints as usize }))
    }
}

/// Eight pairs a byte: of an isotropic normal distribution around the keypoint with a fifth of the patch as its
/// deviation (the paper's second and best way), in the patch, and never twice the same point.
fn pairs(bytes: usize) -> Vec<Pair> {
    let mut rng = random::generator(SEED, "brief");
    let mut coordinate = || loop {
        let drawn = (f64::from(PATCH) / 5.0 * normal(&mut rng)).round() as i32;
        if drawn.abs() <= PATCH / 2 {
            return drawn;
        }
    };
    let drawn = std::iter::from_fn(|| Some([[coordinate(), coordinate()], [coordinate(), coordinate()]]));
    drawn.filter(|[a, b]| a != b).take(8 * bytes).collect()
}

struct Detector {
    detector: Ptr<FastFeatureDetector>,
    pairs: Vec<Pair>,
    max_keypoints: usize,
}

/// A smoothed picture.
struct Smooth<'a> {
    width: i32,
    height: i32,
    pixels: &'a [u8],
}

impl Smooth<'_> {
    /// Over the edge, the pixel that is nearest.
    fn at(&self, x: i32, y: i32) -> u8 {
        let (x, y) = (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1));
        self.pixels[(y * self.width + x) as usize]
    }

    /// The bits of a keypoint, the first of each byte lowest: is the first point of the pair darker?
    fn bits(&self, x: i32, y: i32, pairs: &[Pair]) -> impl Iterator<Item = u8> {
        let darker = move |[[ax, ay], [bx, by]]: &Pair| self.at(x + ax, y + ay) < self.at(x + bx, y + by);
        pairs
            .chunks_exact(8)
            .map(move |pairs| pairs.iter().rev().fold(0, |byte, pair| byte << 1 | u8::from(darker(pair))))
    }
}

impl Describe for Detector {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let grey = picture.grey();
        let image = Mat::new_rows_cols_with_data(grey.height as i32, grey.width as i32, &grey.data)?;
        let mut keypoints = Vector::<KeyPoint>::new();
        self.detector.detect(&image, &mut keypoints, &no_array())?;
        let responses: Vec<f32> = keypoints.iter().map(|point| point.response()).collect();
        let mut smooth = Mat::default();
        gaussian_blur_def(&image, &mut smooth, Size::new(KERNEL, KERNEL), SIGMA)?;
        let smooth = Smooth { width: grey.width as i32, height: grey.height as i32, pixels: smooth.data_bytes()? };
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for i in largest(&responses, self.max_keypoints) {
            let point = keypoints.get(i)?.pt();
            bytes.extend(smooth.bits(point.x as i32, point.y as i32, &self.pairs));
            places.push(Place { x: point.x, y: point.y, size: PATCH as f32 });
        }
        Ok(Descriptors::new(Layout::Bits(self.pairs.len() / 8), bytes, places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::local::descriptor::keypoints::tests::{count, hold};

    const BRIEF: Brief = Brief { max_keypoints: 500, bytes: 32 };

    #[test]
    fn every_picture_is_described_and_the_cap_holds() {
        for bytes in [32, 64] {
            hold(&Brief { bytes, ..BRIEF });
            let (all, capped) =
                (count(&Brief { bytes, ..BRIEF }, None), count(&Brief { max_keypoints: 20, bytes }, None));
            assert!(all > 20 && capped == 20, "{all}, {capped}");
        }
        assert!(Brief { bytes: 16, ..BRIEF }.check().unwrap_err().contains("32 or 64"));
    }

    #[test]
    fn bits_say_which_point_is_darker() {
        let pixels: Vec<u8> = (0..100 * 100).map(|i| (2 * (i % 100)) as u8).collect();
        let ramp = Smooth { width: 100, height: 100, pixels: &pixels };
        let pairs = pairs(64);
        let bits: Vec<u8> = ramp.bits(50, 50, &pairs).collect();
        for (i, [a, b]) in pairs.iter().enumerate() {
            assert_eq!(bits[i / 8] >> (i % 8) & 1 == 1, a[0] < b[0], "pair {i}");
        }
    }

    #[test]
    fn pairs_are_always_the_same_and_spread_by_a_fifth_of_the_patch() {
        assert_eq!(pairs(64)[..256], pairs(32)[..]);
        let all: Vec<f64> = pairs(64).as_flattened().as_flattened().iter().map(|&v| f64::from(v)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let deviation = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
        assert!(mean.abs() < 1.0 && (deviation - 9.6).abs() < 0.6, "{mean}, {deviation}");
        assert!(all.iter().all(|v| v.abs() <= 24.0));
    }
}
