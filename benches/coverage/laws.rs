//! Drawn learning curves whose law is known: images of unequal difficulty, training images that each do something to a
//! fit, and nested subsets of these, as a report measures them.

use featbench::stats::learning::{Curve, Size};
use featbench::stats::share::Weights;
use statrs::distribution::{ContinuousCDF, Normal};

use super::draw::{Dice, holds};

/// Training images, sizes and draws of a curve.
const POOL: usize = 1000;
const SIZES: [usize; 7] = [63, 99, 157, 250, 397, 630, 1000];
const DRAWS: usize = 10;
/// Forecasts are looked at for so many times the images.
pub const TIMES: [f64; 3] = [1.0, 2.0, 4.0];
const LEVEL: f64 = 0.95;
/// Variance of the difficulty of images; the rest is of image and fit together.
const DIFFICULTY: f64 = 0.8;

/// A law and what it is seen through.
#[derive(Debug, Clone, Copy)]
pub struct Law {
    /// Reported images.
    pub images: usize,
    /// Deviation, in probits, that the choice of all training images brings.
    pub training: f64,
    /// Of the largest size; the part of it that never goes; and how fast the other part does.
    pub error: f64,
    pub floor: f64,
    pub exponent: f64,
}

/// Of so many draws how many forecasts held the truth, and how many gains at twice the images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    pub forecasts: [usize; TIMES.len()],
    pub gain: usize,
    /// Mean of the bands, in points.
    pub width: [f64; TIMES.len()],
}

impl Law {
    fn truth(&self, times: f64) -> f64 {
        self.error * (self.floor + (1.0 - self.floor) * times.powf(-self.exponent))
    }

    pub fn run(&self, draws: usize, seed: u64) -> Held {
        let Ok(normal) = Normal::new(0.0, 1.0) else { return Held::default() };
        let (mut dice, mut held) = (Dice::new(seed, &normal), Held::default());
        for _ in 0..draws {
            let sizes = self.draw(&mut dice, &normal);
            let Some(curve) = Curve::of(&sizes, &Weights::equal(self.images)) else { continue };
            for (i, times) in TIMES.into_iter().enumerate() {
                let found = curve.at(times * POOL as f64, LEVEL);
                held.forecasts[i] += usize::from(holds((found.low, found.high), 1.0 - self.truth(times)));
                held.width[i] += 100.0 * (found.high - found.low) / draws as f64;
            }
            let gain = curve.gain(2.0 * POOL as f64, LEVEL);
            held.gain += usize::from(holds((gain.low, gain.high), self.truth(1.0) - self.truth(2.0)));
        }
        held
    }

    /// What fits on every subset have right.
    fn draw(&self, dice: &mut Dice, normal: &Normal) -> Vec<Size> {
        let lesson = (self.training * (POOL as f64).sqrt()) as f32;
        let lessons: Vec<f32> = (0..POOL).map(|_| lesson * dice.normal()).collect();
        let (easy, rest) = (DIFFICULTY.sqrt() as f32, (1.0 - DIFFICULTY).sqrt() as f32);
        // of what image and fit do together, the part that belongs to the largest size
        let images: Vec<(f32, f32)> = (0..self.images).map(|_| (easy * dice.normal(), rest * dice.normal())).collect();
        let mut sizes: Vec<Size> = SIZES.iter().map(|&images| Size { images, right: Vec::new() }).collect();
        let mut order: Vec<usize> = (0..POOL).collect();
        for draw in 0..DRAWS {
            dice.shuffle(&mut order, POOL);
            for size in sizes.iter_mut().filter(|size| draw == 0 || size.images < POOL) {
                let share = size.images as f64 / POOL as f64;
                let learnt = order[..size.images].iter().map(|&i| lessons[i]).sum::<f32>() / size.images as f32;
                let spread = 1.0 + self.training * self.training / share;
                let mean = normal.inverse_cdf(1.0 - self.truth(share)) * spread.sqrt();
                let (of_all, of_fit) = (share.sqrt() as f32, (1.0 - share).sqrt() as f32 * rest);
                let right = images.iter().map(|(easy, together)| {
                    i8::from(mean as f32 + learnt + easy + of_all * together + of_fit * dice.normal() > 0.0)
                });
                size.right.push(right.collect());
            }
        }
        sizes
    }
}
