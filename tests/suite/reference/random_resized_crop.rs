//! Random crops against a million draws of torchvision's algorithm: means, quantiles and how often it gives up.

use featbench::image::augment::{RandomCrop, Region};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

const DRAWS: usize = 20_000;
const LEVELS: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];

#[derive(Deserialize)]
struct Case {
    width: u32,
    height: u32,
    scale: [f64; 2],
    ratio: [f64; 2],
    fallback_ltwh: [u32; 4],
    /// As `measures` gives them; `None` where no draw left room.
    measures: [Option<Measure>; 6],
    fallback_rate: f64,
}

#[derive(Deserialize)]
struct Measure {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    quantiles: [f64; 7],
}

/// Share of the area, ln(width / height), offsets as a share of the sides, and as a share of the free room.
fn measures(r: &Region, width: u32, height: u32) -> [Option<f64>; 6] {
    let share = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
    let area = f64::from(r.width) * f64::from(r.height) / (f64::from(width) * f64::from(height));
    let aspect = (f64::from(r.width) / f64::from(r.height)).ln();
    let (x_room, y_room) = (share(r.left, width - r.width), share(r.top, height - r.height));
    [Some(area), Some(aspect), share(r.left, width), share(r.top, height), x_room, y_room]
}

/// `pixel` is how much one pixel more may change: quantiles of whole pixels jump.
fn compare(expected: &Measure, mut values: Vec<f64>, pixel: f64, what: &str) {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let apart = (mean - expected.mean).abs();
    assert!(apart <= 5.0 * expected.std / n.sqrt() + 1e-6, "{what}: mean {mean}, expected {}", expected.mean);
    for (level, quantile) in LEVELS.iter().zip(expected.quantiles) {
        let found = values[(level * n) as usize];
        let near = 0.02 * (expected.max - expected.min) + pixel + 1e-6;
        assert!((found - quantile).abs() <= near, "{what}: quantile {level} is {found}, expected {quantile}");
    }
}

#[test]
fn crops_are_drawn_as_by_torchvision() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/random_resized_crop.json")).unwrap();
    for (seed, case) in cases.iter().enumerate() {
        let Case { width, height, .. } = *case;
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let crop = RandomCrop { scale: case.scale, ratio: case.ratio };
        let drawn: Vec<Region> = (0..DRAWS).map(|_| crop.draw(width, height, &mut rng)).collect();
        let all: Vec<_> = drawn.iter().map(|region| measures(region, width, height)).collect();
        for (place, expected) in case.measures.iter().enumerate() {
            let values: Vec<f64> = all.iter().filter_map(|measures| measures[place]).collect();
            assert_eq!(values.is_empty(), expected.is_none(), "{width} x {height}, measure {place}");
            if let Some(expected) = expected {
                compare(
                    expected,
                    values,
                    1.0 / f64::from(width.min(height)),
                    &format!("{width} x {height}, measure {place}"),
                );
            }
        }
        let [left, top, w, h] = case.fallback_ltwh;
        let central = Region { left, top, width: w, height: h };
        let p = case.fallback_rate;
        if p > 0.0 {
            let rate = drawn.iter().filter(|region| **region == central).count() as f64 / DRAWS as f64;
            let near = 5.0 * (p * (1.0 - p) / DRAWS as f64).sqrt() + 0.01 * p;
            assert!((rate - p).abs() <= near, "{width} x {height}: {rate} central crops, expected {p}");
        }
    }
}
