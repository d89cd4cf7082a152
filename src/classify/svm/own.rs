//! Machines by this suite's own solver, for several C at once: on a kernel matrix where there are few rows or long ones,
//! otherwise on the vectors, which for a kernel that is not linear are those of a factor of its matrix.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::{Fitted, OneVsRest, Options, Point, Weights};
use crate::classify::dual::{Loss, Task, descent, gram, smo};
use crate::classify::kernel::{Factor, Kernel, PRECISION, Precision};
use crate::classify::rows::{Kept, Resized, Rows, all, blocks, check, drawn, gather};
use crate::classify::{ClassifyError, Labelled};
use crate::product::product;

/// Rows that the pivots of a factor are chosen from.
const PIVOTS: usize = 2048;

/// How near to the best machines come that are not solved on a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Are these rows' machines solved on their matrix?
    matrix: fn(&dyn Rows) -> bool,
    until: descent::Until,
    /// Of a factor.
    precision: Precision,
}

/// That of a final fit.
pub const FIT: Effort = Effort { matrix: gram::serves_a_fit, until: descent::SOLVED, precision: PRECISION };
/// Enough to tell which of several settings is better.
pub const CHOICE: Effort =
    Effort { matrix: gram::serves_a_choice, until: descent::Until { gap: 1e-2, passes: 30 }, precision: PRECISION };

/// Machines of one kernel, those of a C under each other: (C x classes) rows.
pub struct Machines {
    /// What each machine multiplies: the numbers of a vector, or its kernel with the vectors of the basis.
    coefficients: Array2<f32>,
    basis: Basis,
    /// Infinite for a class that train did not show.
    rho: Array1<f32>,
    pub gaps: Vec<f64>,
}

/// What coefficients belong to.
enum Basis {
    /// The numbers of a vector: the kernel is linear.
    Numbers,
    /// The training rows.
    Rows,
    /// Some of them.
    Pivots(Array2<f32>),
}

/// A machine on what it was solved on.
struct Solved {
    coefficients: Vec<f32>,
    intercept: f64,
    gap: f64,
}

impl Solved {
    fn of(coefficients: &[f32], longer: f64, intercept: f64, gap: f64) -> Solved {
        let coefficients = coefficients.iter().map(|v| v * longer as f32).collect();
        Solved { coefficients, intercept: longer * intercept, gap }
    }
}

/// Fits a machine a class.
///
/// # Errors
/// Those of the rows, or weights that are not finite.
pub fn fit(point: Point, options: Options, train: Labelled, classes: usize) -> Result<OneVsRest, ClassifyError> {
    let machines = machines(point.kernel, &[point.c], options, train, classes)?;
    let basis = match &machines.basis {
        Basis::Numbers => None,
        Basis::Pivots(pivots) => Some(pivots.clone()),
        Basis::Rows => Some(all(train.x)?),
    };
    // rows that no machine uses are not kept
    let used = |column: &usize| machines.coefficients.column(*column).iter().any(|v| *v != 0.0);
    let kept: Option<Vec<usize>> = basis.is_some().then(|| (0..machines.coefficients.ncols()).filter(used).collect());
    let row = |class: usize| {
        let all = machines.coefficients.row(class);
        kept.as_ref().map_or_else(|| all.to_owned(), |kept| all.select(Axis(0), kept))
    };
    let one = |class: usize| {
        let rho = machines.rho[class];
        rho.is_finite().then(|| Fitted { weights: row(class), rho, gap: machines.gaps[class] })
    };
    let fitted: Vec<Option<Fitted>> = (0..classes).map(one).collect();
    let basis = basis.zip(kept.as_ref()).map(|(basis, kept)| basis.select(Axis(0), kept));
    Ok(OneVsRest::assemble(point.kernel, basis, train.x.dimension(), &fitted))
}

/// Machines for every C, each C begun with what the one before found.
///
/// # Errors
/// Those of the rows, or weights that are not finite.
pub fn machines(
    kernel: Kernel,
    cs: &[f64],
    options: Options,
    train: Labelled,
    classes: usize,
) -> Result<Machines, ClassifyError> {
    machines_with(FIT, kernel, cs, options, train, classes)
}

/// As [`machines`], with this effort.
///
/// # Errors
/// Those of the rows, or weights that are not finite.
pub fn machines_with(
    effort: Effort,
    kernel: Kernel,
    cs: &[f64],
    options: Options,
    train: Labelled,
    classes: usize,
) -> Result<Machines, ClassifyError> {
    let (resized, products) = rows_and_products(train.x, effort)?;
    let factor = f64::from(resized.factor);
    // a kernel that is not linear keeps its values, so that C keeps its meaning
    let (kernel, smaller) = match kernel {
        Kernel::Linear => (kernel, factor * factor),
        Kernel::Rbf { gamma } => (Kernel::Rbf { gamma: gamma / (factor * factor) }, 1.0),
    };
    let (costs, shown) = (costs(cs, smaller, options.weights, train.y), shown(train.y, classes));
    let (y, loss) = (train.y, options.loss);
    let problem = Problem { effort, kernel, rows: &resized, y, shown: &shown, costs: &costs, loss };

    let by_matrix = products.is_some();
    let (solved, basis) = problem.solve(products)?;
    let columns = solved.first().map_or(0, |first| first.coefficients.len());
    let mut machines = Machines::of(solved, basis, &shown, (cs.len(), classes), columns);
    if kernel == Kernel::Linear {
        if by_matrix {
            machines.coefficients = combine(machines.coefficients.view(), &resized)?;
        }
        machines.coefficients *= resized.factor;
    }
    match machines.coefficients.iter().copied().find(|v| !v.is_finite()) {
        None => Ok(machines),
        Some(value) => Err(ClassifyError::NotFinite { what: "a support vector machine".into(), value, column: 0 }),
    }
}

/// Linear machines for every C where nothing but the dot products of the rows (n x n) is at hand.
///
/// # Errors
/// Products that are not finite.
pub fn machines_on(
    products: Array2<f32>,
    cs: &[f64],
    options: Options,
    y: &[usize],
    classes: usize,
) -> Result<Machines, ClassifyError> {
    let (costs, shown) = (costs(cs, 1.0, options.weights, y), shown(y, classes));
    check(products.view(), |row| format!("row {row} of a kernel matrix"))?;
    let n = products.nrows();
    let none = Array2::zeros((n, 0));
    let (rows, loss) = (Resized::as_they_are(&none), options.loss);
    let problem = Problem { effort: FIT, kernel: Kernel::Linear, rows: &rows, y, shown: &shown, costs: &costs, loss };
    Ok(Machines::of(problem.on_matrix(products), Basis::Rows, &shown, (cs.len(), classes), n))
}

/// Rows of a size that f32 can multiply, and where machines work on it the matrix of their products.
fn rows_and_products(rows: &dyn Rows, effort: Effort) -> Result<(Resized<'_>, Option<Array2<f32>>), ClassifyError> {
    if !(effort.matrix)(rows) {
        return Ok((Resized::of(rows)?, None));
    }
    let products = gram::products(rows)?;
    let longest = products.diag().iter().copied().fold(0.0, f32::max);
    if longest == 0.0 || (1e-8..1e16).contains(&longest) && products.iter().all(|v| v.is_finite()) {
        return Ok((Resized::as_they_are(rows), Some(products)));
    }
    let resized = Resized::of(rows)?;
    let products = gram::products(&resized)?;
    Ok((resized, Some(products)))
}

/// The classes that a row belongs to.
fn shown(y: &[usize], classes: usize) -> Vec<usize> {
    (0..classes).filter(|class| y.contains(class)).collect()
}

/// C of each row, a list for each C, for rows whose products are `smaller` times those that C is meant for.
fn costs(cs: &[f64], smaller: f64, weights: Weights, y: &[usize]) -> Vec<Vec<f32>> {
    let shares = shares(weights, y);
    let of_c = |&c: &f64| shares.iter().map(|share| (c * share / smaller).clamp(1e-30, 1e30) as f32).collect();
    cs.iter().map(of_c).collect()
}

/// What each row's C is multiplied with.
fn shares(weights: Weights, y: &[usize]) -> Vec<f64> {
    let mut counts = vec![0_usize; y.iter().max().map_or(0, |most| most + 1)];
    y.iter().for_each(|&class| counts[class] += 1);
    let shown = counts.iter().filter(|count| **count > 0).count();
    let share = |&class: &usize| match weights {
        Weights::Equal => 1.0,
        Weights::Balanced => y.len() as f64 / (shown * counts[class]) as f64,
    };
    y.iter().map(share).collect()
}

/// Sums of the rows by each machine's coefficients (machines x n): machines x d.
fn combine(coefficients: ArrayView2<f32>, rows: &dyn Rows) -> Result<Array2<f32>, ClassifyError> {
    let mut weights = Array2::zeros((coefficients.nrows(), rows.dimension()));
    for block in blocks(rows) {
        let (range, x) = block?;
        weights += &product(x.t(), coefficients.slice(s![.., range])).t();
    }
    Ok(weights)
}

/// All machines of one kernel.
struct Problem<'a> {
    effort: Effort,
    kernel: Kernel,
    rows: &'a Resized<'a>,
    y: &'a [usize],
    shown: &'a [usize],
    /// C of each row, a list for each C.
    costs: &'a [Vec<f32>],
    loss: Loss,
}

impl Problem<'_> {
    /// Machines in the order of C and then of classes.
    fn solve(&self, products: Option<Array2<f32>>) -> Result<(Vec<Solved>, Basis), ClassifyError> {
        if let Some(products) = products {
            let basis = if self.kernel == Kernel::Linear { Basis::Numbers } else { Basis::Rows };
            return Ok((self.on_matrix(products), basis));
        }
        if self.kernel == Kernel::Linear {
            return Ok((self.on_vectors(Kept::of(self.rows)?)?, Basis::Numbers));
        }
        let some = gather(self.rows, &drawn(self.y, PIVOTS))?;
        let (mut factor, pivots) = self.kernel.factor_by(some.view(), self.rows, self.effort.precision)?;
        let rows = Kept::Held(std::mem::take(&mut factor.rows));
        let mut solved = self.on_vectors(rows)?;
        solved.par_iter_mut().for_each(|solved| solved.coefficients = on_pivots(&factor, &solved.coefficients));
        Ok((solved, Basis::Pivots(pivots / self.rows.factor)))
    }

    fn on_matrix(&self, mut gram: Array2<f32>) -> Vec<Solved> {
        self.kernel.of_products(&mut gram);
        let of_class = |&class: &usize| {
            let positive: Vec<bool> = self.y.iter().map(|&label| label == class).collect();
            let mut last: Option<smo::Solution> = None;
            let solve = |costs: &Vec<f32>| {
                let task = Task { positive: &positive, costs, loss: self.loss };
                let solution = smo::solve(&gram, &task, last.as_ref());
                let solved = Solved::of(&solution.beta, solution.longer, solution.intercept, solution.gap);
                last = Some(solution);
                solved
            };
            self.costs.iter().map(solve).collect::<Vec<_>>()
        };
        let mut by_class: Vec<_> = self.shown.par_iter().map(of_class).map(Vec::into_iter).collect();
        let mut of_next_c = || by_class.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>();
        (0..self.costs.len()).flat_map(|_| of_next_c()).collect()
    }

    fn on_vectors(&self, rows: Kept) -> Result<Vec<Solved>, ClassifyError> {
        let problem = descent::Problem::on(rows, self.y)?;
        let mut solved = Vec::new();
        let mut last = Vec::new();
        for costs in self.costs {
            last = problem.solve(self.shown, costs, self.loss, self.effort.until, &last)?;
            let of = |m: &descent::Machine| Solved::of(&m.weights, m.longer, m.intercept, m.gap);
            solved.extend(last.iter().map(of));
        }
        Ok(solved)
    }
}

/// Weights over a factor's columns as weights of its pivots.
fn on_pivots(factor: &Factor, weights: &[f32]) -> Vec<f32> {
    let weights: Array1<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    factor.pivot_weights(weights.view()).iter().map(|&w| w as f32).collect()
}

impl Machines {
    /// From what was solved for each C and each class that is shown, on so many numbers.
    fn of(
        solved: Vec<Solved>,
        basis: Basis,
        shown: &[usize],
        (cs, classes): (usize, usize),
        columns: usize,
    ) -> Machines {
        let mut machines = Machines {
            coefficients: Array2::zeros((cs * classes, columns)),
            basis,
            rho: Array1::from_elem(cs * classes, f32::INFINITY),
            gaps: vec![0.0; cs * classes],
        };
        for (i, solved) in solved.into_iter().enumerate() {
            let at = i / shown.len() * classes + shown[i % shown.len()];
            machines.coefficients.row_mut(at).assign(&Array1::from(solved.coefficients));
            machines.rho[at] = -solved.intercept as f32;
            machines.gaps[at] = solved.gap;
        }
        machines
    }

    /// Scores of every machine for rows of which the dot products with all rows of the fit are at hand (m x n).
    pub fn scores_on(&self, products: ArrayView2<f32>) -> Array2<f32> {
        product(products, self.coefficients.view()) - &self.rho
    }

    /// Scores of every machine for the rows of one block, (C x classes) columns; `train` are the rows of the fit.
    pub fn scores(&self, kernel: Kernel, x: ArrayView2<f32>, train: &dyn Rows) -> Result<Array2<f32>, ClassifyError> {
        let sums = match &self.basis {
            Basis::Numbers => product(x, self.coefficients.view()),
            Basis::Pivots(pivots) => product(kernel.between(x, pivots.view()).view(), self.coefficients.view()),
            Basis::Rows => {
                let mut sums = Array2::zeros((x.nrows(), self.coefficients.nrows()));
                for block in blocks(train) {
                    let (range, rows) = block?;
                    let values = kernel.between(x, rows.view());
                    sums += &product(values.view(), self.coefficients.slice(s![.., range]));
                }
                sums
            }
        };
        Ok(sums - &self.rho)
    }
}
