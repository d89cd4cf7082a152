//! Winograd's minimal filtering for 3x3 kernels of stride 1 (Lavin and Gray 2016): tiles of the input and the kernels
//! are transformed, multiplied position by position (one product of matrices each), and transformed back.

mod kernel;
mod points;
mod transform;
mod walk;
mod weights;

use super::epilogue::Epilogue;
use super::product::even;
use super::shape::Shape;
use crate::shared::Shared;
use crate::tile::{GROUP, Sizes, along_groups};
use crate::{Isa, Run};
use kernel::{Order, Weights};
use points::{Four, Points, Two};
use transform::{Input, Output, Tiled};
use walk::Walk;

pub(super) use weights::weight_gradient;

/// Numbers of the transformed tiles that one task makes for itself: they stay in the second-level cache.
const BLOCK: usize = 128 * 1024;
/// With transformed kernels of more numbers than these, tiles are transformed once for all panels of filters.
const KERNELS: usize = 36 * 128 * 128;
/// Numbers of the transformed tiles that all tasks share.
const SHARED: usize = 2 << 20;
/// Channels of a task that transforms kernels.
const CHANNELS: usize = 32;

pub(super) fn fits(shape: &Shape) -> bool {
    shape.kernel == [3, 3] && shape.stride == [1, 1] && shape.dilation == [1, 1] && shape.groups == 1
}

/// Side of a tile's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Two,
    Four,
}

/// One direction of a layer, forward or the input's gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    walk: Walk,
    order: Order,
    side: Side,
}

impl Plan {
    pub fn forward(shape: &Shape, side: Side) -> Plan {
        let order = Order { channel: 9, filter: shape.channels * 9, turned: false };
        Plan { walk: Walk::forward(shape), order, side }
    }

    pub fn input_gradient(shape: &Shape, side: Side) -> Plan {
        let order = Order { channel: shape.channels * 9, filter: 9, turned: true };
        Plan { walk: Walk::input_gradient(shape), order, side }
    }

    fn positions(&self) -> usize {
        match self.side {
            Side::Two => 16,
            Side::Four => 36,
        }
    }

    /// Numbers from one position of a panel's kernels to the next: not a power of two, or all would fall into the same
    /// few lines of a cache.
    fn stride(&self, sizes: Sizes) -> usize {
        self.walk.channels * sizes.columns + GROUP
    }

    fn panels(&self, sizes: Sizes) -> usize {
        self.walk.filters.div_ceil(sizes.columns)
    }

    /// Numbers of the transformed kernels.
    pub fn packed(&self, sizes: Sizes) -> usize {
        self.panels(sizes) * self.positions() * self.stride(sizes)
    }

    /// Kernels as `[panel][position][channel][columns]`.
    pub fn pack(&self, run: Run, weights: &[f32], packed: &mut [f32]) {
        match self.side {
            Side::Two => self.pack_by::<_, 2, 4>(Two, run, weights, packed),
            Side::Four => self.pack_by::<_, 4, 6>(Four, run, weights, packed),
        }
    }

    fn pack_by<P: Points<M, N>, const M: usize, const N: usize>(
        &self,
        points: P,
        run: Run,
        weights: &[f32],
        packed: &mut [f32],
    ) {
        let (sizes, order) = (Sizes::of(run.isa), self.order);
        let (stride, channels) = (self.stride(sizes), self.walk.channels);
        let (length, columns) = (N * N * stride, sizes.columns);
        let shared = Shared::new(packed);
        run.pool.run(self.panels(sizes), &|panel| {
            // SAFETY: each task has a panel of its own.
            let out = unsafe { shared.part(panel * length, length) };
            let filter = panel * columns;
            let filters = columns.min(self.walk.filters - filter);
            for first in (0..channels).step_by(CHANNELS) {
                let count = CHANNELS.min(channels - first);
                let (weights, out) = (&weights[first * order.channel..], &mut out[first * columns..]);
                run.isa.run(Tiled::<_, M, N>(Weights {
                    points,
                    order,
                    weights,
                    filter,
                    filters,
                    columns,
                    channels: count,
                    stride,
                    out,
                }));
            }
        });
    }

    pub fn run(&self, run: Run, source: &[f32], packed: &[f32], epilogue: &Epilogue, out: &mut [f32]) {
        match self.side {
            Side::Two => self.run_by::<_, 2, 4>(Two, run, source, packed, epilogue, out),
            Side::Four => self.run_by::<_, 4, 6>(Four, run, source, packed, epilogue, out),
        }
    }

    fn run_by<P: Points<M, N>, const M: usize, const N: usize>(
        &self,
        points: P,
        run: Run,
        source: &[f32],
        packed: &[f32],
        epilogue: &Epilogue,
        out: &mut [f32],
    ) {
        let images = source.len() / (self.walk.source[0] * self.walk.source[1] * self.walk.channels);
        let tiles = self.walk.tiles(M, images);
        let stride = self.stride(Sizes::of(run.isa));
        let mut zeros = run.scratch.take(self.walk.channels);
        zeros.fill(0.0);
        let pass = Pass { points, walk: &self.walk, source, zeros: &zeros, packed, epilogue, target: Shared::new(out), stride };
        let (of_a_tile, kernels) =
            (N * N * self.walk.channels.next_multiple_of(GROUP), N * N * self.walk.channels * self.walk.filters);
        if kernels <= KERNELS {
            pass.in_blocks(run, tiles, BLOCK / of_a_tile);
        } else {
            pass.in_stages(run, tiles, SHARED / of_a_tile);
        }
    }
}

/// What all tasks of a pass read, and where they write.
struct Pass<'a, P, const M: usize, const N: usize> {
    points: P,
    walk: &'a Walk,
    source: &'a [f32],
    /// As many as a pixel of the source has channels.
    zeros: &'a [f32],
    packed: &'a [f32],
    epilogue: &'a Epilogue<'a>,
    target: Shared<'a>,
    /// Numbers from one position of a panel's kernels to the next.
    stride: usize,
}

impl<P: Points<M, N>, const M: usize, const N: usize> Pass<'_, P, M, N> {
    /// Each task transforms tiles for itself and multiplies them by all kernels.
    fn in_blocks(&self, run: Run, tiles: usize, wanted: usize) {
        let sizes = Sizes::of(run.isa);
        let block = (wanted / sizes.rows).max(1) * sizes.rows;
        run.pool.run(tiles.div_ceil(block), &|task| {
            let start = task * block;
            let count = block.min(tiles - start);
            let stride = self.stride_of(count);
            let mut transformed = run.scratch.take(N * N * stride);
            self.transform(run.isa, start, even(count, sizes.rows), stride, &Shared::new(&mut transformed));
            let mut sums = run.scratch.take(N * N * count * sizes.columns);
            for panel in 0..self.walk.filters.div_ceil(sizes.columns) {
                self.multiply(run.isa, panel, (start, count), &transformed, &mut sums);
            }
        });
    }

    /// Many tiles are transformed by all tasks, then multiplied by a panel of kernels each: these are read only once.
    fn in_stages(&self, run: Run, tiles: usize, wanted: usize) {
        let sizes = Sizes::of(run.isa);
        for (start, count) in even(tiles, wanted.max(sizes.rows)) {
            let stride = self.stride_of(count);
            let mut transformed = run.scratch.take(N * N * stride);
            let (panels, shared) = (even(count, sizes.rows).collect::<Vec<_>>(), Shared::new(&mut transformed));
            run.pool.run(panels.len(), &|panel| {
                self.transform(run.isa, start, panels[panel..=panel].iter().copied(), stride, &shared);
            });
            let transformed = &transformed[..];
            run.pool.run(self.walk.filters.div_ceil(sizes.columns), &|panel| {
                let mut sums = run.scratch.take(N * N * count * sizes.columns);
                self.multiply(run.isa, panel, (start, count), transformed, &mut sums);
            });
        }
    }

    /// Numbers from one position of so many transformed tiles to the next: no power of two.
    fn stride_of(&self, tiles: usize) -> usize {
        tiles * self.walk.channels.next_multiple_of(GROUP) + GROUP
    }

    fn transform(
        &self,
        isa: Isa,
        start: usize,
        panels: impl Iterator<Item = (usize, usize)>,
        stride: usize,
        out: &Shared,
    ) {
        let Pass { points, walk, source, zeros, .. } = *self;
        isa.run(Tiled::<_, M, N>(Input {
            points,
            walk,
            source,
            zeros,
            start,
            panels,
            part: (0, usize::MAX),
            stride,
            out: *out,
        }));
    }

    /// The tiles times a panel of kernels, and back to pixels.
    fn multiply(&self, isa: Isa, panel: usize, (start, count): (usize, usize), transformed: &[f32], sums: &mut [f32]) {
        let (sizes, channels, stride) = (Sizes::of(isa), self.walk.channels, self.stride_of(count));
        let (columns, width) = (sizes.columns, channels.next_multiple_of(GROUP));
        for position in 0..N * N {
            let left = &transformed[position * stride..][..count * width];
            let right = &self.packed[(panel * N * N + position) * self.stride..][..channels * columns];
            let sums = &mut sums[position * count * columns..][..count * columns];
            for (first, rows) in even(count, sizes.rows) {
                along_groups(isa, rows, channels, &left[first * width..], right, &mut sums[first * columns..]);
            }
        }
        let Pass { points, walk, epilogue, target, .. } = *self;
        let filter = panel * columns;
        isa.run(Tiled::<_, M, N>(Output {
            points,
            walk,
            sums,
            start,
            tiles: count,
            columns,
            filter,
            epilogue,
            target,
        }));
    }
}
