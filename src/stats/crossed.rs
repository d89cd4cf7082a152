//! Is one way of training better than another, over several seeds on the same images? Seeds and images are crossed: both
//! were drawn, both carry over, so that neither may be pooled away.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The least degrees of freedom at which the standard error of a difference is known well enough to say what could be
/// detected with it: with fewer, that figure is noise.
const FEWEST_FREEDOM: f64 = 5.0;

/// How often a difference that could be detected is detected.
pub const POWER: f64 = 0.8;

/// The mean difference of two classifiers over seeds and images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Of accuracies, first minus second.
    pub mean: f64,
    /// Bounds of the interval; `None` where there are too few images to have one.
    pub bounds: Option<(f64, f64)>,
    /// Two-sided, of a mean of 0; 1 where there is no interval.
    pub p: f64,
    /// The true difference that images and seeds like these show in four of five measurements; `None` where the
    /// estimate rests on too few degrees of freedom.
    pub detectable: Option<f64>,
}

/// What a mean square was found to be, and from how many independent deviations.
#[derive(Debug, Clone, Copy, Default)]
struct MeanSquare {
    value: f64,
    freedom: f64,
}

/// The difference over `rows`, one a seed, of one number an image: 1 where only the first classifier is right, -1 where
/// only the second is, else 0. The interval is Student's with the standard error of a two-way layout without
/// replication (Scheffe 1959, random effects), a component that comes out negative counted as 0, and with
/// Satterthwaite's degrees of freedom (1946); with one seed it is that of the images alone. `level` is 0.95 for 95 %.
///
/// # Panics
/// Rows of different lengths, or none.
pub fn difference(rows: &[Vec<f64>], level: f64) -> Difference {
    let (s, n) = (rows.len() as f64, rows[0].len() as f64);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "every seed has the same images");
    let mean = rows.iter().flatten().sum::<f64>() / (s * n);
    let (variance, freedom) = variance_of_the_mean(rows, mean);
    let Some(student) = (n > 1.0).then(|| StudentsT::new(0.0, 1.0, freedom).ok()).flatten() else {
        return Difference { mean, bounds: None, p: 1.0, detectable: None };
    };
    let error = variance.sqrt();
    let quantile = student.inverse_cdf(0.5 + level / 2.0);
    let p = if mean == 0.0 { 1.0 } else { 2.0 * student.cdf(-(mean / error).abs()) };
    let known = error > 0.0 && freedom >= FEWEST_FREEDOM;
    Difference {
        mean,
        bounds: Some((mean - quantile * error, mean + quantile * error)),
        p,
        detectable: known.then(|| (quantile + student.inverse_cdf(POWER)) * error),
    }
}

/// Squared standard error of the mean of crossed seeds and images, and its degrees of freedom: of the mean squares of
/// images, seeds and the rest it is images + seeds - rest, over all numbers, and where images or seeds do not rise above
/// the rest they are taken to be part of it.
fn variance_of_the_mean(rows: &[Vec<f64>], mean: f64) -> (f64, f64) {
    let (s, n) = (rows.len() as f64, rows[0].len() as f64);
    let by_seed: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / n).collect();
    let by_image: Vec<f64> = (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / s).collect();
    let squares = |means: &[f64]| means.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let of = |sum: f64, freedom: f64| MeanSquare { value: sum / freedom, freedom };
    let images = of(s * squares(&by_image), n - 1.0);
    if rows.len() == 1 {
        return (images.value / n, images.freedom);
    }
    let seeds = of(n * squares(&by_seed), s - 1.0);
    let left = |(row, of_seed): (&Vec<f64>, &f64)| -> f64 {
        row.iter().zip(&by_image).map(|(value, of_image)| (value - of_seed - of_image + mean).powi(2)).sum()
    };
    let rest = of(rows.iter().zip(&by_seed).map(left).sum(), (s - 1.0) * (n - 1.0));
    let terms = match (images.value > rest.value, seeds.value > rest.value) {
        (true, true) => vec![(1.0, images), (1.0, seeds), (-1.0, rest)],
        (true, false) => vec![(1.0, images)],
        (false, true) => vec![(1.0, seeds)],
        (false, false) => vec![(1.0, rest)],
    };
    let sum: f64 = terms.iter().map(|(sign, square)| sign * square.value).sum();
    (sum / (s * n), satterthwaite(&terms))
}

/// Degrees of freedom of a sum of mean squares, each added or taken away: the squared sum over the sum of the squares of
/// the terms, each by its own degrees of freedom.
fn satterthwaite(terms: &[(f64, MeanSquare)]) -> f64 {
    let sum: f64 = terms.iter().map(|(sign, square)| sign * square.value).sum();
    let spread: f64 = terms.iter().map(|(_, square)| square.value.powi(2) / square.freedom).sum();
    if spread > 0.0 { sum.powi(2) / spread } else { terms.iter().map(|(_, square)| square.freedom).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_a_paired_t_interval_over_images() {
        // 3 of 20 images for the first, 1 for the second: mean 0.1, sample standard deviation 0.447214, t(19) 2.093024
        let row: Vec<f64> = (0..20).map(|i| [1.0, 1.0, 1.0, -1.0].get(i).copied().unwrap_or(0.0)).collect();
        let found = difference(&[row], 0.95);
        let (low, high) = found.bounds.unwrap();
        assert!((found.mean - 0.1).abs() < 1e-12 && found.p > 0.05);
        assert!((high - low - 2.0 * 2.093_024 * 0.447_213_6 / 20_f64.sqrt()).abs() < 1e-5, "{low} {high}");
        // t(19) is 0.860951 at 80 %
        let detectable = (2.093_024 + 0.860_951) * 0.447_213_6 / 20_f64.sqrt();
        assert!((found.detectable.unwrap() - detectable).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn what_moves_with_the_seed_widens_the_interval() {
        // all images agree with each other, the seeds do not
        let rows: Vec<Vec<f64>> = [0.0, 1.0, 0.0].iter().map(|&value| vec![value; 50]).collect();
        let found = difference(&rows, 0.95);
        // the t interval over three seeds: mean 1/3, standard error 1/3, t(2) 4.302653
        let (low, high) = found.bounds.unwrap();
        assert!((high - low - 2.0 * 4.302_653 / 3.0).abs() < 1e-5, "{low} {high}");
        assert_eq!(found.detectable, None, "two degrees of freedom");
    }

    #[test]
    fn copies_of_one_seed_say_no_more_than_it() {
        let row: Vec<f64> = (0..200).map(|i| f64::from(i % 10 == 0)).collect();
        let (one, three) = (difference(std::slice::from_ref(&row), 0.95), difference(&vec![row; 3], 0.95));
        let width = |found: Difference| found.bounds.map(|(low, high)| high - low).unwrap();
        assert!((width(one) / width(three) - 1.0).abs() < 1e-9);
        assert!(one.p < 0.05 && (one.p - three.p).abs() < 1e-12);
    }

    #[test]
    fn no_disagreement_decides_nothing() {
        let found = difference(&vec![vec![0.0; 30]; 2], 0.95);
        assert_eq!((found.mean, found.p, found.detectable), (0.0, 1.0, None));
    }
}
