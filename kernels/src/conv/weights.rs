//! The gradient of the weights as a product: what each output pixel saw, times the gradient of what it became, summed
//! over all pixels. Long sums are cut into sections by the shape alone, and added up in their order.

use super::gather::Gather;
use super::product::Plan;
use super::shape::Shape;
use crate::shared::Shared;
use crate::tile::{GROUP, Sizes, along_rows};
use crate::{Isa, Run};

/// Pixels whose products are summed up in registers.
const PIXELS: usize = 256;
/// Groups of rows that a task computes at most.
const GROUPS: usize = 18;
/// Tasks wanted, and numbers that all sections together may take.
const TASKS: usize = 32;
const NUMBERS: usize = 4 << 20;

pub(super) fn weight_gradient(shape: &Shape, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let plan = Plan::forward(shape);
    let of_a_group = dw.len() / shape.groups;
    for (group, (gather, dw)) in plan.gathers().zip(dw.chunks_exact_mut(of_a_group)).enumerate() {
        let product = Product::new(shape, gather, group, dy.len() / shape.filters, Sizes::of(run.isa));
        let mut sums = run.scratch.take(product.sections * product.section());
        product.run(run, x, dy, &mut sums);
        product.write(run, &sums, dw);
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
        let numbers = gather.groups() * GROUP * filters.next_multiple_of(sizes.columns);
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

    /// Numbers of a row of sums.
    fn row(&self) -> usize {
        self.panels() * self.sizes.columns
    }

    /// Numbers of a section's sums.
    fn section(&self) -> usize {
        self.gather.groups() * GROUP * self.row()
    }

    /// Fills `sums` as `[section][depth][filters]`.
    fn run(&self, run: Run, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let groups = self.gather.groups();
        let blocks = groups.div_ceil(GROUPS);
        let in_a_block = groups.div_ceil(blocks);
        let shared = Shared::new(sums);
        run.pool.run(self.sections * blocks, &|task| {
            let (section, block) = (task / blocks, task % blocks);
            let groups = (block * in_a_block).min(groups)..((block + 1) * in_a_block).min(groups);
            let start = section * self.section() + groups.start * GROUP * self.row();
            // SAFETY: each task has rows of a section of its own.
            let sums = unsafe { shared.part(start, groups.len() * GROUP * self.row()) };
            sums.fill(0.0);
            let mut left = run.scratch.take(groups.len() * PIXELS * GROUP);
            let mut right = run.scratch.take(self.row() * PIXELS);
            let end = ((section + 1) * self.length).min(self.pixels);
            for start in (section * self.length..end).step_by(PIXELS) {
                let count = PIXELS.min(end - start);
                self.gather.pack(x, start, count, groups.clone(), &mut left);
                self.pack(dy, start, count, &mut right);
                self.add(run.isa, count, groups.len(), &left, &right, sums);
            }
        });
    }

    /// The gradients of `count` pixels as `[panel][pixel][columns]`.
    fn pack(&self, dy: &[f32], start: usize, count: usize, right: &mut [f32]) {
        let columns = self.sizes.columns;
        for (pixel, dy) in dy.chunks_exact(self.stride).skip(start).take(count).enumerate() {
            for (panel, dy) in dy[self.first..][..self.filters].chunks(columns).enumerate() {
                let out = &mut right[(panel * count + pixel) * columns..][..columns];
                out[..dy.len()].copy_from_slice(dy);
                out[dy.len()..].fill(0.0);
            }
        }
    }

    fn add(&self, isa: Isa, count: usize, groups: usize, left: &[f32], right: &[f32], sums: &mut [f32]) {
        let Sizes { lanes, columns, .. } = self.sizes;
        for panel in 0..self.panels() {
            let right = &right[panel * count * columns..][..count * columns];
            for group in 0..groups {
                for lane in (0..GROUP).step_by(lanes) {
                    let left = &left[group * count * GROUP + lane..][..(count - 1) * GROUP + lanes];
                    let out = &mut sums[(group * GROUP + lane) * self.row() + panel * columns..];
                    along_rows(isa, count, left, right, out, self.row());
                }
            }
        }
    }

    /// Adds the sections up, as filters x channels x taps.
    fn write(&self, run: Run, sums: &[f32], dw: &mut [f32]) {
        const FILTERS: usize = 16;
        let (taps, width) = (self.gather.taps.len(), self.gather.width);
        let of_a_filter = width * taps;
        let shared = Shared::new(dw);
        run.pool.run(self.filters.div_ceil(FILTERS), &|task| {
            let first = task * FILTERS;
            let count = FILTERS.min(self.filters - first);
            // SAFETY: each task has filters of its own.
            let dw = unsafe { shared.part(first * of_a_filter, count * of_a_filter) };
            for (tap, channel) in (0..taps).flat_map(|tap| (0..width).map(move |channel| (tap, channel))) {
                let mut total = [0.0f32; FILTERS];
                let place = (tap * width + channel) * self.row() + first;
                for section in sums.chunks_exact(self.section()) {
                    let ours = &section[place..][..count];
                    total.iter_mut().zip(ours).for_each(|(total, x)| *total += x);
                }
                for (filter, total) in total[..count].iter().enumerate() {
                    dw[filter * of_a_filter + channel * taps + tap] = *total;
                }
            }
        });
    }
}
