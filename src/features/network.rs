//! A frozen network's features: decoded, resized and normalised as for torchvision. On the CPU each worker has a
//! session of its own; a GPU has one, which all workers feed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Error, Result};
use ndarray::Array2;
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::deep::activation::Activation;
use crate::deep::backbone::{Backbone, BackboneError};
use crate::deep::extract::{BATCH, Extractor, VERSION};
use crate::deep::precision::Precision;
use crate::deep::quantise::{IMAGES, in_int8};
use crate::deep::session::{Device, Runtime};
use crate::image::Canvas;
use crate::image::preparation::Preparation;
use crate::random::generator;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::evidence::{Evidence, Explainer, Map, Spot};
use super::fitted::{Features, Lessons, Vectors, Worker};
use super::picture::{picture, read};
use super::resources::{chunked, stack};
use super::{Choice, Cost, Encoded, Kind, Missing, Needs, Resources, Version};

/// The features of a pretrained network, which `--backbone` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {}

/// The stages of every method that runs a network on pictures.
pub(super) const VERSIONS: [Version; 1] = [("infer", VERSION)];

impl Kind for Frozen {
    fn versions(&self) -> Vec<Version> {
        VERSIONS.to_vec()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, network: true, training: None }
    }

    fn cost(&self, input: u32) -> Cost {
        cost(input)
    }

    fn fit(&self, _: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>> {
        let network = Network::new(resources)?;
        if network.backbone.precision != Precision::Int8 {
            return Ok(Box::new(network));
        }
        let seen = drawn(lessons.train.images(), resources.seed);
        let mut watch = Stopwatch::start();
        let mut numbers = vec![0.0; seen.len() * 3 * (resources.input as usize).pow(2)];
        let each = numbers.len() / seen.len().max(1);
        for (encoded, out) in read(&seen)?.iter().zip(numbers.chunks_exact_mut(each.max(1))) {
            let picture = picture(encoded, resources.canvas, &mut watch)?;
            network.backbone.preparation.feed(&picture, resources.input, out);
        }
        Ok(Box::new(Network::of(Arc::new(in_int8(&network.backbone, resources.input as usize, &numbers)?))?))
    }
}

/// Of a look at one image; `input` is the side of the network's input in pixels.
pub(super) fn cost(input: u32) -> Cost {
    Cost { milliseconds: 37.0 * (f64::from(input) / 224.0).powi(2), bytes: 2048.0, bytes_a_pixel: 6.0 }
}

/// Training images that tell how large a network's values become.
fn drawn(train: &[Arc<ImageFile>], seed: u64) -> Vec<Arc<ImageFile>> {
    let mut places = sample(&mut generator(seed, "calibration"), train.len(), IMAGES.min(train.len())).into_vec();
    places.sort_unstable();
    places.into_iter().map(|place| train[place].clone()).collect()
}

impl Frozen {
    /// The features of a network that somebody opened.
    ///
    /// # Errors
    /// No library that runs it.
    pub fn of(backbone: Backbone) -> Result<Box<dyn Features>> {
        Ok(Box::new(Network::of(Arc::new(backbone))?))
    }
}

pub struct Network {
    backbone: Arc<Backbone>,
    runtime: String,
    /// The GPU's sessions, by their batch.
    on_gpu: Mutex<BTreeMap<usize, Arc<Mutex<Extractor>>>>,
}

impl Network {
    pub fn new(resources: &Resources) -> Result<Network> {
        let found = resources.backbone.context("an arm with a network needs a backbone")?;
        Network::of(found.clone().map_err(Missing)?)
    }

    /// The features of this network.
    pub fn of(backbone: Arc<Backbone>) -> Result<Network> {
        let runtime = Runtime::get().map_err(|error| Missing(error.to_string()))?.version();
        Ok(Network { backbone, runtime, on_gpu: Mutex::default() })
    }

    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    /// Another worker's session for this batch, or a new one.
    fn extractor(&self, device: Device, side: u32, batch: usize) -> Result<Arc<Mutex<Extractor>>> {
        let open = || Ok(Arc::new(Mutex::new(Extractor::new(&self.backbone, device, side as usize, batch)?)));
        if device != Device::Cuda {
            return open();
        }
        let mut sessions = self.on_gpu.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = sessions.get(&batch) {
            return Ok(known.clone());
        }
        let new = open()?;
        sessions.insert(batch, new.clone());
        Ok(new)
    }
}

impl Features for Network {
    fn dimension(&self) -> usize {
        self.backbone.dimension
    }

    fn identity(&self) -> String {
        format!("{} {} {VERSION}", self.backbone.identity, self.runtime)
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let ingredients = (self.identity(), resources.input, resources.device.identity());
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
        let input = resources.input;
        Ok(Box::new(NetworkWorker {
            extractor: self.extractor(resources.device, input, batch)?,
            preparation: self.backbone.preparation,
            input,
            canvas: resources.canvas,
            batch,
            tensors: vec![0.0; batch * 3 * (input * input) as usize],
        }))
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn explainer(&self, resources: &Resources) -> Result<Box<dyn Explainer>> {
        Ok(Box::new(ActivationMap {
            activation: Activation::open(&self.backbone, resources.input as usize)?,
            preparation: self.backbone.preparation,
            input: resources.input,
            canvas: resources.canvas,
        }))
    }

    fn network(&self) -> Option<&Backbone> {
        Some(&self.backbone)
    }
}

/// The error with the image that it tells of.
fn of_image(error: BackboneError, batch: &[Encoded]) -> Error {
    let image = if let BackboneError::NotFinite { image, .. } = error { batch.get(image) } else { None };
    match image {
        Some(encoded) => Error::from(error).context(encoded.image.place()),
        None => error.into(),
    }
}

struct NetworkWorker {
    extractor: Arc<Mutex<Extractor>>,
    preparation: Preparation,
    input: u32,
    canvas: Option<Canvas>,
    batch: usize,
    /// batch x 3 x input x input
    tensors: Vec<f32>,
}

impl Worker for NetworkWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let size = 3 * (self.input * self.input) as usize;
        let mut rows = Vec::new();
        for batch in images.chunks(self.batch) {
            for (encoded, out) in batch.iter().zip(self.tensors.chunks_exact_mut(size)) {
                let picture = picture(encoded, self.canvas, watch)?;
                self.preparation.feed(&picture, self.input, out);
                watch.lap(Stage::Resize);
            }
            let mut extractor = self.extractor.lock().unwrap_or_else(|e| e.into_inner());
            let features = extractor.features(&self.tensors[..batch.len() * size]);
            rows.extend(features.map_err(|error| of_image(error, batch))?);
            watch.lap(Stage::Infer);
        }
        Ok(Array2::from_shape_vec((images.len(), rows.len() / images.len().max(1)), rows)?)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        image.decode_rgb_ahead()
    }

    fn network_alone(&mut self, images: usize) -> Option<Result<()>> {
        let mut extractor = self.extractor.lock().unwrap_or_else(|e| e.into_inner());
        let inputs = &self.tensors[..images * extractor.image_len()];
        Some(extractor.features(inputs).map(drop).map_err(Into::into))
    }
}

/// What each cell of the last map adds.
struct ActivationMap {
    activation: Activation,
    preparation: Preparation,
    input: u32,
    canvas: Option<Canvas>,
}

impl Explainer for ActivationMap {
    fn evidence(&mut self, image: &Encoded, weights: &[f64]) -> Result<Vec<Evidence>> {
        let picture = picture(image, self.canvas, &mut Stopwatch::start())?;
        let mut numbers = vec![0.0; 3 * (self.input * self.input) as usize];
        self.preparation.feed(&picture, self.input, &mut numbers);
        let map = self.activation.of(&numbers)?;
        let (rows, columns) = (map.shape[1], map.shape[2]);
        let cells = rows * columns;
        let mut shares = vec![0.0; cells];
        for (channel, weight) in map.data.chunks_exact(cells).zip(weights) {
            shares.iter_mut().zip(channel).for_each(|(share, &v)| *share += f64::from(v) * weight / cells as f64);
        }
        // the centre that the network is shown, in pixels of the picture
        let [width, height] = self.preparation.shown(&picture, self.input);
        let (left, top) = ((picture.width as f32 - width) / 2.0, (picture.height as f32 - height) / 2.0);
        let (wide, high) = (width / columns as f32, height / rows as f32);
        let spot = |i: usize| {
            let (row, column) = ((i / columns) as f32 + 0.5, (i % columns) as f32 + 0.5);
            // as far as the middles of its neighbours, so that between them the map goes straight from one to the other
            Spot { x: left + column * wide, y: top + row * high, size: 2.0 * wide.max(high) }
        };
        let value = shares.iter().sum();
        let shares = shares.into_iter().enumerate().map(|(i, share)| (spot(i), share)).collect();
        Ok(vec![Evidence { name: String::new(), value, map: Some(Map { shares, exact: true }) }])
    }
}
