//! Improved Fisher vectors (Perronnin, Sanchez and Mensink 2010; Sanchez and others 2013): by how much a mixture's
//! weights, means and variances would have to change to fit the descriptors of a picture better, each in units of its
//! own spread (the Fisher information's diagonal), under a signed root and of length 1.

use super::super::codebook::Words;
use super::super::codebook::mixture::{Mixture, Scratch};
use super::super::descriptor::Descriptors;
use super::{Encode, signed_root, to_length_one};
use crate::product::vectorised;

/// Raised when the same mixture and descriptors may give another vector.
pub const STAGE: (&str, u32) = ("fisher", 1);

/// Gradients of a mixture. The sums of a component are of its posteriors, of what they weigh descriptors with, and of
/// their squares: 1 + 2 d numbers.
pub struct Fisher<'a>(pub &'a Mixture);

impl Encode for Fisher<'_> {
    fn length(&self) -> usize {
        self.0.len() * (1 + 2 * self.0.dimension())
    }

    fn add(&self, descriptors: &Descriptors, cells: &[usize], sums: &mut [f32]) {
        let (floats, length) = (descriptors.floats(), self.length());
        let d = self.0.dimension();
        let mut scratch = Scratch::default();
        for (rows, cells) in floats.chunks(Mixture::BLOCK * d).zip(cells.chunks(Mixture::BLOCK)) {
            let (extended, posteriors) = self.0.posteriors(rows, &mut scratch);
            vectorised(
                #[inline(always)]
                || add_rows(extended, posteriors, cells, (1 + 2 * d, length), sums),
            );
        }
    }

    fn parts(&self, descriptors: &Descriptors, take: &mut dyn FnMut(usize, usize, &[f32])) {
        let (floats, d, components) = (descriptors.floats(), self.0.dimension(), self.0.len());
        let (mut scratch, mut numbers) = (Scratch::default(), vec![0.0; 1 + 2 * d]);
        for (block, rows) in floats.chunks(Mixture::BLOCK * d).enumerate() {
            let (_, posteriors) = self.0.posteriors(rows, &mut scratch);
            for (i, (row, posteriors)) in rows.chunks_exact(d).zip(posteriors.chunks_exact(components)).enumerate() {
                for (component, &posterior) in posteriors.iter().enumerate() {
                    let (weight, means, variances) = self.0.component(component);
                    numbers[0] = posterior - weight;
                    let used = if posterior > 0.0 {
                        let (first, second) = numbers[1..].split_at_mut(d);
                        gradients(posterior, row, (means, variances), first, second);
                        1 + 2 * d
                    } else {
                        1
                    };
                    take(block * Mixture::BLOCK + i, component * (1 + 2 * d), &numbers[..used]);
                }
            }
        }
    }

    fn finish(&self, count: usize, sums: &mut [f32]) {
        let (n, d) = (count as f32, self.0.dimension());
        for (component, sums) in sums.chunks_exact_mut(1 + 2 * d).enumerate() {
            let (weight, means, variances) = self.0.component(component);
            let posterior = sums[0];
            let root = weight.sqrt();
            sums[0] = (posterior - n * weight) / (n * root);
            let (first, second) = sums[1..].split_at_mut(d);
            let (of_mean, of_variance) = (1.0 / (n * root), 1.0 / (n * (2.0 * weight).sqrt()));
            for (((x, xx), &mean), &variance) in first.iter_mut().zip(second).zip(means).zip(variances) {
                // sums of ((x - mean)^2 / variance - 1) and of (x - mean) / deviation
                *xx = ((*xx - 2.0 * mean * *x + mean * mean * posterior) / variance - posterior) * of_variance;
                *x = (*x - mean * posterior) / variance.sqrt() * of_mean;
            }
        }
        signed_root(sums);
        to_length_one(sums);
    }
}

/// What a row adds to the gradients of a component's means and variances, up to a factor of each.
fn gradients(posterior: f32, row: &[f32], (means, variances): (&[f32], &[f32]), first: &mut [f32], second: &mut [f32]) {
    let component = means.iter().zip(variances);
    for (((x, (mean, variance)), first), second) in row.iter().zip(component).zip(first).zip(second) {
        let apart = x - mean;
        *first = posterior * apart;
        *second = posterior * (apart * apart / variance - 1.0);
    }
}

/// Adds a block of rows (each with its squares behind it) to the sums of the cells, weighted with their posteriors. Most
/// posteriors are 0, so that this costs little of what a product of matrices would.
#[inline(always)]
fn add_rows(extended: &[f32], posteriors: &[f32], cells: &[usize], (width, length): (usize, usize), sums: &mut [f32]) {
    let components = length / width;
    for ((row, posteriors), cell) in
        extended.chunks_exact(width - 1).zip(posteriors.chunks_exact(components)).zip(cells)
    {
        let sums = &mut sums[cell * length..][..length];
        for (sums, &posterior) in sums.chunks_exact_mut(width).zip(posteriors) {
            if posterior > 0.0 {
                let (sum, sums) = sums.split_at_mut(1);
                sum[0] += posterior;
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += posterior * x);
            }
        }
    }
}
