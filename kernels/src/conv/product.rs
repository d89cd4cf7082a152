//! Convolutions as products: the weights packed into panels, blocks of gathered rows times these panels.

use super::epilogue::Epilogue;
use super::gather::{Gather, Rows, Tap};
use super::shape::Shape;
use crate::shared::Shared;
use crate::tile::{GROUP, LARGEST, Sizes, along_groups};
use crate::{Isa, Run};

/// Numbers of a block of gathered rows: half of a usual second-level cache.
const BLOCK: usize = 128 * 1024;
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
struct Target<'a> {
    out: Shared<'a>,
    sides: [usize; 2],
    channels: usize,
}

/// A block of a product.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: usize,
    rows: usize,
    column: usize,
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
        let block = (BLOCK / width / sizes.rows).clamp(1, 8) * sizes.rows;
        let (blocks, panels) = (rows.div_ceil(block), self.columns.div_ceil(sizes.columns));
        // few blocks: their panels become tasks of their own, and the rows are gathered once for each
        let cuts = (TASKS / blocks.max(1)).clamp(1, panels.div_ceil(2));
        let in_a_cut = panels.div_ceil(cuts);
        run.pool.run(blocks * cuts, &|task| {
            let (start, cut) = (task / cuts * block, task % cuts);
            let count = block.min(rows - start);
            let panels = (cut * in_a_cut).min(panels)..((cut + 1) * in_a_cut).min(panels);
            let (mut left, mut line) = (run.scratch.take(count * width), run.scratch.take(self.gather.line()));
            for (first, rows) in even(count, sizes.rows) {
                let out = &mut left[first * width..][..rows * width];
                let rows = Rows { start: start + first, count: rows };
                self.gather.pack(run.isa, source, rows, 0..self.gather.groups(), &mut line, out);
            }
            for panel in panels {
                let depth = self.gather.depth();
                let right = &packed[panel * depth * sizes.columns..][..depth * sizes.columns];
                for (first, rows) in even(count, sizes.rows) {
                    let mut sums = [0.0f32; LARGEST];
                    along_groups(run.isa, rows, depth, &left[first * width..], right, &mut sums);
                    let block = Block { start: start + first, rows, column: panel * sizes.columns };
                    // SAFETY: each task has rows and panels of its own.
                    unsafe { self.finish(run.isa, block, &sums, epilogue, target) };
                }
            }
        });
    }

    /// # Safety
    /// No other task writes to these rows and columns.
    unsafe fn finish(&self, isa: Isa, block: Block, sums: &[f32], epilogue: &Epilogue, target: &Target) {
        let width = Sizes::of(isa).columns;
        let count = width.min(self.columns - block.column);
        let filter = self.first + block.column;
        isa.vectorised(
            #[inline(always)]
            || {
                for (row, sums) in sums.chunks_exact(width).take(block.rows).enumerate() {
                    let place = self.place(block.start + row, target) * target.channels + filter;
                    // SAFETY: the caller's.
                    let out = unsafe { target.out.part(place, count) };
                    epilogue.finish(sums, out, filter, place);
                }
            },
        );
    }

    /// The output pixel of a row of the product.
    #[inline(always)]
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
