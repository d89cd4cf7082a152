//! Support vector machines by their dual problem, solved until the gap between primal and dual value says that it is:
//! on one kernel matrix that all classes share ([`smo`]), or on the vectors themselves ([`descent`]).
//!
//! A binary machine makes `|w|^2 / 2 + sum of c_i loss(1 - y_i (w . x_i + b))` small; the intercept b carries no
//! penalty, as in libsvm and linfa-svm. Its dual has one number a row, here with the row's sign:
//! `beta_i` between 0 and `c_i y_i` (without an upper bound for the squared loss), all together 0, and
//! `w = sum of beta_i x_i`.

pub mod descent;
pub mod gram;
mod intercept;
pub mod smo;

use serde::{Deserialize, Serialize};

use super::rows;
use intercept::best_intercept;

/// Largest relative gap of a machine that counts as solved: (primal - dual) / primal.
pub const TOLERANCE: f64 = 1e-3;
/// What machines on a kernel matrix aim at, where nearer costs little: with small C, margins of two classes lie close.
pub const FINE: f64 = 1e-4;

/// Factors by which a machine may be made longer at the end.
const LONGER: [f64; 8] = [1.0, 1.000_001, 1.000_003, 1.000_01, 1.000_03, 1.000_1, 1.000_2, 1.000_4];

/// What a row on the wrong side of its margin costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `max(0, 1 - y f(x))`
    #[default]
    Hinge,
    /// Its square.
    SquaredHinge,
}

/// Bytes that solving for so many rows takes at most: the matrix, and the vectors that are held with it or without; of
/// many rows those that the first round of a selection is on stay as well.
pub fn memory(rows: usize) -> u64 {
    let matrix = if rows <= gram::LARGEST { size_of::<f32>() * rows * rows } else { 0 };
    let drawn = if rows <= gram::SMALL { 0 } else { rows::HELD };
    (matrix + gram::HELD.max(rows::HELD) + drawn) as u64
}

/// One binary problem: which rows are positive, and what each costs.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub positive: &'a [bool],
    /// C of each row.
    pub costs: &'a [f32],
    pub loss: Loss,
}

impl Task<'_> {
    fn sign(&self, row: usize) -> f32 {
        if self.positive[row] { 1.0 } else { -1.0 }
    }

    /// Largest absolute value of a row's `beta`.
    fn bound(&self, row: usize) -> f32 {
        match self.loss {
            Loss::Hinge => self.costs[row],
            Loss::SquaredHinge => f32::INFINITY,
        }
    }

    /// What the loss adds to the diagonal of the dual's matrix.
    fn diagonal(&self, row: usize) -> f32 {
        match self.loss {
            Loss::Hinge => 0.0,
            Loss::SquaredHinge => 0.5 / self.costs[row],
        }
    }

    /// The smallest primal value of a machine that is made longer by one of [`LONGER`], and by which. With a large C a
    /// margin that is short by no more than rounding costs more than the whole of `|w|^2`; one that is longer does not.
    /// `outputs` are `w . x`, `b` is the intercept.
    pub fn primal(&self, outputs: &[f32], squared_norm: f64, b: f64) -> (f64, f64) {
        let mut losses = [0.0_f64; LONGER.len()];
        for (row, &output) in outputs.iter().enumerate() {
            let margin = f64::from(self.sign(row)) * (f64::from(output) + b);
            let cost = f64::from(self.costs[row]);
            for (sum, longer) in losses.iter_mut().zip(LONGER) {
                let short = (1.0 - longer * margin).max(0.0);
                *sum += cost * if self.loss == Loss::Hinge { short } else { short * short };
            }
        }
        let values =
            losses.iter().zip(LONGER).map(|(loss, longer)| (0.5 * longer * longer * squared_norm + loss, longer));
        values.fold((f64::INFINITY, 1.0), |best, value| if value.0 < best.0 { value } else { best })
    }

    /// The dual's value: its linear part, less half of `|w|^2` and the squared loss's share.
    fn dual(&self, beta: &[f32], squared_norm: f64) -> f64 {
        let linear: f64 = beta.iter().map(|beta| f64::from(beta.abs())).sum();
        let own = |(row, &beta): (usize, &f32)| f64::from(self.diagonal(row)) * f64::from(beta).powi(2);
        let squares: f64 = match self.loss {
            Loss::Hinge => 0.0,
            Loss::SquaredHinge => beta.iter().enumerate().map(own).sum(),
        };
        linear - 0.5 * (squared_norm + squares)
    }

    /// The factor by which another task's betas have the largest dual value here, within every row's bound;
    /// `squared_norm` is that of their weights.
    fn best_factor(&self, beta: &[f32], squared_norm: f64) -> f32 {
        let (mut linear, mut square, mut most) = (0.0, squared_norm, f32::INFINITY);
        for (row, &beta) in beta.iter().enumerate().filter(|(_, beta)| **beta != 0.0) {
            linear += f64::from(beta.abs());
            square += f64::from(self.diagonal(row)) * f64::from(beta).powi(2);
            most = most.min(self.bound(row) / beta.abs());
        }
        if square > 0.0 { ((linear / square) as f32).min(most) } else { 1.0_f32.min(most) }
    }
}

/// (primal - dual) / primal.
pub fn relative_gap(primal: f64, dual: f64) -> f64 {
    if primal > 0.0 { ((primal - dual) / primal).max(0.0) } else { 0.0 }
}
