//! Updates of parameters, one pass over each: what is read is written in the same loop.

use crate::Run;
use crate::shared::Shared;

/// Numbers of a task.
const PIECE: usize = 1 << 15;

/// Stochastic gradient descent with momentum as PyTorch has it: v = momentum v + g + decay w; w -= rate v.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    pub learning_rate: f32,
    pub momentum: f32,
    pub weight_decay: f32,
}

/// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) as PyTorch has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate / (1 - beta1^step).
    pub step_size: f32,
    /// 1 - beta1.
    pub first_share: f32,
    pub beta2: f32,
    /// The root of 1 - beta2^step.
    pub second_correction: f32,
    pub epsilon: f32,
    /// What is added to the gradient of every weight, times the weight: Adam's weight decay.
    pub pull: f32,
    /// What is left of a weight before the step: 1 - learning rate x decay for AdamW, otherwise 1.
    pub kept_share: f32,
}

impl Sgd {
    /// # Panics
    /// Slices of different lengths.
    pub fn step(&self, run: Run, gradient: &[f32], weights: &mut [f32], velocity: &mut [f32]) {
        in_pieces(run, gradient, [None, None], [weights, velocity], |g, [w, v]| self.piece(g, w, v));
    }

    /// The same from old numbers to new ones.
    ///
    /// # Panics
    /// Slices of different lengths.
    pub fn step_to(&self, run: Run, gradient: &[f32], old: [&[f32]; 2], new: [&mut [f32]; 2]) {
        in_pieces(run, gradient, old.map(Some), new, |g, [w, v]| self.piece(g, w, v));
    }

    #[inline(always)]
    fn piece(&self, g: &[f32], w: &mut [f32], v: &mut [f32]) {
        let Sgd { learning_rate, momentum, weight_decay } = *self;
        for ((g, w), v) in g.iter().zip(w).zip(v) {
            *v = momentum * *v + (g + weight_decay * *w);
            *w -= learning_rate * *v;
        }
    }
}

impl Adam {
    /// m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g g, w -= step size m / (sqrt(v) / correction + epsilon).
    ///
    /// # Panics
    /// Slices of different lengths.
    pub fn step(&self, run: Run, gradient: &[f32], weights: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        in_pieces(run, gradient, [None; 3], [weights, first, second], |g, [w, m, v]| self.piece(g, w, m, v));
    }

    /// The same from old numbers to new ones: weights, first and second moments.
    ///
    /// # Panics
    /// Slices of different lengths.
    pub fn step_to(&self, run: Run, gradient: &[f32], old: [&[f32]; 3], new: [&mut [f32]; 3]) {
        in_pieces(run, gradient, old.map(Some), new, |g, [w, m, v]| self.piece(g, w, m, v));
    }

    #[inline(always)]
    fn piece(&self, g: &[f32], w: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        let new_share = 1.0 - self.beta2;
        for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
            let g = g + self.pull * *w;
            *m += self.first_share * (g - *m);
            *v = self.beta2 * *v + new_share * (g * g);
            *w = *w * self.kept_share - self.step_size * (*m / (v.sqrt() / self.second_correction + self.epsilon));
        }
    }
}

/// Runs `update` on pieces of the gradient and of the numbers that change; these are copied before where they come from
/// somewhere else, which costs nothing while a piece is in the cache.
fn in_pieces<const N: usize>(
    run: Run,
    gradient: &[f32],
    old: [Option<&[f32]>; N],
    new: [&mut [f32]; N],
    update: impl Fn(&[f32], [&mut [f32]; N]) + Sync,
) {
    let lengths = old.iter().flatten().map(|old| old.len()).chain(new.iter().map(|new| new.len()));
    lengths.for_each(|length| assert_eq!(length, gradient.len(), "numbers of a parameter and of its gradient"));
    let shared = new.map(Shared::new);
    run.pool.run(gradient.len().div_ceil(PIECE), &|piece| {
        let start = piece * PIECE;
        let count = PIECE.min(gradient.len() - start);
        // SAFETY: each task has a piece of its own.
        let mut new = shared.map(|new| unsafe { new.part(start, count) });
        for (new, old) in new.iter_mut().zip(&old) {
            if let Some(old) = old {
                new.copy_from_slice(&old[start..][..count]);
            }
        }
        run.isa.vectorised(
            #[inline(always)]
            || update(&gradient[start..][..count], new),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, Scratch, Serial, testing::Numbers};

    const LENGTH: usize = PIECE + 37;

    #[test]
    fn sgd_is_its_formula() {
        let scratch = Scratch::new();
        for isa in Isa::available() {
            let run = Run { isa, pool: &Serial, scratch: &scratch };
            let mut numbers = Numbers::new(3);
            let [g, w, v] = [0; 3].map(|_| numbers.take(LENGTH));
            let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
            let (mut new_w, mut new_v) = (w.clone(), v.clone());
            sgd.step(run, &g, &mut new_w, &mut new_v);
            for i in 0..LENGTH {
                let expected = 0.9 * v[i] + g[i] + 0.01 * w[i];
                assert!((new_v[i] - expected).abs() < 1e-6 && (new_w[i] - (w[i] - 0.1 * expected)).abs() < 1e-6);
            }
            let (mut other_w, mut other_v) = (vec![f32::NAN; LENGTH], vec![f32::NAN; LENGTH]);
            sgd.step_to(run, &g, [&w, &v], [&mut other_w, &mut other_v]);
            assert_eq!((other_w, other_v), (new_w, new_v));
        }
    }

    #[test]
    fn adam_is_its_formula() {
        let scratch = Scratch::new();
        let adam = Adam {
            step_size: 0.1,
            first_share: 0.1,
            beta2: 0.99,
            second_correction: 0.3,
            epsilon: 1e-3,
            pull: 0.02,
            kept_share: 0.98,
        };
        for isa in Isa::available() {
            let run = Run { isa, pool: &Serial, scratch: &scratch };
            let mut numbers = Numbers::new(4);
            let [g, w, m, mut v] = [0; 4].map(|_| numbers.take(LENGTH));
            v.iter_mut().for_each(|v| *v = v.abs());
            let [mut new_w, mut new_m, mut new_v] = [w.clone(), m.clone(), v.clone()];
            adam.step(run, &g, &mut new_w, &mut new_m, &mut new_v);
            for i in 0..LENGTH {
                let g = f64::from(g[i]) + 0.02 * f64::from(w[i]);
                let expected_m = f64::from(m[i]) + 0.1 * (g - f64::from(m[i]));
                let expected_v = 0.99 * f64::from(v[i]) + 0.01 * g * g;
                let expected_w = 0.98 * f64::from(w[i]) - 0.1 * expected_m / (expected_v.sqrt() / 0.3 + 1e-3);
                for (found, expected) in [(new_m[i], expected_m), (new_v[i], expected_v), (new_w[i], expected_w)] {
                    assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
                }
            }
        }
    }
}
