//! The picture reduced to a few pixels: a floor of colours and coarse layout, without any idea of features.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::image::Canvas;
use crate::image::resize::resize;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::fitted::{Features, Lessons, Vectors, Worker};
use super::picture::{picture, read};
use super::resources::{chunked, stack};
use super::{Choice, Cost, Encoded, Kind, Needs, Resources, Version};

/// Raised when the thumbnail of the same picture may come out differently.
const VERSION: u32 = 1;

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
        vec![("thumbnail", VERSION)]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 1.5, bytes: 4.0 * self.dimension() as f64, bytes_a_pixel: 6.0 }
    }

    fn fit(&self, _: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        Ok(Box::new(*self))
    }
}

impl Features for Thumbnail {
    fn dimension(&self) -> usize {
        (3 * self.side * self.side) as usize
    }

    fn identity(&self) -> String {
        format!("thumbnail {} {VERSION}", self.side)
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let chunks = chunked(
            resources,
            ("thumbnail", VERSION),
            &self.side,
            images,
            || self.worker(resources, 1),
            |worker, images| worker.vectors(&read(images)?, &mut Stopwatch::start()),
        )?;
        Ok(Vectors { x: stack(&chunks, self.dimension())?, without_keypoints: None })
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(ThumbnailWorker { thumbnail: *self, canvas: resources.canvas }))
    }
}

struct ThumbnailWorker {
    thumbnail: Thumbnail,
    canvas: Option<Canvas>,
}

impl Worker for ThumbnailWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let side = self.thumbnail.side;
        let mut x = Array2::zeros((images.len(), self.thumbnail.dimension()));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let small = resize(&*picture(encoded, self.canvas, watch)?, side, side);
            row.iter_mut().zip(small.data).for_each(|(value, byte)| *value = f32::from(byte));
            watch.lap(Stage::Resize);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        image.decode_rgb_ahead()
    }
}
