//! Encodings against VLFeat, and the inputs behind its values in `tests/fixtures/vlfeat`, whose README has the formulas:
//! a picture and matrices that follow from integers.

use featbench::features::codebook::Codebook;
use featbench::features::codebook::mixture::Mixture;
use featbench::features::descriptor::{Descriptors, Place};
use featbench::features::encoding::{Encode, Fisher, Vlad};
use ndarray::Array2;
use serde::Deserialize;
use serde_json::json;

use super::generated::{fnv1a, named};

/// Centre and squared radius of the blobs.
const BLOBS: [(i32, i32, i32); 3] = [(30, 28, 400), (82, 22, 225), (48, 66, 324)];

/// Ramps, slanted waves, three blobs and a flat corner.
fn grey(x: i32, y: i32) -> u8 {
    if x >= 76 && y >= 50 {
        return 128;
    }
    let wave = (3 * x + 5 * y) % 34;
    let blob = |&(cx, cy, square): &(i32, i32, i32)| 90 * (square - (x - cx).pow(2) - (y - cy).pow(2)).max(0) / square;
    let value = 40 + x + y / 2 + 3 * wave.min(34 - wave) + BLOBS.iter().map(blob).sum::<i32>();
    (value % 256) as u8
}

/// The picture row by row; VLFeat gets its values over 255.
pub fn picture(width: usize, height: usize) -> Vec<u8> {
    (0..height as i32).flat_map(|y| (0..width as i32).map(move |x| grey(x, y))).collect()
}

#[derive(Deserialize)]
struct Picture {
    width: usize,
    height: usize,
    fnv1a: String,
    first: Vec<u8>,
}

#[derive(Deserialize)]
struct Pictured {
    picture: Picture,
}

#[derive(Deserialize)]
struct Numbers {
    first_row: Vec<f32>,
    first_mean: Vec<f32>,
    #[serde(default)]
    first_variances: Vec<f32>,
}

#[test]
fn the_picture_is_the_one_that_vlfeat_saw() {
    for file in [
        include_str!("../../fixtures/vlfeat/dsift.json"),
        include_str!("../../fixtures/vlfeat/hog.json"),
        include_str!("../../fixtures/vlfeat/lbp.json"),
    ] {
        let expected = serde_json::from_str::<Pictured>(file).unwrap().picture;
        let drawn = picture(expected.width, expected.height);
        assert_eq!(drawn[..expected.first.len()], expected.first);
        assert_eq!(format!("{:016x}", fnv1a(&drawn)), expected.fnv1a);
    }
}

#[test]
fn the_numbers_are_those_that_vlfeat_got() {
    let encoded: Numbers = serde_json::from_str(include_str!("../../fixtures/vlfeat/fisher.json")).unwrap();
    assert_eq!(named("vlfeat.rows", 6, 0.0, 1.5), encoded.first_row);
    assert_eq!(named("vlfeat.means", 6, 0.0, 1.0), encoded.first_mean);
    assert_eq!(named("vlfeat.variances", 6, 0.5, 0.25), encoded.first_variances);
    let fitted: Numbers = serde_json::from_str(include_str!("../../fixtures/vlfeat/gmm.json")).unwrap();
    let mut row = named("vlfeat.gmm.rows", 4, 0.0, 1.0);
    row[0] += 1.0; // row i is moved in column i mod 3
    assert_eq!(row, fitted.first_row);
    assert_eq!(named("vlfeat.gmm.means", 4, 0.0, 1.0), fitted.first_mean);
}

#[derive(Deserialize)]
struct FisherVector {
    weights: Vec<f32>,
    improved: Vec<f32>,
}

#[derive(Deserialize)]
struct VladVector {
    root_intra: Vec<f32>,
}

/// Numbers of a row that is encoded.
const D: usize = 6;

fn matrix(name: &str, middle: f64, half: f64) -> Array2<f32> {
    Array2::from_shape_vec((4, D), named(name, 4 * D, middle, half)).unwrap()
}

fn encode(encoding: &dyn Encode) -> Vec<f32> {
    let places = vec![Place { x: 0.0, y: 0.0, size: 1.0 }; 50];
    let rows = Descriptors::of_floats(D, named("vlfeat.rows", 50 * D, 0.0, 1.5), places);
    let mut sums = vec![0.0; encoding.length()];
    encoding.add(&rows, &vec![0; rows.len()], &mut sums);
    encoding.finish(rows.len(), &mut sums);
    sums
}

/// Of roots, the squares: those of numbers near 0 say nothing of how exact they are.
fn assert_close_under_the_root(ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len());
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours * ours.abs() - expected * expected.abs()).abs() < 1e-5, "{ours}, not {expected}");
    }
}

#[test]
fn a_fisher_vector_is_that_of_vlfeat() {
    let expected: FisherVector = serde_json::from_str(include_str!("../../fixtures/vlfeat/fisher.json")).unwrap();
    let means = matrix("vlfeat.means", 0.0, 1.0);
    let mixture = Mixture::new(expected.weights.into(), means, matrix("vlfeat.variances", 0.5, 0.25));
    let ours = encode(&Fisher(&mixture));
    // VLFeat has no part for the weights, and all of the means' before all of the variances'.
    let part = |from: usize| ours.chunks_exact(1 + 2 * D).flat_map(move |parts| parts[from..from + D].iter().copied());
    let mut ours: Vec<f32> = part(1).chain(part(1 + D)).collect();
    let length = ours.iter().map(|v| v * v).sum::<f32>().sqrt();
    ours.iter_mut().for_each(|v| *v /= length);
    assert_close_under_the_root(&ours, &expected.improved);
}

#[test]
fn a_vlad_is_that_of_vlfeat() {
    let expected: VladVector = serde_json::from_str(include_str!("../../fixtures/vlfeat/vlad.json")).unwrap();
    let codebook: Codebook = serde_json::from_value(json!({ "KMeans": matrix("vlfeat.means", 0.0, 1.0) })).unwrap();
    assert_close_under_the_root(&encode(&Vlad::of(&codebook).unwrap()), &expected.root_intra);
}
