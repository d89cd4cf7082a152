//! Multinomial logistic regression by linfa-logistic, of many rows by this suite's own solver (`many`): a linear score a
//! class, and the softmax of all scores is the probability of each class. Weights carry an L2 penalty, intercepts none.
//!
//! linfa's log-sum-exp subtracts the largest logit of all rows, not of each, and is cut off 34 below it. Standardised
//! vectors with a penalty stay far from there in training; scores are computed here, row by row.

mod many;

use std::fmt;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2, ArrayView2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rows::blocks;
use super::scale::Scaling;
use super::{ClassifyError, Labelled, check_classes, decide};

/// The solver (L-BFGS) stops when the gradient's norm is below this; summed over images, it starts at some hundreds.
const TOLERANCE: f64 = 1e-2;
/// Training rows up to which linfa is asked. Of more the norm may be larger by as much: the sum grows with them, the
/// steps should not.
pub const LARGEST: usize = 2048;
const MAX_ITERATIONS: u64 = 1000;

/// The grid of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticSettings {
    pub scale: Scaling,
    /// Penalties, in the order in which they are preferred.
    pub alpha: Vec<f64>,
}

/// The penalty: the loss, summed over rows, plus `alpha / 2` times the squared weights is made small.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    pub alpha: f64,
}

impl fmt::Display for Penalty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alpha={}", self.alpha)
    }
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// d x classes
    weights: Array2<f64>,
    /// One a class; minus infinity for a class that train did not show.
    intercepts: Array1<f64>,
}

impl Softmax {
    /// A model that something else has fitted: weights (d x classes) and one intercept a class.
    pub fn new(weights: Array2<f64>, intercepts: Array1<f64>) -> Self {
        Self { weights, intercepts }
    }

    pub fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    pub fn intercepts(&self) -> &Array1<f64> {
        &self.intercepts
    }

    /// # Errors
    /// Fewer than two classes in `train`, or a solver failure.
    pub fn fit(penalty: Penalty, train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        if train.y.len() <= LARGEST {
            return Training::of(train, classes)?.fit(penalty);
        }
        check_classes(train.y, classes)?;
        let problem = many::Problem::new(train, classes)?;
        Ok(problem.model(&problem.solve(penalty.alpha, tolerance(train.y.len()), None)?))
    }

    /// Natural logarithms of the probabilities (n x classes); minus infinity for a class that train did not show.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let mut logits = x.mapv(f64::from).dot(&self.weights) + &self.intercepts;
        for mut row in logits.outer_iter_mut() {
            let largest = row.fold(f64::NEG_INFINITY, |largest, &logit| largest.max(logit));
            let sum: f64 = row.iter().map(|logit| (logit - largest).exp()).sum();
            row.mapv_inplace(|logit| logit - largest - sum.ln());
        }
        logits.mapv(|score| score as f32)
    }
}

/// How many rows of `val` each penalty gets right, fitted on `train`, in their order.
///
/// # Errors
/// Those of [`Softmax::fit`].
pub fn count_correct_of(
    penalties: &[Penalty],
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    let models = models(penalties, train, classes)?;
    let mut correct = vec![0; models.len()];
    for block in blocks(val.x) {
        let (range, x) = block?;
        for (count, model) in correct.iter_mut().zip(&models) {
            let decided = decide(&model.scores(x.view()));
            *count += decided.iter().zip(&val.y[range.clone()]).filter(|(decided, truth)| decided == truth).count();
        }
    }
    Ok(correct)
}

/// A model a penalty; of many rows each is begun with what the one before found.
fn models(penalties: &[Penalty], train: Labelled, classes: usize) -> Result<Vec<Softmax>, ClassifyError> {
    if train.y.len() <= LARGEST {
        let training = Training::of(train, classes)?;
        return penalties.par_iter().map(|penalty| training.fit(*penalty)).collect();
    }
    check_classes(train.y, classes)?;
    let problem = many::Problem::new(train, classes)?;
    let mut last = None;
    let mut model = |penalty: &Penalty| {
        let found = problem.solve(penalty.alpha, tolerance(train.y.len()), last.as_ref())?;
        let model = problem.model(&found);
        last = Some(found);
        Ok(model)
    };
    penalties.iter().map(&mut model).collect()
}

/// Norm of the gradient at which so many rows' model is done.
fn tolerance(rows: usize) -> f64 {
    TOLERANCE * (rows as f64 / LARGEST as f64).max(1.0)
}

/// The training rows as linfa wants them: one copy for every penalty, eight bytes a number.
struct Training {
    x: Array2<f64>,
    y: Array1<usize>,
    classes: usize,
}

impl Training {
    fn of(train: Labelled, classes: usize) -> Result<Training, ClassifyError> {
        check_classes(train.y, classes)?;
        let mut x = Array2::zeros((train.x.len(), train.x.dimension()));
        for block in blocks(train.x) {
            let (range, block) = block?;
            x.slice_mut(s![range, ..]).zip_mut_with(&block, |wide, &value| *wide = f64::from(value));
        }
        Ok(Training { x, y: train.y.to_vec().into(), classes })
    }

    fn fit(&self, penalty: Penalty) -> Result<Softmax, ClassifyError> {
        self.fit_to(penalty, tolerance(self.x.nrows()))
    }

    fn fit_to(&self, penalty: Penalty, tolerance: f64) -> Result<Softmax, ClassifyError> {
        let fitted = MultiLogisticRegression::default()
            .alpha(penalty.alpha)
            .gradient_tolerance(tolerance)
            .max_iterations(MAX_ITERATIONS)
            .fit(&DatasetBase::new(self.x.view(), self.y.view()))?;
        let mut weights = Array2::zeros((self.x.ncols(), self.classes));
        let mut intercepts = Array1::from_elem(self.classes, f64::NEG_INFINITY);
        // linfa's columns are the classes that train shows, in label order.
        for (column, &class) in fitted.classes().iter().enumerate() {
            weights.column_mut(class).assign(&fitted.params().column(column));
            intercepts[class] = fitted.intercept()[column];
        }
        Ok(Softmax { weights, intercepts })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;

    fn fit(alpha: f64, x: &Array2<f32>, y: &[usize], classes: usize) -> Softmax {
        Softmax::fit(Penalty { alpha }, Labelled { x, y }, classes).unwrap()
    }

    /// 60 rows around three centres, of a fixed pattern.
    pub fn clouds() -> (Array2<f32>, Vec<usize>) {
        let centres = [[2.0, 0.0, -1.0], [-1.0, 1.5, 0.5], [0.0, -1.5, 1.0]];
        let noise = |row: usize, column: usize| ((row * 37 + column * 11) % 23) as f32 / 8.0 - 1.4;
        let y: Vec<usize> = (0..60).map(|row| row % 3).collect();
        (Array2::from_shape_fn((60, 3), |(row, column)| centres[y[row]][column] + noise(row, column)), y)
    }

    /// Where a feature only tells two groups apart, the unpenalised model gives each group's frequencies.
    #[test]
    fn without_a_penalty_probabilities_are_the_frequencies_of_each_group() {
        let x = array![[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0], [1.0]];
        let model = fit(1e-9, &x, &[0, 0, 0, 1, 0, 1, 1, 2, 2], 3);
        let p = model.scores(array![[1.0], [0.0]].view()).mapv(f32::exp);
        for (p, expected) in p.iter().zip([0.2, 0.4, 0.4, 0.75, 0.25, 0.0]) {
            assert!((p - expected).abs() < 2e-3, "{p}, expected {expected}");
        }
    }

    /// Intercepts are not penalised: whatever alpha is, mean probabilities are the class frequencies; and at the
    /// optimum the penalty's gradient balances the loss's.
    #[test]
    fn the_gradient_vanishes_at_the_optimum() {
        let (x, y) = clouds();
        for alpha in [0.1, 1.0, 30.0] {
            let model = fit(alpha, &x, &y, 3);
            let mut excess = model.scores(x.view()).mapv(|score| f64::from(score).exp());
            y.iter().enumerate().for_each(|(row, &class)| excess[[row, class]] -= 1.0);
            let gradient = x.mapv(f64::from).t().dot(&excess) + &model.weights * alpha;
            let largest = |values: &Array2<f64>| values.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
            assert!(largest(&gradient) < 2.0 * TOLERANCE, "alpha {alpha}: {gradient}");
            assert!(excess.sum_axis(Axis(0)).iter().all(|sum| sum.abs() < 2.0 * TOLERANCE));
            assert!(model.weights.sum_axis(Axis(1)).iter().all(|sum| sum.abs() < 1e-6), "nothing prefers a class");
        }
    }

    /// Of many rows each may add as little to the gradient as one of few.
    #[test]
    fn the_gradient_of_many_rows_vanishes_row_by_row() {
        let (few, classes_of_few) = clouds();
        let x = Array2::from_shape_fn((6000, 3), |(row, column)| few[[row % 60, column]] + (row / 60) as f32 / 100.0);
        let y: Vec<usize> = (0..6000).map(|row| classes_of_few[row % 60]).collect();
        // as much for each row as 1 is for sixty
        let model = fit(100.0, &x, &y, 3);
        let mut excess = model.scores(x.view()).mapv(|score| f64::from(score).exp());
        y.iter().enumerate().for_each(|(row, &class)| excess[[row, class]] -= 1.0);
        let gradient = x.mapv(f64::from).t().dot(&excess) + &model.weights * 100.0;
        let norm = gradient.mapv(|v| v * v).sum().sqrt();
        assert!(norm < 1.1 * tolerance(6000), "{norm}");
    }

    #[test]
    fn every_penalty_of_a_grid_is_fitted_as_by_itself() {
        let (x, y) = clouds();
        let penalties = [100.0, 1.0, 0.1].map(|alpha| Penalty { alpha });
        let train = Labelled { x: &x, y: &y };
        let alone = penalties.map(|penalty| {
            let scores = Softmax::fit(penalty, train, 3).unwrap().scores(x.view());
            decide(&scores).iter().zip(&y).filter(|(predicted, truth)| predicted == truth).count()
        });
        assert_eq!(count_correct_of(&penalties, train, train, 3).unwrap(), alone);
    }

    #[test]
    fn a_larger_penalty_gives_smaller_weights() {
        let (x, y) = clouds();
        let squares = |alpha| fit(alpha, &x, &y, 3).weights.mapv(|w| w * w).sum();
        assert!(squares(0.1) > 1.5 * squares(1.0) && squares(1.0) > 1.5 * squares(10.0));
    }

    #[test]
    fn absent_classes_never_win_and_change_nothing() {
        let (x, y) = clouds();
        let spread: Vec<usize> = y.iter().map(|class| [1, 2, 4][*class]).collect();
        let (scores, sparse) = (fit(1.0, &x, &y, 3).scores(x.view()), fit(1.0, &x, &spread, 6).scores(x.view()));
        for (class, absent) in [true, false, false, true, false, true].into_iter().enumerate() {
            assert_eq!(sparse.column(class).iter().all(|score| *score == f32::NEG_INFINITY), absent);
        }
        assert_eq!(sparse.select(Axis(1), &[1, 2, 4]), scores);
        assert!(decide(&sparse).iter().all(|class| [1, 2, 4].contains(class)));
    }

    #[test]
    fn rows_that_tell_nothing_go_to_the_first_class_and_one_class_is_refused() {
        let x = Array2::zeros((4, 2));
        let model = fit(1.0, &x, &[2, 1, 1, 2], 3);
        assert_eq!(decide(&model.scores(x.view())), [1; 4]);
        let error = Softmax::fit(Penalty { alpha: 1.0 }, Labelled { x: &x, y: &[1; 4] }, 3).unwrap_err();
        assert!(error.to_string().contains("at least two"), "{error}");
    }

    /// Far from every training row logits are huge; a sum of exponentials that overflows would give NaN.
    #[test]
    fn huge_logits_have_finite_scores() {
        let (x, y) = clouds();
        let scores = fit(1e-3, &x, &y, 3).scores((&x * 1e4).view());
        assert!(scores.iter().all(|score| score.is_finite() && *score <= 0.0));
        assert_eq!(decide(&scores).len(), 60);
    }
}
