//! How far a share carries, such as the accuracy of a classifier over several seeds: images and seeds are both drawn, and
//! crossed, so that neither may be pooled away.
//!
//! Over images the bounds are Clopper and Pearson's (1934), in the form that Fay and Feuer (1997) gave them for sums of
//! unequal weights: an image on which few of the seeds are right weighs less, and an upper bound reckons with one heavy
//! image more than was seen. With equal weights and one seed they are the exact bounds of a count. What moves with the
//! seed is added at a right angle: the sum of squared half widths covers whatever the two variances are (Banerjee 1960).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::beta;
use super::intervals::Interval;

/// With fewer seeds nothing is said of other seeds: the interval is about the fits that were made. Student's quantile of
/// two seeds is 12.7.
pub const FEWEST_SEEDS: usize = 3;

/// The part of the variance between images and seeds that is taken off that between seeds, which holds all of it. None
/// would be safe and covers 99 % where seeds don't matter, all of it covers 93 % where they do (`cargo bench --bench
/// coverage`).
const OF_THE_REST: f64 = 0.5;

/// What an image counts in a mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Class of each image.
    class: Vec<usize>,
    /// Of each class: its images, and what one of them counts; all images together count 1.
    images: Vec<f64>,
    each: Vec<f64>,
}

impl Weights {
    /// Every image counts alike: accuracy.
    pub fn equal(images: usize) -> Weights {
        Weights::of(vec![0; images])
    }

    /// Every class counts alike, whatever its images: mean class accuracy. `class` is that of each image.
    pub fn of(class: Vec<usize>) -> Weights {
        let mut images = vec![0.0; class.iter().max().map_or(0, |most| most + 1)];
        class.iter().for_each(|&class| images[class] += 1.0);
        let present = images.iter().filter(|&&n| n > 0.0).count() as f64;
        let each = images.iter().map(|&n| if n > 0.0 { 1.0 / (n * present) } else { 0.0 }).collect();
        Weights { class, images, each }
    }

    pub fn images(&self) -> usize {
        self.class.len()
    }

    pub(super) fn of_image(&self, image: usize) -> f64 {
        self.each[self.class[image]]
    }

    /// The images of each class that has any, and what one of them counts.
    pub(super) fn by_class(&self) -> Vec<(Vec<usize>, f32)> {
        let mut images: Vec<(Vec<usize>, f32)> = self.each.iter().map(|&each| (Vec::new(), each as f32)).collect();
        self.class.iter().enumerate().for_each(|(image, &class)| images[class].0.push(image));
        images.retain(|(images, _)| !images.is_empty());
        images
    }
}

/// The weighted mean of numbers from 0 to 1, one an image, seen from both of its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    here: Side,
    /// Of 1 minus each number.
    there: Side,
}

/// A mean and what its bounds are made of.
#[derive(Debug, Clone, Copy)]
struct Side {
    mean: f64,
    variance: f64,
    /// Of the heaviest image.
    weight: f64,
    /// Equal images that are worth as much as these.
    images: f64,
    /// Trials that they are worth at most: all images with all seeds.
    most: f64,
}

/// How much of the step from one count to the next a bound gives away: 0 is exact and never covers too little.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(pub f64);

impl Share {
    /// `values` are means over so many `seeds`.
    pub fn of(values: &[f64], weights: &Weights, seeds: usize) -> Share {
        let side = |turn: fn(f64) -> f64| Side::of(values.iter().map(|&value| turn(value)), weights, seeds as f64);
        Share { here: side(|value| value), there: side(|value| 1.0 - value) }
    }

    pub fn mean(&self) -> f64 {
        self.here.mean
    }

    /// Of the mean over the drawing of images.
    pub fn variance(&self) -> f64 {
        self.here.variance
    }

    /// Distances from the mean to the bounds that the true one lies beyond with probability `tail` each.
    pub fn reach(&self, tail: f64, step: Step) -> (f64, f64) {
        // the rare end is the one whose numbers are counted
        let (low, high) = if self.here.mean <= 0.5 {
            (self.here.low(tail, step), self.here.high(tail, step))
        } else {
            (1.0 - self.there.high(tail, step), 1.0 - self.there.low(tail, step))
        };
        ((self.here.mean - low).max(0.0), (high - self.here.mean).max(0.0))
    }
}

impl Side {
    fn of(values: impl Iterator<Item = f64>, weights: &Weights, seeds: f64) -> Side {
        let (mut sums, mut squares) = (vec![0.0; weights.each.len()], vec![0.0; weights.each.len()]);
        for (value, &class) in values.zip(&weights.class) {
            sums[class] += value;
            squares[class] += value * value;
        }
        let mean: f64 = sums.iter().zip(&weights.each).map(|(sum, weight)| sum * weight).sum();
        // a class is held against its mean with one image of the whole more: a single image would vary by nothing
        let of_class = |(((sum, square), images), weight): (((&f64, &f64), &f64), &f64)| {
            weight * weight * (square - sum * (sum + mean) / (images + 1.0)).max(0.0)
        };
        let classes = sums.iter().zip(&squares).zip(&weights.images).zip(&weights.each);
        let images = 1.0 / weights.images.iter().zip(&weights.each).map(|(n, weight)| n * weight * weight).sum::<f64>();
        let weight = weights.each.iter().copied().fold(0.0, f64::max);
        Side { mean, variance: classes.map(of_class).sum(), weight, images, most: images * seeds }
    }

    fn low(&self, tail: f64, Step(step): Step) -> f64 {
        if self.mean <= 0.0 {
            return 0.0;
        }
        let n = (self.mean * (1.0 - self.mean) / self.variance).min(self.most);
        beta::quantile(tail, self.mean * n + step, (1.0 - self.mean) * n + 1.0 - step).min(self.mean)
    }

    /// With one image more, of the heaviest, that all seeds agree on.
    fn high(&self, tail: f64, Step(step): Step) -> f64 {
        let mean = self.mean + self.weight;
        if mean >= 1.0 {
            return 1.0;
        }
        let more = self.weight.powi(2) - self.weight * (2.0 * self.mean + self.weight) / self.images;
        let n = (mean * (1.0 - mean) / (self.variance + more)).min(self.most);
        beta::quantile(1.0 - tail, mean * n - step, (1.0 - mean) * n + 1.0 + step).max(self.mean)
    }
}

/// Squared standard error that the seeds bring to the mean of `rows`, one a seed, beyond what images and seeds together
/// explain; 0 with fewer than [`FEWEST_SEEDS`].
pub(super) fn variance_of_seeds(rows: &[Vec<i8>], weights: &Weights) -> f64 {
    if rows.len() < FEWEST_SEEDS {
        return 0.0;
    }
    let seeds = rows.len() as f64;
    let deviations = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / seeds;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (seeds - 1.0)
    };
    let mean = |row: &Vec<i8>| row.iter().enumerate().map(|(i, &v)| f64::from(v) * weights.of_image(i)).sum::<f64>();
    let between = deviations(&rows.iter().map(mean).collect::<Vec<_>>());
    let of_image = |i: usize| {
        let (sum, squares) = rows.iter().fold((0, 0), |(sum, squares), row| {
            let value = i32::from(row[i]);
            (sum + value, squares + value * value)
        });
        (f64::from(squares) - f64::from(sum).powi(2) / seeds) / (seeds - 1.0) * weights.of_image(i).powi(2)
    };
    let rest: f64 = (0..weights.images()).map(of_image).sum();
    (between - OF_THE_REST * rest).max(0.0) / seeds
}

/// Student's quantile of so many seeds with `tail` above it.
pub(super) fn of_seeds(seeds: usize, tail: f64) -> f64 {
    if seeds < FEWEST_SEEDS {
        return 0.0;
    }
    StudentsT::new(0.0, 1.0, seeds as f64 - 1.0).map_or(f64::INFINITY, |student| -student.inverse_cdf(tail))
}

/// Means of each image over the seeds, each number turned first.
pub(super) fn over_seeds(rows: &[Vec<i8>], turn: impl Fn(i8) -> i8) -> Vec<f64> {
    let seeds = rows.len() as f64;
    let of_image = |i: usize| f64::from(rows.iter().map(|row| i32::from(turn(row[i]))).sum::<i32>()) / seeds;
    (0..rows.first().map_or(0, Vec::len)).map(of_image).collect()
}

/// The interval of an accuracy: `rows` hold, one a seed, 1 for each image that is right and 0 for one that is not.
/// Without an image nothing is known and it is the whole of [0, 1]. `level` is 0.95 for 95 %.
///
/// # Panics
/// Rows that have not the images of the weights.
pub fn interval(rows: &[Vec<i8>], weights: &Weights, level: f64) -> Interval {
    assert!(rows.iter().all(|row| row.len() == weights.images()), "every seed has the same images");
    if rows.is_empty() || weights.images() == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let tail = 0.5 * (1.0 - level);
    let share = Share::of(&over_seeds(rows, |right| right), weights, rows.len());
    let seeds = of_seeds(rows.len(), tail).powi(2) * variance_of_seeds(rows, weights);
    let (below, above) = share.reach(tail, Step(0.0));
    let with_seeds = |distance: f64| (distance * distance + seeds).sqrt();
    Interval { low: (share.mean() - with_seeds(below)).max(0.0), high: (share.mean() + with_seeds(above)).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::super::intervals::{Level, clopper_pearson};
    use super::*;

    fn right(correct: usize, n: usize) -> Vec<i8> {
        (0..n).map(|i| i8::from(i < correct)).collect()
    }

    #[test]
    fn one_seed_has_the_exact_interval() {
        for (correct, n) in [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (150, 153), (1895, 1909)] {
            let found = interval(&[right(correct, n)], &Weights::equal(n), 0.95);
            let exact = clopper_pearson(correct as u64, n as u64, Level::PERCENT_95);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(
                near(found.low, exact.low) && near(found.high, exact.high),
                "{correct} of {n}: {found:?} {exact:?}"
            );
        }
    }

    #[test]
    fn copies_of_one_seed_say_no_more_than_it() {
        for correct in [0, 37, 99, 100] {
            let rows = vec![right(correct, 100); 5];
            let [one, five] = [&rows[..1], &rows[..]].map(|rows| interval(rows, &Weights::equal(100), 0.95));
            assert!((one.low - five.low).abs() < 1e-9 && (one.high - five.high).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_classes_count_as_equal_images() {
        let class: Vec<usize> = (0..120).map(|i| i % 3).collect();
        let row: Vec<i8> = (0..120).map(|i| i8::from(i % 8 != 0)).collect();
        let [all, classes] =
            [Weights::equal(120), Weights::of(class)].map(|w| interval(std::slice::from_ref(&row), &w, 0.95));
        assert!((all.low - classes.low).abs() < 2e-3 && (all.high - classes.high).abs() < 2e-3, "{all:?} {classes:?}");
    }

    #[test]
    fn a_class_of_few_images_widens_the_mean_over_classes() {
        let class: Vec<usize> = (0..104).map(|i| usize::from(i < 4)).collect();
        let row = vec![1; 104];
        let wide = interval(std::slice::from_ref(&row), &Weights::of(class), 0.95);
        assert!(wide.low < 0.8 && interval(&[row], &Weights::equal(104), 0.95).low > 0.96, "{wide:?}");
    }

    #[test]
    fn three_seeds_that_differ_widen_the_interval_and_two_say_nothing_of_others() {
        let rows = [right(90, 100), right(80, 100), right(70, 100)];
        let width = |rows: &[Vec<i8>]| {
            let Interval { low, high } = interval(rows, &Weights::equal(100), 0.95);
            high - low
        };
        assert!(width(&rows) > 2.0 * width(&vec![right(80, 100); 3]));
        assert!(width(&rows[..2]) < 1.1 * width(&[right(85, 100)]));
    }
}
