//! Images as ONNX has them (NCHW) into images as the kernels want them (NHWC), and back.

use crate::Run;
use crate::shared::Shared;

/// Pixels and channels of a block, which is read and written while it is in the first-level cache.
const SIDE: usize = 16;
/// Pixels of a task.
const PIXELS: usize = 1024;

/// `from`: images x channels x pixels; `to`: images x pixels x channels.
///
/// # Panics
/// Slices of different lengths, or of no whole number of images.
pub fn to_nhwc(run: Run, channels: usize, pixels: usize, from: &[f32], to: &mut [f32]) {
    check(channels, pixels, from, to);
    let (pieces, shared) = (pixels.div_ceil(PIXELS), Shared::new(to));
    run.pool.run(from.len() / (channels * pixels) * pieces, &|task| {
        let (image, start) = (task / pieces, task % pieces * PIXELS);
        let count = PIXELS.min(pixels - start);
        // SAFETY: each task has pixels of its own.
        let to = unsafe { shared.part((image * pixels + start) * channels, count * channels) };
        let from = &from[image * channels * pixels + start..];
        run.isa.vectorised(
            #[inline(always)]
            || transpose([channels, count], from, pixels, to, channels),
        );
    });
}

/// `from`: images x pixels x channels; `to`: images x channels x pixels.
///
/// # Panics
/// Slices of different lengths, or of no whole number of images.
pub fn to_nchw(run: Run, channels: usize, pixels: usize, from: &[f32], to: &mut [f32]) {
    check(channels, pixels, from, to);
    let (pieces, shared) = (channels.div_ceil(SIDE), Shared::new(to));
    run.pool.run(from.len() / (channels * pixels) * pieces, &|task| {
        let (image, first) = (task / pieces, task % pieces * SIDE);
        let count = SIDE.min(channels - first);
        // SAFETY: each task has channels of its own.
        let to = unsafe { shared.part((image * channels + first) * pixels, count * pixels) };
        let from = &from[image * channels * pixels + first..];
        run.isa.vectorised(
            #[inline(always)]
            || transpose([pixels, count], from, channels, to, pixels),
        );
    });
}

fn check(channels: usize, pixels: usize, from: &[f32], to: &[f32]) {
    assert_eq!(from.len(), to.len(), "numbers before and after");
    let image = (channels * pixels).max(1);
    assert!(from.len().is_multiple_of(image), "{} numbers are no images of {channels} x {pixels}", from.len());
}

/// `to[column][row] = from[row][column]`, in blocks.
#[inline(always)]
fn transpose([rows, columns]: [usize; 2], from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
    for first_row in (0..rows).step_by(SIDE) {
        let height = SIDE.min(rows - first_row);
        for first in (0..columns).step_by(SIDE) {
            let width = SIDE.min(columns - first);
            let mut block = [[0.0f32; SIDE]; SIDE];
            for (row, block) in block.iter_mut().enumerate().take(height) {
                block[..width].copy_from_slice(&from[(first_row + row) * from_stride + first..][..width]);
            }
            for column in 0..width {
                let to = &mut to[(first + column) * to_stride + first_row..][..height];
                to.iter_mut().zip(&block).for_each(|(to, row)| *to = row[column]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, Scratch, Threads, testing::Numbers};

    #[test]
    fn there_and_back() {
        let scratch = Scratch::new();
        for isa in Isa::available() {
            let run = Run { isa, pool: &Threads(2), scratch: &scratch };
            for (images, channels, pixels) in [(1, 1, 1), (2, 3, 35), (1, 17, 1100), (3, 40, 16), (0, 3, 4)] {
                let from = Numbers::new(1).take(images * channels * pixels);
                let (mut there, mut back) = (vec![0.0; from.len()], vec![0.0; from.len()]);
                to_nhwc(run, channels, pixels, &from, &mut there);
                for (place, &number) in there.iter().enumerate() {
                    let (image, pixel, channel) =
                        (place / (channels * pixels), place / channels % pixels, place % channels);
                    assert_eq!(number, from[(image * channels + channel) * pixels + pixel]);
                }
                to_nchw(run, channels, pixels, &there, &mut back);
                assert_eq!(back, from);
            }
        }
    }
}
