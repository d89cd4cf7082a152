//! The gradient of the weights as a product: what each output pixel saw, times the gradient of what it became, summed
//! over all pixels. Long sums are cut into sections by the shape alone, and added up in their order.

use std::ops::Range;

use super::gather::{Gather, Rows};
use super::product::Plan;
use super::shape::Shape;
use crate::shared::Shared;
use crate::tile::{GROUP, Sizes, WIDEST, along_rows};
use crate::{Isa, Run};

/// Pixels whose products are summed up in registers.
const PIXELS: usize = 256;
/// Groups of rows that a task computes at most.
const GROUPS: usize = 18;
/// Tasks wanted, and numbers that all sections together may take.
const TASKS: usize = 16;
const NUMBERS: usize = 4 << 20;

pub(super) fn weight_gradient(shape: &Shape, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let plan = Plan::forward(shape);
    let of_a_group = dw.len() / shape.groups;
    for (group, (gather, dw)) in plan.gathers().zip(dw.chunks_exact_mut(of_a_group)).enumerate() {
        let product = Product::new(shape, gather, group, dy.len() / shape.filters, Sizes::of(run.isa));
        let mut sums = run.scratch.take(product.sections * product.section());
        product.run(run, x, dy, &mut sums);
        let (taps, channels) = (gather.taps.len(), gather.width);
        let (sections, filters, rows) = (product.sections, product.filters, gather.groups() * GROUP);
        let sections = Sections { sums: &sums, sections, rows, filters, channels, taps };
        sections.write(run, &|tap, channel| tap * channels + channel, dw);
    }
}

/// The product of one group of the convolution.
struct Product<'a> {
    gather: &'a Gather,
    sizes: Sizes,
    /// Output pixels of all images.
    pixels: usize,
    /// Numbers of a pixel's gradient, and those of this group.
    stride: usize,
    first: usize,
    filters: usize,
    /// Sections of the sum, and pixels of each.
    sections: usize,
    length: usize,
}

impl<'a> Product<'a> {
    fn new(shape: &Shape, gather: &'a Gather, group: usize, pixels: usize, sizes: Sizes) -> Product<'a> {
        let filters = shape.filters / shape.groups;
        // the same sections with whatever instructions
        let numbers = gather.groups() * GROUP * filters.next_multiple_of(WIDEST);
        let wanted = TASKS.div_ceil(gather.groups().div_ceil(GROUPS)).min(NUMBERS / numbers).max(1);
        let length = pixels.div_ceil(wanted).next_multiple_of(PIXELS);
        Product {
            gather,
            sizes,
            pixels,
            stride: shape.filters,
            first: group * filters,
            filters,
            sections: pixels.div_ceil(length),
            length,
        }
    }

    fn panels(&self) -> usize {
        self.filters.div_ceil(self.sizes.columns)
    }

    /// Numbers of the sums of a panel, and of a section.
    fn panel(&self) -> usize {
        self.gather.groups() * GROUP * self.sizes.columns
    }

    fn section(&self) -> usize {
        self.panels() * self.panel()
    }

    /// Fills `sums` as `[section][panel][depth][columns]`.
    fn run(&self, run: Run, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let groups = self.gather.groups();
        let blocks = groups.div_ceil(GROUPS);
        let in_a_block = groups.div_ceil(blocks);
        let shared = Shared::new(sums);
        run.pool.run(self.sections * blocks, &|task| {
            let (section, block) = (task / blocks, task % blocks);
            let groups = (block * in_a_block).min(groups)..((block + 1) * in_a_block).min(groups);
            let mut left = run.scratch.take(groups.len() * PIXELS * GROUP);
            let mut right = run.scratch.take(self.panels() * self.sizes.columns * PIXELS);
            let mut line = run.scratch.take(self.gather.line());
            let (begin, end) = (section * self.length, ((section + 1) * self.length).min(self.pixels));
            for start in (begin..end).step_by(PIXELS) {
                let rows = Rows { start, count: PIXELS.min(end - start) };
                self.gather.pack(run.isa, x, rows, groups.clone(), &mut line, &mut left);
                pack(run.isa, dy, self.stride, self.first..self.first + self.filters, rows, &mut right);
                for panel in 0..self.panels() {
                    let place = section * self.section() + panel * self.panel();
                    let (skipped, length) = (groups.start * GROUP, groups.len() * GROUP);
                    let columns = self.sizes.columns;
                    // SAFETY: each task has rows of a section of its own.
                    let sums = unsafe { shared.part(place + skipped * columns, length * columns) };
                    let right = &right[panel * rows.count * columns..][..rows.count * columns];
                    self.multiply(run.isa, rows.count, &left, right, sums, start > begin);
                }
            }
        });
    }

    /// Groups of rows times a panel, written or added to `sums`.
    fn multiply(&self, isa: Isa, count: usize, left: &[f32], right: &[f32], sums: &mut [f32], add: bool) {
        let Sizes { lanes, columns, .. } = self.sizes;
        for (row, sums) in sums.chunks_exact_mut(lanes * columns).enumerate() {
            let (group, lane) = (row * lanes / GROUP, row * lanes % GROUP);
            let left = &left[group * count * GROUP + lane..][..(count - 1) * GROUP + lanes];
            along_rows(isa, [count, GROUP], left, right, sums, add);
        }
    }
}

/// Some filters of the gradients of some pixels as `[panel][pixel][columns]`; a pixel has `stride` of them.
pub(super) fn pack(isa: Isa, dy: &[f32], stride: usize, filters: Range<usize>, rows: Rows, right: &mut [f32]) {
    let columns = Sizes::of(isa).columns;
    isa.vectorised(
        #[inline(always)]
        || {
            let pixels = dy[rows.start * stride..].chunks_exact(stride).take(rows.count);
            for (pixel, dy) in pixels.enumerate() {
                for (panel, dy) in dy[filters.clone()].chunks(columns).enumerate() {
                    let out = &mut right[(panel * rows.count + pixel) * columns..][..columns];
                    out[..dy.len()].copy_from_slice(dy);
                    out[dy.len()..].fill(0.0);
                }
            }
        },
    );
}

/// Sums of all sections, `[section][panel][row][columns]`, on their way to filters x channels x taps.
pub(super) struct Sections<'a> {
    pub sums: &'a [f32],
    pub sections: usize,
    /// Rows of a panel.
    pub rows: usize,
    pub filters: usize,
    pub channels: usize,
    pub taps: usize,
}

impl Sections<'_> {
    /// Adds the sections up in their order; `row_of` tells the row of a tap and a channel.
    pub fn write(&self, run: Run, row_of: &(impl Fn(usize, usize) -> usize + Sync), dw: &mut [f32]) {
        const CHANNELS: usize = 32;
        let Sections { sums, sections, rows, filters, channels, taps } = *self;
        let columns = Sizes::of(run.isa).columns;
        let (blocks, panels) = (channels.div_ceil(CHANNELS), filters.div_ceil(columns));
        let shared = Shared::new(dw);
        run.pool.run(panels * blocks, &|task| {
            let (panel, first) = (task / blocks, task % blocks * CHANNELS);
            let count = columns.min(filters - panel * columns);
            for channel in first..channels.min(first + CHANNELS) {
                for tap in 0..taps {
                    let mut total = [0.0f32; 32];
                    for section in 0..sections {
                        let place = ((section * panels + panel) * rows + row_of(tap, channel)) * columns;
                        total.iter_mut().zip(&sums[place..][..columns]).for_each(|(total, x)| *total += x);
                    }
                    for (filter, total) in total[..count].iter().enumerate() {
                        let place = ((panel * columns + filter) * channels + channel) * taps + tap;
                        // SAFETY: each task has filters and channels of its own.
                        unsafe { *shared.pointer(place, 1) = *total };
                    }
                }
            }
        });
    }
}
