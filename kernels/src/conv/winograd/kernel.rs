//! Kernels of 3x3 into what is multiplied, and the gradient of that back into kernels: vectors of filters.

use super::points::{Points, Reverse, both};
use super::transform::Tiled;
use crate::isa::Kernel;
use crate::shared::Shared;
use crate::simd::{Simd, load_square};

/// Where the weight of (channel of the source, filter of the target) stands, and which way round the kernel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub channel: usize,
    pub filter: usize,
    pub turned: bool,
}

/// Some channels of a panel of filters: `[position][channel][columns]`.
pub(super) struct Weights<'a, P> {
    pub points: P,
    pub order: Order,
    pub weights: &'a [f32],
    /// The first filter, how many there are, and how many fit.
    pub filter: usize,
    pub filters: usize,
    pub columns: usize,
    /// Channels, and numbers from a position to the next.
    pub channels: usize,
    pub stride: usize,
    pub out: &'a mut [f32],
}

impl<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize> Kernel
    for Tiled<Weights<'_, P>, I, N, O, D>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Weights { points, order, weights, filter, filters, columns, channels, stride, out } = self.0;
        assert!((D * D - 1) * stride + channels * columns <= out.len() && columns <= 32 && filters <= columns);
        for channel in 0..channels {
            let mut taps = [[0.0f32; 32]; 9];
            for column in 0..filters {
                let start = channel * order.channel + (filter + column) * order.filter;
                let kernel = &weights[start..start + 9];
                for (tap, taps) in taps.iter_mut().enumerate() {
                    taps[column] = kernel[if order.turned { 8 - tap } else { tap }];
                }
            }
            for lane in (0..columns).step_by(S::LANES) {
                // SAFETY: a row of taps has 32 numbers, and no panel is wider.
                let g = unsafe { load_square::<S, 3>(simd, taps.as_ptr().cast::<f32>().add(lane), [96, 32]) };
                let u = both(
                    g,
                    #[inline(always)]
                    |row| points.kernel(simd, row),
                );
                for (position, u) in u.as_flattened().iter().enumerate() {
                    // SAFETY: the last place was seen to be inside.
                    unsafe { simd.store(*u, out.as_mut_ptr().add(position * stride + channel * columns + lane)) };
                }
            }
        }
    }
}

/// The gradient of some channels of a panel of filters: from `[position][channel][columns]` into the weights' gradient.
pub(super) struct Collect<'a, P> {
    pub points: P,
    pub sums: &'a [f32],
    pub stride: usize,
    pub columns: usize,
    /// The first filter, and how many there are.
    pub filter: usize,
    pub filters: usize,
    /// The first channel, how many are done, and how many the layer has.
    pub channel: usize,
    pub channels: usize,
    pub all: usize,
    pub out: Shared<'a>,
}

impl<P: Reverse<N, O>, const I: usize, const N: usize, const O: usize, const D: usize> Kernel
    for Tiled<Collect<'_, P>, I, N, O, D>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Collect { points, sums, stride, columns, filter, filters, channel: first, channels, all, out } = self.0;
        assert!((N * N - 1) * stride + channels * columns <= sums.len() && columns <= 32);
        for channel in 0..channels {
            let mut taps = [[0.0f32; 32]; 9];
            for lane in (0..columns).step_by(S::LANES) {
                let place = channel * columns + lane;
                // SAFETY: the last place was seen to be inside.
                let u = unsafe { load_square::<S, N>(simd, sums.as_ptr().add(place), [N * stride, stride]) };
                let g = both(
                    u,
                    #[inline(always)]
                    |row| points.collect(simd, row),
                );
                for (taps, g) in taps.iter_mut().zip(g.as_flattened()) {
                    // SAFETY: a row of taps has 32 numbers, and no panel is wider.
                    unsafe { simd.store(*g, taps.as_mut_ptr().add(lane)) };
                }
            }
            for column in 0..filters {
                // SAFETY: each task has channels and filters of its own.
                let out = unsafe { out.part(((filter + column) * all + first + channel) * 9, 9) };
                out.iter_mut().zip(&taps).for_each(|(out, taps)| *out = taps[column]);
            }
        }
    }
}
