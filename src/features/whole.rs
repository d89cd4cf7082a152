//! Methods that learn nothing: a vector is a function of one picture. What they have in common stands here, so that such
//! a method is its settings and that function.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use serde::Serialize;

use crate::dataset::ImageFile;
use crate::image::Canvas;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::Version;
use super::fitted::{Features, Vectors, Worker};
use super::picture::{Encoded, Picture, read, seen};
use super::resources::{Resources, chunked, stack};

/// A function of the whole picture; the value itself is the settings, all of which the vector depends on.
pub(super) trait Whole: Clone + Serialize + Send + Sync + 'static {
    /// Name and version, which is raised when the vector of the same picture may come out differently.
    const STAGE: Version;
    /// What its time is counted as.
    const TIME: Stage;
    /// Does it look at colours? If not, pictures come in grey.
    const IN_COLOUR: bool;

    /// Length of the vector.
    fn length(&self) -> usize;

    /// Pixels that the longer side of a picture has at most when it is described.
    fn longer(&self) -> Option<u32> {
        None
    }

    /// Writes the vector of a picture; `out` is zero.
    fn describe(&self, picture: &Picture, out: &mut [f32]);
}

impl<W: Whole> Features for W {
    fn dimension(&self) -> usize {
        self.length()
    }

    fn identity(&self) -> String {
        let settings = serde_json::to_string(self).expect("settings are plain values");
        format!("{} {} {settings}", W::STAGE.0, W::STAGE.1)
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let chunks = chunked(
            resources,
            W::STAGE,
            self,
            images,
            || self.worker(resources, 1),
            |worker, images| worker.vectors(&read(images)?, &mut Stopwatch::start()),
        )?;
        Ok(Vectors { x: stack(&chunks, self.length())?, without_keypoints: None })
    }

    /// Nothing is learned.
    fn state(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(WholeWorker { method: self.clone(), canvas: resources.canvas }))
    }
}

struct WholeWorker<W> {
    method: W,
    canvas: Option<Canvas>,
}

impl<W: Whole> Worker for WholeWorker<W> {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((images.len(), self.method.length()));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let picture = seen(encoded, W::IN_COLOUR, self.canvas, watch)?;
            let picture = picture.capped(self.method.longer());
            if self.method.longer().is_some() {
                watch.lap(Stage::Resize);
            }
            self.method.describe(&picture, row.as_slice_mut().expect("rows of a matrix that was just made"));
            watch.lap(W::TIME);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        if W::IN_COLOUR { image.decode_rgb_ahead() } else { image.decode_grey_ahead(self.canvas) }
    }
}
