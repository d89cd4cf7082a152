//! One-vs-rest support vector machines: one binary machine a class in label order, and the class with the largest
//! margin `w . x - rho` wins. This suite's own solver makes them (`dual`), or linfa-svm where an arm asks.

mod grid;
mod linfa;
mod own;
mod subsets;

use std::fmt;

use ndarray::{Array1, Array2, ArrayView2, CowArray, Ix2};
use serde::{Deserialize, Serialize};

use super::dual::{Loss, TOLERANCE};
use super::kernel::Kernel;
use super::scale::Scaling;
use super::{ClassifyError, Labelled, check_classes};
use crate::product::{dot, vectorised};

pub use super::dual::gram as matrix;
pub use grid::{count_correct_of, count_correct_on};
pub use own::machines;
pub use subsets::decided_on;

/// What a record says of machines that their solver left before they were the best.
pub const NOT_CONVERGED: &str = "not converged";

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
    /// What a row on the wrong side of its margin costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss: Loss,
    /// How much the rows of each class count.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weights: Weights,
    /// Who makes the final machines; selection is always by this suite's own solver.
    #[serde(default, skip_serializing_if = "is_default")]
    pub solver: Solver,
}

/// How much the rows of each class count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Every row as much as another.
    #[default]
    Equal,
    /// A row of a class counts n / (classes x rows of the class), so that every class counts as much as another.
    Balanced,
}

/// Who makes the final machines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    #[default]
    Featbench,
    /// linfa-svm, up to 2,048 rows; with more, as without this setting.
    Linfa,
}

/// What a machine is, besides its kernel and C.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub loss: Loss,
    pub weights: Weights,
    pub solver: Solver,
}

/// A kernel and a penalty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub kernel: Kernel,
    pub c: f64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

    pub fn options(&self) -> Options {
        Options { loss: self.loss, weights: self.weights, solver: self.solver }
    }

    /// What is wrong with the values, if anything is.
    ///
    /// # Errors
    /// An empty grid, a number that no machine can be fitted with, or what linfa-svm does not offer.
    pub fn check(&self) -> Result<(), String> {
        let numbers = [&self.linear_c, &self.rbf_c, &self.rbf_gamma];
        if let Some(number) = numbers.into_iter().flatten().find(|number| !(number.is_finite() && **number > 0.0)) {
            return Err(format!("{number} in linear_c, rbf_c or rbf_gamma must be a number above 0"));
        }
        if self.points().is_empty() {
            return Err("the grid is empty: give linear_c, or rbf_c with rbf_gamma".into());
        }
        let plain = Options { solver: self.solver, ..Options::default() };
        if self.solver == Solver::Linfa && self.options() != plain {
            return Err(
                "solver = \"linfa\" has the hinge loss and equal weights only: leave out loss and weights, or solver"
                    .into(),
            );
        }
        Ok(())
    }
}

/// A fitted machine a class. The kernel expansion runs over `support`; a linear machine is one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneVsRest {
    kernel: Kernel,
    /// Linear: the weights, classes x d. RBF: the vectors of the expansion, m x d.
    support: Array2<f32>,
    /// RBF: weights of those vectors, classes x m; empty for linear.
    weights: Array2<f32>,
    rho: Array1<f32>,
    /// Largest relative duality gap of a class's machine.
    gap: f64,
    /// linfa-svm was asked for, but there were too many rows.
    too_many: bool,
}

/// The machine of one class, on whatever vectors it was solved on.
struct Fitted {
    weights: Array1<f32>,
    rho: f32,
    /// Relative duality gap.
    gap: f64,
}

impl OneVsRest {
    /// # Errors
    /// Fewer than two classes in `train`, or a solver failure.
    pub fn fit(point: Point, options: Options, train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        check_classes(train.y, classes)?;
        let wanted = options.solver == Solver::Linfa;
        if wanted && train.x.len() <= linfa::LARGEST {
            return linfa::fit(point, train, classes);
        }
        Ok(Self { too_many: wanted, ..own::fit(point, options, train, classes)? })
    }

    /// `expansion`: what weights belong to where not to the `dimension` numbers of a vector. Classes without a machine
    /// never win.
    fn assemble(kernel: Kernel, expansion: Option<Array2<f32>>, dimension: usize, machines: &[Option<Fitted>]) -> Self {
        let columns = expansion.as_ref().map_or(dimension, Array2::nrows);
        let mut weights = Array2::<f32>::zeros((machines.len(), columns));
        let mut rho = Array1::from_elem(machines.len(), f32::INFINITY);
        for (class, machine) in machines.iter().enumerate() {
            if let Some(machine) = machine {
                weights.row_mut(class).assign(&machine.weights);
                rho[class] = machine.rho;
            }
        }
        let gap = machines.iter().flatten().map(|machine| machine.gap).fold(0.0, f64::max);
        let (support, weights) = match (kernel, expansion) {
            (_, None) => (weights, Array2::zeros((0, 0))),
            (Kernel::Linear, Some(vectors)) => (weights.dot(&vectors), Array2::zeros((0, 0))),
            (Kernel::Rbf { .. }, Some(vectors)) => (vectors, weights),
        };
        Self { kernel, support, weights, rho, gap, too_many: false }
    }

    /// What a record says of the fit: that it is not the best machine, and who made it where `solver` was asked for and
    /// another made it.
    pub fn remark(&self, solver: Solver) -> String {
        let accepted = if solver == Solver::Linfa && !self.too_many { linfa::ACCEPTED } else { TOLERANCE };
        let gap = (self.gap > accepted || self.gap.is_nan()).then(|| format!("gap={:.1e} ({NOT_CONVERGED})", self.gap));
        let who = self.too_many.then(|| format!("solver=featbench (more than {} rows)", linfa::LARGEST));
        [gap, who].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Largest relative duality gap of a class's machine.
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// Numbers that it holds, and multiply-adds of one vector's margins.
    pub fn size(&self) -> (u64, u64) {
        let products = (self.support.len() + self.weights.len()) as u64;
        (products + self.rho.len() as u64, products)
    }

    /// Machines with a linear kernel as weights (d x classes) and intercepts; `None` with another kernel.
    pub fn as_linear(&self) -> Option<(Array2<f64>, Array1<f64>)> {
        let linear = self.kernel == Kernel::Linear;
        linear.then(|| (self.support.t().mapv(f64::from), self.rho.mapv(|rho| -f64::from(rho))))
    }

    /// Margins (n x classes); minus infinity for a class that train did not show.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let sums = match self.kernel {
            Kernel::Linear if x.ncols() > LONG && x.nrows() < FEW => one_by_one(x, self.support.view()),
            Kernel::Linear => self.kernel.between(x, self.support.view()),
            Kernel::Rbf { .. } => self.kernel.between(x, self.support.view()).dot(&self.weights.t()),
        };
        sums - &self.rho
    }
}

/// Below so many rows, of vectors longer than this, a product of matrices takes longer than the numbers themselves.
const FEW: usize = 8;
const LONG: usize = 4096;

/// `x weights'`
fn one_by_one(x: ArrayView2<f32>, weights: ArrayView2<f32>) -> Array2<f32> {
    let (x, weights) = (x.as_standard_layout(), weights.as_standard_layout());
    let rows = |of: &'_ CowArray<f32, Ix2>, i: usize| i * of.ncols()..(i + 1) * of.ncols();
    let (of_x, of_weights) = (x.as_slice().unwrap_or(&[]), weights.as_slice().unwrap_or(&[]));
    let mut products = Array2::zeros((x.nrows(), weights.nrows()));
    vectorised(
        #[inline(always)]
        || {
            for (i, mut products) in products.outer_iter_mut().enumerate() {
                for (j, product) in products.iter_mut().enumerate() {
                    *product = dot(&of_x[rows(&x, i)], &of_weights[rows(&weights, j)]);
                }
            }
        },
    );
    products
}

#[cfg(test)]
mod tests;
