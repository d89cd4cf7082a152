//! Intervals for a proportion, such as the accuracy of a classifier: what the true one may be, given the images seen.
//! Clopper and Pearson's never covers too little; of several seeds and unequal weights `share.rs` knows.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::binomial;

/// How often an interval is meant to cover the true value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Probability of missing it.
    alpha: f64,
}

impl Level {
    pub const PERCENT_95: Level = Level { alpha: 0.05 };
    pub const PERCENT_99: Level = Level { alpha: 0.01 };
}

/// Both bounds, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// What Student (1908) says of the mean that some numbers were drawn around.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Student {
    pub mean: f64,
    /// Standard error of the mean.
    pub error: f64,
    distribution: StudentsT,
}

impl Student {
    /// `None` with fewer than two values.
    pub fn of(values: &[f64]) -> Option<Student> {
        let n = values.len() as f64;
        let distribution = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Some(Student { mean, error: (variance / n).sqrt(), distribution })
    }

    /// With a standard error so many times as large.
    pub fn widened(self, factor: f64) -> Student {
        Student { error: factor * self.error, ..self }
    }

    /// Low and high. `level` is 0.95 for 95 %.
    pub fn bounds(&self, level: f64) -> (f64, f64) {
        let half = self.reach(level);
        (self.mean - half, self.mean + half)
    }

    /// Half of the interval.
    pub fn reach(&self, level: f64) -> f64 {
        self.distribution.inverse_cdf(0.5 + level / 2.0) * self.error
    }

    /// The true mean that values like these show with that power, two-sided at `level`.
    pub fn detectable(&self, level: f64, power: f64) -> f64 {
        self.reach(level) + self.distribution.inverse_cdf(power) * self.error
    }

    /// One-sided p of a true mean of at most `bound`.
    fn p_above(&self, bound: f64) -> f64 {
        let distance = self.mean - bound;
        match self.error {
            error if error > 0.0 => self.distribution.cdf(-distance / error),
            _ => {
                if distance > 0.0 {
                    0.0
                } else {
                    1.0
                }
            }
        }
    }

    /// Two-sided p of a true mean of 0; 1 of values that are all 0.
    pub fn p_none(&self) -> f64 {
        let (above, below) = (self.p_above(0.0), self.turned().p_above(0.0));
        (2.0 * above.min(below)).min(1.0)
    }

    /// p that the true mean is not within the margin, by two one-sided tests.
    pub fn p_apart(&self, margin: f64) -> f64 {
        self.p_above(-margin).max(self.turned().p_above(-margin))
    }

    fn turned(&self) -> Student {
        Student { mean: -self.mean, ..*self }
    }
}

/// Clopper and Pearson's exact interval (1934): all proportions that neither one-sided exact test would reject.
///
/// `correct` out of `n`; without any trial it is the whole of [0, 1].
pub fn clopper_pearson(correct: u64, n: u64, level: Level) -> Interval {
    Interval { low: 1.0 - exact_high(n - correct, n, level.alpha), high: exact_high(correct, n, level.alpha) }
}

/// The p at which so few successes have probability alpha / 2, by halving: the tail falls as p grows.
fn exact_high(correct: u64, n: u64, alpha: f64) -> f64 {
    if correct == n {
        return 1.0;
    }
    let (mut low, mut high) = (correct as f64 / n as f64, 1.0);
    // 60 halvings are finer than an f64.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if binomial::at_most(correct, n, middle) > 0.5 * alpha { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The quantile for two degrees of freedom is 4.302653 in every table.
    #[test]
    fn students_interval_is_the_one_of_the_tables() {
        let found = Student::of(&[1.0, 2.0, 3.0]).unwrap();
        let (low, high) = found.bounds(0.95);
        let half = 4.302_653 / 3.0_f64.sqrt();
        assert!((low - (2.0 - half)).abs() < 1e-6 && (high - (2.0 + half)).abs() < 1e-6, "{low}, {high}");
        // 2 / 0.57735 = 3.4641 has 0.0371 beyond it on one side
        assert!((found.p_none() - 0.0742).abs() < 1e-3 && found.p_apart(1.0) > 0.8, "{}", found.p_none());
        assert_eq!(Student::of(&[0.5, 0.5]).unwrap().bounds(0.95), (0.5, 0.5));
        assert_eq!(Student::of(&[1.0]), None);
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        assert_eq!(clopper_pearson(0, 0, Level::PERCENT_95), Interval { low: 0.0, high: 1.0 });
    }

    proptest! {
        #[test]
        fn holds_the_proportion_and_mirrors_its_complement((n, correct) in counts()) {
            let Interval { low, high } = clopper_pearson(correct, n, Level::PERCENT_95);
            let p = correct as f64 / n as f64;
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0, "[{low}, {high}] around {p}");
            let mirrored = clopper_pearson(n - correct, n, Level::PERCENT_95);
            prop_assert!((mirrored.low - (1.0 - high)).abs() < 1e-12 && (mirrored.high - (1.0 - low)).abs() < 1e-12);
        }

        #[test]
        fn narrows_with_more_images_and_widens_with_the_level((n, correct) in counts(), times in 2..5_u64) {
            let width = |i: Interval| i.high - i.low;
            let few = width(clopper_pearson(correct, n, Level::PERCENT_95));
            prop_assert!(width(clopper_pearson(correct * times, n * times, Level::PERCENT_95)) < few);
            prop_assert!(width(clopper_pearson(correct, n, Level::PERCENT_99)) > few);
        }

        #[test]
        fn moves_up_with_the_count((n, correct) in counts()) {
            prop_assume!(correct < n);
            let (less, more) = (clopper_pearson(correct, n, Level::PERCENT_95), clopper_pearson(correct + 1, n, Level::PERCENT_95));
            prop_assert!(less.low < more.low && less.high < more.high);
        }
    }

    fn counts() -> impl Strategy<Value = (u64, u64)> {
        (1..400_u64).prop_flat_map(|n| (Just(n), 0..=n))
    }
}
