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
