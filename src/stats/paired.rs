//! Is one classifier better than another on the same images? Only the images on which they disagree can tell.
//! McNemar's exact test counts them; Holm's correction is for when several pairs are compared.

use super::binomial;

/// Two-sided p values of McNemar's test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Exact: never too small.
    pub exact_p: f64,
    /// Mid-p: half of the observed outcome's probability is left out, since the exact test is too careful on few images
    /// (Fagerland et al. 2013, without their special case for equal counts, where it is 1).
    pub mid_p: f64,
}

/// McNemar's exact test: of the images that one of two classifiers has right and the other wrong, could the split be
/// a fair coin's?
///
/// `only_first` images that only the first has right, `only_second` that only the second has. Without any such image p is 1.
pub fn mcnemar(only_first: u64, only_second: u64) -> McNemar {
    let (n, fewer) = (only_first + only_second, only_first.min(only_second));
    let tail = binomial::at_most(fewer, n, 0.5);
    let observed = if fewer == 0 { tail } else { tail - binomial::at_most(fewer - 1, n, 0.5) };
    McNemar { exact_p: (2.0 * tail).min(1.0), mid_p: (2.0 * tail - observed).min(1.0) }
}

/// The smallest difference, in images, that [`mcnemar`] could call significant on `n` images: all disagreements on one
/// side. `None` where even `n` images are too few.
///
/// With `comparisons` pairs under [`holm`], the smallest p must be below `alpha / comparisons`.
pub fn smallest_significant_difference(n: u64, comparisons: usize, alpha: f64) -> Option<u64> {
    (1..=n).find(|&images| mcnemar(images, 0).exact_p * (comparisons as f64) < alpha)
}

/// Holm's step-down correction (Holm 1979): p values that can be held against one level however many there are.
///
/// The result has the order of `p`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p.len()).collect();
    ascending.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut floor = 0.0_f64;
    for (rank, &i) in ascending.iter().enumerate() {
        floor = floor.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = floor;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn six_images_are_the_least_that_one_pair_can_show() {
        assert_eq!(smallest_significant_difference(153, 1, 0.05), Some(6));
        assert_eq!(smallest_significant_difference(1909, 15, 0.05), Some(10));
        assert_eq!(smallest_significant_difference(5, 1, 0.05), None);
    }

    proptest! {
        #[test]
        fn mcnemar_knows_no_first_or_second(a in 0..500_u64, b in 0..500_u64) {
            let test = mcnemar(a, b);
            prop_assert_eq!(test, mcnemar(b, a));
            prop_assert!(0.0 <= test.mid_p && test.mid_p <= test.exact_p && test.exact_p <= 1.0);
        }

        #[test]
        fn more_on_the_winning_side_is_more_significant(a in 0..500_u64, more in 0..500_u64) {
            prop_assert!(mcnemar(a, a + more + 1).exact_p <= mcnemar(a, a + more).exact_p);
        }

        #[test]
        fn holm_raises_and_keeps_the_order(p in prop::collection::vec(0.0..=1.0_f64, 0..20)) {
            let adjusted = holm(&p);
            for i in 0..p.len() {
                prop_assert!(p[i] <= adjusted[i] && adjusted[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
