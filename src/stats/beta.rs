//! Quantiles of the beta distribution, in which the bounds of a share are.

use statrs::function::beta::{beta_reg, ln_beta};

/// Steps after which the place is taken as it is: a bracket that halved so often is finer than an f64.
const STEPS: usize = 100;
/// How near two steps come to each other, as a share of the place, before it counts as found.
const NEAR: f64 = 1e-10;

/// The x at which a beta distribution of shapes `a` and `b` (both above 0) has the share `p` below it: Newton's steps in a
/// bracket that shrinks.
pub(super) fn quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    let constant = ln_beta(a, b);
    let mut x = start(p, a, b).clamp(1e-12, 1.0 - 1e-12);
    for _ in 0..STEPS {
        let off = beta_reg(a, b, x) - p;
        if off > 0.0 {
            high = x
        } else {
            low = x
        }
        let density = ((a - 1.0) * x.ln() + (b - 1.0) * (-x).ln_1p() - constant).exp();
        let newton = x - off / density;
        let next = if low < newton && newton < high { newton } else { 0.5 * (low + high) };
        if (next - x).abs() <= NEAR * x.min(1.0 - x) {
            return next;
        }
        x = next;
    }
    x
}

/// Near the quantile (Abramowitz and Stegun 1964, 26.5.22); the mean where that does not hold.
fn start(p: f64, a: f64, b: f64) -> f64 {
    if a <= 1.0 || b <= 1.0 {
        return a / (a + b);
    }
    let z = upper_normal(p);
    let lambda = (z * z - 3.0) / 6.0;
    let (of_a, of_b) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
    let h = 2.0 / (of_a + of_b);
    let w = z * (h + lambda).max(0.0).sqrt() / h - (of_b - of_a) * (lambda + 5.0 / 6.0 - 2.0 / (3.0 * h));
    a / (a + b * (2.0 * w).exp())
}

/// The point of the standard normal distribution with `p` above it, within 4.5e-4 (the same, 26.2.23).
fn upper_normal(p: f64) -> f64 {
    if p > 0.5 {
        return -upper_normal(1.0 - p);
    }
    let t = (-2.0 * p.max(f64::MIN_POSITIVE).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - above / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::super::intervals::{Level, clopper_pearson};
    use super::*;

    #[test]
    fn the_exact_interval_of_a_share_is_made_of_such_quantiles() {
        for (correct, n) in [(1, 50), (3, 50), (49, 50), (150, 153), (1000, 1909), (5, 100_000)] {
            let exact = clopper_pearson(correct, n, Level::PERCENT_95);
            let (x, n) = (correct as f64, n as f64);
            assert!((quantile(0.025, x, n - x + 1.0) - exact.low).abs() < 1e-9, "{correct} of {n}");
            assert!((quantile(0.975, x + 1.0, n - x) - exact.high).abs() < 1e-9, "{correct} of {n}");
        }
    }

    #[test]
    fn a_power_has_its_quantile_in_closed_form() {
        for (p, a) in [(0.3, 0.25), (1e-6, 2.0), (0.999, 7.5), (0.5, 1.0)] {
            assert!((quantile(p, a, 1.0) / f64::powf(p, 1.0 / a) - 1.0).abs() < 1e-8, "{p} {a}");
        }
    }
}
