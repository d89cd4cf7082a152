//! Methods made of local descriptors: describe (cached by image), learn a codebook on train (cached by everything below
//! it), encode (cached by codebook and image). With words that are counted it is a bag of visual words.

pub mod codebook;
pub mod descriptor;
pub mod encoding;

use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::{Array2, ArrayView1};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::image::Canvas;
use crate::random;
use crate::stage::cache::Key;
use crate::stage::progress::Progress;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::fitted::{Features, Lessons, Vectors, Worker};
use super::picture::{read, room, seen};
use super::resources::{chunked, chunked_into, hashes, stack};
use super::{Choice, Cost, Encoded, Kind, Needs, Resources, Version};

use codebook::{Codebook, CodebookSettings, Words};
use descriptor::{Describe, DescriptorSettings, Descriptors};
use encoding::words::{self, hellinger};

/// The `[features]` table of this kind; codebooks and their sizes are candidates that val chooses from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// Training descriptors that the codebook is learned from, drawn at random.
    sample: usize,
    descriptor: DescriptorSettings,
    codebook: Vec<CodebookSettings>,
}

/// A codebook that was learned.
struct Local {
    descriptor: DescriptorSettings,
    codebook: Arc<Codebook>,
    identity: String,
}

impl Kind for LocalSettings {
    fn check(&self) -> Result<(), String> {
        self.descriptor.method().check()?;
        if self.sample == 0 {
            return Err("sample must be at least 1".into());
        }
        if self.codebook.iter().all(|codebook| codebook.method().sizes().is_empty()) {
            return Err("codebook needs at least one candidate: [[features.codebook]] with kind and words".into());
        }
        for codebook in &self.codebook {
            let method = codebook.method();
            method.takes(self.descriptor.method().layout())?;
            if method.sizes().contains(&0) {
                return Err("words must be at least 1".into());
            }
        }
        Ok(())
    }

    fn versions(&self) -> Vec<Version> {
        let codebooks = self.codebook.iter().map(|codebook| codebook.method().version());
        [self.descriptor.method().version()].into_iter().chain(codebooks).chain([words::STAGE]).collect()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        self.descriptor.method().cost()
    }

    fn candidates(&self) -> Vec<Choice> {
        let name = |(codebook, words): (&CodebookSettings, usize)| {
            format!("vocabulary={} words={words}", codebook.method().version().0)
        };
        Choice::all(self.codebooks().map(name))
    }

    fn fit(&self, choice: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>> {
        let train = lessons.train.images();
        let (settings, size) = self.codebooks().nth(choice.place).expect("a choice is one of the candidates");
        let (name, version) = settings.method().version();
        let below = (&self.descriptor, self.descriptor.method().version(), resources.frame(), hashes(train));
        let key = Key::new("codebook", version, &(below, name, size, self.sample, resources.seed))?;
        let codebook = resources.cache.get_or(&key, || {
            let mut rng = random::generator(resources.seed, "vocabulary");
            let sample = self.draw(resources, train, &mut rng)?;
            let _spinner = resources.progress.spinner(&format!("codebook of {size} words"));
            Ok(settings.method().learn(&sample, size, &mut rng))
        })?;
        let (descriptor, identity) = (self.descriptor.clone(), key.hash().to_owned());
        Ok(Box::new(Local { descriptor, codebook: Arc::new(codebook), identity }))
    }
}

impl LocalSettings {
    /// Every codebook with each of its numbers of words.
    fn codebooks(&self) -> impl Iterator<Item = (&CodebookSettings, usize)> {
        self.codebook.iter().flat_map(|codebook| codebook.method().sizes().iter().map(move |&size| (codebook, size)))
    }

    /// Descriptors of the images, drawn at random: two passes over what is cached, so that never all are in memory.
    fn draw(&self, resources: &Resources, images: &[Arc<ImageFile>], rng: &mut ChaCha8Rng) -> Result<Descriptors> {
        let lengths = |_, described: Vec<Descriptors>| described.iter().map(Descriptors::len).collect::<Vec<_>>();
        let lengths = self.descriptor.describe_into(resources, images, lengths)?;
        // where each chunk begins in the row of all descriptors
        let starts: Vec<usize> = std::iter::once(0)
            .chain(lengths.iter().map(|chunk| chunk.iter().sum()))
            .scan(0, |total, chunk: usize| {
                *total += chunk;
                Some(*total)
            })
            .collect();
        let total = starts[starts.len() - 1];
        let mut drawn = index::sample(rng, total, self.sample.min(total)).into_vec();
        drawn.sort_unstable();
        let chosen = |chunk: usize, described: Vec<Descriptors>| {
            let here = |start: usize| drawn.partition_point(|&i| i < start);
            let drawn = drawn[here(starts[chunk])..here(starts[chunk + 1])].iter().map(|i| i - starts[chunk]);
            select(self.descriptor.method().layout(), &described, drawn)
        };
        let chunks = self.descriptor.describe_into(resources, images, chosen)?;
        let all = Descriptors::none(self.descriptor.method().layout());
        Ok(chunks.iter().fold(all, |mut all, chunk| {
            (0..chunk.len()).for_each(|i| all.push(chunk, i));
            all
        }))
    }
}

/// The descriptors with these ascending numbers, counted over all images.
fn select(layout: descriptor::Layout, described: &[Descriptors], numbers: impl Iterator<Item = usize>) -> Descriptors {
    let mut chosen = Descriptors::none(layout);
    let (mut image, mut start) = (0, 0);
    for number in numbers {
        while number >= start + described[image].len() {
            start += described[image].len();
            image += 1;
        }
        chosen.push(&described[image], number - start);
    }
    chosen
}

impl DescriptorSettings {
    fn open(&self, canvas: Option<Canvas>) -> Result<Box<dyn Describe>> {
        Ok(self.method().open(canvas.map(|canvas| canvas.side))?)
    }

    /// What `keep` takes of the descriptors of each chunk of images, from the cache where they are known.
    fn describe_into<T: Send>(
        &self,
        resources: &Resources,
        images: &[Arc<ImageFile>],
        keep: impl Fn(usize, Vec<Descriptors>) -> T + Sync,
    ) -> Result<Vec<T>> {
        chunked_into(
            resources,
            ("describe", self.method().version().1),
            self,
            images,
            || self.open(resources.canvas),
            |detector, images| {
                let mut watch = Stopwatch::start();
                let bytes_a_pixel = self.method().cost().bytes_a_pixel;
                let describe = |encoded: &Encoded| {
                    let picture = seen(encoded, self.method().in_colour(), resources.canvas, &mut watch)?;
                    let _taken = room(encoded, picture.size(), bytes_a_pixel)?;
                    detector.describe(&picture).with_context(|| encoded.image.place())
                };
                read(images)?.iter().map(describe).collect::<Result<Vec<Descriptors>>>()
            },
            keep,
        )
    }
}

/// Counts of an image's words under a square root.
fn encode(codebook: &Codebook, image: &Descriptors) -> Vec<f32> {
    hellinger(codebook.assign(image), codebook.len())
}

impl Features for Local {
    fn dimension(&self) -> usize {
        self.codebook.len()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let chunks = chunked(
            resources,
            words::STAGE,
            &self.identity,
            images,
            || Ok(()),
            |(), images| {
                let alone = Resources { threads: 1, progress: &Progress::Hidden, ..*resources };
                let described = self.descriptor.describe_into(&alone, images, |_, described| described)?.concat();
                let empty = described.iter().filter(|image| image.is_empty()).count();
                let rows: Vec<f32> = described.iter().flat_map(|image| encode(&self.codebook, image)).collect();
                Ok((Array2::from_shape_vec((images.len(), self.dimension()), rows)?, empty))
            },
        )?;
        let (rows, empty): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
        Ok(Vectors { x: stack(&rows, self.dimension())?, without_keypoints: Some(empty.iter().sum()) })
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        let (detector, codebook) = (self.descriptor.open(resources.canvas)?, self.codebook.clone());
        let method = self.descriptor.method();
        let (in_colour, bytes_a_pixel) = (method.in_colour(), method.cost().bytes_a_pixel);
        Ok(Box::new(LocalWorker { detector, codebook, canvas: resources.canvas, in_colour, bytes_a_pixel }))
    }
}

struct LocalWorker {
    detector: Box<dyn Describe>,
    codebook: Arc<Codebook>,
    canvas: Option<Canvas>,
    in_colour: bool,
    /// Of memory at work.
    bytes_a_pixel: f64,
}

impl Worker for LocalWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((images.len(), self.codebook.len()));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let picture = seen(encoded, self.in_colour, self.canvas, watch)?;
            let _taken = room(encoded, picture.size(), self.bytes_a_pixel)?;
            let described = self.detector.describe(&picture).with_context(|| encoded.image.place())?;
            watch.lap(Stage::Describe);
            row.assign(&ArrayView1::from(&encode(&self.codebook, &described)));
            watch.lap(Stage::Encode);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        if self.in_colour { image.decode_rgb_ahead() } else { image.decode_grey_ahead(self.canvas) }
    }
}
