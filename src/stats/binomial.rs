//! The binomial distribution, which both the exact interval and the exact paired test stand on.

/// P(X <= `k`) for X ~ Binomial(`n`, `p`).
///
/// Summed term by term in logarithms, so that no term underflows: exact to about 1e-11 for the n of a test set.
pub(super) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let odds = (p / (1.0 - p)).ln();
    let mut ln_term = n as f64 * (-p).ln_1p();
    let mut sum = ln_term.exp();
    for successes in 1..=k {
        ln_term += ((n - successes + 1) as f64 / successes as f64).ln() + odds;
        sum += ln_term.exp();
    }
    sum.min(1.0)
}
