//! The binomial distribution, which the exact interval and the exact tests stand on.

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

/// Two-sided p of the exact binomial test: how likely guesses that are right with probability `chance` are to give a
/// count that is no likelier than `correct` of `n`.
pub fn test(correct: u64, n: u64, chance: f64) -> f64 {
    if chance <= 0.0 || chance >= 1.0 {
        return if correct as f64 == chance * n as f64 { 1.0 } else { 0.0 };
    }
    let odds = (chance / (1.0 - chance)).ln();
    let mut ln_terms = vec![n as f64 * (-chance).ln_1p()];
    for successes in 1..=n {
        ln_terms.push(ln_terms[successes as usize - 1] + ((n - successes + 1) as f64 / successes as f64).ln() + odds);
    }
    // equal terms of both sides differ by rounding
    let observed = ln_terms[correct as usize] + 1e-7;
    ln_terms.iter().filter(|&&term| term <= observed).map(|term| term.exp()).sum::<f64>().min(1.0)
}
