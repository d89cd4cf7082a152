//! Is one way of training better than another, over several seeds on the same images? Seeds and images are crossed: both
//! were drawn, both carry over, so that neither may be pooled away.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean difference of two classifiers over seeds and images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Of accuracies, first minus second.
    pub mean: f64,
    /// Bounds of the interval; `None` where there are too few images to have one.
    pub bounds: Option<(f64, f64)>,
    /// Part of the squared standard error that falls with the number of images, times that number.
    per_image: f64,
    /// Part that only more seeds lower.
    of_seeds: f64,
    quantile: f64,
}

/// The difference over `rows`, one a seed, of one number an image: 1 where only the first classifier is right, -1 where
/// only the second is, else 0. The interval is Student's with the standard error of a two-way layout without
/// replication (Scheffe 1959, random effects), a component that comes out negative counted as 0, and with
/// Satterthwaite's degrees of freedom; with one seed it is that of the images alone. `level` is 0.95 for 95 %.
///
/// # Panics
/// Rows of different lengths, or none.
pub fn difference(rows: &[Vec<f64>], level: f64) -> Difference {
    let (s, n) = (rows.len() as f64, rows[0].len() as f64);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "every seed has the same images");
    let mean = rows.iter().flatten().sum::<f64>() / (s * n);
    let by_seed: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / n).collect();
    let by_image: Vec<f64> = (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / s).collect();
    let squares = |means: &[f64]| means.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let images = s * squares(&by_image) / (n - 1.0);
    let (mut seeds, mut rest) = (0.0, 0.0);
    if rows.len() > 1 {
        seeds = n * squares(&by_seed) / (s - 1.0);
        let left = |(row, of_seed): (&Vec<f64>, &f64)| -> f64 {
            row.iter().zip(&by_image).map(|(value, of_image)| (value - of_seed - of_image + mean).powi(2)).sum()
        };
        rest = rows.iter().zip(&by_seed).map(left).sum::<f64>() / ((s - 1.0) * (n - 1.0));
    }
    // mean squares of the images, and of what seeds add to the rest
    let (images, seeds) = (images.max(rest), (seeds - rest).max(0.0));
    let error = ((images + seeds) / (s * n)).sqrt();
    let spread = images.powi(2) / (n - 1.0) + if seeds > 0.0 { seeds.powi(2) / (s - 1.0) } else { 0.0 };
    let freedom = if spread > 0.0 { (images + seeds).powi(2) / spread } else { n - 1.0 };
    let student = (n > 1.0).then(|| StudentsT::new(0.0, 1.0, freedom.max(1.0)).ok()).flatten();
    let quantile = student.map_or(f64::NAN, |student| student.inverse_cdf(0.5 + level / 2.0));
    let bounds = student.map(|_| (mean - quantile * error, mean + quantile * error));
    Difference { mean, bounds, per_image: images / s, of_seeds: seeds / (s * n), quantile }
}

impl Difference {
    /// Does the interval leave out 0?
    pub fn decided(&self) -> bool {
        self.bounds.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }

    /// How many images like these, with as many seeds, would bring the interval of this very difference off 0; `None`
    /// where no number would.
    pub fn images_to_decide(&self) -> Option<usize> {
        let room = self.mean.powi(2) / self.quantile.powi(2) - self.of_seeds;
        (room > 0.0).then(|| (self.per_image / room).ceil() as usize)
    }
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
        assert!((found.mean - 0.1).abs() < 1e-12 && !found.decided());
        assert!((high - low - 2.0 * 2.093_024 * 0.447_213_6 / 20_f64.sqrt()).abs() < 1e-5, "{low} {high}");
        // (2.093024 * 0.447214 / 0.1)^2
        assert_eq!(found.images_to_decide(), Some(88));
    }

    #[test]
    fn what_moves_with_the_seed_widens_the_interval_and_more_images_cannot_help() {
        // all images agree with each other, the seeds do not
        let rows: Vec<Vec<f64>> = [0.0, 1.0, 0.0].iter().map(|&value| vec![value; 50]).collect();
        let found = difference(&rows, 0.95);
        // the t interval over three seeds: mean 1/3, standard error 1/3, t(2) 4.302653
        let (low, high) = found.bounds.unwrap();
        assert!((high - low - 2.0 * 4.302_653 / 3.0).abs() < 1e-5, "{low} {high}");
        assert_eq!(found.images_to_decide(), None);
    }

    #[test]
    fn copies_of_one_seed_say_no_more_than_it() {
        let row: Vec<f64> = (0..200).map(|i| f64::from(i % 10 == 0)).collect();
        let (one, three) = (difference(std::slice::from_ref(&row), 0.95), difference(&vec![row; 3], 0.95));
        let width = |found: Difference| found.bounds.map(|(low, high)| high - low).unwrap();
        assert!((width(one) / width(three) - 1.0).abs() < 1e-9);
        assert!(one.decided() && three.decided());
    }

    #[test]
    fn no_disagreement_decides_nothing() {
        let found = difference(&vec![vec![0.0; 30]; 2], 0.95);
        assert_eq!((found.mean, found.decided(), found.images_to_decide()), (0.0, false, None));
    }
}
