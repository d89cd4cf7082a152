//! What every method works with, and how it goes through many images: chunk by chunk, in parallel, each chunk cached
//! by the content of its images.

use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dataset::ImageFile;
use crate::deep::backbone::Backbone;
use crate::deep::session::Device;
use crate::image::{self, Canvas, decode};
use crate::stage::cache::{Cache, Key};
use crate::stage::parallel;
use crate::stage::progress::Progress;

use super::Version;

/// Images that one task describes and one cache entry holds.
pub const CHUNK: usize = 32;

/// A backbone, or why there is none and how to get it.
pub type FoundBackbone = std::result::Result<Arc<Backbone>, String>;

/// What every method works with.
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

/// How pictures come to be what methods see, as cache keys hold it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frame {
    opencv: String,
    version: u32,
    canvas: Option<Canvas>,
}

impl Resources<'_> {
    /// Everything that a picture depends on but its file.
    pub fn frame(&self) -> Frame {
        Frame { opencv: decode::version(), version: image::VERSION, canvas: self.canvas }
    }
}

/// Content hashes of images, as cache keys hold them.
pub fn hashes(images: &[Arc<ImageFile>]) -> Vec<&str> {
    images.iter().map(|image| image.sha256.as_str()).collect()
}

/// One result a chunk of images, in their order, computed in parallel where the cache does not have it. `ingredients`
/// are what the results depend on beside the images and their frame.
pub(super) fn chunked<W, T: Serialize + DeserializeOwned + Send>(
    resources: &Resources,
    stage: Version,
    ingredients: &(impl Serialize + Sync),
    images: &[Arc<ImageFile>],
    make: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, &[Arc<ImageFile>]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    chunked_into(resources, stage, ingredients, images, make, work, |_, result| result)
}

/// The same where not everything of a result is to stay in memory: `keep` takes what is wanted of each chunk, by the
/// chunk's number.
pub(super) fn chunked_into<W, T: Serialize + DeserializeOwned, K: Send>(
    resources: &Resources,
    (stage, version): Version,
    ingredients: &(impl Serialize + Sync),
    images: &[Arc<ImageFile>],
    make: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, &[Arc<ImageFile>]) -> Result<T> + Sync,
    keep: impl Fn(usize, T) -> K + Sync,
) -> Result<Vec<K>> {
    let chunks: Vec<&[Arc<ImageFile>]> = images.chunks(CHUNK).collect();
    let bar = resources.progress.bar(stage, images.len());
    let one = |worker: &mut Option<W>, i: usize| {
        let key = Key::new(stage, version, &(ingredients, resources.frame(), hashes(chunks[i])))?;
        let result = resources.cache.get_or(&key, || {
            if worker.is_none() {
                *worker = Some(make()?);
            }
            work(worker.as_mut().expect("made above"), chunks[i])
        })?;
        bar.inc(chunks[i].len());
        Ok(keep(i, result))
    };
    parallel::in_chunks(chunks.len(), resources.threads, || Ok(None), one)
}

/// Chunks of rows under each other; `dimension` columns even where there are no rows.
pub(super) fn stack(chunks: &[Array2<f32>], dimension: usize) -> Result<Array2<f32>> {
    if chunks.is_empty() {
        return Ok(Array2::zeros((0, dimension)));
    }
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
    concatenate(Axis(0), &views).context("vectors of different lengths")
}
