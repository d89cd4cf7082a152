//! Winograd's minimal filtering for 3x3 kernels (Lavin and Gray 2016): tiles of the input and the kernels
//! are transformed, multiplied position by position (one product of matrices each), and transformed back.

mod kernel;
mod points;
mod strided;
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
use strided::{Strided, Transposed};
use transform::{Input, Output, Tiled};
use walk::Walk;

pub(super) use weights::weight_gradient;

/// Numbers of the transformed tiles that one task makes for itself: they stay in the second-level cache.
const BLOCK: usize = 64 * 1024;
/// With transformed kernels of more numbers than these, tiles are transformed once for all panels of filters.
const KERNELS: usize = 36 * 128 * 128;
/// Numbers of the transformed tiles that all tasks share.
const SHARED: usize = 4 << 20;
/// Numbers of products that wait for their transform at a time.
const SUMS: usize = 128 * 1024;

pub(super) fn fits(shape: &Shape, side: Side) -> bool {
    let strided = side == Side::Strided;
    // the gradient of the input wants each tile to start at an outer tap
    let padding = !strided || shape.padding[..2] == [1, 1];
    let stride = if strided { [2, 2] } else { [1, 1] };
    shape.kernel == [3, 3] && shape.stride == stride && shape.dilation == [1, 1] && shape.groups == 1 && padding
}

/// Pixels of a tile's output along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Two,
    Four,
    /// Four of every second pixel.
    Strided,
}

impl Side {
    /// Pixels of a tile's side: forward, and of the input's gradient.
    fn pixels(self) -> [usize; 2] {
        match self {
            Side::Two => [2, 2],
            Side::Four => [4, 4],
            Side::Strided => [4, 8],
        }
    }
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
        Plan { walk: Walk::forward(shape, side.pixels()[0]), order, side }
    }

    pub fn input_gradient(shape: &Shape, side: Side) -> Plan {
        let order = Order { channel: shape.channels * 9, filter: 9, turned: true };
        Plan { walk: Walk::input_gradient(shape, side.pixels()[1]), order, side }
    }

    /// Transformed kernels of each channel and filter.
    fn kernels(&self) -> usize {
        match self.side {
            Side::Two => 16,
            Side::Four | Side::Strided => 36,
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
        self.panels(sizes) * self.kernels() * self.stride(sizes)
    }

    /// Kernels as `[panel][position][channel][columns]`.
    pub fn pack(&self, run: Run, weights: &[f32], packed: &mut [f32]) {
        match self.side {
            Side::Two => self.pack_by(Two, run, weights, packed),
            Side::Four => self.pack_by(Four, run, weights, packed),
            // the same kernels as of the way back
            Side::Strided => self.pack_by(Strided, run, weights, packed),
        }
    }

    fn pack_by<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        run: Run,
        weights: &[f32],
        packed: &mut [f32],
    ) {
        let sizes = Sizes::of(run.isa);
        let (length, shared) = (D * D * self.stride(sizes), Shared::new(packed));
        run.pool.run(self.panels(sizes), &|panel| {
            // SAFETY: each task has a panel of its own.
            let out = unsafe { shared.part(panel * length, length) };
            self.pack_panel::<_, I, N, O, D>(points, run.isa, weights, panel, out);
        });
    }

    fn pack_panel<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        isa: Isa,
        weights: &[f32],
        panel: usize,
        out: &mut [f32],
    ) {
        let (sizes, order, channels) = (Sizes::of(isa), self.order, self.walk.channels);
        let (stride, columns) = (self.stride(sizes), sizes.columns);
        let filter = panel * columns;
        let filters = columns.min(self.walk.filters - filter);
        isa.run(Tiled::<_, I, N, O, D>(Weights {
            points,
            order,
            weights,
            filter,
            filters,
            columns,
            channels,
            stride,
            out,
        }));
    }

    /// A pass with kernels that were packed before.
    pub fn run(&self, run: Run, source: &[f32], packed: &[f32], epilogue: &Epilogue, out: &mut [f32]) {
        self.run_with(run, source, Kernels::Packed(packed), epilogue, out);
    }

    /// A pass with weights as they are.
    pub fn run_once(&self, run: Run, source: &[f32], weights: &[f32], epilogue: &Epilogue, out: &mut [f32]) {
        if self.large() {
            return self.run_with(run, source, Kernels::Plain(weights), epilogue, out);
        }
        let mut packed = run.scratch.take(self.packed(Sizes::of(run.isa)));
        self.pack(run, weights, &mut packed);
        self.run(run, source, &packed, epilogue, out);
    }

    /// Are the transformed kernels too large for the second-level cache?
    fn large(&self) -> bool {
        self.kernels() * self.walk.channels * self.walk.filters > KERNELS
    }

    fn run_with(&self, run: Run, source: &[f32], kernels: Kernels, epilogue: &Epilogue, out: &mut [f32]) {
        let mut zeros = run.scratch.take(self.walk.channels);
        zeros.fill(0.0);
        let pass = Pass { plan: self, source, zeros: &zeros, kernels, epilogue, target: Shared::new(out) };
        match self.side {
            Side::Two => pass.run(Two, run),
            Side::Four => pass.run(Four, run),
            Side::Strided if self.order.turned => pass.run(Transposed, run),
            Side::Strided => pass.run(Strided, run),
        }
    }
}

/// The kernels of a pass.
#[derive(Debug, Clone, Copy)]
enum Kernels<'a> {
    /// All of them, transformed.
    Packed(&'a [f32]),
    /// As they are: each panel is transformed where it is multiplied, and never leaves the cache.
    Plain(&'a [f32]),
}

/// What all tasks of a pass read, and where they write.
struct Pass<'a> {
    plan: &'a Plan,
    source: &'a [f32],
    /// As many as a pixel of the source has channels.
    zeros: &'a [f32],
    kernels: Kernels<'a>,
    epilogue: &'a Epilogue<'a>,
    target: Shared<'a>,
}

/// Tiles from `start` on, transformed in panels of (first, rows).
struct Tiles<'a> {
    start: usize,
    panels: &'a [(usize, usize)],
    /// Numbers from one position to the next.
    stride: usize,
    transformed: &'a [f32],
}

impl Pass<'_> {
    fn run<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        run: Run,
    ) {
        let walk = &self.plan.walk;
        let tiles = walk.tiles(O, self.source.len() / (walk.source[0] * walk.source[1] * walk.channels));
        let of_a_tile = N * N * walk.channels.next_multiple_of(GROUP);
        if self.plan.large() {
            self.in_stages::<_, I, N, O, D>(points, run, tiles, SHARED / of_a_tile);
        } else {
            self.in_blocks::<_, I, N, O, D>(points, run, tiles, BLOCK / of_a_tile);
        }
    }

    /// Each task transforms tiles for itself and multiplies them by all kernels.
    fn in_blocks<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        run: Run,
        tiles: usize,
        wanted: usize,
    ) {
        let Kernels::Packed(packed) = self.kernels else { unreachable!("small kernels are packed") };
        let sizes = Sizes::of(run.isa);
        let block = (wanted / sizes.rows).max(1) * sizes.rows;
        let length = D * D * self.plan.stride(sizes);
        run.pool.run(tiles.div_ceil(block), &|task| {
            let start = task * block;
            let panels: Vec<_> = even(block.min(tiles - start), sizes.rows).collect();
            let stride = self.stride_of(&panels);
            let mut transformed = run.scratch.take(N * N * stride);
            self.transform::<_, I, N, O, D>(points, run.isa, start, &panels, stride, &Shared::new(&mut transformed));
            let tiles = Tiles { start, panels: &panels, stride, transformed: &transformed };
            let mut sums = run.scratch.take(N * N * block * sizes.columns);
            for (panel, kernels) in packed.chunks_exact(length).enumerate() {
                self.multiply::<_, I, N, O, D>(points, run.isa, panel, kernels, &tiles, &mut sums);
            }
        });
    }

    /// Many tiles are transformed by all tasks, then multiplied by a panel of kernels each: these are read only once.
    fn in_stages<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        run: Run,
        tiles: usize,
        wanted: usize,
    ) {
        let sizes = Sizes::of(run.isa);
        let length = D * D * self.plan.stride(sizes);
        for (start, count) in even(tiles, wanted.max(sizes.rows)) {
            let panels: Vec<_> = even(count, sizes.rows).collect();
            let stride = self.stride_of(&panels);
            let mut transformed = run.scratch.take(N * N * stride);
            let shared = Shared::new(&mut transformed);
            run.pool.run(panels.len(), &|panel| {
                self.transform::<_, I, N, O, D>(points, run.isa, start, &panels[panel..=panel], stride, &shared);
            });
            let transformed = &transformed[..];
            run.pool.run(self.plan.panels(sizes), &|panel| {
                let mut made;
                let kernels = match self.kernels {
                    Kernels::Packed(packed) => &packed[panel * length..][..length],
                    Kernels::Plain(weights) => {
                        made = run.scratch.take(length);
                        self.plan.pack_panel::<_, I, N, O, D>(points, run.isa, weights, panel, &mut made);
                        &made[..]
                    }
                };
                let most = (SUMS / (N * N * sizes.rows * sizes.columns)).max(1);
                let mut sums = run.scratch.take(N * N * most * sizes.rows * sizes.columns);
                for panels in panels.chunks(most) {
                    let tiles = Tiles { start, panels, stride, transformed };
                    self.multiply::<_, I, N, O, D>(points, run.isa, panel, kernels, &tiles, &mut sums);
                }
            });
        }
    }

    /// Numbers from one position of transformed tiles to the next: no power of two.
    fn stride_of(&self, panels: &[(usize, usize)]) -> usize {
        let tiles: usize = panels.iter().map(|(_, rows)| rows).sum();
        tiles * self.plan.walk.channels.next_multiple_of(GROUP) + GROUP
    }

    fn transform<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        isa: Isa,
        start: usize,
        panels: &[(usize, usize)],
        stride: usize,
        out: &Shared,
    ) {
        let Pass { plan: Plan { walk, .. }, source, zeros, .. } = *self;
        let part = (0, usize::MAX);
        isa.run(Tiled::<_, I, N, O, D>(Input { points, walk, source, zeros, start, panels, part, stride, out: *out }));
    }

    /// Tiles times a panel of kernels, and back to pixels.
    fn multiply<P: Points<I, N, O, D>, const I: usize, const N: usize, const O: usize, const D: usize>(
        &self,
        points: P,
        isa: Isa,
        panel: usize,
        kernels: &[f32],
        tiles: &Tiles,
        sums: &mut [f32],
    ) {
        let (walk, epilogue, target, columns) = (&self.plan.walk, self.epilogue, self.target, Sizes::of(isa).columns);
        let (channels, width) = (walk.channels, walk.channels.next_multiple_of(GROUP));
        let [Some(&(begin, _)), Some(&(last, rows))] = [tiles.panels.first(), tiles.panels.last()] else { return };
        let count = last + rows - begin;
        for position in 0..N * N {
            let left = &tiles.transformed[position * tiles.stride..];
            let kernel = points.kernel_of(position / N) * D + points.kernel_of(position % N);
            let right = &kernels[kernel * (kernels.len() / (D * D))..][..channels * columns];
            let sums = &mut sums[position * count * columns..][..count * columns];
            for &(first, rows) in tiles.panels {
                let out = &mut sums[(first - begin) * columns..];
                along_groups(isa, [rows, channels], &left[first * width..][..rows * width], right, out, false);
            }
        }
        let (start, filter) = (tiles.start + begin, panel * columns);
        isa.run(Tiled::<_, I, N, O, D>(Output {
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
