//! Range tests against fastai 2.8.12 and torch-lr-finder 0.2.2, both run on scripted losses.

use featbench::finetune::range_test::{Curve, Flag, Growth, RangeTest, Smoothing};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: usize,
    /// Exact in f32.
    raw: Vec<Option<f32>>,
    fastai: Fastai,
    finder: Finder,
}

#[derive(Deserialize)]
struct Fastai {
    recorded: usize,
    /// Every ninth.
    smoothed: Vec<Option<f64>>,
    /// Where they don't, rounding decides, and any rate of the range will do.
    agree: [bool; 4],
    suggestions: [Option<f64>; 4],
}

#[derive(Deserialize)]
struct Finder {
    recorded: usize,
    smoothed: Vec<Option<f64>>,
    /// Points that are left out at either end, and the suggestion.
    suggestions: Vec<(usize, usize, Option<f64>)>,
}

fn run(case: &Case, smoothing: Smoothing) -> Curve {
    let sweep = RangeTest { start: 1e-7, end: 10.0, steps: case.steps, growth: Growth::Exponential, smoothing };
    let mut curve = sweep.begin();
    for loss in &case.raw {
        if curve.next_rate().is_some() {
            curve.add(loss.map_or(f64::NAN, f64::from));
        }
    }
    curve
}

fn compare(curve: &Curve, recorded: usize, smoothed: &[Option<f64>], what: &str) {
    assert_eq!(curve.points().len(), recorded, "{what}");
    for (point, expected) in curve.points().iter().step_by(9).zip(smoothed) {
        let near = |expected: f64| (point.smoothed - expected).abs() <= 1e-10 * expected.abs().max(1.0);
        assert!(expected.map_or(point.smoothed.is_nan(), near), "{what}: {point:?}, expected {expected:?}");
    }
}

fn assert_rate(found: Option<f64>, expected: Option<f64>, what: &str) {
    let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-9 * b;
    let same = found.zip(expected).map_or(found.is_none() && expected.is_none(), near);
    assert!(same, "{what}: {found:?}, expected {expected:?}");
}

#[test]
fn curves_and_suggestions() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/lr_find.json")).unwrap();
    assert_eq!(cases.len(), 24);
    for case in &cases {
        let what = |of: &str| format!("{} with {} steps, {of}", case.name, case.steps);
        let curve = run(case, Smoothing::Fastai);
        compare(&curve, case.fastai.recorded, &case.fastai.smoothed, &what("fastai"));
        assert_eq!(curve.diverged(), case.fastai.recorded < case.steps);
        let found = curve.suggest();
        let named =
            [("minimum", found.minimum), ("steep", found.steep), ("valley", found.valley), ("slide", found.slide)];
        for (i, (name, found)) in named.into_iter().enumerate() {
            if case.fastai.agree[i] {
                assert_rate(found, case.fastai.suggestions[i], &what(name));
            } else {
                assert!(found.is_some_and(|rate| (1e-8..=10.0).contains(&rate)), "{}: {found:?}", what(name));
            }
        }
        let curve = run(case, Smoothing::TorchLrFinder);
        compare(&curve, case.finder.recorded, &case.finder.smoothed, &what("torch-lr-finder"));
        for &(skip_start, skip_end, expected) in &case.finder.suggestions {
            assert_rate(curve.steepest_step(skip_start, skip_end), expected, &what("steepest step"));
        }
    }
}

#[test]
fn curves_that_say_little_are_flagged() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/lr_find.json")).unwrap();
    let flags = |name: &str| run(cases.iter().find(|case| case.name == name).unwrap(), Smoothing::Fastai).flags();
    assert!(flags("clean_valley").is_empty(), "{:?}", flags("clean_valley"));
    assert_eq!(flags("flat"), [Flag::Flat]);
    assert_eq!(flags("flat_noisy"), [Flag::Flat, Flag::Noisy]);
    assert_eq!(flags("early_divergence"), [Flag::Diverged]);
    assert_eq!(flags("nan_from_start"), [Flag::Diverged]);
}

#[test]
fn a_linear_sweep_rises_by_equal_amounts_and_every_sweep_ends() {
    let sweep =
        RangeTest { start: 0.1, end: 0.5, steps: 5, growth: Growth::Linear, smoothing: Smoothing::TorchLrFinder };
    let rates: Vec<f64> = (0..5).map(|i| sweep.rate(i)).collect();
    for (rate, expected) in rates.iter().zip([0.1, 0.2, 0.3, 0.4, 0.5]) {
        assert!((rate - expected).abs() < 1e-12, "{rates:?}");
    }
    let mut curve = sweep.begin();
    (0..5).for_each(|_| curve.add(1.0));
    assert_eq!(curve.next_rate(), None);
    assert!(!curve.diverged());
}
