//! How often each colour occurs (Swain and Ballard 1991): a joint histogram of hue, saturation and value, as shares,
//! with the square root that makes Euclidean distance the Hellinger distance. Where things are plays no part.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Rgb;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColourHistogram {
    /// Bins of hue, saturation and value; each triple is a candidate.
    bins: Vec<[usize; 3]>,
}

/// One candidate.
#[derive(Debug, Clone, Copy, Serialize)]
struct Histogram {
    bins: [usize; 3],
}

/// Bins of one axis.
const MOST: usize = 64;

impl Kind for ColourHistogram {
    fn check(&self) -> Result<(), String> {
        if self.bins.is_empty() {
            return Err("bins needs at least one candidate, such as [8, 4, 4]".into());
        }
        match self.bins.iter().flatten().find(|count| !(1..=MOST).contains(*count)) {
            Some(count) => Err(format!("{count} in bins must be from 1 to {MOST}")),
            None => Ok(()),
        }
    }

    fn versions(&self) -> Vec<Version> {
        vec![Histogram::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        let lengths = self.bins.iter().map(|bins| Histogram { bins: *bins }.length());
        Cost { milliseconds: 2.0, bytes: 4.0 * lengths.sum::<usize>() as f64, bytes_a_pixel: 6.0 }
    }

    fn candidates(&self) -> Vec<Choice> {
        Choice::all(self.bins.iter().map(|[hue, saturation, value]| format!("bins={hue}x{saturation}x{value}")))
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        Ok(Box::new(Histogram { bins: self.bins[choice.place] }))
    }
}

impl Whole for Histogram {
    const STAGE: Version = ("colour-histogram", 1);
    const TIME: Stage = Stage::Describe;

    fn length(&self) -> usize {
        self.bins.iter().product()
    }

    fn describe(&self, picture: &Rgb, out: &mut [f32]) {
        let [_, saturations, values] = self.bins;
        for pixel in picture.data.as_chunks::<3>().0 {
            let places = hsv(*pixel);
            let bin = |axis: usize| ((places[axis] * self.bins[axis] as f32) as usize).min(self.bins[axis] - 1);
            out[(bin(0) * saturations + bin(1)) * values + bin(2)] += 1.0;
        }
        let pixels = (picture.data.len() / 3).max(1) as f32;
        out.iter_mut().for_each(|count| *count = (*count / pixels).sqrt());
    }
}

/// Hue, saturation and value (Smith 1978), each from 0 to 1; a grey pixel has hue 0.
fn hsv([r, g, b]: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = [r, g, b].map(|value| f32::from(value) / 255.0);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = most - least;
    if chroma == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixths = if most == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if most == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    [sixths / 6.0, chroma / most, most]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Python's `colorsys.rgb_to_hsv`.
    #[test]
    fn hues_are_those_of_the_reference() {
        let expected = [
            ([255, 0, 0], [0.0, 1.0, 1.0]),
            ([0, 255, 0], [1.0 / 3.0, 1.0, 1.0]),
            ([0, 0, 255], [2.0 / 3.0, 1.0, 1.0]),
            ([200, 100, 50], [0.055_555_556, 0.75, 0.784_313_7]),
            ([10, 20, 15], [0.416_666_67, 0.5, 0.078_431_375]),
            ([90, 10, 200], [0.736_842_1, 0.95, 0.784_313_7]),
            ([77, 77, 77], [0.0, 0.0, 0.301_960_8]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
        ];
        for (pixel, expected) in expected {
            assert!(hsv(pixel).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{pixel:?}: {:?}", hsv(pixel));
        }
    }

    #[test]
    fn shares_of_two_colours_under_a_square_root() {
        let picture = Rgb { width: 4, height: 1, data: [[255, 0, 0], [255, 0, 0], [255, 0, 0], [0, 0, 255]].concat() };
        let mut out = [0.0; 12];
        Histogram { bins: [3, 2, 2] }.describe(&picture, &mut out);
        assert_eq!((out[3], out[11]), (0.75f32.sqrt(), 0.5));
        assert_eq!(out.iter().filter(|share| **share > 0.0).count(), 2);
    }
}
