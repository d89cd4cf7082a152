//! Vectors of locally aggregated descriptors (Jegou and others 2010): for each word the sum of how far its descriptors
//! lie from it, each word's sum under a signed root and of length 1 by itself (intra-normalised: Arandjelovic and
//! Zisserman 2013), the whole of length 1. Of bits, a difference is -1, 0 or 1.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView1};

use super::super::codebook::{Codebook, Words};
use super::super::descriptor::Descriptors;
use super::{Encode, signed_root, to_length_one};

/// Raised when the same codebook and descriptors may give another vector.
pub const STAGE: (&str, u32) = ("vlad", 1);

/// Differences from the nearest words.
pub struct Vlad<'a> {
    codebook: &'a Codebook,
    /// words x d
    centres: Cow<'a, Array2<f32>>,
}

impl<'a> Vlad<'a> {
    /// `None` for a codebook whose words have no place among the descriptors.
    pub fn of(codebook: &'a Codebook) -> Option<Self> {
        Some(Vlad { codebook, centres: codebook.centres()? })
    }
}

impl Encode for Vlad<'_> {
    fn length(&self) -> usize {
        self.centres.len()
    }

    fn add(&self, descriptors: &Descriptors, cells: &[usize], sums: &mut [f32]) {
        // centres of bits have zeros behind
        let (floats, d) = (descriptors.floats(), self.centres.ncols());
        let assigned = self.codebook.assign(descriptors);
        for ((row, word), cell) in floats.chunks_exact(descriptors.layout().floats()).zip(assigned).zip(cells) {
            let sum = &mut sums[cell * self.length() + word * d..][..d];
            let centre: ArrayView1<f32> = self.centres.row(word);
            sum.iter_mut().zip(row).zip(centre).for_each(|((sum, x), c)| *sum += x - c);
        }
    }

    fn parts(&self, descriptors: &Descriptors, take: &mut dyn FnMut(usize, usize, &[f32])) {
        let (floats, d) = (descriptors.floats(), self.centres.ncols());
        let rows = floats.chunks_exact(descriptors.layout().floats());
        for (i, (row, word)) in rows.zip(self.codebook.assign(descriptors)).enumerate() {
            let apart: Vec<f32> = row.iter().zip(self.centres.row(word)).map(|(x, c)| x - c).collect();
            take(i, word * d, &apart);
        }
    }

    fn finish(&self, _: usize, sums: &mut [f32]) {
        signed_root(sums);
        sums.chunks_exact_mut(self.centres.ncols()).for_each(to_length_one);
        to_length_one(sums);
    }
}
