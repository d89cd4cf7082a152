//! RootSIFT, hard assignment and the binary vocabulary against NumPy and OpenCV.
//! `encodings.json` holds the parts of the project's reference numbers that are built here.

use featbench::features::codebook::kmajority::{self, Packed};
use featbench::features::codebook::{Words, kmeans};
use featbench::features::descriptor::root_sift;
use featbench::features::encoding::words::hellinger;
use ndarray::Array2;
use serde::Deserialize;

use super::hex;

#[derive(Deserialize)]
struct Expected {
    descriptors: Vec<Vec<f32>>,
    centres: Vec<Vec<f32>>,
    rootsift: Vec<Vec<f64>>,
    assignment: Vec<usize>,
    hellinger: Vec<f64>,
    binary: Vec<String>,
    binary_hamming: Vec<Vec<u32>>,
    binary_centres: Vec<String>,
    binary_assignment: Vec<usize>,
    majority: Vec<Majority>,
}

#[derive(Deserialize)]
struct Majority {
    rows: Vec<usize>,
    ties_to_one: String,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("../../fixtures/encodings.json")).unwrap()
}

fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Bytes of a binary descriptor.
const LENGTH: usize = 32;

fn packed<'a>(hex: impl IntoIterator<Item = &'a String>) -> Packed {
    Packed::of(&hex.into_iter().flat_map(|row| hex::bytes(row)).collect::<Vec<u8>>(), LENGTH)
}

/// Within the precision of f32, in which features are computed.
fn assert_close(ours: &[f32], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((f64::from(*ours) - expected).abs() < 1e-6, "{ours}, not {expected}");
    }
}

#[test]
fn root_sift_is_that_of_the_reference() {
    let expected = expected();
    for (descriptor, root) in expected.descriptors.iter().zip(&expected.rootsift) {
        assert_close(&root_sift(descriptor.iter().copied()).collect::<Vec<_>>(), root);
    }
}

#[test]
fn words_and_their_histogram_are_those_of_the_reference() {
    let expected = expected();
    let assigned = kmeans::assign(matrix(&expected.descriptors).view(), matrix(&expected.centres).view());
    let words: Vec<usize> = assigned.into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, expected.assignment);
    assert_close(&hellinger(words, expected.centres.len()), &expected.hellinger);
}

#[test]
fn binary_descriptors_go_to_the_nearest_word_in_hamming_space() {
    let Expected { binary, binary_centres, binary_assignment, binary_hamming, .. } = expected();
    assert_eq!(kmajority::assign(&packed(&binary), &packed(&binary_centres)), binary_assignment);
    for (i, distances) in binary_hamming.iter().enumerate() {
        let others: Vec<usize> = (0..binary.len()).filter(|&j| j != i).collect();
        let words = packed(others.iter().map(|&j| &binary[j]));
        let nearest = others.iter().position(|&j| distances[j] == others.iter().map(|&j| distances[j]).min().unwrap());
        assert_eq!(kmajority::assign(&packed([&binary[i]]), &words), [nearest.unwrap()], "row {i}");
    }
}

#[test]
fn a_binary_word_is_the_majority_of_each_bit() {
    let expected = expected();
    for majority in &expected.majority {
        let members = packed(majority.rows.iter().map(|&row| &expected.binary[row]));
        let mut words = Packed::of(&[0; LENGTH], LENGTH);
        kmajority::majority(&members, &vec![0; members.len()], &mut words);
        assert_eq!(words, packed([&majority.ties_to_one]), "{:?}", majority.rows);
    }
}
