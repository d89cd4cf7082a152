//! Is one classifier better than another, and by how much? Both judged the same images with the same seeds; only where
//! they disagree can tell. Images and seeds are crossed, as in [`super::share`].
//!
//! The shares of images that only one of the two has right are bounded each by itself, and the bounds of their difference
//! are put together from these (the square-and-add of Zou and Donner 2008 and Newcombe 1998, with exact bounds in the
//! place of Wilson's: those cover 91 % where one share is near 0). Every p is the level at which the interval touches.

use super::share::{FEWEST_SEEDS, Share, Step, Weights, of_seeds, over_seeds, variance_of_seeds};

/// Of the step from one count to the next: the sum of two counts has smaller ones. Chosen by `cargo bench --bench
/// coverage`.
const STEP: Step = Step(0.25);
/// Of the tail that the seeds' quantile is taken at: what seeds do to accuracies near 100 % is skewed, where Student's
/// numbers are not, so that of three seeds 6.2 instead of 5 in 100 statements were false (`cargo bench --bench coverage`).
const SKEWED: f64 = 0.75;
/// The least p that is told from 0.
const LEAST: f64 = 1e-9;
/// Halvings of the logarithm of p: three digits.
const HALVINGS: usize = 16;
/// The least degrees of freedom at which it is known what could be detected: with fewer, that figure is noise.
const FEWEST_FREEDOM: f64 = 5.0;

/// How often a difference that could be detected is detected.
pub const POWER: f64 = 0.8;

/// Two classifiers on the same images, over all seeds.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// Shares of images that only the first, and only the second, has right.
    first: Share,
    second: Share,
    /// Between these two over the images, at most 0.
    correlation: f64,
    /// Squared standard error that the seeds bring.
    of_seeds: f64,
    pub seeds: usize,
    pub images: usize,
}

impl Difference {
    /// `rows` hold, one a seed, a number an image: 1 where only the first is right, -1 where only the second is, else 0.
    /// `None` without images.
    ///
    /// # Panics
    /// Rows that have not the images of the weights.
    pub fn of(rows: &[Vec<i8>], weights: &Weights) -> Option<Difference> {
        assert!(rows.iter().all(|row| row.len() == weights.images()), "every seed has the same images");
        if rows.is_empty() || weights.images() == 0 {
            return None;
        }
        let alone = [over_seeds(rows, |v| v.max(0)), over_seeds(rows, |v| (-v).max(0))];
        let [first, second] = [0, 1].map(|i| Share::of(&alone[i], weights, rows.len()));
        let both = alone[0].iter().zip(&alone[1]).enumerate();
        let product =
            |(i, (a, b)): (usize, (&f64, &f64))| weights.of_image(i).powi(2) * (a - first.mean()) * (b - second.mean());
        let (covariance, scale) = (both.map(product).sum::<f64>(), (first.variance() * second.variance()).sqrt());
        Some(Difference {
            first,
            second,
            correlation: if scale > 0.0 { (covariance / scale).clamp(-1.0, 0.0) } else { 0.0 },
            of_seeds: variance_of_seeds(rows, weights),
            seeds: rows.len(),
            images: weights.images(),
        })
    }

    /// Of the accuracies, first minus second.
    pub fn mean(&self) -> f64 {
        self.first.mean() - self.second.mean()
    }

    /// Shares of the images that only the first and only the second has right, means over the seeds.
    pub fn alone(&self) -> (f64, f64) {
        (self.first.mean(), self.second.mean())
    }

    /// Both bounds, each of which the true difference lies beyond with probability (1 - level) / 2.
    pub fn bounds(&self, level: f64) -> (f64, f64) {
        let (below, above) = self.reach(0.5 * (1.0 - level));
        ((self.mean() - below).max(-1.0), (self.mean() + above).min(1.0))
    }

    /// Distances from the mean to the bounds, low and high.
    fn reach(&self, tail: f64) -> (f64, f64) {
        let seeds = if self.of_seeds > 0.0 { of_seeds(self.seeds, SKEWED * tail).powi(2) * self.of_seeds } else { 0.0 };
        let (first, second) = (self.first.reach(tail, STEP), self.second.reach(tail, STEP));
        let add = |a: f64, b: f64| (a * a + b * b - 2.0 * self.correlation * a * b + seeds).sqrt();
        (add(first.0, second.1), add(first.1, second.0))
    }

    /// One-sided p of a true difference of at most `bound`; at least 0.5 where the mean is no larger.
    pub fn p_above(&self, bound: f64) -> f64 {
        self.p(self.mean() - bound, |reach| reach.0)
    }

    /// One-sided p of a true difference of at least `bound`.
    pub fn p_below(&self, bound: f64) -> f64 {
        self.p(bound - self.mean(), |reach| reach.1)
    }

    /// Two-sided p of no difference.
    pub fn p_none(&self) -> f64 {
        (2.0 * self.p_above(0.0).min(self.p_below(0.0))).min(1.0)
    }

    /// p that the difference is not within the margin, by two one-sided tests (Schuirmann 1987).
    pub fn p_apart(&self, margin: f64) -> f64 {
        if self.mean().abs() >= margin { 1.0 } else { self.p_above(-margin).max(self.p_below(margin)) }
    }

    /// The tail at which a bound is `distance` away, by halving: bounds move outwards as the tail shrinks.
    fn p(&self, distance: f64, side: impl Fn((f64, f64)) -> f64) -> f64 {
        let touches = |tail: f64| side(self.reach(tail)) >= distance;
        if distance <= 0.0 || touches(0.5) {
            return if distance < 0.0 { 1.0 } else { 0.5 };
        }
        if !touches(LEAST) {
            return LEAST;
        }
        let (mut low, mut high) = (LEAST.ln(), 0.5_f64.ln());
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if touches(middle.exp()) { low = middle } else { high = middle }
        }
        // not below what was found to touch
        high.exp()
    }

    /// The true difference that images and seeds like these show in four of five measurements, two-sided at `level`;
    /// `None` where what is known of the seeds rests on too few of them.
    pub fn detectable(&self, level: f64) -> Option<f64> {
        let images = self.first.variance() + self.second.variance()
            - 2.0 * self.correlation * (self.first.variance() * self.second.variance()).sqrt();
        let all = images + self.of_seeds;
        if self.seeds >= FEWEST_SEEDS && self.of_seeds > 0.0 {
            let spread = self.of_seeds.powi(2) / (self.seeds as f64 - 1.0) + images.powi(2) / (self.images as f64);
            if all.powi(2) / spread < FEWEST_FREEDOM {
                return None;
            }
        }
        let half = |tail: f64| {
            let (below, above) = self.reach(tail);
            0.5 * (below + above)
        };
        Some((half(0.5 * (1.0 - level)) + half(1.0 - POWER)).min(1.0))
    }
}
