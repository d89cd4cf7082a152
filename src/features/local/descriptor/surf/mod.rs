//! Speeded-up robust features (Bay, Ess, Tuytelaars and Van Gool 2008), our own: keypoints where the determinant of
//! second derivatives is largest, described by sums of Haar responses. All filters are boxes on an integral image, in
//! exact whole numbers.
//!
//! Compared with dlib 19.24 on a drawn picture (`tests/fixtures/surf`): each of its keypoints is one of ours, to a
//! hundredth of a pixel. Descriptors whose samples lie at the same places, without the weights, which dlib defines
//! otherwise, have cosines from 0.94, median 0.97; three quarters of the orientations are within 5 degrees, half of
//! them within one.

mod hessian;
mod integral;
mod window;

use serde::{Deserialize, Serialize};

use super::keypoints::{check, largest};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture, Place};
use crate::features::Cost;

use hessian::{Keypoint, keypoints};
use integral::Integral;
use window::{SIDE, Window};

/// The strongest keypoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surf {
    pub max_keypoints: u32,
    /// Numbers of a descriptor: 64, or 128 where sums are split by the sign of the other direction.
    pub length: usize,
    /// Without an orientation: windows are not turned.
    pub upright: bool,
}

impl Descriptor for Surf {
    fn check(&self) -> Result<(), String> {
        if ![64, 128].contains(&self.length) {
            return Err(format!("length = {} must be 64 or 128", self.length));
        }
        check(self.max_keypoints)
    }

    fn version(&self) -> (&'static str, u32) {
        ("surf", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(self.length)
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        // the integral image, four levels of an octave, and two of the octave below
        let bytes = (4.0 * self.length as f64 + 12.0) * f64::from(self.max_keypoints);
        Cost { milliseconds: 6.0, bytes, bytes_a_pixel: 28.0 }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Detector { settings: self.clone(), window: Window::new() }))
    }
}

struct Detector {
    settings: Surf,
    window: Window,
}

impl Describe for Detector {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let Surf { max_keypoints, length, upright } = self.settings;
        let integral = Integral::new(&picture.grey());
        let all = keypoints(&integral);
        let responses: Vec<f32> = all.iter().map(|point| point.response).collect();
        let points = largest(&responses, max_keypoints as usize).into_iter().map(|i| &all[i]);
        let (mut floats, mut places) = (Vec::new(), Vec::new());
        for point in points {
            let angle = if upright { 0.0 } else { self.window.orientation(&integral, point) };
            self.window.describe(&integral, point, angle, length == 128, &mut floats);
            places.push(place(point));
        }
        Ok(Descriptors::of_floats(length, floats, places))
    }
}

fn place(point: &Keypoint) -> Place {
    Place { x: point.x, y: point.y, size: SIDE * point.scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::local::descriptor::keypoints::tests::{count, hold};
    use crate::image::Grey;

    const SURF: Surf = Surf { max_keypoints: 500, length: 64, upright: false };

    /// Discs one over the other, 300 x 250, as `tests/fixtures/surf/make_surf.cpp` draws them.
    pub(super) fn leaves() -> Grey {
        let (width, height) = (300_i64, 250_i64);
        let mut state = 1_u32;
        let mut draw = |below: i64| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i64::from(state >> 8) % below
        };
        let mut data = vec![128; (width * height) as usize];
        for _ in 0..300 {
            let (x, y, radius, grey) = (draw(width), draw(height), 2 + draw(24), draw(256) as u8);
            let inside = |i: i64| (i % width - x).pow(2) + (i / width - y).pow(2) <= radius * radius;
            (0..width * height).filter(|&i| inside(i)).for_each(|i| data[i as usize] = grey);
        }
        Grey { width: width as u32, height: height as u32, data }
    }

    #[test]
    fn every_picture_is_described_and_the_cap_holds() {
        for (length, upright) in [(64, false), (64, true), (128, false), (128, true)] {
            let surf = Surf { length, upright, ..SURF };
            hold(&surf);
            let (all, capped) = (count(&surf, None), count(&Surf { max_keypoints: 20, ..surf }, None));
            assert!(all > 20 && capped == 20, "{all}, {capped}");
        }
    }

    /// Where a filter just fits, it fits at no pixel of a coarse grid.
    #[test]
    fn pictures_as_large_as_a_filter_are_described() {
        let whole = leaves();
        for side in [9, 15, 39, 51, 75, 76, 99, 100, 147, 148, 195, 196] {
            for (width, height) in [(side, side), (side, 240), (240, side)] {
                let at = |i: usize| whole.data[i / width * 300 + i % width];
                let data = (0..width * height).map(at).collect();
                let part = Grey { width: width as u32, height: height as u32, data };
                let described = SURF.open(None).unwrap().describe(&(&part).into()).unwrap();
                assert!(described.places().iter().all(|place| place.x < width as f32 && place.y < height as f32));
            }
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(SURF.check().is_ok());
        assert!(Surf { length: 96, ..SURF }.check().unwrap_err().contains("64 or 128"));
    }

    #[test]
    fn descriptors_have_length_1() {
        let described = SURF.open(None).unwrap().describe(&(&leaves()).into()).unwrap();
        let square = |descriptor: &[f32]| descriptor.iter().map(|v| v * v).sum::<f32>();
        assert!(described.floats().chunks_exact(64).all(|descriptor| (square(descriptor) - 1.0).abs() < 1e-4));
    }

    #[test]
    fn a_quarter_turn_of_the_picture_changes_little() {
        let upright = leaves();
        let (width, height) = (upright.width as usize, upright.height as usize);
        let at = |i: usize| upright.data[(height - 1 - i % height) * width + i / height];
        let turned = Grey { width: 250, height: 300, data: (0..width * height).map(at).collect() };
        let [a, b] = [&upright, &turned].map(|grey| SURF.open(None).unwrap().describe(&grey.into()).unwrap());
        let (numbers_a, numbers_b) = (a.floats(), b.floats());
        let (mut partners, mut alike) = (0, 0);
        for (i, place) in a.places().iter().enumerate() {
            let same = |other: &Place| (other.x - (249.0 - place.y)).hypot(other.y - place.x) < 0.1;
            let Some(j) = b.places().iter().position(same) else { continue };
            partners += 1;
            let product = numbers_a[64 * i..][..64].iter().zip(&numbers_b[64 * j..][..64]).map(|(a, b)| a * b);
            alike += usize::from(product.sum::<f32>() > 0.9);
        }
        assert!(partners * 5 > a.len() * 3 && alike * 10 > partners * 9, "{alike} of {partners} of {}", a.len());
    }
}
