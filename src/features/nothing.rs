//! No features: vectors of length 0, for an arm that looks at nothing.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::fitted::{Features, Lessons, Vectors, Worker};
use super::{Choice, Cost, Encoded, Kind, Needs, Resources, Version};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Kind for Nothing {
    fn versions(&self) -> Vec<Version> {
        Vec::new()
    }

    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn cost(&self, _: u32) -> Cost {
        Cost::default()
    }

    fn fit(&self, _: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        Ok(Box::new(*self))
    }
}

impl Features for Nothing {
    fn dimension(&self) -> usize {
        0
    }

    fn identity(&self) -> String {
        "nothing".into()
    }

    fn vectors(&self, _: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        Ok(Vectors { x: Array2::zeros((images.len(), 0)), without_keypoints: None })
    }

    fn worker(&self, _: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(*self))
    }
}

impl Worker for Nothing {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        watch.lap(Stage::Describe);
        Ok(Array2::zeros((images.len(), 0)))
    }

    fn decode_ahead(&self, _: &mut Encoded) -> Result<bool> {
        Ok(false)
    }
}
