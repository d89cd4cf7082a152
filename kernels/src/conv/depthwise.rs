//! Convolutions of every channel with a kernel of its own: too few multiplications for a product to pay.
//! Channels lie side by side, so a loop over them is a loop over vectors.

use super::epilogue::Epilogue;
use super::shape::Shape;
use crate::Run;
use crate::shared::Shared;

/// Channels that are summed up on the stack.
const CHANNELS: usize = 64;
/// Images that one section of the weights' gradient sums up.
const IMAGES: usize = 1;

pub(super) fn fits(shape: &Shape) -> bool {
    shape.groups > 1 && shape.channels == shape.groups && shape.filters == shape.groups
}

/// The weights as taps x channels.
pub(super) fn pack(shape: &Shape, weights: &[f32], packed: &mut [f32]) {
    let taps = shape.taps();
    for (channel, kernel) in weights.chunks_exact(taps).enumerate() {
        kernel.iter().enumerate().for_each(|(tap, &w)| packed[tap * shape.channels + channel] = w);
    }
}

/// The source row or column that a tap sees, along one axis of a forward pass.
#[inline(always)]
fn seen(shape: &Shape, axis: usize, place: usize, tap: usize) -> Option<usize> {
    let source = (place * shape.stride[axis] + tap * shape.dilation[axis]).checked_sub(shape.padding[axis])?;
    (source < shape.input[axis]).then_some(source)
}

/// The output row or column that saw a source place by a tap.
#[inline(always)]
fn seen_by(shape: &Shape, output: [usize; 2], axis: usize, place: usize, tap: usize) -> Option<usize> {
    let ahead = (place + shape.padding[axis]).checked_sub(tap * shape.dilation[axis])?;
    let out = ahead / shape.stride[axis];
    (ahead.is_multiple_of(shape.stride[axis]) && out < output[axis]).then_some(out)
}

pub(super) fn forward(shape: &Shape, run: Run, x: &[f32], packed: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
    let pass = Pass { shape, from: shape.input, to: shape.output(), source: x, packed, epilogue };
    pass.run(run, y, &|axis, place, tap| seen(shape, axis, place, tap));
}

pub(super) fn input_gradient(shape: &Shape, run: Run, weights: &[f32], dy: &[f32], dx: &mut [f32]) {
    let mut packed = run.scratch.take(weights.len());
    pack(shape, weights, &mut packed);
    let (output, epilogue) = (shape.output(), &Epilogue::default());
    let pass = Pass { shape, from: output, to: shape.input, source: dy, packed: &packed, epilogue };
    pass.run(run, dx, &|axis, place, tap| seen_by(shape, output, axis, place, tap));
}

/// What the convolution and its gradient have in common.
struct Pass<'a> {
    shape: &'a Shape,
    /// Rows and columns of the source and of the target.
    from: [usize; 2],
    to: [usize; 2],
    source: &'a [f32],
    packed: &'a [f32],
    epilogue: &'a Epilogue<'a>,
}

impl Pass<'_> {
    /// One row of the target is a task; `find` says which source row or column a tap sees from a place, along an axis.
    fn run(&self, run: Run, target: &mut [f32], find: &(impl Fn(usize, usize, usize) -> Option<usize> + Sync)) {
        let channels = self.shape.channels;
        let length = self.to[1] * channels;
        let tasks = target.len() / length;
        let shared = Shared::new(target);
        run.pool.run(tasks, &|task| {
            // SAFETY: each task has a row of its own.
            let out = unsafe { shared.part(task * length, length) };
            let (image, y) = (task / self.to[0], task % self.to[0]);
            run.isa.vectorised(
                #[inline(always)]
                || {
                    for x in 0..self.to[1] {
                        for first in (0..channels).step_by(CHANNELS) {
                            let count = CHANNELS.min(channels - first);
                            let mut sums = [0.0f32; CHANNELS];
                            self.add(image, [y, x], first, find, &mut sums[..count]);
                            let place = x * channels + first;
                            let out = &mut out[place..][..count];
                            self.epilogue.finish(&sums, out, first, task * length + place);
                        }
                    }
                },
            );
        });
    }

    /// Adds what all taps see from one pixel.
    #[inline(always)]
    fn add(
        &self,
        image: usize,
        [y, x]: [usize; 2],
        first: usize,
        find: &impl Fn(usize, usize, usize) -> Option<usize>,
        sums: &mut [f32],
    ) {
        let ([height, width], channels) = (self.shape.kernel, self.shape.channels);
        for ky in 0..height {
            let Some(row) = find(0, y, ky) else { continue };
            for kx in 0..width {
                let Some(column) = find(1, x, kx) else { continue };
                let place = ((image * self.from[0] + row) * self.from[1] + column) * channels + first;
                let source = &self.source[place..][..sums.len()];
                let w = &self.packed[(ky * width + kx) * channels + first..][..sums.len()];
                sums.iter_mut().zip(source).zip(w).for_each(|((sum, a), b)| *sum += a * b);
            }
        }
    }
}

/// Images are summed up for themselves, then added in their order.
pub(super) fn weight_gradient(shape: &Shape, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let ([of_x, of_dy], length) = (shape.image(), dw.len());
    let sections = (x.len() / of_x).div_ceil(IMAGES);
    let mut sums = run.scratch.take(sections * length);
    let shared = Shared::new(&mut sums);
    run.pool.run(sections, &|section| {
        // SAFETY: each task has a section of its own.
        let sums = unsafe { shared.part(section * length, length) };
        sums.fill(0.0);
        let images = x.chunks_exact(of_x).zip(dy.chunks_exact(of_dy)).skip(section * IMAGES).take(IMAGES);
        run.isa.vectorised(
            #[inline(always)]
            || images.for_each(|(x, dy)| add_image(shape, x, dy, sums)),
        );
    });
    let taps = shape.taps();
    for (channel, kernel) in dw.chunks_exact_mut(taps).enumerate() {
        for (tap, w) in kernel.iter_mut().enumerate() {
            *w = sums.chunks_exact(length).map(|section| section[tap * shape.channels + channel]).sum();
        }
    }
}

#[inline(always)]
fn add_image(shape: &Shape, x: &[f32], dy: &[f32], sums: &mut [f32]) {
    let ([rows, columns], channels) = (shape.output(), shape.channels);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let dy = &dy[(row * columns + column) * channels..][..channels];
        for ky in 0..shape.kernel[0] {
            let Some(from_row) = seen(shape, 0, row, ky) else { continue };
            for kx in 0..shape.kernel[1] {
                let Some(from_column) = seen(shape, 1, column, kx) else { continue };
                let x = &x[(from_row * shape.input[1] + from_column) * channels..][..channels];
                let sums = &mut sums[(ky * shape.kernel[1] + kx) * channels..][..channels];
                sums.iter_mut().zip(x).zip(dy).for_each(|((sum, a), b)| *sum += a * b);
            }
        }
    }
}
