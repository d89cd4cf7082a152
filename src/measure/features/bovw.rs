//! Bag of visual words: describe (cached by image), learn a vocabulary on train (cached by everything below it),
//! count words (cached by vocabulary and image).

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::arm::{BovwSettings, DescriptorKind};
use crate::dataset::ImageFile;
use crate::handcrafted::descriptor::{self, Describe, Descriptors};
use crate::handcrafted::encoding::bovw::hellinger;
use crate::handcrafted::vocabulary::kmajority::{self, Bits};
use crate::handcrafted::vocabulary::{self, Method, kmeans};
use crate::image::{Canvas, Grey, canvas, decode};
use crate::measure::cache::Key;
use crate::measure::random;

use super::{Encoded, Features, Resources, Stage, Stopwatch, Vectors, Worker};
use super::{chunked, grey_ahead, hashes, picture, read, rgb_ahead, stack};

/// A fitted bag of words.
pub struct Bovw {
    detector: Detector,
    vocabulary: Arc<Vocabulary>,
    identity: String,
}

/// Which descriptors of which picture: what the describe stage depends on.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Detector {
    kind: DescriptorKind,
    max_keypoints: u32,
    canvas_side: Option<u32>,
}

/// Visual words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Vocabulary {
    /// k x d, on RootSIFT or on unpacked bits.
    Float(Array2<f32>),
    Binary(Vec<Bits>),
}

impl Detector {
    fn new(settings: &BovwSettings, canvas: Option<Canvas>) -> Detector {
        let canvas_side = canvas.map(|canvas| canvas.side);
        Detector { kind: settings.descriptor, max_keypoints: settings.max_keypoints, canvas_side }
    }

    fn open(&self) -> Result<Box<dyn Describe>> {
        Ok(match self.kind {
            DescriptorKind::RootSift => Box::new(descriptor::Sift::new(self.max_keypoints)?),
            DescriptorKind::Orb => Box::new(descriptor::Orb::new(self.max_keypoints, self.canvas_side)?),
        })
    }

    /// Descriptors of each image, from the cache where they are known.
    fn describe(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vec<Descriptors>> {
        let stage = ("describe", descriptor::VERSION);
        let chunks = chunked(
            resources,
            stage,
            &(self, decode::version()),
            images,
            || self.open(),
            |detector, images| {
                let mut watch = Stopwatch::start();
                let describe =
                    |encoded: &Encoded| Ok(detector.describe(&*grey(encoded, resources.canvas, &mut watch)?)?);
                read(images)?.iter().map(describe).collect::<Result<Vec<Descriptors>>>()
            },
        )?;
        Ok(chunks.into_iter().flatten().collect())
    }
}

/// A JPEG's own luminance natively; on a canvas, grey made from the canvas that every other arm sees.
fn grey<'a>(encoded: &'a Encoded, canvas: Option<Canvas>, watch: &mut Stopwatch) -> Result<Cow<'a, Grey>> {
    let (grey, stage) = match canvas {
        None => (encoded.grey()?, Stage::Decode),
        Some(_) => (Cow::Owned(canvas::grey(&*picture(encoded, canvas, watch)?)), Stage::Resize),
    };
    watch.lap(stage);
    Ok(grey)
}

impl Bovw {
    /// Learns `words` words from the descriptors of `train`, or finds them in the cache.
    pub fn fit(
        settings: &BovwSettings,
        method: Method,
        words: usize,
        resources: &Resources,
        train: &[Arc<ImageFile>],
    ) -> Result<Bovw> {
        let detector = Detector::new(settings, resources.canvas);
        let canvas = resources.canvas_key();
        let below = (&detector, decode::version(), descriptor::VERSION, canvas, hashes(train));
        let key =
            Key::new("vocabulary", vocabulary::VERSION, &(below, method, words, settings.sample, resources.seed))?;
        let vocabulary = resources.cache.get_or(&key, || {
            let described = detector.describe(resources, train)?;
            let bar = resources.progress.spinner(&format!("vocabulary of {words} words"));
            let learned = learn(&described, settings, method, words, resources.seed);
            drop(bar);
            Ok(learned)
        })?;
        Ok(Bovw { detector, vocabulary: Arc::new(vocabulary), identity: key.hash().to_owned() })
    }
}

fn learn(described: &[Descriptors], settings: &BovwSettings, method: Method, words: usize, seed: u64) -> Vocabulary {
    let mut rng = random::generator(seed, "vocabulary");
    let total: usize = described.iter().map(Descriptors::len).sum();
    let mut drawn = index::sample(&mut rng, total, settings.sample.min(total)).into_vec();
    drawn.sort_unstable();
    let drawn = locate(described, &drawn);
    match method {
        Method::KMeans => {
            let data = float_rows(described.first(), drawn.into_iter());
            Vocabulary::Float(kmeans::kmeans(data.view(), words, kmeans::DEFAULT_EFFORT, &mut rng))
        }
        Method::KMajority => {
            let rows: Vec<Bits> = drawn.into_iter().filter_map(|(image, i)| image.bits(i)).collect();
            Vocabulary::Binary(kmajority::kmajority(&rows, words, &mut rng))
        }
    }
}

/// Image and place within it of each drawn descriptor; `drawn` are ascending indices over all images.
fn locate<'a>(described: &'a [Descriptors], drawn: &[usize]) -> Vec<(&'a Descriptors, usize)> {
    let (mut located, mut start, mut rest) = (Vec::with_capacity(drawn.len()), 0, drawn);
    for image in described {
        let (here, after) = rest.split_at(rest.partition_point(|&i| i < start + image.len()));
        located.extend(here.iter().map(|i| (image, i - start)));
        (start, rest) = (start + image.len(), after);
    }
    located
}

/// Descriptors as the rows of a matrix; `like` tells their length.
fn float_rows<'a>(
    like: Option<&Descriptors>,
    rows: impl ExactSizeIterator<Item = (&'a Descriptors, usize)>,
) -> Array2<f32> {
    let (n, length) = (rows.len(), like.map_or(0, Descriptors::float_length));
    let mut data = Vec::with_capacity(n * length);
    rows.for_each(|(image, i)| image.extend_floats(i, &mut data));
    Array2::from_shape_vec((n, length), data).expect("descriptors of one kind have one length")
}

impl Vocabulary {
    fn words(&self) -> usize {
        match self {
            Vocabulary::Float(centres) => centres.nrows(),
            Vocabulary::Binary(words) => words.len(),
        }
    }

    fn encode(&self, image: &Descriptors) -> Vec<f32> {
        let all = (0..image.len()).map(|i| (image, i));
        let assigned: Vec<usize> = match self {
            _ if image.is_empty() || self.words() == 0 => Vec::new(),
            Vocabulary::Float(centres) => {
                let rows = float_rows(Some(image), all);
                kmeans::assign(rows.view(), centres.view()).into_iter().map(|(word, _)| word).collect()
            }
            Vocabulary::Binary(words) => {
                let rows: Vec<Bits> = all.filter_map(|(image, i)| image.bits(i)).collect();
                kmajority::assign(&rows, words)
            }
        };
        hellinger(assigned, self.words())
    }
}

impl Features for Bovw {
    fn dimension(&self) -> usize {
        self.vocabulary.words()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let chunks = chunked(
            resources,
            ("encode", vocabulary::VERSION),
            &self.identity,
            images,
            || Ok(()),
            |(), images| {
                let alone = Resources { threads: 1, progress: &super::Progress::Hidden, ..*resources };
                let described = self.detector.describe(&alone, images)?;
                let empty = described.iter().filter(|image| image.is_empty()).count();
                let rows: Vec<f32> = described.iter().flat_map(|image| self.vocabulary.encode(image)).collect();
                Ok((Array2::from_shape_vec((images.len(), self.dimension()), rows)?, empty))
            },
        )?;
        let (rows, empty): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
        Ok(Vectors { x: stack(&rows, self.dimension())?, without_keypoints: Some(empty.iter().sum()) })
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        let (detector, vocabulary) = (self.detector.open()?, self.vocabulary.clone());
        Ok(Box::new(BovwWorker { detector, vocabulary, canvas: resources.canvas }))
    }
}

struct BovwWorker {
    detector: Box<dyn Describe>,
    vocabulary: Arc<Vocabulary>,
    canvas: Option<Canvas>,
}

impl Worker for BovwWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((images.len(), self.vocabulary.words()));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let described = self.detector.describe(&*grey(encoded, self.canvas, watch)?)?;
            watch.lap(Stage::Describe);
            row.assign(&ndarray::ArrayView1::from(&self.vocabulary.encode(&described)));
            watch.lap(Stage::Encode);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        if self.canvas.is_some() { rgb_ahead(image) } else { grey_ahead(image) }
    }
}
