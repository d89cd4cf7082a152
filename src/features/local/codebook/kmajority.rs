//! k-majority: clustering of binary descriptors in Hamming space (Grana, Borghesani, Manfredi and Cucchiara 2013).
//! Descriptors go to the nearest word by Hamming distance, and a word is the bitwise majority of its descriptors.

use std::borrow::Cow;

use ndarray::Array2;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::descriptor::{Descriptors, Layout};
use super::{Codebook, Method, Words};

/// Passes after which clustering stops even if descriptors still move.
const PASSES: usize = 12;
/// Rows that one task assigns.
const BLOCK: usize = 1024;

/// The `codebook` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KMajority {
    words: Vec<usize>,
}

/// Rows of bits of one length, each in as many lanes of 64 as it needs; what is left of the last lane is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Lanes of a row.
    width: usize,
    lanes: Vec<u64>,
}

impl Method for KMajority {
    fn version(&self) -> (&'static str, u32) {
        ("k-majority", 1)
    }

    fn takes(&self, layout: Layout) -> Result<(), String> {
        match layout {
            Layout::Bits(_) => Ok(()),
            Layout::Roots(_) | Layout::Floats(_) => {
                Err("codebook kind = \"k-majority\" needs a binary descriptor, such as orb".into())
            }
        }
    }

    fn sizes(&self) -> &[usize] {
        &self.words
    }

    fn learn(&self, sample: &Descriptors, words: usize, rng: &mut ChaCha8Rng) -> Codebook {
        kmajority(&Packed::of(sample.bytes(), sample.layout().bytes()), words, rng).into()
    }
}

impl Words for Packed {
    fn len(&self) -> usize {
        self.lanes.len() / self.width
    }

    fn assign(&self, descriptors: &Descriptors) -> Vec<usize> {
        assign(&Packed::of(descriptors.bytes(), descriptors.layout().bytes()), self)
    }

    fn centres(&self) -> Option<Cow<'_, Array2<f32>>> {
        let bit =
            |(word, place): (usize, usize)| (self.lanes[word * self.width + place / 64] >> (place % 64) & 1) as f32;
        Some(Cow::Owned(Array2::from_shape_fn((self.len(), 64 * self.width), bit)))
    }
}

impl Packed {
    /// Rows of `length` bytes each.
    pub fn of(bytes: &[u8], length: usize) -> Packed {
        let lane = |bytes: &[u8]| {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(whole)
        };
        let lanes = bytes.chunks_exact(length).flat_map(|row| row.chunks(8).map(lane)).collect();
        Packed { width: length.div_ceil(8), lanes }
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, u64> {
        self.lanes.chunks_exact(self.width)
    }

    /// These rows, in this order.
    fn select(&self, rows: impl Iterator<Item = usize>) -> Packed {
        let row = |i| &self.lanes[i * self.width..][..self.width];
        Packed { width: self.width, lanes: rows.flat_map(row).copied().collect() }
    }
}

/// Words of `data`; fewer than k where there are fewer descriptors.
pub fn kmajority(data: &Packed, k: usize, rng: &mut ChaCha8Rng) -> Packed {
    let mut words = data.select(index::sample(rng, data.len(), k.min(data.len())).into_iter());
    let mut before = Vec::new();
    for _ in 0..PASSES {
        let assigned = assign(data, &words);
        if assigned == before {
            break;
        }
        majority(data, &assigned, &mut words);
        before = assigned;
    }
    words
}

/// Nearest word of each row by Hamming distance; the first of equally near ones.
pub fn assign(rows: &Packed, words: &Packed) -> Vec<usize> {
    let mut nearest = vec![0; rows.len()];
    rows.lanes
        .par_chunks(BLOCK * rows.width)
        .zip(nearest.par_chunks_mut(BLOCK))
        .for_each(|(rows, nearest)| nearest_words(rows, words, nearest));
    nearest
}

fn nearest_words(rows: &[u64], words: &Packed, nearest: &mut [usize]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor was just asked for the one feature that the function needs.
        return unsafe { nearest_words_popcnt(rows, words, nearest) };
    }
    nearest_words_portable(rows, words, nearest);
}

/// The same code, compiled for processors that count bits in one instruction (3 times as fast).
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn nearest_words_popcnt(rows: &[u64], words: &Packed, nearest: &mut [usize]) {
    nearest_words_portable(rows, words, nearest);
}

#[inline(always)]
fn nearest_words_portable(rows: &[u64], words: &Packed, nearest: &mut [usize]) {
    // a row of known width stays in registers
    match words.width {
        4 => nearest_of::<4>(rows, &words.lanes, nearest),
        8 => nearest_of::<8>(rows, &words.lanes, nearest),
        width => {
            for (row, nearest) in rows.chunks_exact(width).zip(nearest) {
                *nearest = first_nearest(row, words.rows());
            }
        }
    }
}

#[inline(always)]
fn nearest_of<const WIDTH: usize>(rows: &[u64], words: &[u64], nearest: &mut [usize]) {
    let words = words.as_chunks::<WIDTH>().0;
    for (row, nearest) in rows.as_chunks::<WIDTH>().0.iter().zip(nearest) {
        *nearest = first_nearest(row, words.iter().map(|word| &word[..]));
    }
}

#[inline(always)]
fn first_nearest<'a>(row: &[u64], words: impl Iterator<Item = &'a [u64]>) -> usize {
    let (mut best, mut nearest) = (u32::MAX, 0);
    for (index, word) in words.enumerate() {
        let distance = row.iter().zip(word).map(|(a, b)| (a ^ b).count_ones()).sum();
        if distance < best {
            (best, nearest) = (distance, index);
        }
    }
    nearest
}

/// Every word becomes the bitwise majority of its rows; a bit that is set in exactly half of them is set. A word without
/// rows stays.
pub fn majority(data: &Packed, assigned: &[usize], words: &mut Packed) {
    let bits = 64 * words.width;
    let mut set = vec![0u32; words.len() * bits];
    let mut counts = vec![0u32; words.len()];
    for (row, &word) in data.rows().zip(assigned) {
        counts[word] += 1;
        for (bit, n) in set[word * bits..][..bits].iter_mut().enumerate() {
            *n += (row[bit / 64] >> (bit % 64) & 1) as u32;
        }
    }
    let majorities = words.lanes.chunks_exact_mut(words.width).zip(set.chunks_exact(bits)).zip(&counts);
    for ((word, set), &count) in majorities.filter(|(_, count)| **count > 0) {
        for (lane, set) in word.iter_mut().zip(set.chunks_exact(64)) {
            *lane = (0..64).fold(0, |lane, bit| lane | u64::from(2 * set[bit] >= count) << bit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// 300 descriptors around 3 well separated ones, with a few bits turned.
    fn clusters(length: usize, rng: &mut ChaCha8Rng) -> Packed {
        let rows = (0..300).flat_map(|i| {
            let mut bits = vec![[0u8, 0xff, 0x0f][i % 3]; length];
            (0..4).for_each(|_| bits[rng.random_range(0..length)] ^= 1 << rng.random_range(0..8));
            bits
        });
        Packed::of(&rows.collect::<Vec<u8>>(), length)
    }

    #[test]
    fn every_descriptor_of_a_separate_cluster_has_a_word_near_it() {
        for length in [5, 32, 61, 64] {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let data = clusters(length, &mut rng);
            let words = kmajority(&data, 12, &mut rng);
            let distance = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
            let word = |i: usize| words.rows().nth(i).unwrap();
            for (row, nearest) in data.rows().zip(assign(&data, &words)) {
                // The clusters are half of the bits and more apart, and a descriptor is at most 4 from its centre.
                assert!(distance(row, word(nearest)) <= 8);
                assert!(words.rows().all(|other| distance(row, other) >= distance(row, word(nearest))));
            }
        }
    }

    #[test]
    fn no_descriptors_make_no_words() {
        assert_eq!(kmajority(&Packed::of(&[], 32), 5, &mut ChaCha8Rng::seed_from_u64(3)).len(), 0);
    }

    #[test]
    fn both_ways_of_counting_bits_agree() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for length in [32, 61] {
            let data = clusters(length, &mut rng);
            let words = data.select(0..9);
            let mut portable = vec![0; data.len()];
            nearest_words_portable(&data.lanes, &words, &mut portable);
            assert_eq!(assign(&data, &words), portable);
        }
    }
}
