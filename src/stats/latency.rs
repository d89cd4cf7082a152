//! Latency: what one of many timed samples takes, by quantiles, since its distribution has a long tail on one side.
//! A quantile lies between two samples by linear interpolation: of n sorted samples, that of `p` stands at place
//! p (n - 1), counted from 0 (type 7 of Hyndman and Fan 1996, NumPy's default).

/// The least samples for a 99th percentile: with fewer, the chance is above 1 % that not even two of them lie beyond
/// the true one, and the figure would be that of a single outlier.
pub const SAMPLES_FOR_P99: usize = 662;

/// The quantile of `samples` (in any order) at `p` from 0 to 1; `None` without samples.
pub fn quantile(samples: &[f64], p: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = p.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    // two infinite samples have no difference
    Some(if above == below { below } else { below + (above - below) * place.fract() })
}

/// The middle sample, or the mean of the two in the middle; `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The 99th percentile; `None` with fewer than [`SAMPLES_FOR_P99`] samples.
pub fn p99(samples: &[f64]) -> Option<f64> {
    (samples.len() >= SAMPLES_FOR_P99).then(|| quantile(samples, 0.99))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::binomial;
    use super::*;

    #[test]
    fn interpolates_as_numpy_does() {
        let samples = [15.0, 20.0, 35.0, 50.0, 40.0];
        let of = |p| quantile(&samples, p).unwrap();
        assert_eq!((of(0.0), of(0.25), of(0.4), of(0.5), of(1.0)), (15.0, 20.0, 29.0, 35.0, 50.0));
        assert!((of(0.9) - 46.0).abs() < 1e-12);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!((median(&[]), median(&[7.0])), (None, Some(7.0)));
    }

    #[test]
    fn a_99th_percentile_needs_two_samples_beyond_it() {
        let at_most_one_beyond = |n| binomial::at_most(1, n, 0.01);
        assert!(at_most_one_beyond(SAMPLES_FOR_P99 as u64) < 0.01);
        assert!(at_most_one_beyond(SAMPLES_FOR_P99 as u64 - 1) > 0.01);
        let samples: Vec<f64> = (0..SAMPLES_FOR_P99).map(|i| i as f64).collect();
        assert_eq!(p99(&samples[1..]), None);
        assert_eq!(p99(&samples), Some(0.99 * 661.0));
    }

    proptest! {
        #[test]
        fn lies_between_the_samples_and_rises(samples in prop::collection::vec(0.0..1e3_f64, 1..50), p in 0.0..=1.0_f64) {
            let [low, middle, high] = [0.0, p, 1.0].map(|p| quantile(&samples, p).unwrap());
            prop_assert!(low <= middle && middle <= high);
            prop_assert!(quantile(&samples, p / 2.0).unwrap() <= middle);
        }
    }
}
