//! One-vs-rest support vector machines by linfa-svm: one binary machine a class in label order, and the class with
//! the largest margin `w . x - rho` wins.
//!
//! linfa's own `MultiClassModel` is not used: it compares probabilities that were fitted on training scores, in the
//! order of a hash set, so equal inputs can give different answers.

use std::fmt;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_svm::Svm;
use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::kernel::{Factor, Kernel, Precision};
use super::scale::Scaling;
use super::{ClassifyError, Labelled, check_classes, count_correct};

/// Solver tolerance, as in libsvm; linfa's default of 1e-7 costs time and changes no decision here.
const TOLERANCE: f32 = 1e-3;
/// How exactly kernels are turned into vectors. On 1,022 images and SIFT words, 256 columns are three times as fast as
/// all of them and cost 4 points on val, so only what is nearly nothing is left out.
const PRECISION: Precision = Precision { rank: 1024, residual: 1e-3 };

/// The grid of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvmSettings {
    pub scale: Scaling,
    /// C of the linear machines; none are tried where empty.
    #[serde(default)]
    pub linear_c: Vec<f64>,
    /// C and gamma of the machines with an RBF kernel; every pair is tried.
    #[serde(default)]
    pub rbf_c: Vec<f64>,
    #[serde(default)]
    pub rbf_gamma: Vec<f64>,
}

/// A kernel and a penalty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub kernel: Kernel,
    pub c: f64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kernel {
            Kernel::Linear => write!(f, "kernel=linear C={}", self.c),
            Kernel::Rbf { gamma } => write!(f, "kernel=rbf gamma={gamma} C={}", self.c),
        }
    }
}

impl SvmSettings {
    /// Every point, simplest first: linear before RBF, wide before narrow kernels, small before large C.
    pub fn points(&self) -> Vec<Point> {
        let linear = self.linear_c.iter().map(|&c| Point { kernel: Kernel::Linear, c });
        let rbf = self
            .rbf_gamma
            .iter()
            .flat_map(|&gamma| self.rbf_c.iter().map(move |&c| Point { kernel: Kernel::Rbf { gamma }, c }));
        linear.chain(rbf).collect()
    }
}

/// A fitted machine a class. The kernel expansion runs over `support` (pivots); a linear machine is one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneVsRest {
    kernel: Kernel,
    /// Linear: the weights, classes x d. RBF: the pivots' vectors, rank x d.
    support: Array2<f32>,
    /// RBF: weights of the pivots, classes x rank; empty for linear.
    weights: Array2<f32>,
    rho: Array1<f32>,
}

/// One binary machine on the rows of a factor: weights over its columns and the offset.
struct Machine {
    w: Array1<f64>,
    rho: f32,
}

/// Fits one machine that tells `class` from the rest. `None` where train has no or only this class.
fn fit_class(class: usize, c: f64, rows: ArrayView2<f32>, y: &[usize]) -> Result<Option<Machine>, ClassifyError> {
    let target: Array1<bool> = y.iter().map(|&label| label == class).collect();
    if target.iter().all(|&t| t) || !target.iter().any(|&t| t) {
        return Ok(None);
    }
    let fitted = Svm::<f32, bool>::params()
        .pos_neg_weights(c as f32, c as f32)
        .eps(TOLERANCE)
        .linear_kernel()
        .fit(&DatasetBase::new(rows, target.view()))?;
    let mut w = Array1::<f64>::zeros(rows.ncols());
    for (row, &alpha) in rows.outer_iter().zip(&fitted.alpha).filter(|(_, alpha)| **alpha != 0.0) {
        w.zip_mut_with(&row, |w, &v| *w += f64::from(alpha) * f64::from(v));
    }
    Ok(Some(Machine { w, rho: fitted.rho }))
}

fn fit_classes(
    c: f64,
    rows: ArrayView2<f32>,
    y: &[usize],
    classes: usize,
) -> Result<Vec<Option<Machine>>, ClassifyError> {
    (0..classes).into_par_iter().map(|class| fit_class(class, c, rows, y)).collect()
}

impl OneVsRest {
    /// # Errors
    /// Fewer than two classes in `train`, or a solver failure.
    pub fn fit(point: Point, train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        check_classes(train.y, classes)?;
        let factor = point.kernel.factor(train.x, PRECISION);
        let machines = fit_classes(point.c, factor.rows.view(), train.y, classes)?;
        Ok(Self::assemble(point.kernel, &factor, train.x, &machines))
    }

    fn assemble(kernel: Kernel, factor: &Factor, x: ArrayView2<f32>, machines: &[Option<Machine>]) -> Self {
        let pivots = factor.pivot_rows(x);
        let mut weights = Array2::<f32>::zeros((machines.len(), pivots.nrows()));
        let mut rho = Array1::from_elem(machines.len(), f32::INFINITY);
        for (class, machine) in machines.iter().enumerate() {
            if let Some(machine) = machine {
                weights.row_mut(class).assign(&factor.pivot_weights(machine.w.view()).mapv(|v| v as f32));
                rho[class] = machine.rho;
            }
        }
        match kernel {
            Kernel::Linear => Self { kernel, support: weights.dot(&pivots), weights: Array2::zeros((0, 0)), rho },
            Kernel::Rbf { .. } => Self { kernel, support: pivots, weights, rho },
        }
    }

    /// Margins (n x classes); minus infinity for a class that train did not show.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let kernel = self.kernel.between(x, self.support.view());
        let sums = match self.kernel {
            Kernel::Linear => kernel,
            Kernel::Rbf { .. } => kernel.dot(&self.weights.t()),
        };
        sums - &self.rho
    }
}

/// Rows of `val` that each point gets right when fitted on `train`. Neighbouring points with the same kernel share one
/// factor; their points and classes run in parallel.
pub fn count_correct_of(
    points: &[Point],
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    check_classes(train.y, classes)?;
    let mut correct = Vec::with_capacity(points.len());
    for same in points.chunk_by(|a, b| a.kernel == b.kernel) {
        let kernel = same[0].kernel;
        let factor = kernel.factor(train.x, PRECISION);
        let count = |point: &Point| {
            let machines = fit_classes(point.c, factor.rows.view(), train.y, classes)?;
            let fitted = OneVsRest::assemble(kernel, &factor, train.x, &machines);
            Ok(count_correct(&fitted.scores(val.x), val.y))
        };
        correct.extend(same.par_iter().map(count).collect::<Result<Vec<_>, ClassifyError>>()?);
    }
    Ok(correct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::decide;
    use ndarray::Axis;

    const LINEAR: Point = Point { kernel: Kernel::Linear, c: 1.0 };

    /// Three noisy clouds in five dimensions, 20 rows each, in turn.
    fn clouds() -> (Array2<f32>, Vec<usize>) {
        let y: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let noise = |i: usize, j: usize| ((i * 31 + j * 17) % 13) as f32 / 13.0 - 0.5;
        let x = Array2::from_shape_fn((60, 5), |(i, j)| if j == y[i] { 1.0 } else { 0.0 } + noise(i, j));
        (x, y)
    }

    #[test]
    fn scores_are_the_margins_of_linfas_machines_not_probabilities() {
        let (x, y) = clouds();
        let scores = OneVsRest::fit(LINEAR, Labelled { x: x.view(), y: &y }, 3).unwrap().scores(x.view());
        for class in 0..3 {
            let target: Array1<bool> = y.iter().map(|&label| label == class).collect();
            let machine = Svm::<f32, bool>::params()
                .pos_neg_weights(1.0, 1.0)
                .eps(TOLERANCE)
                .linear_kernel()
                .fit(&DatasetBase::new(x.view(), target.view()))
                .unwrap();
            for (row, score) in x.outer_iter().zip(scores.column(class)) {
                assert!((machine.weighted_sum(&row) - machine.rho - score).abs() < 1e-2);
            }
        }
    }

    #[test]
    fn classes_stand_in_label_order_and_a_fit_repeats_to_the_bit() {
        let (x, y) = clouds();
        let fit = |y: &[usize]| OneVsRest::fit(LINEAR, Labelled { x: x.view(), y }, 3).unwrap().scores(x.view());
        let scores = fit(&y);
        assert!((0..20).all(|_| fit(&y) == scores));
        let turned: Vec<usize> = y.iter().map(|label| 2 - label).collect();
        assert_eq!(fit(&turned), scores.select(Axis(1), &[2, 1, 0]));
        assert!(count_correct(&scores, &y) > 50);
    }

    #[test]
    fn rows_that_nothing_tells_apart_go_to_the_first_class() {
        let x = Array2::<f32>::ones((6, 2));
        let scores =
            OneVsRest::fit(LINEAR, Labelled { x: x.view(), y: &[2, 1, 0, 2, 1, 0] }, 3).unwrap().scores(x.view());
        assert_eq!(decide(&scores), [0; 6]);
    }

    #[test]
    fn an_rbf_kernel_solves_what_no_plane_can() {
        let x = ndarray::array![[0.0f32, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
        let point = Point { kernel: Kernel::Rbf { gamma: 2.0 }, c: 10.0 };
        let y = [0, 0, 1, 1];
        let model = OneVsRest::fit(point, Labelled { x: x.view(), y: &y }, 2).unwrap();
        assert_eq!(decide(&model.scores(x.view())), y);
    }

    #[test]
    fn an_absent_class_never_wins_and_one_class_alone_is_refused() {
        let (x, y) = clouds();
        let model = OneVsRest::fit(LINEAR, Labelled { x: x.view(), y: &y }, 4).unwrap();
        assert!(model.scores(x.view()).column(3).iter().all(|&score| score == f32::NEG_INFINITY));
        let one = OneVsRest::fit(LINEAR, Labelled { x: x.view(), y: &[1; 60] }, 3);
        assert!(matches!(one, Err(ClassifyError::TooFewClasses(1))));
    }

    #[test]
    fn the_grid_counts_what_single_fits_get_right() {
        let (x, y) = clouds();
        let rbf = Point { kernel: Kernel::Rbf { gamma: 0.5 }, c: 1.0 };
        let (points, rows) = ([LINEAR, rbf], Labelled { x: x.view(), y: &y });
        let counted = count_correct_of(&points, rows, rows, 3).unwrap();
        let single = points.map(|point| count_correct(&OneVsRest::fit(point, rows, 3).unwrap().scores(x.view()), &y));
        assert_eq!(counted, single);
    }
}
