//! What several draws of the splits of the same images say. Draws share most of their training images, so that their
//! accuracies scatter less than those of other images would: the variance of their mean is corrected for it.

use super::intervals::Student;

/// The mean over draws, and how far it carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampled {
    pub mean: f64,
    /// `None` with fewer than two draws, and where all gave the same number: a variance of 0 is none that could be
    /// believed.
    student: Option<Student>,
}

/// The corrected resampled t interval of Nadeau and Bengio (Machine Learning 52, 2003): with K numbers of variance S²,
/// one a draw, the variance of their mean is taken as (1/K + n_test/n_train) S², with K - 1 degrees of freedom.
///
/// `values` are accuracies or differences of two on the same draw, `test_to_train` is reported images by training images.
pub fn corrected(values: &[f64], test_to_train: f64) -> Resampled {
    let k = values.len() as f64;
    let mean = values.iter().sum::<f64>() / k;
    let scatter = values.iter().any(|value| *value != values[0]);
    let student = Student::of(values).filter(|_| scatter);
    let student = student.map(|student| student.widened((1.0 + k * test_to_train).sqrt()));
    Resampled { mean, student }
}

impl Resampled {
    /// Low and high. `level` is 0.95 for 95 %.
    pub fn bounds(&self, level: f64) -> Option<(f64, f64)> {
        self.student.map(|student| student.bounds(level))
    }

    /// Two-sided p of a true mean of 0; 1 where there is no interval.
    pub fn p_none(&self) -> f64 {
        self.student.map_or(1.0, |student| student.p_none())
    }

    /// p that the true mean is not within the margin; 1 where there is no interval.
    pub fn p_apart(&self, margin: f64) -> f64 {
        self.student.map_or(1.0, |student| student.p_apart(margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_by_hand() {
        // mean 0.8, S² = (0.0004 + 0.0004 + 0.0016 + 0.0016) / 4 = 0.001, (1/5 + 1/3) S² = 0.00053333, t(4) = 2.776445
        let found = corrected(&[0.80, 0.82, 0.78, 0.84, 0.76], 1.0 / 3.0);
        let (low, high) = found.bounds(0.95).unwrap();
        let half = 2.776_445 * 0.023_094_011;
        assert!((found.mean - 0.8).abs() < 1e-12);
        assert!((low - (0.8 - half)).abs() < 1e-6 && (high - (0.8 + half)).abs() < 1e-6, "{low} {high}");
        // without the correction it would be 0.8 ± 2.776445 * 0.0141421
        assert!(high - low > 1.6 * 2.0 * 2.776_445 * 0.014_142_1);
    }

    #[test]
    fn differences_by_hand() {
        // mean 0.02, S² = 0.001 as above, t = 0.02 / 0.0230940 = 0.866025; with 4 degrees of freedom the distribution is
        // 1/2 + 3/8 a (1 - a² / 12), a = t / sqrt(1 + t²/4) = 0.794719: 0.782335
        let found = corrected(&[0.02, 0.04, 0.00, 0.06, -0.02], 1.0 / 3.0);
        assert!((found.mean - 0.02).abs() < 1e-12);
        assert!((found.p_none() - 2.0 * (1.0 - 0.782_335)).abs() < 1e-5, "{}", found.p_none());
    }

    #[test]
    fn without_overlap_it_is_students_interval() {
        let values = [0.5, 0.7, 0.6, 0.9];
        let (low, high) = corrected(&values, 0.0).bounds(0.95).unwrap();
        let (other_low, other_high) = Student::of(&values).unwrap().bounds(0.95);
        assert!((low - other_low).abs() < 1e-12 && (high - other_high).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_scatter_or_was_drawn_once_has_no_interval() {
        for (values, mean) in [(&[1.0; 5][..], 1.0), (&[0.7], 0.7)] {
            let found = corrected(values, 1.0 / 3.0);
            assert_eq!((found.mean, found.bounds(0.95), found.p_none(), found.p_apart(0.01)), (mean, None, 1.0, 1.0));
        }
    }
}
