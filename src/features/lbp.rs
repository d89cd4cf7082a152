//! Local binary patterns (Ojala, Pietikäinen and Mäenpää 2002): which of eight places on a circle are at least as light as
//! its middle, counted over the cells of a pyramid, for circles of several sizes. It describes fine texture.

use std::borrow::Cow;
use std::f64::consts::FRAC_1_SQRT_2;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Grey;
use crate::image::smooth::blur;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::neighbourhood::{Offset, compared};
use super::picture::{Picture, check_longer};
use super::pyramid::{self, Codes, Grid};
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lbp {
    /// Pixels of the longer side at most: a larger picture is made smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longer: Option<u32>,
    /// Standard deviation in pixels of the Gaussian that comes first.
    smoothing: f64,
    /// That of the one that comes after it where the radius is above 1, for each pixel of the radius.
    smoothing_a_radius: f64,
    /// Of the circles, in pixels.
    radii: Vec<u32>,
    /// Rows and columns of the grids whose cells are counted.
    cells: Vec<Grid>,
}

/// Uniform patterns and all others.
const CODES: usize = 59;
/// Pixels of a radius.
const MOST: u32 = 32;
/// A Gaussian's standard deviation.
const SMOOTHEST: f64 = 8.0;

impl Kind for Lbp {
    fn check(&self) -> Result<(), String> {
        check_longer(self.longer)?;
        for (name, value) in [("smoothing", self.smoothing), ("smoothing_a_radius", self.smoothing_a_radius)] {
            if !(0.0..=SMOOTHEST).contains(&value) {
                return Err(format!("{name} = {value} must be from 0 to {SMOOTHEST} pixels"));
            }
        }
        if self.radii.is_empty() {
            return Err("radii needs at least one radius, such as 1".into());
        }
        if let Some(radius) = self.radii.iter().find(|radius| !(1..=MOST).contains(*radius)) {
            return Err(format!("{radius} in radii must be from 1 to {MOST} pixels"));
        }
        pyramid::check("cells", &self.cells)
    }

    fn versions(&self) -> Vec<Version> {
        vec![Self::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 2.5, bytes: 4.0 * self.length() as f64, bytes_a_pixel: 10.0 }
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, _: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(self.clone()))
    }
}

impl Whole for Lbp {
    const STAGE: Version = ("lbp", 1);
    const TIME: Stage = Stage::Describe;
    const IN_COLOUR: bool = false;

    fn length(&self) -> usize {
        CODES * pyramid::cells(&self.cells) * self.radii.len()
    }

    fn longer(&self) -> Option<u32> {
        self.longer
    }

    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let picture = picture.grey();
        let grey = smoothed(&picture, self.smoothing);
        for (&radius, out) in self.radii.iter().zip(out.chunks_exact_mut(CODES * pyramid::cells(&self.cells))) {
            let wide = if radius == 1 { 0.0 } else { self.smoothing_a_radius * f64::from(radius) };
            let codes = patterns(&smoothed(&grey, wide), radius);
            pyramid::write(&codes, &self.cells, CODES, out);
        }
        pyramid::unit(out);
    }
}

/// Without a deviation the picture as it is.
fn smoothed(grey: &Grey, sigma: f64) -> Cow<'_, Grey> {
    if sigma > 0.0 { Cow::Owned(blur(grey, sigma)) } else { Cow::Borrowed(grey) }
}

/// The number of the pattern around each pixel that is `radius` away from every edge; its places are whole pixels, the
/// first one on the right, the others against the clock.
fn patterns(grey: &Grey, radius: u32) -> Codes<u8> {
    let (r, d) = (radius as isize, (f64::from(radius) * FRAC_1_SQRT_2).round() as isize);
    let circle: [Offset; 8] = [[r, 0], [d, -d], [0, -r], [-d, -d], [-r, 0], [-d, d], [0, r], [d, d]];
    let mut patterns = compared(grey, radius as usize, circle, |neighbour, pixel| neighbour >= pixel);
    let numbers = numbers();
    patterns.codes.iter_mut().for_each(|code| *code = numbers[usize::from(*code)]);
    patterns
}

/// 0 to 57 for the bytes with at most two changes between 0 and 1 around the circle, in their order; 58 for all others.
fn numbers() -> [u8; 256] {
    let mut next = 0;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        if (byte ^ byte.rotate_left(1)).count_ones() > 2 {
            return CODES as u8 - 1;
        }
        next += 1;
        next - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;

    fn whole() -> Lbp {
        let cells = vec![[1, 1], [3, 1], [2, 2], [4, 4]];
        Lbp { longer: None, smoothing: 0.6, smoothing_a_radius: 0.4, radii: vec![1, 2, 4], cells }
    }

    #[test]
    fn uniform_patterns_have_numbers_of_their_own() {
        let numbers = numbers();
        assert_eq!([0, 1, 2, 3, 5, 128, 254, 255].map(|byte: usize| numbers[byte]), [0, 1, 2, 3, 58, 29, 56, 57]);
        assert_eq!(numbers.iter().filter(|&&number| number == 58).count(), 256 - 58);
    }

    /// Made by a NumPy program that compares pixel by pixel, on pictures that OpenCV smoothed: to the last bit before the
    /// vector is divided by its length.
    #[test]
    fn vectors_are_those_of_the_reference() {
        let expected = [
            (96, 96, 2390.752, [(3, 0.031_914_89), (577, 0.008_688_101), (1727, 0.017_470_38), (3452, 0.011_827_65)]),
            (120, 88, 2384.134, [(3, 0.034_267_88), (577, 0.008_571_568), (1727, 0.017_788_59), (3596, 0.006_099_375)]),
        ];
        for (width, height, sum, values) in expected {
            let mut out = vec![0.0; whole().length()];
            whole().describe(&(&pattern(width, height)).into(), &mut out);
            assert_eq!(out.len(), 4248);
            assert!((pyramid::weighted_sum(&out) / sum - 1.0).abs() < 1e-6, "{}", pyramid::weighted_sum(&out));
            assert!(values.iter().all(|&(place, value): &(usize, f32)| (out[place] - value).abs() < 1e-7));
        }
    }

    #[test]
    fn a_circle_that_does_not_fit_gives_zeros() {
        let mut out = vec![0.0; whole().length()];
        whole().describe(&(&pattern(5, 300)).into(), &mut out);
        let (fits, wider) = out.split_at(2 * CODES * 24);
        assert!(fits.iter().any(|&value| value > 0.0) && wider.iter().all(|&value| value == 0.0));
    }
}
