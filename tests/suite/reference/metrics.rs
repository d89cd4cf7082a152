//! Metrics, intervals and tests against scikit-learn 1.9.1, SciPy 1.17.1 and statsmodels 0.15.0.

use featbench::stats::binomial;
use featbench::stats::calibration::{self, Answer};
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

/// Scores of twelve images and their classes; what NumPy 2 and SciPy 1.17.1 make of them by the definitions.
#[test]
fn calibration_of_scores() {
    let rows = [
        ([6.12, -7.67, 1.25, -1.7], 2),
        ([-1.36, -0.65, -6.06, -0.7], 1),
        ([-2.6, 9.97, 0.68, -1.06], 1),
        ([-0.84, -2.0, -3.17, -1.17], 0),
        ([1.45, -0.72, 2.87, -0.6], 1),
        ([0.07, 4.64, 1.64, -1.52], 0),
        ([-0.55, 1.62, 5.81, -0.81], 2),
        ([-0.73, 3.01, -2.66, -0.88], 1),
        ([2.65, 1.74, 0.27, 2.01], 0),
        ([-8.48, 3.06, -2.88, -5.01], 1),
        ([0.83, 2.1, -1.33, -3.23], 2),
        ([0.08, -0.16, 4.22, 2.24], 2),
    ];
    let rows: Vec<(Vec<f32>, usize)> = rows.into_iter().map(|(scores, truth)| (scores.to_vec(), truth)).collect();
    let temperature = calibration::temperature(&rows).unwrap();
    assert_close(temperature, 3.841_999_03, 1e-5, "temperature");
    let probabilities: Vec<Vec<f64>> =
        rows.iter().map(|(scores, _)| calibration::probabilities(scores, temperature)).collect();
    let logs = probabilities.iter().zip(&rows).map(|(p, (_, truth))| p[*truth].ln());
    assert_close(calibration::log_loss(logs).unwrap(), 1.088_354_28, 1e-6, "log loss");
    let answer = |(p, (_, truth)): (&Vec<f64>, &(Vec<f32>, usize))| {
        let confidence = p.iter().copied().fold(0.0, f64::max);
        Answer { confidence, right: p[*truth] == confidence }
    };
    let answers: Vec<Answer> = probabilities.iter().zip(&rows).map(answer).collect();
    // of twelve images every one has a bin
    assert_close(calibration::expected_error(&answers).unwrap(), 0.497_378_03, 1e-6, "of single images");
    let five = calibration::bins(&answers, 5);
    let error: f64 = five.iter().map(|bin| bin.images / 12.0 * (bin.right - bin.confidence).abs()).sum();
    assert_close(error, 0.219_178_62, 1e-6, "of five bins");
}
