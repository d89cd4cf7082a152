//! Chance and angles that come out the same on every machine: whole numbers and the five exact operations of floats
//! only, since the sines of different standard libraries differ in their last bit.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use crate::image::degrade::hash;
use crate::random::keyed;

/// Draws what one image needs, in a fixed order.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The four numbers are the key: different ones, different draws.
    pub fn new(key: [u64; 4]) -> Dice {
        Dice(keyed(key))
    }

    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / (1 << 24) as f32
    }

    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// From -1 to 1.
    pub fn signed(&mut self) -> f32 {
        self.range(-1.0, 1.0)
    }

    /// From 0 to below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    pub fn between(&mut self, (low, high): (u32, u32)) -> u32 {
        low + self.below(high - low + 1)
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }
}

/// Sine and cosine of an angle in turns, within 1e-6.
pub fn sin_cos(turns: f32) -> (f32, f32) {
    let quarters = floor(turns * 4.0 + 0.5);
    let x = (turns - quarters as f32 / 4.0) * TAU;
    let square = x * x;
    let sine = x * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)));
    let cosine = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0)));
    match quarters.rem_euclid(4) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

pub fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 0 at 0 and below, 1 at 1 and above, level at both.
pub fn smooth(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Values of a lattice, blended in between, in octaves: each twice as fine and half as strong; 0 to 1.
pub fn fractal(mut x: f32, mut y: f32, mut seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut all, mut share) = (0.0, 0.0, 1.0);
    for _ in 0..octaves {
        sum += share * lattice(x, y, seed);
        all += share;
        // no whole number, so that the lattices do not meet
        (x, y, seed, share) = (x * 2.03 + 7.1, y * 2.03 + 3.7, seed.wrapping_add(0x9e37_79b9), share * 0.5);
    }
    sum / all
}

fn lattice(x: f32, y: f32, seed: u32) -> f32 {
    let (i, j) = (floor(x), floor(y));
    let (across, down) = (smooth(x - i as f32), smooth(y - j as f32));
    let at = |i: i32, j: i32| share(hash(i as u32, j as u32, seed));
    mix(mix(at(i, j), at(i + 1, j), across), mix(at(i, j + 1), at(i + 1, j + 1), across), down)
}

/// The largest whole number that is not above `x`, for small `x`: `f32::floor` is a call where the processor may be old.
pub fn floor(x: f32) -> i32 {
    (x + 512.0) as i32 - 512
}

/// Bits as a number from 0 to 1.
pub fn share(bits: u32) -> f32 {
    bits as f32 / (1_u64 << 32) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_those_of_the_standard_library() {
        for i in -4000..4000 {
            let turns = i as f32 / 1000.0;
            let (sine, cosine) = sin_cos(turns);
            let (expected, other) = (f64::from(turns) * std::f64::consts::TAU).sin_cos();
            assert!((f64::from(sine) - expected).abs() < 2e-6, "sine of {turns}");
            assert!((f64::from(cosine) - other).abs() < 2e-6, "cosine of {turns}");
        }
    }

    #[test]
    fn draws_stay_in_their_ranges_and_reach_both_ends() {
        let mut dice = Dice::new([1, 2, 3, 4]);
        let drawn: Vec<u32> = (0..500).map(|_| dice.between((2, 5))).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&2), Some(&5)));
        assert!((0..500).all(|_| (-1.0..1.0).contains(&dice.signed())));
        let values: Vec<f32> = (0..500).map(|i| fractal(i as f32 * 0.37, 5.0, 9, 3)).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert_eq!([floor(-0.25), floor(0.75), floor(3.0)], [-1, 0, 3]);
    }
}
