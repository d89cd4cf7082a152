//! The inputs behind VLFeat's values in `tests/fixtures/vlfeat`, whose README has the formulas: a picture and matrices
//! that follow from integers. What is compared with those values starts from here.

use serde::Deserialize;

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
struct Mixture {
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
    let encoded: Mixture = serde_json::from_str(include_str!("../../fixtures/vlfeat/fisher.json")).unwrap();
    assert_eq!(named("vlfeat.rows", 6, 0.0, 1.5), encoded.first_row);
    assert_eq!(named("vlfeat.means", 6, 0.0, 1.0), encoded.first_mean);
    assert_eq!(named("vlfeat.variances", 6, 0.5, 0.25), encoded.first_variances);
    let fitted: Mixture = serde_json::from_str(include_str!("../../fixtures/vlfeat/gmm.json")).unwrap();
    let mut row = named("vlfeat.gmm.rows", 4, 0.0, 1.0);
    row[0] += 1.0; // row i is moved in column i mod 3
    assert_eq!(row, fitted.first_row);
    assert_eq!(named("vlfeat.gmm.means", 4, 0.0, 1.0), fitted.first_mean);
}
