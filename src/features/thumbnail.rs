//! The picture reduced to a few pixels: a floor of colours and coarse layout, without any idea of features.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::resize::resize;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::picture::Picture;
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// All pixels of the picture reduced to `side` x `side`, 0 to 255, aspect ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thumbnail {
    pub side: u32,
}

impl Kind for Thumbnail {
    fn check(&self) -> Result<(), String> {
        match self.side {
            1..=256 => Ok(()),
            side => Err(format!("side = {side} must be from 1 to 256 pixels")),
        }
    }

    fn versions(&self) -> Vec<Version> {
        vec![Self::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 1.5, bytes: 4.0 * self.length() as f64, bytes_a_pixel: 6.0 }
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, _: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(*self))
    }
}

impl Whole for Thumbnail {
    const STAGE: Version = ("thumbnail", 1);
    const TIME: Stage = Stage::Resize;
    const IN_COLOUR: bool = true;

    fn length(&self) -> usize {
        (3 * self.side * self.side) as usize
    }

    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let small = resize(&picture.colour(), self.side, self.side);
        out.iter_mut().zip(small.data).for_each(|(value, byte)| *value = f32::from(byte));
    }
}
