//! Error against the number of training images as `floor + scale n^-exponent`: the form that learning curves have over
//! the sizes that one can afford (Cortes and others 1993; Hestness and others 2017). Three numbers are much to ask of a
//! few sizes, so that what is to be said of a law is said by [`super::learning`], with how far it carries.

/// Exponents that are tried, from the slowest fall to the fastest, equal ratios apart.
const EXPONENTS: usize = 48;
const SLOWEST: f64 = 0.05;
const FASTEST: f64 = 1.0;

/// `floor + scale (n / largest)^-exponent`: the scale is what the largest size could still lose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    pub floor: f64,
    pub scale: f64,
    pub exponent: f64,
    /// The number of images that the scale belongs to.
    pub largest: f64,
}

impl PowerLaw {
    /// The error with so many training images.
    pub fn error(&self, images: f64) -> f64 {
        self.floor + self.scale * (images / self.largest).powf(-self.exponent)
    }
}

/// Least squares at given sizes, prepared once for many fits.
#[derive(Debug, Clone)]
pub struct Fitting {
    largest: f64,
    /// Of each size; all together 1.
    weights: Vec<f64>,
    /// One an exponent.
    bases: Vec<Basis>,
}

/// What one exponent makes of the sizes.
#[derive(Debug, Clone)]
struct Basis {
    exponent: f64,
    /// `(n / largest)^-exponent` of each size.
    values: Vec<f64>,
    mean: f64,
    /// Weighted mean of squares, about the mean and about 0.
    variance: f64,
    squares: f64,
}

impl Fitting {
    /// Of sizes in ascending order, each counting as much as it has images: the fewer, the more depends on which.
    pub fn at(sizes: &[f64]) -> Fitting {
        let largest = sizes.last().copied().unwrap_or(1.0);
        let all: f64 = sizes.iter().sum();
        let weights: Vec<f64> = sizes.iter().map(|size| size / all).collect();
        let basis = |i: usize| {
            let exponent = SLOWEST * (FASTEST / SLOWEST).powf(i as f64 / (EXPONENTS - 1) as f64);
            let values: Vec<f64> = sizes.iter().map(|size| (size / largest).powf(-exponent)).collect();
            let mean = weighted(&weights, &values, |value| value);
            let variance = weighted(&weights, &values, |value| (value - mean).powi(2));
            Basis { exponent, mean, variance, squares: weighted(&weights, &values, |value| value * value), values }
        };
        Fitting { largest, bases: (0..EXPONENTS).map(basis).collect(), weights }
    }

    /// The law with the smallest weighted sum of squares, neither floor nor scale below 0; of equals the slowest.
    pub fn fit(&self, errors: &[f64]) -> PowerLaw {
        let mean = weighted(&self.weights, errors, |error| error);
        let mut best = (f64::INFINITY, PowerLaw { floor: mean, scale: 0.0, exponent: SLOWEST, largest: self.largest });
        for basis in &self.bases {
            let (floor, scale) = basis.line(&self.weights, errors, mean);
            let left = |(value, error): (&f64, &f64)| (error - floor - scale * value).powi(2);
            let squares = basis.values.iter().zip(errors).map(left);
            let sum: f64 = squares.zip(&self.weights).map(|(square, weight)| weight * square).sum();
            if sum < best.0 {
                best = (sum, PowerLaw { floor, scale, exponent: basis.exponent, largest: self.largest });
            }
        }
        best.1
    }
}

impl Basis {
    /// Floor and scale of the best line through the errors that has neither below 0.
    fn line(&self, weights: &[f64], errors: &[f64], mean: f64) -> (f64, f64) {
        let product: f64 = self.values.iter().zip(errors).zip(weights).map(|((v, e), w)| w * v * e).sum();
        let slope = if self.variance > 0.0 { (product - self.mean * mean) / self.variance } else { 0.0 };
        let floor = mean - slope * self.mean;
        match (slope > 0.0, floor >= 0.0) {
            (false, _) => (mean, 0.0),
            (true, true) => (floor, slope),
            (true, false) => (0.0, product / self.squares),
        }
    }
}

fn weighted(weights: &[f64], values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    weights.iter().zip(values).map(|(weight, &value)| weight * of(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [f64; 7] = [64.0, 102.0, 161.0, 256.0, 406.0, 645.0, 1024.0];

    #[test]
    fn a_law_without_noise_is_found_again() {
        for (floor, scale, exponent) in [(0.02, 0.05, 0.5), (0.0, 0.1, 0.3), (0.1, 0.02, 1.0)] {
            let truth = PowerLaw { floor, scale, exponent, largest: 1024.0 };
            let found = Fitting::at(&SIZES).fit(&SIZES.map(|size| truth.error(size)));
            for factor in [1.0, 2.0, 4.0] {
                let (found, truth) = (found.error(1024.0 * factor), truth.error(1024.0 * factor));
                assert!((found - truth).abs() < 2e-3, "{factor}: {found} {truth}");
            }
        }
    }

    #[test]
    fn errors_that_do_not_fall_have_a_flat_law() {
        let rising = Fitting::at(&SIZES).fit(&[0.1, 0.1, 0.11, 0.12, 0.12, 0.13, 0.13]);
        assert_eq!(rising.scale, 0.0);
        assert!((rising.error(4096.0) - 0.126).abs() < 5e-3, "{rising:?}");
        assert_eq!(Fitting::at(&SIZES).fit(&[0.0; 7]).error(4096.0), 0.0);
    }
}
