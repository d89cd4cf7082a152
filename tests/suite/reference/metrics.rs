//! Metrics, intervals and tests against scikit-learn 1.9.1, SciPy 1.17.1 and statsmodels 0.15.0.

use featbench::stats::binomial;
use featbench::stats::classification::{ClassScores, Confusion};
use featbench::stats::compare::Difference;
use featbench::stats::intervals::{Level, clopper_pearson};
use featbench::stats::paired::holm;
use featbench::stats::share::Weights;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    classification: Vec<Classification>,
    /// Correct, n, alpha, Wilson low and high, Clopper-Pearson low and high.
    intervals: Vec<(u64, u64, f64, f64, f64, f64, f64)>,
    /// Correct, n, chance, two-sided p.
    binomial: Vec<(u64, u64, f64, f64)>,
    /// p values, adjusted.
    holm: Vec<(Vec<f64>, Vec<f64>)>,
    crossed: Vec<Crossed>,
}

/// Rows, one a seed; their mean and its 95 % bounds, by a program of its own with SciPy's beta and Student quantiles.
type Crossed = (Vec<Vec<i8>>, f64, f64, f64);

#[derive(Deserialize)]
struct Classification {
    name: String,
    classes: usize,
    labels: Vec<usize>,
    predictions: Vec<usize>,
    confusion: Vec<Vec<u64>>,
    accuracy: f64,
    mean_class_accuracy: f64,
    precision: Vec<Option<f64>>,
    recall: Vec<Option<f64>>,
    f1: Vec<Option<f64>>,
    support: Vec<u64>,
    macro_f1: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../fixtures/metrics.json")).unwrap()
}

fn assert_close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, expected {expected} within {tolerance}");
}

fn assert_same(got: Option<f64>, expected: Option<f64>, what: &str) {
    assert_eq!(got.is_some(), expected.is_some(), "{what}: {got:?}, expected {expected:?}");
    assert_close(got.unwrap_or(0.0), expected.unwrap_or(0.0), 1e-10, what);
}

#[test]
fn classification() {
    for case in reference().classification {
        let confusion = Confusion::new(case.classes, case.labels.into_iter().zip(case.predictions));
        for (truth, row) in case.confusion.iter().enumerate() {
            let counted: Vec<u64> = (0..case.classes).map(|predicted| confusion.at(truth, predicted)).collect();
            assert_eq!(&counted, row, "{}", case.name);
        }
        assert_same(confusion.accuracy(), Some(case.accuracy), &case.name);
        assert_same(confusion.mean_class_accuracy(), Some(case.mean_class_accuracy), &case.name);
        assert_same(confusion.macro_f1(), Some(case.macro_f1), &case.name);
        for (class, ClassScores { support, precision, recall, f1 }) in confusion.per_class().enumerate() {
            let what = format!("{}, class {class}", case.name);
            assert_eq!(support, case.support[class], "{what}");
            assert_same(precision, case.precision[class], &what);
            assert_same(recall, case.recall[class], &what);
            assert_same(f1, case.f1[class], &what);
        }
    }
}

#[test]
fn proportion_intervals() {
    // Wilson's bounds stand beside them in the file
    for (correct, n, alpha, _, _, low, high) in reference().intervals {
        let level = if alpha == 0.05 { Level::PERCENT_95 } else { Level::PERCENT_99 };
        let (got, what) = (clopper_pearson(correct, n, level), format!("{correct} of {n}, alpha {alpha}"));
        assert_close(got.low, low, 1e-9, &what);
        assert_close(got.high, high, 1e-9, &what);
    }
}

#[test]
fn binomial_against_a_known_chance() {
    for (correct, n, chance, p) in reference().binomial {
        assert_close(binomial::test(correct, n, chance), p, 1e-9, &format!("{correct} of {n}, chance {chance}"));
    }
}

#[test]
fn holm_correction() {
    for (p, expected) in reference().holm {
        for (got, expected) in holm(&p).into_iter().zip(expected) {
            assert_close(got, expected, 1e-10, &format!("{p:?}"));
        }
    }
}

/// Among the cases are some whose mean square of the seeds lies above that of the rest, and some where it lies below.
#[test]
fn differences_over_crossed_seeds_and_images() {
    for (rows, mean, low, high) in reference().crossed {
        let (got, what) = (Difference::of(&rows, &Weights::equal(rows[0].len())).unwrap(), format!("{rows:?}"));
        assert_close(got.mean(), mean, 1e-12, &what);
        assert_close(got.bounds(0.95).0, low, 1e-8, &what);
        assert_close(got.bounds(0.95).1, high, 1e-8, &what);
    }
}
