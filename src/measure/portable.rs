//! An arm without a network as one file: settings, what was learned, classifier and labels. `featbench classify` reads it.
//!
//! The file begins with [`MAGIC`], the format's version (4 bytes, little-endian) and the BLAKE3 hash of what follows: the
//! content in postcard's form. Its usual extension is `featbench`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::classify::Classifier;
use crate::dataset::{ImageFile, Source};
use crate::deep::exported::Scores;
use crate::deep::session::Device;
use crate::features::{Choice, Encoded, Features, Resources, Worker};
use crate::image::{Canvas, header};
use crate::protocol::arm::Arm;
use crate::stage::cache::Cache;
use crate::stage::parallel;
use crate::stage::progress::Progress;
use crate::stage::stopwatch::Stopwatch;

/// How a file begins.
pub const MAGIC: &[u8; 12] = b"featbench\r\n\x1a";
/// Raised whenever older programs could not read a file, or would read something else.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Content {
    /// The arm as TOML.
    arm: String,
    /// The candidate of its features that val chose.
    candidate: usize,
    state: Vec<u8>,
    classifier: Classifier,
    labels: Vec<String>,
    canvas: Option<Canvas>,
    scores: Scores,
    /// Where it comes from, in words.
    origin: String,
}

/// What a fitted arm is made of.
pub struct Parts<'a> {
    pub arm: &'a Arm,
    pub choice: &'a Choice,
    pub features: &'a dyn Features,
    pub classifier: &'a Classifier,
    pub labels: &'a [String],
    pub canvas: Option<Canvas>,
    pub scores: Scores,
    pub origin: String,
}

/// The bytes of the file.
///
/// # Errors
/// Features that can't be written, or an arm that TOML can't hold.
pub fn write(parts: Parts) -> Result<Vec<u8>> {
    let state = parts.features.state().with_context(|| {
        format!("--arm {}: its features are learned in a way that no file can hold", parts.arm.name)
    })?;
    let content = Content {
        arm: toml::to_string(parts.arm)?,
        candidate: parts.choice.place(),
        state,
        classifier: parts.classifier.clone(),
        labels: parts.labels.to_vec(),
        canvas: parts.canvas,
        scores: parts.scores,
        origin: parts.origin,
    };
    let body = postcard::to_stdvec(&content)?;
    Ok([MAGIC, &VERSION.to_le_bytes()[..], blake3::hash(&body).as_bytes(), &body].concat())
}

/// A file that was read, ready to classify.
pub struct Portable {
    pub features: Box<dyn Features>,
    pub classifier: Classifier,
    pub(super) canvas: Option<Canvas>,
    pub labels: Vec<String>,
    pub scores: Scores,
}

impl Portable {
    /// Is this such a file?
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// # Errors
    /// Another version, a file that is damaged or cut, or settings that this program does not know.
    pub fn read(bytes: &[u8]) -> Result<Portable> {
        let damaged = "the file is damaged or was cut: export the arm again";
        let rest = bytes.strip_prefix(MAGIC).context("no file of `featbench export`")?;
        let (version, rest) = rest.split_first_chunk::<4>().context(damaged)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            bail!("its format has version {version}, this program reads {VERSION}: export the arm again");
        }
        let (sum, body) = rest.split_first_chunk::<32>().context(damaged)?;
        ensure!(blake3::hash(body).as_bytes() == sum, damaged);
        let content: Content = postcard::from_bytes(body).context(damaged)?;
        let arm = Arm::parse(&content.arm, "the exported arm")?;
        let features = arm.features.kind().restore(&Choice::at(content.candidate), &content.state)?;
        let Content { classifier, canvas, labels, scores, .. } = content;
        Ok(Portable { features, classifier, canvas, labels, scores })
    }

    /// The scores of each image, one a class in the order of the labels, or why it has none; on all threads.
    ///
    /// # Errors
    /// A detector that can't be made on this machine.
    pub fn scores(&self, images: Vec<(PathBuf, Vec<u8>)>, threads: usize) -> Result<Vec<Result<Vec<f32>>>> {
        // nothing is cached: whoever classifies sees an image once
        let cache = Cache::open(PathBuf::new(), false);
        let resources = Resources {
            cache: &cache,
            threads: 1,
            canvas: self.canvas,
            progress: &Progress::Hidden,
            device: Device::PLAIN,
            input: 0,
            backbone: None,
            seed: 0,
        };
        let one = |worker: &mut Box<dyn Worker>, i: usize| {
            let (path, bytes) = &images[i];
            Ok(self.of_image(&mut **worker, path, bytes))
        };
        parallel::in_chunks(images.len(), threads, || self.features.worker(&resources, 1), one)
    }

    fn of_image(&self, worker: &mut dyn Worker, path: &Path, bytes: &[u8]) -> Result<Vec<f32>> {
        let image = image_of(path, bytes)?;
        let vectors = worker.vectors(&[Encoded::new(&image, bytes.to_vec())], &mut Stopwatch::start())?;
        Ok(self.classifier.scores(vectors.view()).into_iter().collect())
    }
}

/// An image that belongs to no data set.
///
/// # Errors
/// Bytes that are none.
pub fn image_of(path: &Path, bytes: &[u8]) -> Result<ImageFile> {
    let stated = header(bytes)?;
    Ok(ImageFile {
        id: path.display().to_string(),
        source: Source::File(path.to_path_buf()),
        sha256: String::new(),
        width: stated.width,
        height: stated.height,
        bytes: bytes.len() as u64,
    })
}
