//! Random numbers of a training. What is drawn depends on the seed and on what it is for, never on what was drawn before:
//! threads, and the moment at which a training is resumed, change nothing.

use std::f64::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::random::keyed;

/// What numbers are drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// First weights of a network that starts from nothing, and of a head.
    Weights,
    Head,
    /// The order of an epoch's images.
    Order,
    /// Crop and mirror image of one image in one epoch.
    View,
    /// Pairs and shares of one mini-batch.
    Mixup,
    /// What a mini-batch drops.
    Dropout,
}

/// The generator of one purpose, epoch and place (of an image, or of a mini-batch); the four numbers are its key.
pub fn generator(seed: u64, purpose: Purpose, epoch: usize, place: usize) -> ChaCha8Rng {
    keyed([seed, purpose as u64, epoch as u64, place as u64])
}

/// A number of the standard normal distribution (Box and Muller 1958).
pub fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
}

/// A number of the distribution Beta(a, a) for a from 0 (exclusive) to 1 (Jöhnk 1964).
pub fn symmetric_beta(a: f64, rng: &mut impl Rng) -> f64 {
    loop {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        // in logarithms, since small powers of 1 / a underflow
        let (x, y) = ((1.0 - u).ln() / a, (1.0 - v).ln() / a);
        let larger = x.max(y);
        let sum = larger + ((x - larger).exp() + (y - larger).exp()).ln();
        if sum <= 0.0 {
            return (x - sum).exp();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_counts() {
        let first = |seed, purpose, epoch, place| generator(seed, purpose, epoch, place).random::<u64>();
        let all = [
            first(0, Purpose::View, 0, 0),
            first(1, Purpose::View, 0, 0),
            first(0, Purpose::Order, 0, 0),
            first(0, Purpose::View, 1, 0),
            first(0, Purpose::View, 0, 1),
        ];
        assert!((0..5).all(|i| (0..i).all(|j| all[i] != all[j])), "{all:?}");
        assert_eq!(all[0], first(0, Purpose::View, 0, 0));
    }

    /// Mean 1/2 and variance 1 / (4 (2a + 1)); mean 0 and variance 1.
    #[test]
    fn distributions_have_their_moments() {
        let mut rng = generator(3, Purpose::Mixup, 0, 0);
        let mut moments = |draw: &mut dyn FnMut(&mut ChaCha8Rng) -> f64| {
            let values: Vec<f64> = (0..20_000).map(|_| draw(&mut rng)).collect();
            let mean = values.iter().sum::<f64>() / 2e4;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2e4)
        };
        for a in [0.1, 0.4, 1.0] {
            let (mean, variance) = moments(&mut |rng| symmetric_beta(a, rng));
            assert!((mean - 0.5).abs() < 0.02, "{a}: mean {mean}");
            assert!((variance - 0.25 / (2.0 * a + 1.0)).abs() < 0.01, "{a}: variance {variance}");
        }
        let (mean, variance) = moments(&mut |rng| normal(rng));
        assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.05, "{mean}, {variance}");
    }
}
