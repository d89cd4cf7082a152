//! Convolutions as products: the weights packed into panels, blocks of gathered rows times these panels.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::gather::{Gather, Rows, Tap};
use super::shape::Shape;
use crate::isa::Kernel;
use crate::shared::Shared;
use crate::simd::Simd;
use crate::tile::{GROUP, Sizes, along_groups};
use crate::{Isa, Run};

/// Numbers of a block of gathered rows: half of a usual second-level cache.
const BLOCK: usize = 128 * 1024;
/// Rows of such a block at most.
const ROWS: usize = 112;
/// Depth that is summed up in registers: a panel of that depth stays in the first-level cache.
const DEPTH: usize = 16 * GROUP;
/// Tasks that a product is cut into at least, if it is large enough.
const TASKS: usize = 24;

/// Where the packed number of (tap, inner, column) stands in the weights of one group of the convolution.
#[derive(Debug, Clone, Copy)]
struct Strides {
    inner: usize,
    column: usize,
    first: usize,
}

/// One product: a phase of one group.
#[derive(Debug)]
pub(super) struct Part {
    gather: Gather,
    strides: Strides,
    /// Columns of the product, and the channel of the output where they start.
    columns: usize,
    first: usize,
    /// Where the rows of the product stand in the output image: place x grid + phase.
    spread: [usize; 2],
    phase: [usize; 2],
}

/// All products of a convolution, or of its gradient with respect to the input.
#[derive(Debug)]
pub(super) struct Plan {
    parts: Vec<Part>,
    /// Rows and columns of an image of what is written.
    target: [usize; 2],
    channels: usize,
    /// Phases that no tap reaches, which are 0.
    holes: bool,
}

impl Plan {
    /// The convolution itself.
    pub fn forward(shape: &Shape) -> Plan {
        let (width, columns) = (shape.channels / shape.groups, shape.filters / shape.groups);
        let taps = taps(shape, |axis, tap| Some((tap * shape.dilation[axis]) as isize - shape.padding[axis] as isize));
        let part = |group: usize| Part {
            gather: Gather::new(Gather {
                source: shape.input,
                channels: shape.channels,
                first: group * width,
                width,
                grid: shape.output(),
                step: shape.stride,
                taps: taps.clone(),
                stretches: Vec::new(),
            }),
            strides: Strides {
                inner: shape.taps(),
                column: width * shape.taps(),
                first: group * columns * width * shape.taps(),
            },
            columns,
            first: group * columns,
            spread: [1; 2],
            phase: [0; 2],
        };
        let parts = (0..shape.groups).map(part).collect();
        Plan { parts, target: shape.output(), channels: shape.filters, holes: false }
    }

    /// The gradient with respect to the input. Pixels a stride apart are seen by the same taps, so each such phase is
    /// a product of its own, of these taps alone.
    pub fn input_gradient(shape: &Shape) -> Plan {
        let (width, columns) = (shape.filters / shape.groups, shape.channels / shape.groups);
        let mut plan = Plan { parts: Vec::new(), target: shape.input, channels: shape.channels, holes: false };
        for y in 0..shape.stride[0].min(shape.input[0]) {
            for x in 0..shape.stride[1].min(shape.input[1]) {
                let phase = [y, x];
                let taps = taps(shape, |axis, tap| {
                    let ahead = (phase[axis] + shape.padding[axis]) as isize - (tap * shape.dilation[axis]) as isize;
                    let stride = shape.stride[axis] as isize;
                    (ahead.rem_euclid(stride) == 0).then(|| ahead.div_euclid(stride))
                });
                if taps.is_empty() {
                    plan.holes = true;
                    continue;
                }
                let grid = [0, 1].map(|axis| (shape.input[axis] - phase[axis]).div_ceil(shape.stride[axis]));
                plan.parts.extend((0..shape.groups).map(|group| Part {
                    gather: Gather::new(Gather {
                        source: shape.output(),
                        channels: shape.filters,
                        first: group * width,
                        width,
                        grid,
                        step: [1; 2],
                        taps: taps.clone(),
                        stretches: Vec::new(),
                    }),
                    strides: Strides {
                        inner: columns * shape.taps(),
                        column: shape.taps(),
                        first: group * width * columns * shape.taps(),
                    },
                    columns,
                    first: group * columns,
                    spread: shape.stride,
                    phase,
                }));
            }
        }
        plan
    }

    /// What each product gathers.
    pub fn gathers(&self) -> impl Iterator<Item = &Gather> {
        self.parts.iter().map(|part| &part.gather)
    }

    /// Numbers of the packed weights.
    pub fn packed(&self, sizes: Sizes) -> usize {
        self.parts.iter().map(|part| part.packed(sizes)).sum()
    }

    pub fn pack(&self, run: Run, weights: &[f32], packed: &mut [f32]) {
        let sizes = Sizes::of(run.isa);
        let mut rest = packed;
        for part in &self.parts {
            let (ours, others) = rest.split_at_mut(part.packed(sizes));
            part.pack(run, weights, ours);
            rest = others;
        }
    }

    pub fn run(&self, run: Run, source: &[f32], packed: &[f32], epilogue: &Epilogue, out: &mut [f32]) {
        if self.holes {
            fill_zeros(run, out);
        }
        let images = out.len() / (self.target[0] * self.target[1] * self.channels);
        let target = Target { out: Shared::new(out), sides: self.target, channels: self.channels };
        let mut rest = packed;
        for part in &self.parts {
            let (ours, others) = rest.split_at(part.packed(Sizes::of(run.isa)));
            part.run(run, images, source, ours, epilogue, &target);
            rest = others;
        }
    }
}

/// What is written, by all tasks together.
pub(super) struct Target<'a> {
    pub out: Shared<'a>,
    pub sides: [usize; 2],
    pub channels: usize,
}

impl Part {
    fn packed(&self, sizes: Sizes) -> usize {
        self.gather.depth() * self.columns.next_multiple_of(sizes.columns)
    }

    /// The weights as `[panel][depth][columns]`, with zeros for the columns that are missing in the last panel.
    fn pack(&self, run: Run, weights: &[f32], packed: &mut [f32]) {
        let (sizes, depth) = (Sizes::of(run.isa), self.gather.depth());
        let length = depth * sizes.columns;
        let shared = Shared::new(packed);
        run.pool.run(self.columns.div_ceil(sizes.columns), &|panel| {
            // SAFETY: each task has a panel of its own.
            let panel_out = unsafe { shared.part(panel * length, length) };
            let start = panel * sizes.columns;
            let count = sizes.columns.min(self.columns - start);
            let mut rows = panel_out.chunks_exact_mut(sizes.columns);
            for tap in &self.gather.taps {
                let first = self.strides.first + start * self.strides.column + tap.number;
                for (inner, row) in rows.by_ref().take(self.gather.width).enumerate() {
                    let first = first + inner * self.strides.inner;
                    for (column, number) in row[..count].iter_mut().enumerate() {
                        *number = weights[first + column * self.strides.column];
                    }
                    row[count..].fill(0.0);
                }
            }
        });
    }

    fn run(&self, run: Run, images: usize, source: &[f32], packed: &[f32], epilogue: &Epilogue, target: &Target) {
        let sizes = Sizes::of(run.isa);
        let (rows, width) = (images * self.gather.pixels(), self.gather.groups() * GROUP);
        let block = (BLOCK / width / sizes.rows).clamp(1, ROWS / sizes.rows) * sizes.rows;
        let (blocks, panels) = (rows.div_ceil(block), self.columns.div_ceil(sizes.columns));
        // few blocks: their panels become tasks of their own, and the rows are gathered once for each
        let cuts = (TASKS / blocks.max(1)).clamp(1, panels.div_ceil(2));
        let in_a_cut = panels.div_ceil(cuts);
        run.pool.run(blocks * cuts, &|task| {
            let (start, cut) = (task / cuts * block, task % cuts);
            let rows = Rows { start, count: block.min(rows - start) };
            let panels = (cut * in_a_cut).min(panels)..((cut + 1) * in_a_cut).min(panels);
            let (mut left, mut line) = (run.scratch.take(rows.count * width), run.scratch.take(self.gather.line()));
            for (first, count) in even(rows.count, sizes.rows) {
                let out = &mut left[first * width..][..count * width];
                let rows = Rows { start: start + first, count };
                self.gather.pack(run.isa, source, rows, 0..self.gather.groups(), &mut line, out);
            }
            let mut places = [0; ROWS];
            (0..rows.count).for_each(|row| places[row] = self.place(start + row, target));
            let places = &places[..rows.count];
            let mut sums = run.scratch.take(panels.len() * rows.count * sizes.columns);
            // SAFETY: each task has rows and panels of its own.
            unsafe {
                self.multiply(run.isa, Block { places, panels, left: &left, packed, epilogue, target }, &mut sums)
            };
        });
    }

    /// Sums up a block and finishes it.
    /// # Safety
    /// No other task writes to these pixels and panels.
    unsafe fn multiply(&self, isa: Isa, block: Block, sums: &mut [f32]) {
        let Block { places, panels, left, packed, .. } = &block;
        let (sizes, depth, width) = (Sizes::of(isa), self.gather.depth(), self.gather.groups() * GROUP);
        let length = places.len() * sizes.columns;
        for from in (0..depth).step_by(DEPTH) {
            let part = DEPTH.min(depth - from);
            for panel in panels.clone() {
                let right = &packed[(panel * depth + from) * sizes.columns..][..part * sizes.columns];
                // where the depth is cut, all panels are summed up side by side
                let side = if depth > DEPTH { panel - panels.start } else { 0 };
                let sums = &mut sums[side * length..][..length];
                for (first, rows) in even(places.len(), sizes.rows) {
                    let left = &left[first * width + from * rows..];
                    along_groups(isa, [rows, part], left, right, &mut sums[first * sizes.columns..], from > 0);
                }
                if from + part == depth {
                    let (first, columns) = (panel * sizes.columns, sizes.columns);
                    let (filter, count) = (self.first + first, columns.min(self.columns - first));
                    isa.run(Finish {
                        places,
                        filter,
                        count,
                        columns,
                        sums,
                        epilogue: block.epilogue,
                        target: block.target,
                    });
                }
            }
        }
    }

    /// The output pixel of a row of the product.
    fn place(&self, row: usize, target: &Target) -> usize {
        if self.spread == [1, 1] && self.gather.grid == target.sides {
            return row;
        }
        let [rows, columns] = self.gather.grid;
        let (image, y, x) = (row / (rows * columns), row / columns % rows, row % columns);
        let (y, x) = (y * self.spread[0] + self.phase[0], x * self.spread[1] + self.phase[1]);
        (image * target.sides[0] + y) * target.sides[1] + x
    }
}

/// Gathered rows that are multiplied by some panels, on their way to the pixels at `places`.
struct Block<'a> {
    places: &'a [usize],
    panels: Range<usize>,
    left: &'a [f32],
    packed: &'a [f32],
    epilogue: &'a Epilogue<'a>,
    target: &'a Target<'a>,
}

/// Sums of a panel on their way to some pixels, which no other task writes.
pub(super) struct Finish<'a> {
    pub places: &'a [usize],
    /// The first filter, and how many there are.
    pub filter: usize,
    pub count: usize,
    pub columns: usize,
    pub sums: &'a [f32],
    pub epilogue: &'a Epilogue<'a>,
    pub target: &'a Target<'a>,
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Finish { places, filter, count, columns, sums, epilogue, target } = self;
        assert!(sums.len() >= places.len() * columns);
        for lane in (0..count).step_by(S::LANES) {
            let count = S::LANES.min(count - lane);
            let of_filter = epilogue.of_filter(simd, filter + lane, count);
            for (row, place) in places.iter().enumerate() {
                // SAFETY: a row has whole vectors, and all rows were seen to be there.
                let sums = unsafe { simd.load(sums.as_ptr().add(row * columns + lane)) };
                let place = place * target.channels + filter + lane;
                // SAFETY: whoever made this knows that no other task writes there.
                unsafe { epilogue.store(simd, sums, &of_filter, target.out, place, count) };
            }
        }
    }
}

/// `count` in as few pieces of at most `most` as can be, which differ by one at most: first and length of each.
pub(super) fn even(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = count.div_ceil(most);
    (0..pieces).map(move |piece| {
        let (start, end) = (piece * count / pieces, (piece + 1) * count / pieces);
        (start, end - start)
    })
}

/// The taps of a kernel that have an offset along both axes.
fn taps(shape: &Shape, offset: impl Fn(usize, usize) -> Option<isize>) -> Vec<Tap> {
    let places = (0..shape.kernel[0]).flat_map(|y| (0..shape.kernel[1]).map(move |x| (y, x)));
    let tap = |(y, x)| Some(Tap { offset: [offset(0, y)?, offset(1, x)?], number: y * shape.kernel[1] + x });
    places.filter_map(tap).collect()
}

fn fill_zeros(run: Run, out: &mut [f32]) {
    const PIECE: usize = 1 << 16;
    let (length, shared) = (out.len(), Shared::new(out));
    run.pool.run(length.div_ceil(PIECE), &|piece| {
        // SAFETY: each task has a piece of its own.
        unsafe { shared.part(piece * PIECE, PIECE.min(length - piece * PIECE)) }.fill(0.0);
    });
}
