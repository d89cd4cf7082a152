//! SIFT and ORB against Python's OpenCV (4.14, and 4.6 with the same numbers).
//! Its eight strongest descriptors of each photograph must be among ours, and there must be as many of them.

use std::fs;

use featbench::features::descriptor::{Descriptor, Orb, RootSift};
use featbench::image::{Grey, decode_grey};
use serde::Deserialize;

use super::hex;
use super::preprocessing::sha256;
use crate::support::folder_of;

#[derive(Deserialize)]
struct Photograph {
    grey_png: String,
    grey_sha256: String,
    sift_count: usize,
    sift_mean: Vec<f64>,
    sift: Vec<String>,
    orb_count: usize,
    orb: Vec<String>,
}

/// The photographs with their grey pixels, where they are at hand.
fn photographs() -> Vec<(Photograph, Grey)> {
    let Some(folder) = folder_of("FEATBENCH_FIXTURES") else { return Vec::new() };
    let expected: Vec<Photograph> = serde_json::from_str(include_str!("../../fixtures/opencv_features.json")).unwrap();
    let with_pixels = |photograph: Photograph| {
        let grey = decode_grey(&fs::read(folder.join(&photograph.grey_png)).unwrap()).unwrap();
        assert_eq!(sha256(&grey.data), photograph.grey_sha256, "{}", photograph.grey_png);
        (photograph, grey)
    };
    expected.into_iter().map(with_pixels).collect()
}

/// Other builds of OpenCV may lose or gain a point near a threshold.
fn assert_count(ours: usize, expected: usize, file: &str) {
    assert!(ours.abs_diff(expected) * 20 <= expected, "{file}: {ours} descriptors, not {expected}");
}

/// The Euclidean distance of two descriptors.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>().sqrt()
}

fn hamming(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn sift_is_that_of_python() {
    for (expected, grey) in photographs() {
        let file = &expected.grey_png;
        let ours = RootSift { max_keypoints: 0 }.open(None).unwrap().describe(&(&grey).into()).unwrap();
        let rows = || ours.bytes().chunks_exact(128);
        assert_count(rows().len(), expected.sift_count, file);
        for descriptor in &expected.sift {
            let descriptor = hex::bytes(descriptor);
            let nearest = rows().map(|row| distance(row, &descriptor)).min_by(f64::total_cmp).unwrap();
            assert!(nearest <= 10.0, "{file}: nearest descriptor at {nearest} of about 512");
        }
        for (i, mean) in expected.sift_mean.iter().enumerate() {
            let ours = rows().map(|row| f64::from(row[i])).sum::<f64>() / rows().len() as f64;
            assert!((ours - mean).abs() < 1.0, "{file}: mean {ours} at {i}, not {mean}");
        }
    }
}

#[test]
fn orb_is_that_of_python() {
    for (expected, grey) in photographs() {
        let file = &expected.grey_png;
        let ours = Orb { max_keypoints: 500 }.open(None).unwrap().describe(&(&grey).into()).unwrap();
        let rows = || ours.bytes().chunks_exact(32);
        assert_count(rows().len(), expected.orb_count, file);
        for descriptor in &expected.orb {
            let descriptor = hex::bytes(descriptor);
            let nearest = rows().map(|row| hamming(row, &descriptor)).min().unwrap();
            assert!(nearest <= 4, "{file}: nearest descriptor {nearest} bits away");
        }
    }
}
