//! Convolutions of images with three channels, as a network's first: what an output pixel sees in one row of the kernel is
//! one short stretch of memory, so the product reads the padded image itself, and nothing is gathered.

use super::epilogue::Epilogue;
use super::gather::Rows;
use super::product::{Finish, Target};
use super::shape::Shape;
use super::weights::{Sections, pack};
use crate::Run;
use crate::shared::Shared;
use crate::tile::{GROUP, Left, STEPS, Sizes, along_rows, along_stretches};

/// Output pixels of a task.
const PIXELS: usize = 112;
/// Sections that the sums of the weights' gradient are cut into.
const SECTIONS: usize = 32;

pub(super) fn fits(shape: &Shape) -> bool {
    let step = shape.stride[1] * shape.channels;
    shape.groups == 1 && shape.dilation == [1, 1] && step != GROUP && STEPS.contains(&step)
}

/// Some rows of an output image, and the rows of the input that they see.
struct Band {
    image: usize,
    /// The first output row and how many there are.
    start: usize,
    rows: usize,
}

struct Narrow<'a> {
    shape: &'a Shape,
    output: [usize; 2],
    /// Numbers from an output pixel to the next, of a stretch and of a padded row.
    step: usize,
    stretch: usize,
    line: usize,
    /// Rows of a band, and bands of an image.
    rows: usize,
    bands: usize,
}

impl Narrow<'_> {
    fn new(shape: &Shape) -> Narrow<'_> {
        let (output, step, stretch) =
            (shape.output(), shape.stride[1] * shape.channels, shape.kernel[1] * shape.channels);
        let rows = (PIXELS / output[1]).clamp(1, output[0]);
        let line = (output[1] - 1) * step + stretch;
        Narrow { shape, output, step, stretch, line, rows, bands: output[0].div_ceil(rows) }
    }

    fn band(&self, band: usize) -> Band {
        let start = band % self.bands * self.rows;
        Band { image: band / self.bands, start, rows: self.rows.min(self.output[0] - start) }
    }

    /// Numbers of a padded band: whole vectors may be read behind the last stretch.
    fn length(&self) -> usize {
        ((self.rows - 1) * self.shape.stride[0] + self.shape.kernel[0]) * self.line + GROUP
    }

    /// The input rows that a band sees, with the padding.
    fn pad(&self, x: &[f32], band: &Band, out: &mut [f32]) {
        let Shape { input: [rows, columns], channels, padding, .. } = *self.shape;
        out.fill(0.0);
        let left = (padding[1] * channels).min(self.line);
        let count = (columns * channels).min(self.line - left);
        for (row, line) in out.chunks_exact_mut(self.line).enumerate() {
            let Some(y) = (band.start * self.shape.stride[0] + row).checked_sub(padding[0]) else { continue };
            if y < rows {
                let found = &x[(band.image * rows + y) * columns * channels..][..count];
                line[left..left + count].copy_from_slice(found);
            }
        }
    }
}

/// The packed weights are those of a product.
pub(super) fn forward(shape: &Shape, run: Run, x: &[f32], packed: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
    let (narrow, sizes) = (Narrow::new(shape), Sizes::of(run.isa));
    let [rows, columns] = narrow.output;
    let images = y.len() / (rows * columns * shape.filters);
    let target = Target { out: Shared::new(y), sides: narrow.output, channels: shape.filters };
    let depth = narrow.stretch * shape.kernel[0];
    run.pool.run(images * narrow.bands, &|task| {
        let band = narrow.band(task);
        let mut padded = run.scratch.take(narrow.length());
        narrow.pad(x, &band, &mut padded);
        let count = band.rows * columns;
        let mut sums = run.scratch.take(count * sizes.columns);
        let first = (band.image * rows + band.start) * columns;
        for (panel, right) in packed.chunks_exact(depth * sizes.columns).enumerate() {
            for row in 0..band.rows {
                for (start, count) in super::product::even(columns, sizes.rows) {
                    let numbers = &padded[row * shape.stride[0] * narrow.line + start * narrow.step..];
                    let left = Left { numbers, step: narrow.step, stretch: narrow.stretch, next: narrow.line };
                    let sums = &mut sums[(row * columns + start) * sizes.columns..];
                    along_stretches(run.isa, [count, depth], left, right, sums, false);
                }
            }
            let (filter, columns) = (panel * sizes.columns, sizes.columns);
            let count_of_filters = columns.min(shape.filters - filter);
            for start in (0..count).step_by(PIXELS) {
                let mut places = [0; PIXELS];
                let count = PIXELS.min(count - start);
                places.iter_mut().enumerate().for_each(|(pixel, place)| *place = first + start + pixel);
                run.isa.run(Finish {
                    places: &places[..count],
                    filter,
                    count: count_of_filters,
                    columns,
                    sums: &sums[start * columns..],
                    epilogue,
                    target: &target,
                });
            }
        }
    });
}

pub(super) fn weight_gradient(shape: &Shape, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (narrow, Sizes { lanes, columns, .. }) = (Narrow::new(shape), Sizes::of(run.isa));
    let bands = dy.len() / (narrow.output[0] * narrow.output[1] * shape.filters) * narrow.bands;
    let in_a_section = bands.div_ceil(SECTIONS).max(1);
    let (sections, panels) = (bands.div_ceil(in_a_section), shape.filters.div_ceil(columns));
    // rows of a tap's row, as whole tiles
    let height = narrow.stretch.next_multiple_of(lanes);
    let rows = shape.kernel[0] * height;
    let mut sums = run.scratch.take(sections * panels * rows * columns);
    let shared = Shared::new(&mut sums);
    run.pool.run(sections, &|section| {
        // SAFETY: each task has a section of its own.
        let sums = unsafe { shared.part(section * panels * rows * columns, panels * rows * columns) };
        let width = narrow.output[1];
        let mut padded = run.scratch.take(narrow.length());
        let mut right = run.scratch.take(narrow.rows * width * panels * columns);
        let begin = section * in_a_section;
        for number in begin..bands.min(begin + in_a_section) {
            let band = narrow.band(number);
            narrow.pad(x, &band, &mut padded);
            let pixels = Rows { start: (band.image * narrow.output[0] + band.start) * width, count: band.rows * width };
            pack(run.isa, dy, shape.filters, 0..shape.filters, pixels, &mut right);
            for (panel, sums) in sums.chunks_exact_mut(rows * columns).enumerate() {
                for (tile, sums) in sums.chunks_exact_mut(lanes * columns).enumerate() {
                    let (ky, lane) = (tile * lanes / height, tile * lanes % height);
                    for row in 0..band.rows {
                        let left = &padded[(row * shape.stride[0] + ky) * narrow.line + lane..];
                        let right = &right[(panel * pixels.count + row * width) * columns..];
                        along_rows(run.isa, [width, narrow.step], left, right, sums, number > begin || row > 0);
                    }
                }
            }
        }
    });
    let (filters, channels, taps) = (shape.filters, shape.channels, shape.taps());
    let row_of =
        |tap: usize, channel: usize| tap / shape.kernel[1] * height + tap % shape.kernel[1] * channels + channel;
    Sections { sums: &sums, sections, rows, filters, channels, taps }.write(run, &row_of, dw);
}
