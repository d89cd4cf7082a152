//! From images to vectors, for every arm alike: candidates that val chooses from, a fit on training images, and
//! [`Features`] that give the vectors of any image, cached by content.

mod bovw;
mod finetuned;
mod floors;
mod learning_rate;
mod network;

pub use learning_rate::{Found, Swept, Tried, range_test, try_out};

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arm::FeatureSettings;
use crate::classify::Classifier;
use crate::dataset::{ImageFile, Split, Train, Val};
use crate::deep::backbone::Backbone;
use crate::deep::session::Device;
use crate::finetune::trainer::Log;
use crate::handcrafted::vocabulary::Method;
use crate::image::{Canvas, Grey, Rgb, decode_grey, decode_rgb};

use super::cache::{Cache, Key};
use super::parallel;
use super::plan::FoundBackbone;
use super::progress::Progress;
use super::stopwatch::{Stage, Stopwatch};

/// Images that one task describes and one cache entry holds.
const CHUNK: usize = 32;

/// What every stage works with.
pub struct Resources<'a> {
    pub cache: &'a Cache,
    pub threads: usize,
    pub canvas: Option<Canvas>,
    pub progress: &'a Progress,
    pub device: Device,
    /// Side of a network's input in pixels.
    pub input: u32,
    /// The network of the arms that use one, or why it is not there.
    pub backbone: Option<&'a FoundBackbone>,
    pub seed: u64,
}

/// Something that an arm needs is not on this machine; the text says how to get it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// One way to make features; an arm with several lets val choose.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureCandidate {
    /// There is only one.
    Only,
    Bovw {
        method: Method,
        words: usize,
    },
}

/// The vectors of some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// n x d
    pub x: Array2<f32>,
    /// Images without a single keypoint; `None` where keypoints are not used.
    pub without_keypoints: Option<usize>,
}

/// An image file's bytes, read once, and what is known of it.
pub struct Encoded<'a> {
    pub image: &'a ImageFile,
    pub bytes: Vec<u8>,
    /// Pixels that were decoded ahead, where decoding is not to be timed.
    ahead: Option<Pixels>,
}

enum Pixels {
    Rgb(Rgb),
    Grey(Grey),
}

impl Encoded<'_> {
    fn rgb(&self) -> Result<Cow<'_, Rgb>> {
        match &self.ahead {
            Some(Pixels::Rgb(pixels)) => Ok(Cow::Borrowed(pixels)),
            _ => Ok(Cow::Owned(decode_rgb(&self.bytes).with_context(|| self.image.place())?)),
        }
    }

    fn grey(&self) -> Result<Cow<'_, Grey>> {
        match &self.ahead {
            Some(Pixels::Grey(pixels)) => Ok(Cow::Borrowed(pixels)),
            _ => Ok(Cow::Owned(decode_grey(&self.bytes).with_context(|| self.image.place())?)),
        }
    }
}

/// Fitted features: the same function of an image whatever else is asked for.
pub trait Features: Send + Sync {
    /// Length of a vector.
    fn dimension(&self) -> usize;
    /// Hash of everything that the vectors depend on, besides the images.
    fn identity(&self) -> String;
    /// Vectors of the images, in their order, from the cache where they are known.
    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors>;
    /// Somebody who computes vectors, never from the cache: for timing. `batch` is the number of images at a time.
    fn worker(&self, resources: &Resources, batch: usize) -> Result<Box<dyn Worker>>;
    /// Images at a time that suit it best when many are to be done.
    fn batch(&self) -> usize {
        1
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

/// What a network is trained with.
pub struct Lessons<'a> {
    pub train: &'a Split<Train>,
    /// Judged after every epoch; `None` where it is part of `train`.
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
    /// Its learning rate, where that was left to range tests.
    pub found: Option<Found>,
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

/// The candidates of an arm, in the order in which they are preferred at equal accuracy.
pub fn candidates(settings: &FeatureSettings) -> Vec<FeatureCandidate> {
    let FeatureSettings::Bovw(bovw) = settings else { return vec![FeatureCandidate::Only] };
    let words = |&method| bovw.words.iter().map(move |&words| FeatureCandidate::Bovw { method, words });
    bovw.vocabulary.iter().flat_map(words).collect()
}

impl FeatureCandidate {
    /// The settings as `name=value`, joined by spaces; empty where there is nothing to choose.
    pub fn describe(&self) -> String {
        match self {
            FeatureCandidate::Only => String::new(),
            FeatureCandidate::Bovw { method, words } => format!("vocabulary={method} words={words}"),
        }
    }
}

/// Fits the features of an arm, also those of a network that is trained, which alone looks at labels.
pub fn fit_on(
    settings: &FeatureSettings,
    candidate: &FeatureCandidate,
    resources: &Resources,
    lessons: &Lessons,
) -> Result<Box<dyn Features>> {
    match settings {
        FeatureSettings::Finetuned(settings) => Ok(Box::new(finetuned::Finetuned::fit(settings, resources, lessons)?)),
        _ => fit(settings, candidate, resources, lessons.train.images()),
    }
}

/// Fits the features of an arm on training images, without labels.
pub fn fit(
    settings: &FeatureSettings,
    candidate: &FeatureCandidate,
    resources: &Resources,
    train: &[Arc<ImageFile>],
) -> Result<Box<dyn Features>> {
    Ok(match (settings, candidate) {
        (FeatureSettings::Bovw(settings), FeatureCandidate::Bovw { method, words }) => {
            Box::new(bovw::Bovw::fit(settings, *method, *words, resources, train)?)
        }
        (FeatureSettings::Thumbnail { side }, _) => Box::new(floors::Thumbnail { side: *side }),
        (FeatureSettings::Metadata, _) => Box::new(floors::Metadata),
        (FeatureSettings::Network, _) => Box::new(network::Network::new(resources)?),
        (FeatureSettings::Finetuned(_), _) => bail!("a network can't be trained without labels"),
        (FeatureSettings::None | FeatureSettings::Bovw(_), _) => Box::new(floors::Nothing),
    })
}

/// Content hashes of images, as cache keys hold them.
pub fn hashes(images: &[Arc<ImageFile>]) -> Vec<&str> {
    images.iter().map(|image| image.sha256.as_str()).collect()
}

/// Reads the files of a few images.
pub fn read<'a>(images: &'a [Arc<ImageFile>]) -> Result<Vec<Encoded<'a>>> {
    let read = |image: &'a Arc<ImageFile>| Ok(Encoded { image, bytes: image.read()?, ahead: None });
    images.iter().map(read).collect()
}

/// The picture that every arm sees: decoded, and on the canvas where one is asked for.
fn picture<'a>(encoded: &'a Encoded, canvas: Option<Canvas>, watch: &mut Stopwatch) -> Result<Cow<'a, Rgb>> {
    let picture = encoded.rgb()?;
    watch.lap(Stage::Decode);
    let Some(canvas) = canvas else { return Ok(picture) };
    let picture = canvas.apply(&picture);
    watch.lap(Stage::Resize);
    Ok(Cow::Owned(picture))
}

fn rgb_ahead(image: &mut Encoded) -> Result<bool> {
    image.ahead = Some(Pixels::Rgb(image.rgb()?.into_owned()));
    Ok(true)
}

fn grey_ahead(image: &mut Encoded) -> Result<bool> {
    image.ahead = Some(Pixels::Grey(image.grey()?.into_owned()));
    Ok(true)
}

/// One result a chunk of images, computed in parallel where the cache does not have it.
fn chunked<W, T: Serialize + DeserializeOwned + Send>(
    resources: &Resources,
    (stage, version): (&'static str, u32),
    ingredients: &(impl Serialize + Sync),
    images: &[Arc<ImageFile>],
    make: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, &[Arc<ImageFile>]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let chunks: Vec<&[Arc<ImageFile>]> = images.chunks(CHUNK).collect();
    let bar = resources.progress.bar(stage, images.len());
    let one = |worker: &mut Option<W>, i: usize| {
        let key = Key::new(stage, version, &(ingredients, resources.canvas_key(), hashes(chunks[i])))?;
        let result = resources.cache.get_or(&key, || {
            if worker.is_none() {
                *worker = Some(make()?);
            }
            work(worker.as_mut().expect("made above"), chunks[i])
        });
        bar.inc(chunks[i].len());
        result
    };
    parallel::in_chunks(chunks.len(), resources.threads, || Ok(None), one)
}

impl Resources<'_> {
    /// The canvas as cache keys hold it.
    pub fn canvas_key(&self) -> Option<(u32, u32)> {
        self.canvas.map(|canvas| (canvas.side, canvas.reduce))
    }
}

/// Chunks of rows under each other; `dimension` columns even where there are no rows.
fn stack(chunks: &[Array2<f32>], dimension: usize) -> Result<Array2<f32>> {
    if chunks.is_empty() {
        return Ok(Array2::zeros((0, dimension)));
    }
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
    concatenate(Axis(0), &views).context("vectors of different lengths")
}
