//! Bag of visual words (Csurka and others 2004): how often each word occurs, as shares, with the square root that
//! makes Euclidean distance the Hellinger distance.

use super::super::codebook::{Codebook, Words};
use super::super::descriptor::Descriptors;
use super::Encode;

/// Version: raised when the same words may give another vector.
pub const STAGE: (&str, u32) = ("words", 1);

/// Counts of the nearest words.
pub struct Counts<'a>(pub &'a Codebook);

impl Encode for Counts<'_> {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn add(&self, descriptors: &Descriptors, cells: &[usize], sums: &mut [f32]) {
        for (word, cell) in self.0.assign(descriptors).into_iter().zip(cells) {
            sums[cell * self.length() + word] += 1.0;
        }
    }

    fn parts(&self, descriptors: &Descriptors, take: &mut dyn FnMut(usize, usize, &[f32])) {
        self.0.assign(descriptors).into_iter().enumerate().for_each(|(i, word)| take(i, word, &[1.0]));
    }

    fn finish(&self, _: usize, sums: &mut [f32]) {
        root_of_shares(sums);
    }
}

/// `sqrt(count / total)` in the place of counts.
fn root_of_shares(histogram: &mut [f32]) {
    let total: f32 = histogram.iter().sum();
    if total > 0.0 {
        histogram.iter_mut().for_each(|count| *count = (*count / total).sqrt());
    }
}

/// Hellinger-normalised histogram of word indices: `sqrt(count / total)`, of length 1 in the L2 norm.
/// Without words the vector is zero.
pub fn hellinger(words: impl IntoIterator<Item = usize>, vocabulary: usize) -> Vec<f32> {
    let mut histogram = vec![0f32; vocabulary];
    words.into_iter().for_each(|word| histogram[word] += 1.0);
    root_of_shares(&mut histogram);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_under_a_square_root() {
        assert_eq!(hellinger([0, 2, 2, 2], 4), [0.5, 0.0, 0.75f32.sqrt(), 0.0]);
        assert_eq!(hellinger([], 2), [0.0, 0.0]);
    }
}
