//! Width, height and file size: a floor that looks at no pixel, only at what a file's frame gives away.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::image::header;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::fitted::{Features, Lessons, Vectors, Worker};
use super::{Choice, Cost, Encoded, Kind, Needs, Resources, Version};

/// Raised when the numbers of the same file may come out differently.
const VERSION: u32 = 1;

/// Natural logarithms of width, height and file size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {}

fn row(image: &ImageFile) -> [f32; 3] {
    [f64::from(image.width).ln() as f32, f64::from(image.height).ln() as f32, (image.bytes as f64).ln() as f32]
}

impl Kind for Metadata {
    fn versions(&self) -> Vec<Version> {
        vec![("metadata", VERSION)]
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

impl Features for Metadata {
    fn dimension(&self) -> usize {
        3
    }

    fn identity(&self) -> String {
        format!("metadata {VERSION}")
    }

    fn vectors(&self, _: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let rows: Vec<[f32; 3]> = images.iter().map(|image| row(image)).collect();
        Ok(Vectors { x: rows.into(), without_keypoints: None })
    }

    fn worker(&self, _: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(*self))
    }
}

impl Worker for Metadata {
    /// Reads the header only: that is all a user of this "feature" would have to do.
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let row = |encoded: &Encoded| {
            let header = header(&encoded.bytes)?;
            Ok(row(&ImageFile { width: header.width, height: header.height, ..encoded.image.clone() }))
        };
        let rows = images.iter().map(row).collect::<Result<Vec<_>>>()?;
        watch.lap(Stage::Describe);
        Ok(rows.into())
    }

    fn decode_ahead(&self, _: &mut Encoded) -> Result<bool> {
        Ok(false)
    }
}
