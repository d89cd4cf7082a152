//! Fitted features, which give the vectors of any image, and what a fit learns from.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use serde::Serialize;

use crate::classify::Classifier;
use crate::dataset::{ImageFile, Split, Train, Val};
use crate::deep::backbone::Backbone;
use crate::finetune::trainer::Log;
use crate::stage::stopwatch::Stopwatch;

use super::evidence::{Evidence, Explainer};
use super::picture::Encoded;
use super::resources::Resources;

/// The vectors of some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// n x d
    pub x: Array2<f32>,
    /// Images without a single keypoint; `None` where keypoints are not used.
    pub without_keypoints: Option<usize>,
}

/// Fitted features: the same function of an image whatever else is asked for.
pub trait Features: Send + Sync {
    /// Length of a vector.
    fn dimension(&self) -> usize;
    /// Hash of everything that the vectors depend on, besides the images and their frame.
    fn identity(&self) -> String;
    /// Vectors of the images, in their order, from the cache where they are known. Callers ask for as many as they
    /// want in memory at once.
    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors>;
    /// Somebody who computes vectors, never from the cache: for timing. `batch` is the number of images at a time.
    fn worker(&self, resources: &Resources, batch: usize) -> Result<Box<dyn Worker>>;
    /// Somebody who tells where in a picture the evidence lies; of features of the whole picture only how much it is.
    ///
    /// # Errors
    /// Those of [`worker`](Features::worker), and a network whose features have no place.
    fn explainer(&self, resources: &Resources) -> Result<Box<dyn Explainer>> {
        Ok(Box::new(WholePicture(self.worker(resources, 1)?)))
    }
    /// Dot products of the vectors of all images (n x n), the first `train` of which it was fitted on; `None` where they
    /// are had no sooner than by multiplying the vectors.
    fn products(
        &self,
        _resources: &Resources,
        _train: usize,
        _images: &[Arc<ImageFile>],
    ) -> Result<Option<Array2<f32>>> {
        Ok(None)
    }
    /// Images at a time that suit it best when many are to be done.
    fn batch(&self) -> usize {
        1
    }
    /// What was learned, for [`Kind::restore`](super::Kind::restore); `None` where it can't be taken elsewhere that way.
    fn state(&self) -> Option<Vec<u8>> {
        None
    }
    /// The network that it is made by, trained where that was asked for.
    fn network(&self) -> Option<&Backbone> {
        None
    }
    /// How its network was trained, where it was.
    fn training(&self) -> Option<&Training> {
        None
    }
}

/// Everything that the vectors of fitted features depend on but their images, for keys of the cache.
pub fn of_vectors(features: &dyn Features, resources: &Resources) -> impl Serialize + use<> {
    (features.identity(), resources.frame(), resources.device.identity(), resources.input)
}

/// One thread's own detector or session.
pub trait Worker: Send {
    /// One row an image, from its encoded bytes. `watch` learns where the time went.
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>>;

    /// Decodes the pixels that it works on, so that [`vectors`](Worker::vectors) finds them decoded; `false` where it
    /// works on none.
    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool>;

    /// Runs the network once more on the first `images` inputs that the last call of [`vectors`](Worker::vectors)
    /// prepared, and does nothing else; `None` where there is no network.
    fn network_alone(&mut self, _images: usize) -> Option<Result<()>> {
        None
    }
}

/// Features of the whole picture, whose numbers have no place: one number.
struct WholePicture(Box<dyn Worker>);

impl Explainer for WholePicture {
    fn evidence(&mut self, image: &Encoded, weights: &[f64]) -> Result<Vec<Evidence>> {
        let vector = self.0.vectors(std::slice::from_ref(image), &mut Stopwatch::start())?;
        let value = vector.iter().zip(weights).map(|(&v, w)| f64::from(v) * w).sum();
        Ok(vec![Evidence { name: String::new(), value, map: None }])
    }
}

/// What features are fitted on.
pub struct Lessons<'a> {
    pub train: &'a Split<Train>,
    /// Judged after every epoch of a training; `None` where it is part of `train`.
    pub val: Option<&'a Split<Val>>,
    /// The reported images without their labels, for a training that watches them.
    pub reported: &'a [Arc<ImageFile>],
    pub classes: usize,
}

/// A training that is over.
pub struct Training {
    /// The network's own head, as a classifier of its features.
    pub classifier: Classifier,
    pub log: Log,
    /// The epoch whose weights are used, from 0.
    pub epoch: usize,
    /// All steps together, whenever they were taken.
    pub seconds: f64,
    /// Its learning rate as `lr=VALUE`, with what speaks against it, where that was left to range tests.
    pub found: Option<String>,
    /// How many nodes of its steps whose kernels compute.
    pub shares: String,
}
