//! One-vs-rest support vector machines by linfa-svm: one binary machine a class in label order, and the class with
//! the largest margin `w . x - rho` wins.
//!
//! linfa's own `MultiClassModel` is not used: it compares probabilities that were fitted on training scores, in the
//! order of a hash set, so equal inputs can give different answers.

use std::fmt;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_svm::Svm;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::kernel::{Factor, Kernel, Precision};
use super::rows::all;
use super::scale::Scaling;
use super::{ClassifyError, Labelled, check_classes, count_correct};

/// How machines are solved. `cargo bench --bench svm` measures what each setting does to time and accuracy; the
/// default, which every arm uses, is the fastest that costs no accuracy there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solver {
    /// Largest violation of the optimality conditions; as in libsvm by default.
    pub tolerance: f32,
    /// How exactly kernels are turned into vectors.
    pub precision: Precision,
    /// Solve on some rows, add those that the machine gets wrong, and so on until none is left: the solution is that
    /// of all rows (chunking: Osuna, Freund and Girosi 1997).
    pub chunking: bool,
}

impl Default for Solver {
    fn default() -> Self {
        Self { tolerance: 1e-3, precision: Precision { rank: 1024, residual: 1e-3 }, chunking: true }
    }
}

/// Rows from which on chunking pays, and every how manieth row of a side it begins with.
const CHUNKED: usize = 300;
const STRIDE: usize = 3;

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
    /// Rows with a weight, ascending.
    support: Vec<usize>,
}

/// What the machines are solved on: the factor's rows, or the vectors themselves.
fn vectors<'a>(factor: &'a Option<Factor>, x: ArrayView2<'a, f32>) -> ArrayView2<'a, f32> {
    factor.as_ref().map_or(x, |factor| factor.rows.view())
}

impl Solver {
    /// Vectors whose dot products are the kernel; `None` where those of a linear kernel are short as they are.
    fn factor(self, kernel: Kernel, x: ArrayView2<f32>) -> Option<Factor> {
        // A factor has at most as many columns as there are rows; up to twice that it costs more than it saves.
        let short = kernel == Kernel::Linear && x.ncols() <= self.precision.rank.min(2 * x.nrows());
        (!short).then(|| kernel.factor(x, self.precision))
    }

    /// Fits one machine that tells `class` from the rest. `None` where train has no or only this class.
    /// Where it solves in chunks, it begins with the rows `near`, or with some of all where there are none.
    fn class(
        self,
        class: usize,
        c: f64,
        x: ArrayView2<f32>,
        y: &[usize],
        near: &[usize],
    ) -> Result<Option<Machine>, ClassifyError> {
        let target: Array1<bool> = y.iter().map(|&label| label == class).collect();
        if target.iter().all(|&t| t) || !target.iter().any(|&t| t) {
            return Ok(None);
        }
        if !self.chunking || y.len() < CHUNKED {
            return Ok(Some(self.machine(c, x, &target, &Vec::from_iter(0..y.len()))?));
        }
        let mut rows = if near.is_empty() { every(STRIDE, &target) } else { near.to_vec() };
        let mut first = true;
        loop {
            let machine = self.machine(c, x, &target, &rows)?;
            let wrong = machine.violated(x, &target, self.tolerance);
            if wrong.iter().all(|row| rows.binary_search(row).is_ok()) {
                return Ok(Some(machine));
            }
            // Only the first chunk gives up rows: the others grow, so that there is a last one.
            let kept = if first { machine.support } else { rows };
            rows = kept.into_iter().chain(wrong).collect();
            rows.sort_unstable();
            rows.dedup();
            first = false;
        }
    }

    /// A machine on these rows.
    fn machine(
        self,
        c: f64,
        x: ArrayView2<f32>,
        target: &Array1<bool>,
        rows: &[usize],
    ) -> Result<Machine, ClassifyError> {
        let (x, target) = (x.select(Axis(0), rows), target.select(Axis(0), rows));
        let fitted = Svm::<f32, bool>::params()
            .pos_neg_weights(c as f32, c as f32)
            .eps(self.tolerance)
            .linear_kernel()
            .fit(&DatasetBase::new(x.view(), target.view()))?;
        let mut machine = Machine { w: Array1::zeros(x.ncols()), rho: fitted.rho, support: Vec::new() };
        for ((&row, vector), &alpha) in rows.iter().zip(x.outer_iter()).zip(&fitted.alpha) {
            if alpha != 0.0 {
                machine.w.zip_mut_with(&vector, |w, &v| *w += f64::from(alpha) * f64::from(v));
                machine.support.push(row);
            }
        }
        Ok(machine)
    }

    /// A machine a class; each begins with its class's rows of `near`.
    fn classes(
        self,
        c: f64,
        x: ArrayView2<f32>,
        y: &[usize],
        near: &[Vec<usize>],
    ) -> Result<Vec<Option<Machine>>, ClassifyError> {
        near.par_iter().enumerate().map(|(class, near)| self.class(class, c, x, y, near)).collect()
    }
}

impl Machine {
    /// Rows inside the margin or on its wrong side, which an optimal machine knows as support vectors.
    fn violated(&self, x: ArrayView2<f32>, target: &Array1<bool>, tolerance: f32) -> Vec<usize> {
        let margins = x.dot(&self.w.mapv(|w| w as f32)) - self.rho;
        let signed = margins.iter().zip(target).map(|(&margin, &positive)| if positive { margin } else { -margin });
        signed.enumerate().filter(|(_, margin)| *margin < 1.0 - tolerance).map(|(row, _)| row).collect()
    }
}

/// The first and then every `stride`th row of either side, in order.
fn every(stride: usize, target: &Array1<bool>) -> Vec<usize> {
    let mut seen = [0_usize; 2];
    let mut taken = |side: bool| {
        seen[usize::from(side)] += 1;
        (seen[usize::from(side)] - 1).is_multiple_of(stride)
    };
    target.iter().enumerate().filter(|(_, side)| taken(**side)).map(|(row, _)| row).collect()
}

impl OneVsRest {
    /// # Errors
    /// Fewer than two classes in `train`, or a solver failure.
    pub fn fit(point: Point, train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        Self::fit_by(Solver::default(), point, train, classes)
    }

    /// # Errors
    /// As [`OneVsRest::fit`].
    pub fn fit_by(solver: Solver, point: Point, train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        check_classes(train.y, classes)?;
        let x = all(train.x)?;
        let factor = solver.factor(point.kernel, x.view());
        let anywhere = vec![Vec::new(); classes];
        let machines = solver.classes(point.c, vectors(&factor, x.view()), train.y, &anywhere)?;
        Ok(Self::assemble(point.kernel, factor.as_ref(), x.view(), &machines))
    }

    fn assemble(kernel: Kernel, factor: Option<&Factor>, x: ArrayView2<f32>, machines: &[Option<Machine>]) -> Self {
        let columns = factor.map_or(x.ncols(), |factor| factor.rows.ncols());
        let mut weights = Array2::<f32>::zeros((machines.len(), columns));
        let mut rho = Array1::from_elem(machines.len(), f32::INFINITY);
        for (class, machine) in machines.iter().enumerate() {
            if let Some(machine) = machine {
                let w = factor.map_or_else(|| machine.w.clone(), |factor| factor.pivot_weights(machine.w.view()));
                weights.row_mut(class).assign(&w.mapv(|v| v as f32));
                rho[class] = machine.rho;
            }
        }
        let none = Array2::zeros((0, 0));
        match (kernel, factor) {
            (_, None) => Self { kernel, support: weights, weights: none, rho },
            (Kernel::Linear, Some(factor)) => {
                Self { kernel, support: weights.dot(&factor.pivot_rows(x)), weights: none, rho }
            }
            (Kernel::Rbf { .. }, Some(factor)) => Self { kernel, support: factor.pivot_rows(x), weights, rho },
        }
    }

    /// Machines with a linear kernel as weights (d x classes) and intercepts; `None` with another kernel.
    pub fn as_linear(&self) -> Option<(Array2<f64>, Array1<f64>)> {
        let linear = self.kernel == Kernel::Linear;
        linear.then(|| (self.support.t().mapv(f64::from), self.rho.mapv(|rho| -f64::from(rho))))
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

/// Rows of `val` that each point gets right when fitted on `train`. Points with one kernel share a factor, every point
/// begins with the support vectors of the one before, and classes run in parallel.
pub fn count_correct_of(
    points: &[Point],
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    check_classes(train.y, classes)?;
    let solver = Solver::default();
    let (x, val_x) = (all(train.x)?, all(val.x)?);
    let mut correct = Vec::with_capacity(points.len());
    let mut near = vec![Vec::new(); classes];
    for same in points.chunk_by(|a, b| a.kernel == b.kernel) {
        let factor = solver.factor(same[0].kernel, x.view());
        for point in same {
            let machines = solver.classes(point.c, vectors(&factor, x.view()), train.y, &near)?;
            let fitted = OneVsRest::assemble(point.kernel, factor.as_ref(), x.view(), &machines);
            correct.push(count_correct(&fitted.scores(val_x.view()), val.y));
            near =
                machines.into_iter().map(|machine| machine.map_or_else(Vec::new, |machine| machine.support)).collect();
        }
    }
    Ok(correct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::decide;

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
        let scores = OneVsRest::fit(LINEAR, Labelled { x: &x, y: &y }, 3).unwrap().scores(x.view());
        for class in 0..3 {
            let target: Array1<bool> = y.iter().map(|&label| label == class).collect();
            let machine = Svm::<f32, bool>::params()
                .pos_neg_weights(1.0, 1.0)
                .eps(Solver::default().tolerance)
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
        let fit = |y: &[usize]| OneVsRest::fit(LINEAR, Labelled { x: &x, y }, 3).unwrap().scores(x.view());
        let scores = fit(&y);
        assert!((0..20).all(|_| fit(&y) == scores));
        let turned: Vec<usize> = y.iter().map(|label| 2 - label).collect();
        assert_eq!(fit(&turned), scores.select(Axis(1), &[2, 1, 0]));
        assert!(count_correct(&scores, &y) > 50);
    }

    #[test]
    fn rows_that_nothing_tells_apart_go_to_the_first_class() {
        let x = Array2::<f32>::ones((6, 2));
        let scores = OneVsRest::fit(LINEAR, Labelled { x: &x, y: &[2, 1, 0, 2, 1, 0] }, 3).unwrap().scores(x.view());
        assert_eq!(decide(&scores), [0; 6]);
    }

    #[test]
    fn an_rbf_kernel_solves_what_no_plane_can() {
        let x = ndarray::array![[0.0f32, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
        let point = Point { kernel: Kernel::Rbf { gamma: 2.0 }, c: 10.0 };
        let y = [0, 0, 1, 1];
        let model = OneVsRest::fit(point, Labelled { x: &x, y: &y }, 2).unwrap();
        assert_eq!(decide(&model.scores(x.view())), y);
    }

    #[test]
    fn an_absent_class_never_wins_and_one_class_alone_is_refused() {
        let (x, y) = clouds();
        let model = OneVsRest::fit(LINEAR, Labelled { x: &x, y: &y }, 4).unwrap();
        assert!(model.scores(x.view()).column(3).iter().all(|&score| score == f32::NEG_INFINITY));
        let one = OneVsRest::fit(LINEAR, Labelled { x: &x, y: &[1; 60] }, 3);
        assert!(matches!(one, Err(ClassifyError::TooFewClasses(1))));
    }

    /// 600 rows in four classes that overlap.
    fn many() -> (Array2<f32>, Vec<usize>) {
        let y: Vec<usize> = (0..600).map(|i| i / 150).collect();
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0 - 0.5;
        (Array2::from_shape_fn((600, 12), |(i, j)| 2.0 * noise(i, j) + if j % 4 == y[i] { 0.6 } else { 0.0 }), y)
    }

    #[test]
    fn chunks_lead_to_the_machine_of_all_rows() {
        let (x, y) = many();
        let rbf = Kernel::Rbf { gamma: 0.1 };
        for (kernel, c) in [(Kernel::Linear, 0.1), (Kernel::Linear, 1.0), (rbf, 1.0)] {
            let fit = |chunking| {
                let solver = Solver { chunking, tolerance: 1e-4, ..Solver::default() };
                OneVsRest::fit_by(solver, Point { kernel, c }, Labelled { x: &x, y: &y }, 4).unwrap()
            };
            let apart = fit(true).scores(x.view()) - fit(false).scores(x.view());
            let apart = apart.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            assert!(apart < 5e-3, "{kernel:?}, C = {c}: margins differ by {apart}");
        }
    }

    #[test]
    fn it_does_not_matter_where_a_machine_begins() {
        let (x, y) = many();
        let solver = Solver { tolerance: 1e-4, ..Solver::default() };
        let classes = |c, near: &[Vec<usize>]| -> Vec<Machine> {
            solver.classes(c, x.view(), &y, near).unwrap().into_iter().flatten().collect()
        };
        let anywhere = vec![Vec::new(); 4];
        let near: Vec<Vec<usize>> = classes(0.1, &anywhere).into_iter().map(|machine| machine.support).collect();
        for (here, there) in classes(1.0, &anywhere).iter().zip(classes(1.0, &near)) {
            let margins = |machine: &Machine| x.mapv(f64::from).dot(&machine.w) - f64::from(machine.rho);
            let apart = (margins(here) - margins(&there)).fold(0.0_f64, |most, v| most.max(v.abs()));
            assert!(apart < 5e-3, "margins differ by {apart}");
        }
    }

    #[test]
    fn vectors_and_their_factor_give_one_linear_machine() {
        let (x, y) = clouds();
        let plain = OneVsRest::fit(LINEAR, Labelled { x: &x, y: &y }, 3).unwrap();
        // The same rows with as many zeros that they are long.
        let mut long = Array2::zeros((60, 200));
        long.slice_mut(ndarray::s![.., ..5]).assign(&x);
        let factored = OneVsRest::fit(LINEAR, Labelled { x: &long, y: &y }, 3).unwrap();
        let apart = plain.scores(x.view()) - factored.scores(long.view());
        assert!(apart.iter().all(|v| v.abs() < 1e-2), "{apart}");
    }

    #[test]
    fn the_grid_counts_what_single_fits_get_right() {
        let (x, y) = clouds();
        let rbf = Point { kernel: Kernel::Rbf { gamma: 0.5 }, c: 1.0 };
        let (points, rows) = ([LINEAR, rbf], Labelled { x: &x, y: &y });
        let counted = count_correct_of(&points, rows, rows, 3).unwrap();
        let single = points.map(|point| count_correct(&OneVsRest::fit(point, rows, 3).unwrap().scores(x.view()), &y));
        assert_eq!(counted, single);
    }
}
