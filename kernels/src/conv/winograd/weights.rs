//! The gradient of 3x3 kernels by Winograd's algorithm: what tiles of the input became, times what tiles of the output's
//! gradient are spread out to, summed over all tiles, then transformed back once.

use super::Side;
use super::kernel::Collect;
use super::points::{Four, Points, Reverse, Two};
use super::strided::Strided;
use super::transform::{Input, Spread, Tiled};
use super::walk::Walk;
use crate::conv::product::even;
use crate::conv::shape::Shape;
use crate::shared::Shared;
use crate::tile::{GROUP, Sizes, WIDEST, along_rows};
use crate::{Isa, Run};

/// Numbers of both sides' transformed tiles at a time, with few channels and with many: the sums of few are added to
/// at every stage, those of many are better made at once.
const STAGES: [usize; 2] = [3 << 18, 5 << 20];
/// Channels times filters that are few.
const FEW: usize = 128 * 128;
/// Tiles that a task transforms.
const TILES: usize = 16;
/// Channels of a task's products.
const CHANNELS: usize = 64;
/// Channels whose sums of all positions stay in the cache of a task, where there is a single stage.
const KEPT: usize = 32;

pub(in crate::conv) fn weight_gradient(shape: &Shape, side: Side, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    match side {
        Side::Two => Gradient::new(Two, shape, run).run(run, x, dy, dw),
        Side::Four => Gradient::new(Four, shape, run).run(run, x, dy, dw),
        Side::Strided => Gradient::new(Strided, shape, run).run(run, x, dy, dw),
    }
}

struct Gradient<P, const I: usize, const N: usize, const O: usize, const D: usize> {
    points: P,
    walk: Walk,
    sizes: Sizes,
    /// Channels and filters, filled up to whole groups and panels.
    channels: usize,
    filters: usize,
}

/// The transformed tiles of one stage.
struct Stage<'a> {
    tiles: usize,
    left: &'a [f32],
    left_stride: usize,
    right: &'a [f32],
    right_stride: usize,
}

impl<P: Points<I, N, O, D> + Reverse<N, O>, const I: usize, const N: usize, const O: usize, const D: usize>
    Gradient<P, I, N, O, D>
{
    fn new(points: P, shape: &Shape, run: Run) -> Self {
        let (walk, sizes) = (Walk::forward(shape, O), Sizes::of(run.isa));
        let channels = shape.channels.next_multiple_of(GROUP);
        let filters = shape.filters.next_multiple_of(sizes.columns);
        Gradient { points, walk, sizes, channels, filters }
    }

    fn run(&self, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let images = x.len() / (self.walk.source[0] * self.walk.source[1] * self.walk.channels);
        let tiles = self.walk.tiles(O, images);
        // the same stages with whatever instructions
        let filters = self.walk.filters.next_multiple_of(WIDEST);
        let many = self.channels * filters > FEW;
        let wanted = (STAGES[usize::from(many)] / (N * N * (self.channels + filters))).max(2 * TILES);
        let one_stage = tiles <= wanted && many;
        let stride = self.channels * self.sizes.columns + GROUP;
        let panels = self.filters / self.sizes.columns;
        let mut sums = run.scratch.take(if one_stage { 0 } else { panels * N * N * stride });
        let dw = Shared::new(dw);
        if tiles == 0 {
            sums.fill(0.0);
        }
        for (number, (start, tiles)) in even(tiles, wanted).enumerate() {
            let (left_stride, right_stride) = (tiles * self.channels + GROUP, tiles * self.filters + GROUP);
            let (mut left, mut right) = (run.scratch.take(N * N * left_stride), run.scratch.take(N * N * right_stride));
            self.transform(run, (start, tiles), [x, dy], [&mut left, &mut right]);
            let stage = Stage { tiles, left: &left, left_stride, right: &right, right_stride };
            if one_stage {
                self.at_once(run, &stage, &dw);
            } else {
                self.add(run, &stage, number == 0, stride, &mut sums);
            }
        }
        if !one_stage {
            self.collect(run, &sums, stride, &dw);
        }
    }

    fn transform(
        &self,
        run: Run,
        (start, tiles): (usize, usize),
        [x, dy]: [&[f32]; 2],
        [left, right]: [&mut [f32]; 2],
    ) {
        let (left_stride, right_stride) = (left.len() / (N * N), right.len() / (N * N));
        let (left, right) = (Shared::new(left), Shared::new(right));
        let Gradient { points, walk, sizes, .. } = self;
        let (points, columns) = (*points, sizes.columns);
        let mut zeros = run.scratch.take(self.channels.max(self.filters));
        zeros.fill(0.0);
        let zeros = &zeros[..];
        run.pool.run(tiles.div_ceil(TILES), &|task| {
            let part = (task * TILES, TILES.min(tiles - task * TILES));
            let input = Input {
                points,
                walk,
                source: x,
                zeros,
                start,
                panels: &[(0, tiles)],
                part,
                stride: left_stride,
                out: left,
            };
            run.isa.run(Tiled::<_, I, N, O, D>(input));
            let spread = Spread {
                points,
                walk,
                gradient: dy,
                zeros,
                start,
                part,
                tiles,
                columns,
                stride: right_stride,
                out: right,
            };
            run.isa.run(Tiled::<_, I, N, O, D>(spread));
        });
    }

    /// Writes the products of one position to `sums`, rows of channels from `channel` on, or adds them.
    fn products(&self, isa: Isa, stage: &Stage, [position, panel, channel]: [usize; 3], sums: &mut [f32], add: bool) {
        let (tiles, Sizes { lanes, columns, .. }) = (stage.tiles, self.sizes);
        let right = &stage.right[position * stage.right_stride + panel * tiles * columns..][..tiles * columns];
        for (row, sums) in sums.chunks_exact_mut(lanes * columns).enumerate() {
            let place = channel + row * lanes;
            let left = &stage.left[position * stage.left_stride + place / GROUP * tiles * GROUP + place % GROUP..];
            along_rows(isa, [tiles, GROUP], left, right, sums, add);
        }
    }

    /// All sums go through memory: the next stage adds to them.
    fn add(&self, run: Run, stage: &Stage, first: bool, stride: usize, sums: &mut [f32]) {
        let (panels, columns) = (self.filters / self.sizes.columns, self.sizes.columns);
        let (blocks, shared) = (self.channels.div_ceil(CHANNELS), Shared::new(sums));
        run.pool.run(N * N * panels * blocks, &|task| {
            let (position, panel, block) = (task / blocks / panels, task / blocks % panels, task % blocks);
            let channel = block * CHANNELS;
            let channels = CHANNELS.min(self.channels - channel);
            let start = (panel * N * N + position) * stride + channel * columns;
            // SAFETY: each task has a position, panel and channels of its own.
            let sums = unsafe { shared.part(start, channels * columns) };
            self.products(run.isa, stage, [position, panel, channel], sums, !first);
        });
    }

    fn collect(&self, run: Run, sums: &[f32], stride: usize, dw: &Shared) {
        let (panels, columns) = (self.filters / self.sizes.columns, self.sizes.columns);
        let blocks = self.channels.div_ceil(KEPT);
        run.pool.run(panels * blocks, &|task| {
            let (panel, channel) = (task / blocks, task % blocks * KEPT);
            let sums = &sums[panel * N * N * stride + channel * columns..];
            self.back(run.isa, sums, stride, panel, (channel, KEPT), dw);
        });
    }

    /// The sums of some channels and filters are made, and transformed back, in the cache.
    fn at_once(&self, run: Run, stage: &Stage, dw: &Shared) {
        let (panels, columns) = (self.filters / self.sizes.columns, self.sizes.columns);
        let (blocks, stride) = (self.channels.div_ceil(KEPT), KEPT * columns + GROUP);
        run.pool.run(panels * blocks, &|task| {
            let (panel, channel) = (task / blocks, task % blocks * KEPT);
            let channels = KEPT.min(self.channels - channel);
            let mut sums = run.scratch.take(N * N * stride);
            for position in 0..N * N {
                let sums = &mut sums[position * stride..][..channels * columns];
                self.products(run.isa, stage, [position, panel, channel], sums, false);
            }
            self.back(run.isa, &sums, stride, panel, (channel, KEPT), dw);
        });
    }

    /// The kernels' gradient of at most so many channels and of a panel of filters.
    fn back(&self, isa: Isa, sums: &[f32], stride: usize, panel: usize, (channel, most): (usize, usize), dw: &Shared) {
        let (points, columns) = (self.points, self.sizes.columns);
        let filter = panel * columns;
        let filters = columns.min(self.walk.filters.saturating_sub(filter));
        let channels = most.min(self.walk.channels.saturating_sub(channel));
        let all = self.walk.channels;
        isa.run(Tiled::<_, I, N, O, D>(Collect {
            points,
            sums,
            stride,
            columns,
            filter,
            filters,
            channel,
            channels,
            all,
            out: *dw,
        }));
    }
}
