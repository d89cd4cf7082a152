//! RootSIFT on a dense grid in three opponent colours (van de Sande, Gevers and Snoek 2010): grey, (R - G) / sqrt 2 and
//! (R + G - 2 B) / sqrt 6, each brought to length 1 alone.

use serde::{Deserialize, Serialize};

use super::dense::{Grid, Plane, Seen, sift};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;

/// The numbers of a [`super::DenseSift`] for grey, and as many for each opponent colour: zeros where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpponentSift(pub Grid);

const LENGTH: usize = 3 * sift::LENGTH;

impl Descriptor for OpponentSift {
    fn check(&self) -> Result<(), String> {
        self.0.check()
    }

    fn version(&self) -> (&'static str, u32) {
        ("opponent-sift", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(LENGTH)
    }

    fn in_colour(&self) -> bool {
        true
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost { milliseconds: 13.0, bytes: 0.0, bytes_a_pixel: self.0.bytes_a_pixel(3, LENGTH) }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Opponent(self.0.clone())))
    }
}

struct Opponent(Grid);

impl Describe for Opponent {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let seen = opponents(Seen::colour(picture, self.0.longer, self.0.reduce));
        Ok(Descriptors::of_floats(LENGTH, sift::described(&seen, &self.0), self.0.places(&seen)))
    }
}

/// Red, green and blue as grey (BT.601) and the two opponent colours.
fn opponents(rgb: Seen) -> Seen {
    let [red, green, blue] = [0, 1, 2].map(|c| &rgb.planes[c]);
    let (width, height) = (rgb.width(), rgb.height());
    let mixed = |mix: fn(f32, f32, f32) -> f32| {
        let pixels = red.data.iter().zip(&green.data).zip(&blue.data);
        Plane { width, height, data: pixels.map(|((&r, &g), &b)| mix(r, g, b)).collect() }
    };
    let planes = vec![
        mixed(|r, g, b| 0.299 * r + 0.587 * g + 0.114 * b),
        mixed(|r, g, _| (r - g) * std::f32::consts::FRAC_1_SQRT_2),
        // differences, so that grey is exactly nothing
        mixed(|r, g, b| ((r - b) + (g - b)) / 6.0_f32.sqrt()),
    ];
    rgb.with(planes)
}

#[cfg(test)]
mod tests {
    use super::super::dense::naive;
    use super::*;

    #[test]
    fn descriptors_are_those_of_three_planes() {
        for picture in naive::pictures() {
            for smooth in [true, false] {
                let planes = [
                    naive::mixed(&picture, |r, g, b| 0.299 * r + 0.587 * g + 0.114 * b),
                    naive::mixed(&picture, |r, g, _| (r - g) / 2.0_f64.sqrt()),
                    naive::mixed(&picture, |r, g, b| (r + g - 2.0 * b) / 6.0_f64.sqrt()),
                ];
                let expected: Vec<Vec<f64>> = [3, 6]
                    .into_iter()
                    .flat_map(|size| {
                        let [grey, first, second] =
                            planes.each_ref().map(|plane| naive::root_sift(plane, size, 4, smooth));
                        let all = grey.into_iter().zip(first).zip(second);
                        all.map(|((grey, first), second)| [grey, first, second].concat())
                    })
                    .collect();
                let error = naive::distance(&OpponentSift(naive::grid(&[3, 6], 4, smooth)), &picture, &expected);
                assert!(error < 1e-3, "{smooth}: {error}");
            }
        }
    }

    #[test]
    fn every_picture_is_described() {
        naive::hold(&OpponentSift(naive::grid(&[2, 4], 3, true)), true);
        naive::hold(&OpponentSift(Grid { reduce: 2, ..naive::grid(&[2], 2, false) }), true);
    }

    #[test]
    fn a_grey_picture_has_no_opponent_colours() {
        let grey = crate::image::canvas::grey(&naive::noise(50, 40));
        let method = OpponentSift(Grid { longer: Some(33), ..naive::grid(&[2, 4], 3, true) });
        let found = method.open(None).unwrap().describe(&(&grey).into()).unwrap();
        assert!(!found.is_empty());
        for descriptor in found.floats().chunks_exact(LENGTH) {
            assert!(descriptor[..128].iter().any(|&value| value > 0.0));
            assert!(descriptor[128..].iter().all(|&value| value == 0.0));
        }
    }
}
