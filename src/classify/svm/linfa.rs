//! One-vs-rest machines by linfa-svm, the referee of this suite's own solver: `solver = "linfa"` has it make an arm's
//! final machines.
//!
//! Its own `MultiClassModel` is not used: it compares probabilities that were fitted on training scores, in the order
//! of a hash set, so equal inputs can give different answers. It computes a kernel anew for every pair of rows, so it
//! gets short vectors with a linear kernel, and some rows first, then those that the machine gets wrong, until none is
//! left: the solution is that of all rows (chunking: Osuna, Freund and Girosi 1997).

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_svm::Svm;
use ndarray::{Array1, ArrayView2, Axis};
use rayon::prelude::*;

use super::OneVsRest;
use crate::classify::dual::{Loss, Task, relative_gap};
use crate::classify::kernel::{Factor, Kernel, PRECISION};
use crate::classify::rows::all;
use crate::classify::svm::{Fitted, Point};
use crate::classify::{ClassifyError, Labelled};

/// Rows up to which it is asked: beyond, it takes minutes and then hours.
pub const LARGEST: usize = 2048;
/// Largest violation of the optimality conditions; as in libsvm by default.
const TOLERANCE: f32 = 1e-3;
/// Relative duality gap up to which its machines count as converged: it does not stop by the gap, and at its tolerance
/// leaves one of about 1e-3, now above and now below.
pub const ACCEPTED: f64 = 1e-2;
/// Rows from which on chunking pays, and every how manieth row of a side it begins with.
const CHUNKED: usize = 300;
const STRIDE: usize = 3;

/// One binary machine on the rows of a factor: weights over its columns and the offset.
struct Machine {
    w: Array1<f64>,
    rho: f32,
    /// Rows with a weight, ascending.
    support: Vec<usize>,
    /// Sum of the absolute weights of the rows.
    linear: f64,
}

/// Fits a machine a class on all rows of `train`.
///
/// # Errors
/// Those of the rows and of linfa.
pub fn fit(point: Point, train: Labelled, classes: usize) -> Result<OneVsRest, ClassifyError> {
    let x = all(train.x)?;
    // A factor has at most as many columns as there are rows; up to twice that it costs more than it saves.
    let short = point.kernel == Kernel::Linear && x.ncols() <= PRECISION.rank.min(2 * x.nrows());
    let factor: Option<Factor> = (!short).then(|| point.kernel.factor(x.view(), PRECISION));
    let vectors = factor.as_ref().map_or(x.view(), |factor| factor.rows.view());
    let one = |class| match class_machine(class, point.c, vectors, train.y)? {
        None => Ok(None),
        Some(machine) => {
            let gap = machine.gap(class, point.c, vectors, train.y);
            let w = factor.as_ref().map_or_else(|| machine.w.clone(), |factor| factor.pivot_weights(machine.w.view()));
            Ok(Some(Fitted { weights: w.mapv(|v| v as f32), rho: machine.rho, gap }))
        }
    };
    let machines = (0..classes).into_par_iter().map(one).collect::<Result<Vec<_>, ClassifyError>>()?;
    let pivots = factor.map(|factor| factor.pivot_rows(x.view()));
    Ok(OneVsRest::assemble(point.kernel, pivots, x.ncols(), &machines))
}

/// A machine that tells `class` from the rest. `None` where train has no or only this class.
fn class_machine(class: usize, c: f64, x: ArrayView2<f32>, y: &[usize]) -> Result<Option<Machine>, ClassifyError> {
    let target: Array1<bool> = y.iter().map(|&label| label == class).collect();
    if target.iter().all(|&t| t) || !target.iter().any(|&t| t) {
        return Ok(None);
    }
    if y.len() < CHUNKED {
        return Ok(Some(machine(c, x, &target, &Vec::from_iter(0..y.len()))?));
    }
    let mut rows = every(STRIDE, &target);
    let mut first = true;
    loop {
        let machine = machine(c, x, &target, &rows)?;
        let wrong = machine.violated(x, &target);
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
fn machine(c: f64, x: ArrayView2<f32>, target: &Array1<bool>, rows: &[usize]) -> Result<Machine, ClassifyError> {
    let (x, target) = (x.select(Axis(0), rows), target.select(Axis(0), rows));
    let fitted = Svm::<f32, bool>::params()
        .pos_neg_weights(c as f32, c as f32)
        .eps(TOLERANCE)
        .linear_kernel()
        .fit(&DatasetBase::new(x.view(), target.view()))?;
    let mut machine = Machine { w: Array1::zeros(x.ncols()), rho: fitted.rho, support: Vec::new(), linear: 0.0 };
    for ((&row, vector), &alpha) in rows.iter().zip(x.outer_iter()).zip(&fitted.alpha) {
        if alpha != 0.0 {
            machine.w.zip_mut_with(&vector, |w, &v| *w += f64::from(alpha) * f64::from(v));
            machine.support.push(row);
            machine.linear += f64::from(alpha.abs());
        }
    }
    Ok(machine)
}

impl Machine {
    /// Rows inside the margin or on its wrong side, which an optimal machine knows as support vectors.
    fn violated(&self, x: ArrayView2<f32>, target: &Array1<bool>) -> Vec<usize> {
        let margins = x.dot(&self.w.mapv(|w| w as f32)) - self.rho;
        let signed = margins.iter().zip(target).map(|(&margin, &positive)| if positive { margin } else { -margin });
        signed.enumerate().filter(|(_, margin)| *margin < 1.0 - TOLERANCE).map(|(row, _)| row).collect()
    }

    /// Relative duality gap.
    fn gap(&self, class: usize, c: f64, x: ArrayView2<f32>, y: &[usize]) -> f64 {
        let positive: Vec<bool> = y.iter().map(|&label| label == class).collect();
        let costs = vec![c as f32; y.len()];
        let outputs = x.dot(&self.w.mapv(|w| w as f32)).to_vec();
        let norm = self.w.dot(&self.w);
        let task = Task { positive: &positive, costs: &costs, loss: Loss::Hinge };
        let (primal, _) = task.primal(&outputs, norm, -f64::from(self.rho));
        relative_gap(primal, self.linear - 0.5 * norm)
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
