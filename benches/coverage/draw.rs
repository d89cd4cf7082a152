//! Drawn judgements of two classifiers whose true accuracies are known: images of unequal difficulty, which both
//! classifiers share in part, and seeds that move a classifier as a whole (the model of Roe and Metz 1997). What is
//! right is a sum of normal numbers above 0, so that every mean has a closed form.

use featbench::stats::compare::Difference;
use featbench::stats::outcome::Rule;
use featbench::stats::share::{FEWEST_SEEDS, Weights, interval};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

/// Equal parts of the normal distribution of which one is drawn.
const PARTS: usize = 1 << 16;
/// Rounding of a bound is no miss.
pub const ROUNDING: f64 = 1e-9;

/// Variances of what makes a judgement; what is left of 1 belongs to image, classifier and seed together.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub name: &'static str,
    /// Of images for both classifiers, and for each by itself.
    pub images: f64,
    pub images_of_one: f64,
    /// Of seeds, for each classifier by itself.
    pub seeds: f64,
}

/// From classifiers that differ by as good as nothing to seeds that move an accuracy of 90 % by 2.6 points, one of 50 %
/// by 6.
pub const SCENES: [Scene; 4] = [
    Scene { name: "usual", images: 0.6, images_of_one: 0.2, seeds: 0.0 },
    Scene { name: "alike", images: 0.9, images_of_one: 0.05, seeds: 0.02 * 0.02 },
    Scene { name: "seeds", images: 0.6, images_of_one: 0.2, seeds: 0.06 * 0.06 },
    Scene { name: "unsteady", images: 0.4, images_of_one: 0.3, seeds: 0.15 * 0.15 },
];

#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub scene: Scene,
    pub images: usize,
    pub seeds: usize,
    /// True accuracy of the first; that of the second is lower by the difference.
    pub accuracy: f64,
    pub difference: f64,
    pub rule: Rule,
}

/// Of so many draws, how often each statement held or was false.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub draws: usize,
    /// Intervals at the rule's level that held the true value: of both accuracies, and of the difference.
    pub accuracy: [usize; 2],
    pub difference: usize,
    /// Said though the truth is none of it.
    pub better: usize,
    pub worse: usize,
    pub equivalent: usize,
    /// "Not worse by more than the margin", of the second, at one side of the level.
    pub not_worse: usize,
    /// Sum of the widths of the intervals of the difference.
    pub width: f64,
}

/// Normal numbers by their place in a table, four from one word.
pub struct Dice {
    rng: ChaCha8Rng,
    table: Vec<f32>,
    word: u64,
    left: u32,
}

impl Dice {
    pub fn new(seed: u64, normal: &Normal) -> Dice {
        let table = (0..PARTS).map(|i| normal.inverse_cdf((i as f64 + 0.5) / PARTS as f64) as f32).collect();
        Dice { rng: ChaCha8Rng::seed_from_u64(seed), table, word: 0, left: 0 }
    }

    pub fn normal(&mut self) -> f32 {
        if self.left == 0 {
            (self.word, self.left) = (self.rng.next_u64(), 4);
        }
        let place = self.word as usize % PARTS;
        self.word >>= 16;
        self.left -= 1;
        self.table[place]
    }
}

impl Dice {
    /// The first `count` of a new order of these numbers.
    pub fn shuffle(&mut self, numbers: &mut [usize], count: usize) {
        for i in 0..count {
            let left = (numbers.len() - i) as u64;
            let step = (u64::from(self.rng.next_u32()) * left) >> 32;
            numbers.swap(i, i + step as usize);
        }
    }
}

impl Cell {
    /// Draws so many times and counts.
    pub fn run(&self, draws: usize, seed: u64) -> Counts {
        let Ok(normal) = Normal::new(0.0, 1.0) else { return Counts::default() };
        let mut dice = Dice::new(seed, &normal);
        let weights = Weights::equal(self.images);
        let means = [self.accuracy, self.accuracy - self.difference].map(|share| normal.inverse_cdf(share));
        let mut rows = [vec![vec![0_i8; self.images]; self.seeds], vec![vec![0_i8; self.images]; self.seeds]];
        let mut apart = rows[0].clone();
        let mut counts = Counts { draws, ..Counts::default() };
        for _ in 0..draws {
            let truth = self.draw(&mut dice, &normal, means, &mut rows);
            for (apart, (first, second)) in apart.iter_mut().zip(rows[0].iter().zip(&rows[1])) {
                apart.iter_mut().zip(first.iter().zip(second)).for_each(|(apart, (a, b))| *apart = a - b);
            }
            counts.add(self.rule, &weights, &rows, &apart, truth);
        }
        counts
    }

    /// Draws what each of the two has right, and gives what their accuracies truly are: over all seeds, or, of few seeds,
    /// those of the seeds that were drawn.
    fn draw(&self, dice: &mut Dice, normal: &Normal, means: [f64; 2], rows: &mut [Vec<Vec<i8>>; 2]) -> [f64; 2] {
        let Scene { images, images_of_one, seeds, .. } = self.scene;
        let rest = (1.0 - images - images_of_one - seeds).sqrt() as f32;
        let [images, images_of_one] = [images, images_of_one].map(|variance| variance.sqrt() as f32);
        let moved: [Vec<f32>; 2] =
            [0, 1].map(|_| (0..self.seeds).map(|_| dice.normal() * seeds.sqrt() as f32).collect());
        (0..self.images).for_each(|image| {
            let shared = images * dice.normal();
            for arm in 0..2 {
                let place = means[arm] as f32 + shared + images_of_one * dice.normal();
                for seed in 0..self.seeds {
                    rows[arm][seed][image] = i8::from(place + moved[arm][seed] + rest * dice.normal() > 0.0);
                }
            }
        });
        let of_these = |arm: usize| {
            let place = |moved: &f32| normal.cdf((means[arm] + f64::from(*moved)) / (1.0 - seeds).sqrt());
            moved[arm].iter().map(place).sum::<f64>() / self.seeds as f64
        };
        [0, 1].map(|arm| if self.seeds < FEWEST_SEEDS { of_these(arm) } else { normal.cdf(means[arm]) })
    }
}

impl Counts {
    fn add(&mut self, rule: Rule, weights: &Weights, rows: &[Vec<Vec<i8>>; 2], apart: &[Vec<i8>], truth: [f64; 2]) {
        for arm in 0..2 {
            let found = interval(&rows[arm], weights, rule.level);
            self.accuracy[arm] += usize::from(holds((found.low, found.high), truth[arm]));
        }
        let Some(found) = Difference::of(apart, weights) else { return };
        let (true_difference, (low, high)) = (truth[0] - truth[1], found.bounds(rule.level));
        self.difference += usize::from(holds((low, high), true_difference));
        self.width += high - low;
        self.better += usize::from(low > 0.0 && true_difference <= ROUNDING);
        self.worse += usize::from(high < 0.0 && true_difference >= -ROUNDING);
        // a one-sided test at 5 % asks whether the interval at 90 % ends before the margin
        let (low, high) = found.bounds(2.0 * rule.level - 1.0);
        let matters = true_difference.abs() >= rule.margin - ROUNDING;
        self.equivalent += usize::from(matters && -rule.margin < low && high < rule.margin);
        self.not_worse += usize::from(true_difference >= rule.margin - ROUNDING && high < rule.margin);
    }
}

pub fn holds((low, high): (f64, f64), truth: f64) -> bool {
    low - ROUNDING <= truth && truth <= high + ROUNDING
}
