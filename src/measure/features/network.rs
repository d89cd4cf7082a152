//! A frozen network's features: decoded, resized and normalised as for torchvision, one session a worker.

use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::Array2;

use crate::dataset::ImageFile;
use crate::deep::backbone::Backbone;
use crate::deep::extract::{BATCH, Extractor, VERSION};
use crate::deep::session::{Device, Runtime};
use crate::image::{Canvas, decode, resize, tensor};

use super::{Encoded, Features, Missing, Resources, Stage, Stopwatch, Vectors, Worker};
use super::{chunked, picture, read, rgb_ahead, stack};

pub struct Network {
    backbone: Arc<Backbone>,
    runtime: String,
}

/// Shorter side before the centre crop: 256 for 224, and in that proportion otherwise (torchvision's evaluation).
fn resize_side(input: u32) -> u32 {
    input * 256 / 224
}

impl Network {
    pub fn new(resources: &Resources) -> Result<Network> {
        let found = resources.backbone.context("an arm with a network needs a backbone")?;
        let backbone = found.clone().map_err(Missing)?;
        let runtime = Runtime::get().map_err(|error| Missing(error.to_string()))?.version();
        Ok(Network { backbone, runtime })
    }
}

impl Features for Network {
    fn dimension(&self) -> usize {
        self.backbone.dimension
    }

    fn identity(&self) -> String {
        format!("{} {} {VERSION}", self.backbone.sha256, self.runtime)
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let ingredients = (self.identity(), resources.input, resources.device.name(), decode::version());
        let chunks = chunked(
            resources,
            ("infer", VERSION),
            &ingredients,
            images,
            || self.worker(resources, BATCH),
            |worker, images| worker.vectors(&read(images)?, &mut Stopwatch::start()),
        )?;
        Ok(Vectors { x: stack(&chunks, self.dimension())?, without_keypoints: None })
    }

    fn worker(&self, resources: &Resources, batch: usize) -> Result<Box<dyn Worker>> {
        let (input, canvas) = (resources.input, resources.canvas);
        Ok(Box::new(NetworkWorker::new(&self.backbone, resources.device, input, canvas, batch)?))
    }

    fn batch(&self) -> usize {
        BATCH
    }
}

struct NetworkWorker {
    extractor: Extractor,
    normalisation: tensor::Normalisation,
    input: u32,
    canvas: Option<Canvas>,
    batch: usize,
    /// batch x 3 x input x input
    tensors: Vec<f32>,
}

impl NetworkWorker {
    fn new(backbone: &Backbone, device: Device, input: u32, canvas: Option<Canvas>, batch: usize) -> Result<Self> {
        let extractor = Extractor::new(backbone, device, input as usize, batch)?;
        let tensors = vec![0.0; batch * 3 * (input * input) as usize];
        Ok(Self { extractor, normalisation: backbone.normalisation, input, canvas, batch, tensors })
    }
}

impl Worker for NetworkWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let size = 3 * (self.input * self.input) as usize;
        let mut rows = Vec::new();
        for batch in images.chunks(self.batch) {
            for (encoded, out) in batch.iter().zip(self.tensors.chunks_exact_mut(size)) {
                let picture = picture(encoded, self.canvas, watch)?;
                let crop = resize::resize_and_crop(&picture, resize_side(self.input), self.input);
                tensor::write_tensor(&crop, &self.normalisation, out);
                watch.lap(Stage::Resize);
            }
            rows.extend(self.extractor.features(&self.tensors[..batch.len() * size])?);
            watch.lap(Stage::Infer);
        }
        Ok(Array2::from_shape_vec((images.len(), rows.len() / images.len().max(1)), rows)?)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        rgb_ahead(image)
    }

    fn network_alone(&mut self, images: usize) -> Option<Result<()>> {
        let inputs = &self.tensors[..images * self.extractor.image_len()];
        Some(self.extractor.features(inputs).map(drop).map_err(Into::into))
    }
}
