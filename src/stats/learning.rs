//! How accuracy grows with the number of training images, and what more of them would give. Fits on nested subsets of
//! the training images are judged on the same reported images; a power law goes through their mean errors.
//!
//! Three things make a forecast uncertain. Which images were reported: the exact bounds of the share that all training
//! images get right. Which images there were to train on: the variance between draws of one size, which falls as one over
//! the size, since to first order what a training set does is the mean of what its images do (Hoeffding 1948). And the
//! law: it is fitted again to reported images and draws that are drawn again together (Efron 1979). Distances from the
//! forecast are added at right angles, as in [`super::compare`].

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::latency::quantile;
use super::power_law::{Fitting, PowerLaw};
use super::share::{Share, Step, Weights};

/// Of a law with three numbers fewer sizes say nothing.
pub const FEWEST_SIZES: usize = 5;
/// Laws that are fitted to images and draws that are drawn again.
const REPLICATES: usize = 600;
const SEED: u64 = 0x6c65_6172;
/// How many times as far as the quantiles of these laws a forecast may be from what its law gives: laws of few sizes scatter less
/// than they are off, the more so the slower errors fall. Chosen by `cargo bench --bench coverage`, where with 1 a band held
/// the truth in as few as 85 of 100 draws.
const WIDER: f64 = 1.75;
/// As far as the number of images that a target needs is looked for, in times of the largest size.
pub const FARTHEST: f64 = 16.0;
/// Steps of that search, equal ratios apart.
const STEPS: usize = 240;

/// Fits on so many training images.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    pub images: usize,
    /// A row a draw: 1 for each reported image that it gets right, 0 for the others.
    pub right: Vec<Vec<i8>>,
}

/// What was measured with so many images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub images: usize,
    /// Mean over the draws, smallest and largest.
    pub accuracy: f64,
    pub low: f64,
    pub high: f64,
}

/// An arm's learning curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// By rising size; the last is of all training images.
    pub points: Vec<Point>,
    pub law: PowerLaw,
    replicates: Vec<PowerLaw>,
    /// Of the largest size's accuracy: which reported images there are.
    images: Share,
    /// Squared standard error of which training images there are.
    training: f64,
}

/// An accuracy with so many images, and how far that carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    pub accuracy: f64,
    pub low: f64,
    pub high: f64,
}

/// How many training images something takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needed {
    /// `None` where the curve does not get there within [`FARTHEST`] times as many as there are.
    pub images: Option<f64>,
    /// With fewer it is not reached, with more it is, each at one side of the level; `None` as above.
    pub from: Option<f64>,
    pub to: Option<f64>,
}

impl Curve {
    /// Of sizes in ascending order, all on the same reported images; `None` with fewer than [`FEWEST_SIZES`], or where
    /// nothing was judged.
    pub fn of(sizes: &[Size], weights: &Weights) -> Option<Curve> {
        let drawn = sizes.iter().all(|size| !size.right.is_empty());
        if sizes.len() < FEWEST_SIZES || weights.images() == 0 || !drawn {
            return None;
        }
        let points: Vec<Point> = sizes.iter().map(|size| Point::of(size, weights)).collect();
        let images: Vec<f64> = sizes.iter().map(|size| size.images as f64).collect();
        let fitting = Fitting::at(&images);
        let law = fitting.fit(&points.iter().map(|point| 1.0 - point.accuracy).collect::<Vec<_>>());
        let again = Again::new(sizes, weights);
        let replicates = (0..REPLICATES).map(|number| fitting.fit(&again.errors(number as u64))).collect();
        let largest = sizes.last()?;
        let all = super::share::over_seeds(&largest.right, |right| right);
        let images = Share::of(&all, weights, largest.right.len());
        Some(Curve { training: training(&points, sizes, weights), points, law, replicates, images })
    }

    pub fn largest(&self) -> f64 {
        self.law.largest
    }

    /// The accuracy that so many images are expected to give; a level of 0.95 for 95 %.
    pub fn at(&self, images: f64, level: f64) -> Forecast {
        let tail = 0.5 * (1.0 - level);
        let accuracy = 1.0 - self.law.error(images);
        let (below, above) = self.images.reach(tail, Step(0.0));
        let (less, more) = self.gain_reach(images, tail);
        let again: Vec<f64> = self.replicates.iter().map(|law| 1.0 - law.error(images)).collect();
        let (down, up) = reach(&again, accuracy, tail);
        // what is drawn again in one go may go further than its two parts at a right angle
        let sum = |of_images: f64, of_law: f64, both: f64| {
            ((of_images.powi(2) + of_law.powi(2)).max(both.powi(2)) + self.of_training(tail)).sqrt()
        };
        let (low, high) = (accuracy - sum(below, less, down), accuracy + sum(above, more, up));
        Forecast { accuracy, low: low.max(0.0), high: high.min(1.0) }
    }

    /// What so many images, more than the largest size, are expected to give more than it.
    pub fn gain(&self, images: f64, level: f64) -> Forecast {
        let (found, tail) = (gain(&self.law, images), 0.5 * (1.0 - level));
        let (less, more) = self.gain_reach(images, tail);
        // a gain is a part of the errors, and how many errors there are the few that were seen may not tell
        let (most, error) = (1.0 - self.largest() / images, self.law.error(self.largest()));
        let part = if error > 0.0 { found / error } else { 0.0 };
        let (below, above) = self.images.reach(tail, Step(0.0));
        let (fewer, further) = (part * above, part.max(0.5 * most) * below);
        Forecast { accuracy: found, low: (found - less.hypot(fewer)).max(0.0), high: found + more.hypot(further) }
    }

    /// How far what so many images give more may be from what the law says.
    fn gain_reach(&self, images: f64, tail: f64) -> (f64, f64) {
        let again: Vec<f64> = self.replicates.iter().map(|law| gain(law, images)).collect();
        let (less, more) = reach(&again, gain(&self.law, images), tail);
        (WIDER * less, WIDER * more)
    }

    /// Squared distance.
    fn of_training(&self, tail: f64) -> f64 {
        upper_normal(tail).powi(2) * self.training
    }

    /// The accuracy of ever more images, by the law and its replicates: (expected, low, high).
    pub fn ceiling(&self, level: f64) -> Forecast {
        self.at(f64::INFINITY, level)
    }

    /// How many images reach a true accuracy of so much.
    pub fn needed(&self, accuracy: f64, level: f64) -> Needed {
        Needed::of(self.largest(), |images| {
            let Forecast { accuracy: expected, low, high } = self.at(images, level);
            [high >= accuracy, expected >= accuracy, low >= accuracy]
        })
    }

    /// How many images bring this arm to where another one stands with its largest size. Both were judged on the same
    /// images, and fitted on the same subsets.
    pub fn meets(&self, other: &Curve, level: f64) -> Needed {
        let tail = 0.5 * (1.0 - level);
        let there = other.law.error(other.largest());
        let of_training = self.of_training(tail) + other.of_training(tail);
        Needed::of(self.largest(), |images| {
            let apart = there - self.law.error(images);
            let pairs = self.replicates.iter().zip(&other.replicates);
            let again: Vec<f64> = pairs.map(|(a, b)| b.error(b.largest) - a.error(images)).collect();
            let (below, above) = reach(&again, apart, tail);
            let sum = |reach: f64| ((WIDER * reach).powi(2) + of_training).sqrt();
            [apart + sum(above) >= 0.0, apart >= 0.0, apart - sum(below) >= 0.0]
        })
    }
}

/// Accuracy with so many images less that with the largest size.
fn gain(law: &PowerLaw, images: f64) -> f64 {
    law.error(law.largest) - law.error(images)
}

/// Distances from what was found down and up to the quantiles of what was found again.
fn reach(again: &[f64], found: f64, tail: f64) -> (f64, f64) {
    let at = |p: f64| quantile(again, p).unwrap_or(found);
    ((found - at(tail)).max(0.0), (at(1.0 - tail) - found).max(0.0))
}

fn upper_normal(tail: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::INFINITY, |normal| -normal.inverse_cdf(tail))
}

impl Needed {
    /// `reached` says of a number of images whether its high, its expected and its low accuracy are enough.
    fn of(largest: f64, reached: impl Fn(f64) -> [bool; 3]) -> Needed {
        // from a fraction on: it may have been reached with fewer
        let at = |step: usize| largest / FARTHEST * (FARTHEST * FARTHEST).powf(step as f64 / STEPS as f64);
        let mut found = [None; 3];
        for step in 0..=STEPS {
            for (found, reached) in found.iter_mut().zip(reached(at(step))) {
                *found = found.or(reached.then(|| at(step)));
            }
        }
        Needed { from: found[0], images: found[1], to: found[2] }
    }
}

impl Point {
    fn of(size: &Size, weights: &Weights) -> Point {
        let accuracies = size.right.iter().map(|right| mean(right, weights));
        let (low, high) = accuracies.clone().fold((1.0_f64, 0.0_f64), |(low, high), a| (low.min(a), high.max(a)));
        Point { images: size.images, accuracy: accuracies.sum::<f64>() / size.right.len() as f64, low, high }
    }
}

fn mean(right: &[i8], weights: &Weights) -> f64 {
    right.iter().enumerate().map(|(image, &right)| f64::from(right) * weights.of_image(image)).sum()
}

/// Variance that the choice of all training images brings: draws of m out of n images differ by c (1/m - 1/n), and n
/// images of another collection would differ by c / n.
fn training(points: &[Point], sizes: &[Size], weights: &Weights) -> f64 {
    let all = points.last().map_or(1, |point| point.images) as f64;
    let of_size = |(point, size): (&Point, &Size)| {
        let (draws, images) = (size.right.len() as f64, size.images as f64);
        let squares = size.right.iter().map(|right| (mean(right, weights) - point.accuracy).powi(2)).sum::<f64>();
        (draws > 1.0 && images < all).then(|| squares / (draws - 1.0) / (1.0 / images - 1.0 / all) / all)
    };
    let found: Vec<f64> = points.iter().zip(sizes).filter_map(of_size).collect();
    found.iter().sum::<f64>() / found.len().max(1) as f64
}

/// Reported images and draws, drawn again.
struct Again<'a> {
    sizes: &'a [Size],
    /// Images of each class, and what one of them counts.
    classes: Vec<(Vec<usize>, f32)>,
    images: usize,
}

impl<'a> Again<'a> {
    fn new(sizes: &'a [Size], weights: &Weights) -> Again<'a> {
        Again { sizes, classes: weights.by_class(), images: weights.images() }
    }

    /// Errors of every size; the same number draws the same images and draws for every arm.
    fn errors(&self, number: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ number);
        let mut counts = vec![0.0_f32; self.images];
        for (images, weight) in &self.classes {
            images.iter().for_each(|_| counts[images[below(&mut rng, images.len())]] += weight);
        }
        let draws = self.sizes.iter().map(|size| size.right.len()).max().unwrap_or(0);
        let drawn: Vec<usize> = (0..draws).map(|_| below(&mut rng, draws)).collect();
        let error = |size: &Size| {
            let again = drawn.iter().filter_map(|&draw| size.right.get(draw));
            let again: Vec<&Vec<i8>> =
                if size.right.len() < draws { size.right.iter().collect() } else { again.collect() };
            let sum: f64 = again.iter().map(|right| 1.0 - dot(right, &counts)).sum();
            (sum / again.len() as f64).max(0.0)
        };
        self.sizes.iter().map(error).collect()
    }
}

/// A whole number below `most`.
fn below(rng: &mut ChaCha8Rng, most: usize) -> usize {
    ((u64::from(rng.next_u32()) * most as u64) >> 32) as usize
}

/// Sums side by side, so that the loop is vectorised.
fn dot(right: &[i8], counts: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    let (lanes, others) = (right.chunks_exact(16), counts.chunks_exact(16));
    let rest: f32 = lanes.remainder().iter().zip(others.remainder()).map(|(&r, c)| f32::from(r) * c).sum();
    for (right, counts) in lanes.zip(others) {
        sums.iter_mut().zip(right.iter().zip(counts)).for_each(|(sum, (&r, c))| *sum += f32::from(r) * c);
    }
    f64::from(sums.iter().sum::<f32>() + rest)
}
