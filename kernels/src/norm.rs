//! Batch norm (Ioffe and Szegedy 2015) with the addition of a residual and ReLU in the same pass, and its gradients.
//! Statistics are formed of pieces that fit in a cache: mean and squared deviations of each, put together in f64 (Chan,
//! Golub and LeVeque 1979), so that one pass over memory loses no digits.

mod gradient;
#[cfg(test)]
mod tests;

pub use gradient::{Forward, Gradients};

use crate::Run;
use crate::shared::Shared;

/// Numbers of a piece.
const PIECE: usize = 1 << 15;
/// Channels whose sums are kept in registers.
const LANES: usize = 64;

/// What normalises: y = relu(scale (x - mean) / sqrt(variance + epsilon) + bias + residual). One number a channel.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm<'a> {
    pub scale: &'a [f32],
    pub bias: &'a [f32],
    pub epsilon: f32,
}

/// What is done in the same pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fused<'a> {
    /// Added before ReLU.
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
}

/// Mean and (biased) variance of every channel.
///
/// # Panics
/// Slices whose lengths do not fit together.
pub fn statistics(run: Run, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let channels = mean.len();
    check(channels, x.len(), &[("variances", variance.len())]);
    let pieces = Pieces::new(channels, x.len());
    let mut sums = run.scratch.take(pieces.count() * 2 * channels);
    let shared = Shared::new(&mut sums);
    run.pool.run(pieces.count(), &|piece| {
        // SAFETY: each task has sums of its own.
        let (mean, squares) = unsafe { shared.part(piece * 2 * channels, 2 * channels) }.split_at_mut(channels);
        let x = &x[pieces.range(piece)];
        run.isa.vectorised(
            #[inline(always)]
            || deviations(x, mean, squares),
        );
    });
    for channel in 0..channels {
        let (mut count, mut all_mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
        for (piece, sums) in sums.chunks_exact(2 * channels).enumerate() {
            let new = (pieces.range(piece).len() / channels) as f64;
            let apart = f64::from(sums[channel]) - all_mean;
            squares += f64::from(sums[channels + channel]) + apart * apart * count * new / (count + new);
            count += new;
            all_mean += apart * new / count;
        }
        mean[channel] = all_mean as f32;
        variance[channel] = (squares / count) as f32;
    }
}

/// Mean of every channel of a piece, and the sum of squared deviations from it.
#[inline(always)]
fn deviations(x: &[f32], mean: &mut [f32], squares: &mut [f32]) {
    let channels = mean.len();
    let share = channels as f32 / x.len() as f32;
    for first in (0..channels).step_by(LANES) {
        let count = LANES.min(channels - first);
        let mut about = [0.0f32; LANES];
        // a constant number of lanes, where it can be, keeps the sums in registers
        if count == LANES {
            add(x, channels, first, LANES, &mut about)
        } else {
            add(x, channels, first, count, &mut about)
        }
        (0..LANES).for_each(|i| about[i] *= share);
        let (mut left, mut square) = ([0.0f32; LANES], [0.0f32; LANES]);
        let sums = [&mut left, &mut square];
        if count == LANES {
            add_apart(x, channels, first, LANES, &about, sums);
        } else {
            add_apart(x, channels, first, count, &about, sums);
        }
        for i in 0..count {
            // what rounding left of the mean
            let correction = left[i] * share;
            mean[first + i] = about[i] + correction;
            squares[first + i] = (square[i] - correction * left[i]).max(0.0);
        }
    }
}

#[inline(always)]
fn add(x: &[f32], channels: usize, first: usize, count: usize, sums: &mut [f32; LANES]) {
    for x in x.chunks_exact(channels) {
        let x = &x[first..][..count];
        (0..count).for_each(|i| sums[i] += x[i]);
    }
}

#[inline(always)]
fn add_apart(
    x: &[f32],
    channels: usize,
    first: usize,
    count: usize,
    about: &[f32; LANES],
    [left, square]: [&mut [f32; LANES]; 2],
) {
    for x in x.chunks_exact(channels) {
        let x = &x[first..][..count];
        for i in 0..count {
            let apart = x[i] - about[i];
            left[i] += apart;
            square[i] += apart * apart;
        }
    }
}

impl BatchNorm<'_> {
    /// Normalises by the statistics of the batch, which are written too (the variance as the biased one).
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn train(&self, run: Run, x: &[f32], fused: Fused, y: &mut [f32], mean: &mut [f32], variance: &mut [f32]) {
        statistics(run, x, mean, variance);
        self.apply(run, x, mean, variance, fused, y);
    }

    /// Normalises by given statistics.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn apply(&self, run: Run, x: &[f32], mean: &[f32], variance: &[f32], fused: Fused, y: &mut [f32]) {
        let channels = mean.len();
        let of_channels = [("variances", variance.len()), ("scales", self.scale.len()), ("biases", self.bias.len())];
        check(channels, x.len(), &of_channels);
        assert_eq!(y.len(), x.len(), "numbers of the output");
        fused.residual.iter().for_each(|residual| assert_eq!(residual.len(), x.len(), "numbers of the residual"));
        let mut factor = run.scratch.take(channels);
        factors(self.scale, variance, self.epsilon, &mut factor);
        let (pieces, shared, factor) = (Pieces::new(channels, x.len()), Shared::new(y), &factor[..]);
        run.pool.run(pieces.count(), &|piece| {
            let range = pieces.range(piece);
            // SAFETY: each task has a piece of its own.
            let y = unsafe { shared.part(range.start, range.len()) };
            let x = &x[range.clone()];
            let none: &[f32] = &[];
            let residual = fused.residual.map_or(none, |residual| &residual[range]);
            run.isa.vectorised(
                #[inline(always)]
                || match (fused.residual.is_some(), fused.relu) {
                    (false, false) => normalise::<false, false>(x, y, mean, factor, self.bias, residual),
                    (false, true) => normalise::<false, true>(x, y, mean, factor, self.bias, residual),
                    (true, false) => normalise::<true, false>(x, y, mean, factor, self.bias, residual),
                    (true, true) => normalise::<true, true>(x, y, mean, factor, self.bias, residual),
                },
            );
        });
    }
}

/// A NaN stays one.
#[inline(always)]
fn relu(y: f32) -> f32 {
    if y < 0.0 { 0.0 } else { y }
}

/// scale / sqrt(variance + epsilon)
fn factors(scale: &[f32], variance: &[f32], epsilon: f32, factor: &mut [f32]) {
    for ((factor, scale), variance) in factor.iter_mut().zip(scale).zip(variance) {
        *factor = (f64::from(*scale) / (f64::from(*variance) + f64::from(epsilon)).sqrt()) as f32;
    }
}

#[inline(always)]
fn normalise<const RESIDUAL: bool, const RELU: bool>(
    x: &[f32],
    y: &mut [f32],
    mean: &[f32],
    factor: &[f32],
    bias: &[f32],
    residual: &[f32],
) {
    let channels = mean.len();
    let (factor, bias) = (&factor[..channels], &bias[..channels]);
    for (pixel, (x, y)) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)).enumerate() {
        let residual = if RESIDUAL { &residual[pixel * channels..][..channels] } else { x };
        for i in 0..channels {
            let normalised = (x[i] - mean[i]) * factor[i] + bias[i];
            let sum = if RESIDUAL { normalised + residual[i] } else { normalised };
            y[i] = if RELU { relu(sum) } else { sum };
        }
    }
}

/// Runs of pixels that are one task each.
struct Pieces {
    length: usize,
    total: usize,
}

impl Pieces {
    fn new(channels: usize, total: usize) -> Pieces {
        Pieces { length: (PIECE / channels).max(1) * channels, total }
    }

    fn count(&self) -> usize {
        self.total.div_ceil(self.length)
    }

    fn range(&self, piece: usize) -> std::ops::Range<usize> {
        piece * self.length..((piece + 1) * self.length).min(self.total)
    }
}

fn check(channels: usize, numbers: usize, of_channels: &[(&str, usize)]) {
    assert!(channels > 0 && numbers.is_multiple_of(channels), "{numbers} numbers are no pixels of {channels} channels");
    of_channels.iter().for_each(|(what, count)| assert_eq!(*count, channels, "{what} of {channels} channels"));
}
