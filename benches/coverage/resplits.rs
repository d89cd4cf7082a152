//! Drawn judgements of two classifiers on several splits of the same images, as `--repeats` measures them: images of
//! unequal difficulty, each of which also does something to whatever is fitted on it, so that splits that share training
//! images err alike.

use featbench::stats::outcome::{Outcome, Rule, Tests, outcomes};
use featbench::stats::resampled::{Resampled, corrected};
use statrs::distribution::{ContinuousCDF, Normal};

use super::draw::{Counts, Dice, ROUNDING, Scene, holds};

/// Of all images, how many a split reports; a fit is on the others, since what selects is learnt from as well.
const REPORTED: f64 = 0.2;

/// Two classifiers on so many splits of so many images; the variance of seeds in a scene is that of training sets here.
#[derive(Debug, Clone, Copy)]
pub struct Resplits {
    pub scene: Scene,
    pub images: usize,
    pub splits: usize,
    pub accuracy: f64,
    pub difference: f64,
    pub rule: Rule,
}

/// What an image is to a classifier.
#[derive(Clone, Copy, Default)]
struct Image {
    /// How easy it is, and the part of what it owes to training sets that it owes to them all.
    place: f32,
    /// What it does to a fit.
    lesson: f32,
}

impl Resplits {
    /// Draws so many times and counts.
    pub fn run(&self, draws: usize, seed: u64) -> Counts {
        let Ok(normal) = Normal::new(0.0, 1.0) else { return Counts::default() };
        let mut dice = Dice::new(seed, &normal);
        let truth = [self.accuracy, self.accuracy - self.difference];
        let mut counts = Counts { draws, ..Counts::default() };
        for _ in 0..draws {
            let accuracies = self.draw(&mut dice, truth.map(|share| normal.inverse_cdf(share)));
            counts.add_splits(self, &accuracies, truth);
        }
        counts
    }

    fn reported(&self) -> usize {
        (REPORTED * self.images as f64).round() as usize
    }

    /// Accuracies of both on every split.
    fn draw(&self, dice: &mut Dice, means: [f64; 2]) -> [Vec<f64>; 2] {
        let Scene { images, images_of_one, seeds, .. } = self.scene;
        let rest = 1.0 - images - images_of_one - seeds;
        let train = self.images - self.reported();
        // two training sets share so much of theirs
        let common = train as f64 / self.images as f64;
        let [images, images_of_one, of_all, of_one] =
            [images, images_of_one, rest * common, rest * (1.0 - common)].map(|variance| variance.sqrt() as f32);
        let lesson = (seeds * train as f64).sqrt() as f32;
        let mut pool = vec![[Image::default(); 2]; self.images];
        for image in &mut pool {
            let shared = images * dice.normal();
            for arm in image {
                arm.place = shared + images_of_one * dice.normal() + of_all * dice.normal();
                arm.lesson = lesson * dice.normal();
            }
        }
        let sums = [0, 1].map(|arm| pool.iter().map(|image| image[arm].lesson).sum::<f32>());
        let mut order: Vec<usize> = (0..self.images).collect();
        let mut accuracies = [Vec::new(), Vec::new()];
        for _ in 0..self.splits {
            dice.shuffle(&mut order, self.reported());
            let reported = &order[..self.reported()];
            for arm in 0..2 {
                let left_out: f32 = reported.iter().map(|&image| pool[image][arm].lesson).sum();
                let fit = means[arm] as f32 + (sums[arm] - left_out) / train as f32;
                let right =
                    reported.iter().filter(|&&image| fit + pool[image][arm].place + of_one * dice.normal() > 0.0);
                accuracies[arm].push(right.count() as f64 / reported.len() as f64);
            }
        }
        accuracies
    }
}

impl Counts {
    fn add_splits(&mut self, cell: &Resplits, accuracies: &[Vec<f64>; 2], truth: [f64; 2]) {
        let ratio = cell.reported() as f64 / (cell.images - cell.reported()) as f64;
        // where there is no interval nothing is said
        let covers =
            |found: &Resampled, truth: f64| found.bounds(cell.rule.level).is_none_or(|held| holds(held, truth));
        for arm in 0..2 {
            self.accuracy[arm] += usize::from(covers(&corrected(&accuracies[arm], ratio), truth[arm]));
        }
        let apart: Vec<f64> = accuracies[0].iter().zip(&accuracies[1]).map(|(a, b)| a - b).collect();
        let (found, difference) = (corrected(&apart, ratio), truth[0] - truth[1]);
        self.difference += usize::from(covers(&found, difference));
        self.width += found.bounds(cell.rule.level).map_or(0.0, |(low, high)| high - low);
        let tests = Tests { mean: found.mean, none: found.p_none(), apart: found.p_apart(cell.rule.margin) };
        let said = outcomes(&[tests], cell.rule)[0].0;
        self.better += usize::from(said == Outcome::Better && difference <= ROUNDING);
        self.worse += usize::from(said == Outcome::Worse && difference >= -ROUNDING);
        self.equivalent += usize::from(said == Outcome::Equivalent && difference.abs() >= cell.rule.margin - ROUNDING);
    }
}
