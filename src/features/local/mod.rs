//! Methods made of local descriptors: describe (cached by image, where that pays), reduce, learn a codebook on train
//! (cached by everything below it), encode (cached by codebook and image). With words that are counted it is a bag of
//! visual words.

pub mod codebook;
pub mod descriptor;
pub mod encoding;
mod evidence;
pub mod reduce;
mod sample;

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::dataset::ImageFile;
use crate::image::Canvas;
use crate::random;
use crate::stage::cache::Key;
use crate::stage::progress::Progress;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::evidence::Explainer;
use super::fitted::{Features, Lessons, Vectors, Worker};
use super::half::{self, Kept};
use super::picture::{read, room, seen};
use super::resources::{chunked, chunked_into, hashes, stack};
use super::{Choice, Cost, Encoded, Kind, Needs, Resources, Version};

use codebook::{Codebook, CodebookSettings};
use descriptor::{Describe, DescriptorSettings, Descriptors, Layout};
use encoding::{Cells, Encoding, Space};
use reduce::{Pca, Reduce};

/// The `[features]` table of this kind; codebooks, their sizes and spaces are candidates that val chooses from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// Training descriptors that the codebook is learned from, drawn at random.
    sample: usize,
    #[serde(default, skip_serializing_if = "is_words")]
    encoding: Encoding,
    descriptor: DescriptorSettings,
    /// Principal components in the place of descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reduce: Option<Reduce>,
    codebook: Vec<CodebookSettings>,
    /// Where things are; without any, the picture is looked at as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    space: Vec<Space>,
}

fn is_words(encoding: &Encoding) -> bool {
    *encoding == Encoding::Words
}

/// What was learned from train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Learned {
    pca: Option<Pca>,
    codebook: Codebook,
}

/// A candidate.
struct Candidate<'a> {
    codebook: &'a CodebookSettings,
    size: usize,
    space: Space,
}

/// Everything that makes a vector of a picture.
#[derive(Debug, Clone)]
struct Local {
    descriptor: DescriptorSettings,
    learned: Learned,
    encoding: Encoding,
    space: Space,
    identity: String,
}

impl Kind for LocalSettings {
    fn check(&self) -> Result<(), String> {
        self.descriptor.method().check()?;
        if self.sample == 0 {
            return Err("sample must be at least 1".into());
        }
        if self.reduce.as_ref().is_some_and(|reduce| reduce.pca == 0) {
            return Err("pca of reduce must be at least 1".into());
        }
        if self.codebook.iter().all(|codebook| codebook.method().sizes().is_empty()) {
            return Err("codebook needs at least one candidate: [[features.codebook]] with kind and words".into());
        }
        for codebook in &self.codebook {
            let method = codebook.method();
            method.takes(self.layout())?;
            if !self.encoding.takes(codebook) {
                return Err(format!(
                    "encoding = \"{}\" does not go with a codebook of kind = \"{}\"",
                    self.encoding.stage().0,
                    method.version().0
                ));
            }
            if method.sizes().contains(&0) {
                return Err("words must be at least 1".into());
            }
        }
        for space in &self.space {
            space.check()?;
            if space.xy > 0.0 && matches!(self.layout(), Layout::Bits(_)) {
                return Err("xy of a space is appended to numbers: bits need reduce, or cells in its place".into());
            }
        }
        Ok(())
    }

    fn versions(&self) -> Vec<Version> {
        let codebooks = self.codebook.iter().map(|codebook| codebook.method().version());
        let reduce = self.reduce.iter().map(|_| reduce::STAGE);
        let below = [self.descriptor.method().version()].into_iter().chain(reduce);
        below.chain(codebooks).chain([self.encoding.stage()]).collect()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        let numbers = self.all().map(|candidate| {
            let d = self.layout().floats() + if candidate.space.xy > 0.0 { 2 } else { 0 };
            let of_word = match self.encoding {
                Encoding::Words => 1,
                Encoding::Vlad => d,
                Encoding::Fisher => 1 + 2 * d,
            };
            candidate.size * of_word * candidate.space.count()
        });
        let vectors: usize = numbers.map(half::bytes).sum();
        let described = self.descriptor.method().cost();
        Cost { bytes: described.bytes + vectors as f64, ..described }
    }

    fn candidates(&self) -> Vec<Choice> {
        let name = |candidate: Candidate| {
            let space = if self.space.is_empty() { String::new() } else { format!(" {}", candidate.space.describe()) };
            format!("vocabulary={} words={}{space}", candidate.codebook.method().version().0, candidate.size)
        };
        Choice::all(self.all().map(name))
    }

    fn fit(&self, choice: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>> {
        let candidate = self.all().nth(choice.place).expect("a choice is one of the candidates");
        let train = lessons.train.images();
        let (method, size, xy) = (candidate.codebook.method(), candidate.size, candidate.space.xy);
        let (name, version) = method.version();
        let reduce = (&self.reduce, self.reduce.as_ref().map(|_| reduce::STAGE.1), xy);
        let below = (&self.descriptor, self.descriptor.method().version(), resources.frame(), hashes(train), reduce);
        let key = Key::new("vocabulary", version, &(below, name, size, self.sample, resources.seed))?;
        let learned = resources.cache.get_or(&key, || {
            let mut rng = random::generator(resources.seed, "vocabulary");
            let sample = self.draw(resources, train, &mut rng)?;
            let _spinner = resources.progress.spinner(&format!("codebook of {size} words"));
            let pca = self.reduce.as_ref().map(|reduce| Pca::learn(&sample.descriptors, reduce));
            let reduced = reduced(&sample.descriptors, pca.as_ref(), xy, || Cow::Borrowed(&sample.shares));
            Ok(Learned { pca, codebook: method.learn(&reduced, size, &mut rng) })
        })?;
        let space = candidate.space;
        let identity = blake3::hash(format!("{} {:?} {space:?}", key.hash(), self.encoding.stage()).as_bytes());
        let (descriptor, encoding, identity) = (self.descriptor.clone(), self.encoding, identity.to_hex().to_string());
        Ok(Box::new(Local { descriptor, learned, encoding, space, identity }))
    }

    fn restore(&self, choice: &Choice, state: &[u8]) -> Result<Box<dyn Features>> {
        let candidate = self.all().nth(choice.place).context("there is no such candidate")?;
        let learned: Learned = postcard::from_bytes(state)?;
        let (descriptor, encoding, space) = (self.descriptor.clone(), self.encoding, candidate.space);
        ensure!(encoding.with(&learned.codebook).is_some(), "its codebook is not that of its settings");
        let identity = blake3::hash(state).to_hex().to_string();
        Ok(Box::new(Local { descriptor, learned, encoding, space, identity }))
    }
}

impl LocalSettings {
    /// What codebooks learn from.
    fn layout(&self) -> Layout {
        let layout = self.descriptor.method().layout();
        self.reduce.as_ref().map_or(layout, |reduce| Pca::layout(reduce, layout))
    }

    /// Every codebook with each of its numbers of words, in every space.
    fn all(&self) -> impl Iterator<Item = Candidate<'_>> {
        let spaces = if self.space.is_empty() { vec![Space::default()] } else { self.space.clone() };
        self.codebook.iter().flat_map(move |codebook| {
            let spaces = spaces.clone();
            let in_spaces =
                move |&size| spaces.clone().into_iter().map(move |space| Candidate { codebook, size, space });
            codebook.method().sizes().iter().flat_map(in_spaces)
        })
    }
}

impl DescriptorSettings {
    fn open(&self, canvas: Option<Canvas>) -> Result<Box<dyn Describe>> {
        Ok(self.method().open(canvas.map(|canvas| canvas.side))?)
    }

    /// The descriptors of one image, never from the cache.
    fn describe(
        &self,
        detector: &mut dyn Describe,
        encoded: &Encoded,
        canvas: Option<Canvas>,
        watch: &mut Stopwatch,
    ) -> Result<Descriptors> {
        let picture = seen(encoded, self.method().in_colour(), canvas, watch)?;
        let _taken = room(encoded, picture.size(), self.method().cost().bytes_a_pixel)?;
        let described = detector.describe(&picture).with_context(|| encoded.image.place())?;
        watch.lap(Stage::Describe);
        Ok(described)
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
                let mut describe =
                    |encoded: &Encoded| self.describe(&mut **detector, encoded, resources.canvas, &mut watch);
                read(images)?.iter().map(&mut describe).collect::<Result<Vec<Descriptors>>>()
            },
            keep,
        )
    }
}

/// What codebooks see of descriptors: their components, and behind them where they lie if `xy` is not 0.
fn reduced<'a>(
    described: &'a Descriptors,
    pca: Option<&Pca>,
    xy: f32,
    shares: impl FnOnce() -> Cow<'a, [[f32; 2]]>,
) -> Cow<'a, Descriptors> {
    let reduced = pca.map_or(Cow::Borrowed(described), |pca| Cow::Owned(pca.apply(described)));
    if xy > 0.0 { Cow::Owned(reduced.with_places(&shares(), xy)) } else { reduced }
}

/// Width and height of what descriptors were made on.
fn size(image: &ImageFile, canvas: Option<Canvas>) -> (u32, u32) {
    canvas.map_or((image.width, image.height), |canvas| (canvas.side, canvas.side))
}

impl Local {
    /// The descriptors of a picture of this size as the codebook sees them.
    fn reduced<'a>(&self, described: &'a Descriptors, size: (u32, u32)) -> Cow<'a, Descriptors> {
        let shares = || Cow::Owned(sample::shares(described, size));
        reduced(described, self.learned.pca.as_ref(), self.space.xy, shares)
    }

    /// The vector of a picture of this size.
    fn encode(&self, described: &Descriptors, size: (u32, u32)) -> Vec<f32> {
        let reduced = self.reduced(described, size);
        let encoder = self.encoding.with(&self.learned.codebook).expect("checked when the arm was read");
        let (cells, length) = (Cells::of(&self.space), encoder.length());
        let pieces: Vec<usize> = described.places().iter().map(|place| cells.piece(place, size)).collect();
        let mut counts = vec![0; cells.pieces()];
        pieces.iter().for_each(|&piece| counts[piece] += 1);
        let mut sums = vec![0.0; cells.pieces() * length];
        if length > 0 {
            encoder.add(&reduced, &pieces, &mut sums);
        }
        let mut vector = vec![0.0; self.space.count() * length];
        for ((pieces_of_cell, factor), cell) in cells.cells().zip(vector.chunks_exact_mut(length.max(1))) {
            for piece in pieces_of_cell {
                cell.iter_mut().zip(&sums[piece * length..]).for_each(|(sum, of_piece)| *sum += of_piece);
            }
            let count = pieces_of_cell.iter().map(|&piece| counts[piece]).sum();
            if count > 0 {
                encoder.finish(count, cell);
                cell.iter_mut().for_each(|v| *v *= factor);
            }
        }
        half::round(&mut vector);
        vector
    }

    /// The descriptors of images: from the cache where that keeps them.
    fn described(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vec<Descriptors>> {
        let alone = Resources { threads: 1, progress: &Progress::Hidden, ..*resources };
        Ok(self.descriptor.describe_into(&alone, images, |_, described| described)?.concat())
    }
}

impl Features for Local {
    fn dimension(&self) -> usize {
        self.encoding.with(&self.learned.codebook).map_or(0, |encoder| encoder.length()) * self.space.count()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let kept = self.descriptor.method().kept();
        let chunks = chunked(
            resources,
            self.encoding.stage(),
            &self.identity,
            images,
            || if kept { Ok(None) } else { self.descriptor.open(resources.canvas).map(Some) },
            |detector, images| {
                let mut x = Array2::zeros((images.len(), self.dimension()));
                let mut empty = 0;
                let mut note = |i: usize, described: &Descriptors| {
                    empty += usize::from(described.is_empty());
                    let vector = self.encode(described, size(&images[i], resources.canvas));
                    x.row_mut(i).iter_mut().zip(vector).for_each(|(out, value)| *out = value);
                };
                match detector {
                    None => {
                        let described = self.described(resources, images)?;
                        described.iter().enumerate().for_each(|(i, described)| note(i, described));
                    }
                    Some(detector) => {
                        let mut watch = Stopwatch::start();
                        for (i, encoded) in read(images)?.iter().enumerate() {
                            let described =
                                self.descriptor.describe(&mut **detector, encoded, resources.canvas, &mut watch)?;
                            note(i, &described);
                        }
                    }
                }
                Ok((Kept::of(x), empty))
            },
        )?;
        let (rows, empty): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
        let rows: Vec<Array2<f32>> = rows.into_iter().map(Kept::rows).collect::<Result<_>>()?;
        Ok(Vectors { x: stack(&rows, self.dimension())?, without_keypoints: Some(empty.iter().sum()) })
    }

    fn explainer(&self, resources: &Resources) -> Result<Box<dyn Explainer>> {
        Ok(Box::new(evidence::LocalExplainer::new(self, resources)?))
    }

    fn state(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(&self.learned).ok()
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        let detector = self.descriptor.open(resources.canvas)?;
        Ok(Box::new(LocalWorker { detector, local: self.clone(), canvas: resources.canvas }))
    }
}

struct LocalWorker {
    detector: Box<dyn Describe>,
    local: Local,
    canvas: Option<Canvas>,
}

impl Worker for LocalWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((images.len(), self.local.dimension()));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let described = self.local.descriptor.describe(&mut *self.detector, encoded, self.canvas, watch)?;
            let vector = self.local.encode(&described, size(encoded.image, self.canvas));
            row.iter_mut().zip(vector).for_each(|(out, value)| *out = value);
            watch.lap(Stage::Encode);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        if self.local.descriptor.method().in_colour() {
            image.decode_rgb_ahead()
        } else {
            image.decode_grey_ahead(self.canvas)
        }
    }
}
