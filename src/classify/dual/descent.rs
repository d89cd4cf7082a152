//! Dual coordinate descent on the vectors themselves (Hsieh and others 2008) for more rows than a kernel matrix may
//! have: block after block of rows, so that they need not be in memory (Yu and others 2010), all classes on a block.
//!
//! The intercept has no penalty of its own: its distance from where the last pass left it has one, which vanishes as
//! passes go on (method of multipliers on the constraint that the betas sum to 0).

use ndarray::{Array2, ArrayView2, CowArray, Ix2, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Loss, TOLERANCE, Task, best_intercept, relative_gap};
use crate::classify::ClassifyError;
use crate::classify::rows::Kept;
use crate::product::{add_scaled, dot, product, vectorised};

/// Betas that are in memory at a time; with more rows, fewer classes are solved together.
const BETAS: usize = 1 << 26;
/// Visits of the rows of a block that matter before the next block comes.
const VISITS: usize = 3;
const SEED: u64 = 30;

/// When machines are left as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Until {
    /// Relative duality gap with which a machine counts as solved.
    pub gap: f64,
    /// Passes over all rows that machines get. Those that are not solved then say so.
    pub passes: usize,
}

/// As near to the best as a fit has to be.
pub const SOLVED: Until = Until { gap: TOLERANCE, passes: 1000 };

/// The machine of one class.
#[derive(Debug, Clone)]
pub struct Machine {
    pub class: usize,
    pub weights: Vec<f32>,
    pub intercept: f64,
    /// Weights and intercept are the best times so much.
    pub longer: f64,
    /// Relative duality gap with the best intercept.
    pub gap: f64,
    /// One number a row, with the row's sign, and their sum.
    beta: Vec<f32>,
    sum: f64,
    /// Where the intercept's distance is measured from.
    centre: f64,
}

/// What all machines share.
pub struct Problem<'a> {
    rows: Kept<'a>,
    y: &'a [usize],
    /// Squared length of each row.
    squares: Vec<f32>,
}

impl<'a> Problem<'a> {
    /// # Errors
    /// Those of the rows.
    pub fn on(rows: Kept<'a>, y: &'a [usize]) -> Result<Self, ClassifyError> {
        let mut squares = Vec::with_capacity(y.len());
        rows.each_block(|_, x| squares.extend(x.outer_iter().map(|row| row.dot(&row))))?;
        Ok(Self { rows, y, squares })
    }

    /// Solves the machines of these classes, from where another C left them.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn solve(
        &self,
        classes: &[usize],
        costs: &[f32],
        loss: Loss,
        until: Until,
        from: &[Machine],
    ) -> Result<Vec<Machine>, ClassifyError> {
        let together = (BETAS / self.y.len().max(1)).max(1);
        let mut solved = Vec::with_capacity(classes.len());
        for group in classes.chunks(together) {
            let begun = |&class: &usize| match from.iter().find(|machine| machine.class == class) {
                Some(from) => self.go_on(from, costs, loss),
                None => self.begin(class),
            };
            let mut machines: Vec<Machine> = group.iter().map(begun).collect();
            self.descend(&mut machines, costs, loss, until)?;
            solved.extend(machines);
        }
        Ok(solved)
    }

    /// A machine before its first pass. One that few rows are positive for is near -1 everywhere.
    fn begin(&self, class: usize) -> Machine {
        let (weights, beta) = (vec![0.0; self.rows.dimension()], vec![0.0; self.y.len()]);
        Machine { class, weights, intercept: -1.0, longer: 1.0, gap: f64::INFINITY, beta, sum: 0.0, centre: -1.0 }
    }

    /// Another C's machine, longer or shorter by the factor that is best where every row stays in its bounds.
    fn go_on(&self, from: &Machine, costs: &[f32], loss: Loss) -> Machine {
        let positive: Vec<bool> = self.y.iter().map(|&label| label == from.class).collect();
        let norm = from.weights.iter().map(|&w| f64::from(w).powi(2)).sum();
        let factor = Task { positive: &positive, costs, loss }.best_factor(&from.beta, norm);
        let stretch = |values: &[f32]| values.iter().map(|v| v * factor).collect();
        let (weights, beta) = (stretch(&from.weights), stretch(&from.beta));
        Machine { weights, beta, sum: from.sum * f64::from(factor), centre: from.intercept, ..*from }
    }

    fn descend(&self, machines: &mut [Machine], costs: &[f32], loss: Loss, until: Until) -> Result<(), ClassifyError> {
        let total: f64 = costs.iter().map(|&cost| f64::from(cost)).sum();
        let mean = self.squares.iter().map(|&v| f64::from(v)).sum::<f64>() / self.squares.len().max(1) as f64;
        let give = (100.0 / total).min(mean.max(f64::MIN_POSITIVE));
        let mut open: Vec<&mut Machine> = machines.iter_mut().collect();
        let mut next_check = 2;
        for pass in 0..until.passes {
            self.rows.each_block(|start, x| {
                let outputs = outputs(x, &open);
                open.par_iter_mut().enumerate().for_each(|(k, machine)| {
                    let outputs = outputs.row(k);
                    let outputs = outputs.as_slice().expect("rows are contiguous");
                    let mut visit = Visit { problem: self, x, start, costs, loss, give, machine };
                    visit.run(outputs, pass);
                });
            })?;
            if pass + 1 == next_check {
                self.judge(&mut open, costs, loss)?;
                open.retain(|machine| machine.gap > until.gap);
                next_check += (next_check / 3).max(1);
            }
            if open.is_empty() {
                return Ok(());
            }
            open.iter_mut().for_each(|machine| machine.centre += give * machine.sum);
        }
        self.judge(&mut open, costs, loss)
    }

    /// Gap and best intercept of machines as they stand.
    fn judge(&self, machines: &mut [&mut Machine], costs: &[f32], loss: Loss) -> Result<(), ClassifyError> {
        let (n, d) = (self.y.len(), self.rows.dimension());
        let mut own = Array2::<f32>::zeros((machines.len(), d));
        let mut all = Array2::<f32>::zeros((machines.len(), n));
        self.rows.each_block(|start, x| {
            let here = outputs(x, machines);
            all.slice_mut(s![.., start..start + x.nrows()]).assign(&here);
            own.outer_iter_mut().into_par_iter().zip(machines.par_iter()).for_each(|(mut own, machine)| {
                let own = own.as_slice_mut().expect("rows are contiguous");
                for (row, x) in x.outer_iter().enumerate() {
                    if self.y[start + row] == machine.class && machine.beta[start + row] != 0.0 {
                        let x = x.to_slice().expect("rows are contiguous");
                        vectorised(|| add_scaled(own, machine.beta[start + row], x));
                    }
                }
            });
        })?;
        machines.par_iter_mut().enumerate().for_each(|(k, machine)| {
            let positive: Vec<bool> = self.y.iter().map(|&label| label == machine.class).collect();
            let task = Task { positive: &positive, costs, loss };
            let outputs = all.row(k);
            let outputs = outputs.as_slice().expect("rows are contiguous");
            let own = own.row(k);
            machine.judge(&task, outputs, own.as_slice().expect("rows are contiguous"));
        });
        Ok(())
    }
}

/// Outputs without intercept, machines x rows.
fn outputs(x: ArrayView2<f32>, machines: &[&mut Machine]) -> Array2<f32> {
    let mut weights = Array2::zeros((machines.len(), x.ncols()));
    for (mut row, machine) in weights.outer_iter_mut().zip(machines) {
        row.as_slice_mut().expect("rows are contiguous").copy_from_slice(&machine.weights);
    }
    let by_row: CowArray<f32, Ix2> = product(x, weights.view()).into();
    by_row.t().as_standard_layout().into_owned()
}

impl Machine {
    /// Gap and intercept from the outputs of all rows; `own` is the positive rows' share of the weights.
    fn judge(&mut self, task: &Task, outputs: &[f32], own: &[f32]) {
        let square = |v: f32| f64::from(v) * f64::from(v);
        let norm: f64 = self.weights.iter().map(|&w| square(w)).sum();
        self.intercept = best_intercept(task, outputs);
        let (primal, longer) = task.primal(outputs, norm, self.intercept);
        self.longer = longer;
        // the heavier side is made lighter, so that the betas sum to 0
        let side = |positive: bool| -> f64 {
            let of_side = self.beta.iter().zip(task.positive).filter(|(_, is)| **is == positive);
            of_side.map(|(beta, _)| f64::from(beta.abs())).sum()
        };
        let (plus, minus) = (side(true), side(false));
        let (keep_plus, keep_minus) = match plus > minus {
            true => (minus / plus, 1.0),
            false => (1.0, if minus > 0.0 { plus / minus } else { 1.0 }),
        };
        let kept =
            |(&w, &own): (&f32, &f32)| square((keep_plus * f64::from(own) + keep_minus * f64::from(w - own)) as f32);
        let kept_norm: f64 = self.weights.iter().zip(own).map(kept).sum();
        let keep = |(beta, positive): (&f32, &bool)| beta * if *positive { keep_plus } else { keep_minus } as f32;
        let beta: Vec<f32> = self.beta.iter().zip(task.positive).map(keep).collect();
        self.gap = relative_gap(primal, task.dual(&beta, kept_norm));
    }
}

/// One machine on one block of rows.
struct Visit<'a, 'x, 'm> {
    problem: &'a Problem<'a>,
    x: ArrayView2<'x, f32>,
    /// First row of the block.
    start: usize,
    costs: &'a [f32],
    loss: Loss,
    /// How far a beta moves the intercept.
    give: f64,
    machine: &'m mut Machine,
}

impl Visit<'_, '_, '_> {
    /// Visits the rows whose betas would move, or may, by the outputs of the weights as they are before.
    fn run(&mut self, outputs: &[f32], pass: usize) {
        let intercept = self.intercept();
        let moves = |&row: &usize| {
            let (slope, room_up, room_down) = self.slope(row, outputs[row] + intercept);
            (slope < 0.0 && room_up > 0.0) || (slope > 0.0 && room_down > 0.0)
        };
        let mut rows: Vec<usize> = (0..outputs.len()).filter(moves).collect();
        let stream = (pass as u64) << 40 ^ (self.start as u64) << 12 ^ self.machine.class as u64;
        let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ stream);
        for _ in 0..VISITS {
            rows.shuffle(&mut rng);
            vectorised(|| rows.iter().for_each(|&row| self.visit(row)));
        }
    }

    fn intercept(&self) -> f32 {
        (self.machine.centre + self.give * self.machine.sum) as f32
    }

    /// Slope of the dual along a row's beta away from 0, and how far it may go up and down.
    #[inline(always)]
    fn slope(&self, row: usize, output: f32) -> (f32, f32, f32) {
        let at = self.start + row;
        let sign = if self.problem.y[at] == self.machine.class { 1.0 } else { -1.0 };
        let alpha = self.machine.beta[at] * sign;
        match self.loss {
            Loss::Hinge => (sign * output - 1.0, self.costs[at] - alpha, alpha),
            Loss::SquaredHinge => (sign * output - 1.0 + alpha * 0.5 / self.costs[at], f32::INFINITY, alpha),
        }
    }

    #[inline(always)]
    fn visit(&mut self, row: usize) {
        let at = self.start + row;
        let x = self.x.row(row);
        let x = x.to_slice().expect("rows are contiguous");
        let (slope, room_up, room_down) = self.slope(row, dot(&self.machine.weights, x) + self.intercept());
        let own = if self.loss == Loss::SquaredHinge { 0.5 / self.costs[at] } else { 0.0 };
        let curve = self.problem.squares[at] + self.give as f32 + own;
        let by = (-slope / curve).clamp(-room_down, room_up);
        if by == 0.0 {
            return;
        }
        let by = if self.problem.y[at] == self.machine.class { by } else { -by };
        self.machine.beta[at] += by;
        self.machine.sum += f64::from(by);
        add_scaled(&mut self.machine.weights, by, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::dual::{gram, smo};

    fn problem() -> (Array2<f32>, Vec<usize>) {
        let y: Vec<usize> = (0..400).map(|i| i % 3).collect();
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0 - 0.5;
        (Array2::from_shape_fn((400, 8), |(i, j)| 2.0 * noise(i, j) + if j % 3 == y[i] { 0.5 } else { 0.0 }), y)
    }

    /// Two solvers of one problem: neither is better than the other by more than the gap that both promise.
    #[test]
    fn vectors_and_their_matrix_have_one_solution() {
        let (x, y) = problem();
        let products = gram::products(&x).unwrap();
        let costs = vec![0.05; 400];
        for loss in [Loss::Hinge, Loss::SquaredHinge] {
            let machines =
                Problem::on(Kept::Streamed(&x), &y).unwrap().solve(&[0, 1, 2], &costs, loss, SOLVED, &[]).unwrap();
            for machine in machines {
                let positive: Vec<bool> = y.iter().map(|&label| label == machine.class).collect();
                let other = smo::solve(&products, &Task { positive: &positive, costs: &costs, loss }, None);
                assert!(machine.gap <= TOLERANCE && other.gap <= TOLERANCE, "{} {}", machine.gap, other.gap);
                let weights = Array2::from_shape_vec((400, 1), other.beta).unwrap();
                let weights = x.t().dot(&weights);
                for (a, b) in machine.weights.iter().zip(&weights) {
                    assert!((a - b).abs() < 3e-2, "{loss:?}: {a} and {b}");
                }
                assert!((machine.intercept - other.intercept).abs() < 3e-2, "{loss:?}");
            }
        }
    }

    #[test]
    fn rows_that_are_read_again_in_every_pass_give_the_same_bits() {
        let (x, y) = problem();
        let solve = |rows| {
            let problem = Problem::on(rows, &y).unwrap();
            problem.solve(&[0, 1, 2], &[0.05; 400], Loss::Hinge, SOLVED, &[]).unwrap()
        };
        for (held, streamed) in solve(Kept::Held(x.clone())).iter().zip(solve(Kept::Streamed(&x))) {
            assert_eq!((&held.weights, held.intercept), (&streamed.weights, streamed.intercept));
        }
    }

    #[test]
    fn another_c_begins_where_the_last_one_ended_and_ends_as_well() {
        let (x, y) = problem();
        let problem = Problem::on(Kept::Streamed(&x), &y).unwrap();
        let mut last = Vec::new();
        for c in [0.01, 0.1, 0.02] {
            last = problem.solve(&[1], &[c; 400], Loss::Hinge, SOLVED, &last).unwrap();
            assert!(last[0].gap <= TOLERANCE, "C = {c}: {}", last[0].gap);
            assert!(last[0].beta.iter().all(|beta| beta.abs() <= c * 1.0001));
        }
    }
}
