//! Sequential minimal optimisation on a kernel matrix: two rows at a time, the second by how much it gains (Fan, Chen
//! and Lin 2005). Loops run over whole rows of the matrix in the processor's vectors; nothing is left out of them.

use ndarray::{Array2, ArrayView2};

use super::{FINE, Task, best_intercept, relative_gap};
use crate::product::{add_scaled, vectorised};

/// Steps that a machine gets: so many, and so many more a row. One that is not solved then says so.
const STEPS: usize = 100_000;
const STEPS_A_ROW: usize = 200;
/// How often a solver that stops too early goes on from slopes that are computed anew.
const ROUNDS: usize = 8;
/// Elements that the search for the best one looks at together.
const BLOCK: usize = 64;
/// Sums and minima side by side.
const LANES: usize = 16;
/// Smallest curvature of a pair; rows that are equal have none.
const FLAT: f32 = 1e-12;

/// Where a solver stands: what it found, and from where the next one, with another C, begins.
#[derive(Debug, Clone)]
pub struct Solution {
    /// One number a row, with the row's sign.
    pub beta: Vec<f32>,
    /// Weights and intercept are the best times so much.
    pub longer: f64,
    pub intercept: f64,
    /// Relative duality gap with the best intercept.
    pub gap: f64,
    /// `w . x` of each row.
    outputs: Vec<f32>,
}

/// A solver at work; every list is filled up to a whole number of blocks.
struct State<'a> {
    task: &'a Task<'a>,
    gram: ArrayView2<'a, f32>,
    /// The matrix's diagonal, and what the loss adds to it.
    diagonal: Vec<f32>,
    beta: Vec<f32>,
    /// Slope of the dual along each row's beta, its sign turned: `w . x - y`, and what the loss adds.
    slope: Vec<f32>,
    /// 0 where beta may rise, otherwise infinite.
    rises: Vec<f32>,
    /// 0 where beta may fall, otherwise minus infinity.
    falls: Vec<f32>,
}

/// Solves one machine, from where another C left it, until its relative gap is no larger than [`FINE`].
pub fn solve(gram: &Array2<f32>, task: &Task, from: Option<&Solution>) -> Solution {
    let mut state = State::new(gram.view(), task);
    if let Some(from) = from {
        state.begin(from);
    }
    let n = task.costs.len();
    let mut steps = STEPS + STEPS_A_ROW * n;
    let mut tolerance = FINE;
    let mut rounds = ROUNDS;
    loop {
        state.descend(&mut steps, tolerance);
        state.refresh();
        let solution = state.solution();
        rounds -= 1;
        // sums of thousands of steps have rounded differently from sums made anew: a little more work settles it
        if solution.gap <= FINE || steps == 0 || rounds == 0 {
            return solution;
        }
        tolerance *= 0.5;
    }
}

impl<'a> State<'a> {
    fn new(gram: ArrayView2<'a, f32>, task: &'a Task<'a>) -> Self {
        let n = task.costs.len();
        let filled = n.next_multiple_of(BLOCK);
        let list = |value: f32| vec![value; filled];
        let mut state = State {
            task,
            gram,
            diagonal: list(1.0),
            beta: list(0.0),
            slope: list(0.0),
            rises: list(f32::INFINITY),
            falls: list(f32::NEG_INFINITY),
        };
        for row in 0..n {
            state.diagonal[row] = gram[(row, row)] + task.diagonal(row);
            state.slope[row] = -task.sign(row);
            state.mark(row);
        }
        state
    }

    /// Takes over another solution, longer or shorter by the factor that is best where every row stays in its bounds.
    fn begin(&mut self, from: &Solution) {
        let norm = from.beta.iter().zip(&from.outputs).map(|(b, o)| f64::from(*b) * f64::from(*o)).sum();
        let factor = self.task.best_factor(&from.beta, norm);
        for (row, (&beta, &output)) in from.beta.iter().zip(&from.outputs).enumerate() {
            let bound = self.task.bound(row);
            self.beta[row] = (factor * beta).clamp(-bound, bound);
            self.slope[row] = factor * output - self.task.sign(row) + self.task.diagonal(row) * self.beta[row];
            self.mark(row);
        }
    }

    /// Notes in which directions a row's beta may go.
    fn mark(&mut self, row: usize) {
        let (beta, bound) = (self.beta[row], self.task.bound(row));
        let (low, high) = if self.task.positive[row] { (0.0, bound) } else { (-bound, 0.0) };
        self.rises[row] = if beta < high { 0.0 } else { f32::INFINITY };
        self.falls[row] = if beta > low { 0.0 } else { f32::NEG_INFINITY };
    }

    /// Steps until the gap is small enough, no step gains anything, or none is left.
    fn descend(&mut self, steps: &mut usize, tolerance: f64) {
        let every = (self.task.costs.len() / 4).max(32);
        let (mut first, mut violation) = self.lowest();
        while *steps > 0 && violation > 0.0 {
            *steps -= 1;
            let Some(second) = self.partner(first) else { return };
            let by = self.step(first, second);
            if by == 0.0 {
                return;
            }
            (first, violation) = self.apply(first, second, by);
            let middle = f64::from(-self.slope[first]) - 0.5 * f64::from(violation);
            if steps.is_multiple_of(every) && self.gap(middle) <= tolerance {
                return;
            }
        }
    }

    /// The row that can rise and has the lowest slope, and how far the highest slope of those that can fall is above.
    fn lowest(&mut self) -> (usize, f32) {
        let zeros = vec![0.0; self.gram.ncols()];
        let Self { slope, rises, falls, .. } = self;
        vectorised(|| move_slopes(slope, &zeros, &zeros, 0.0, rises, falls))
    }

    /// The row whose fall, with the first one's rise, gains most.
    fn partner(&self, first: usize) -> Option<usize> {
        let row = self.gram.row(first);
        let row = row.as_slice().expect("rows are contiguous");
        let found = vectorised(|| {
            best_gain(&self.slope, &self.falls, &self.diagonal, row, self.slope[first], self.diagonal[first])
        });
        found.filter(|&second| second != first)
    }

    /// How far the first may rise and the second fall.
    fn step(&self, first: usize, second: usize) -> f32 {
        let curve = self.diagonal[first] + self.diagonal[second] - 2.0 * self.gram[(first, second)];
        let best = (self.slope[second] - self.slope[first]) / curve.max(FLAT);
        let bound = |row: usize| self.task.bound(row);
        let room_up = if self.task.positive[first] { bound(first) - self.beta[first] } else { -self.beta[first] };
        let room_down = if self.task.positive[second] { self.beta[second] } else { bound(second) + self.beta[second] };
        best.min(room_up).min(room_down)
    }

    fn apply(&mut self, first: usize, second: usize, by: f32) -> (usize, f32) {
        for (row, by) in [(first, by), (second, -by)] {
            let bound = self.task.bound(row);
            let (low, high) = if self.task.positive[row] { (0.0, bound) } else { (-bound, 0.0) };
            self.beta[row] = (self.beta[row] + by).clamp(low, high);
            self.slope[row] += by * self.task.diagonal(row);
            self.mark(row);
        }
        let (a, b) = (self.gram.row(first), self.gram.row(second));
        let (a, b) = (a.as_slice().expect("contiguous"), b.as_slice().expect("contiguous"));
        let Self { slope, rises, falls, .. } = self;
        vectorised(|| move_slopes(slope, a, b, by, rises, falls))
    }

    /// Relative gap with this intercept.
    fn gap(&self, intercept: f64) -> f64 {
        let outputs = self.outputs();
        let norm = self.squared_norm(&outputs);
        let beta = &self.beta[..outputs.len()];
        relative_gap(self.task.primal(&outputs, norm, intercept).0, self.task.dual(beta, norm))
    }

    fn outputs(&self) -> Vec<f32> {
        let output = |row: usize| self.slope[row] + self.task.sign(row) - self.task.diagonal(row) * self.beta[row];
        (0..self.task.costs.len()).map(output).collect()
    }

    fn squared_norm(&self, outputs: &[f32]) -> f64 {
        self.beta.iter().zip(outputs).map(|(beta, output)| f64::from(*beta) * f64::from(*output)).sum()
    }

    /// Slopes anew from the betas.
    fn refresh(&mut self) {
        let n = self.task.costs.len();
        for row in 0..n {
            self.slope[row] = self.task.diagonal(row) * self.beta[row] - self.task.sign(row);
        }
        let Self { slope, gram, beta, .. } = self;
        vectorised(|| {
            for (row, &beta) in beta[..n].iter().enumerate().filter(|(_, beta)| **beta != 0.0) {
                add_scaled(&mut slope[..n], beta, gram.row(row).as_slice().expect("contiguous"));
            }
        });
    }

    fn solution(&self) -> Solution {
        let outputs = self.outputs();
        let beta = self.beta[..outputs.len()].to_vec();
        let intercept = best_intercept(self.task, &outputs);
        let norm = self.squared_norm(&outputs);
        let (primal, longer) = self.task.primal(&outputs, norm, intercept);
        let gap = relative_gap(primal, self.task.dual(&beta, norm));
        Solution { beta, longer, intercept, gap, outputs }
    }
}

/// Adds `by (a - b)` to the slopes; then the first place of the lowest slope among rows that can rise, and how far the
/// highest among those that can fall is above it.
#[inline(always)]
fn move_slopes(slope: &mut [f32], a: &[f32], b: &[f32], by: f32, rises: &[f32], falls: &[f32]) -> (usize, f32) {
    let (mut best, mut at, mut highest) = (f32::INFINITY, 0, [f32::NEG_INFINITY; LANES]);
    let whole = a.len() / BLOCK * BLOCK;
    let (mut last_a, mut last_b) = ([0.0; BLOCK], [0.0; BLOCK]);
    last_a[..a.len() - whole].copy_from_slice(&a[whole..]);
    last_b[..b.len() - whole].copy_from_slice(&b[whole..]);
    for start in (0..slope.len()).step_by(BLOCK) {
        let (a, b) = if start < whole {
            (&a[start..start + BLOCK], &b[start..start + BLOCK])
        } else {
            (&last_a[..], &last_b[..])
        };
        let slope = &mut slope[start..start + BLOCK];
        let (rises, falls) = (&rises[start..start + BLOCK], &falls[start..start + BLOCK]);
        let mut lowest = [f32::INFINITY; LANES];
        for part in 0..BLOCK / LANES {
            for lane in 0..LANES {
                let i = part * LANES + lane;
                let value = slope[i] + by * (a[i] - b[i]);
                slope[i] = value;
                let (up, down) = (value + rises[i], value + falls[i]);
                lowest[lane] = if up < lowest[lane] { up } else { lowest[lane] };
                highest[lane] = if down > highest[lane] { down } else { highest[lane] };
            }
        }
        let least = lowest.iter().fold(f32::INFINITY, |least, &v| if v < least { v } else { least });
        if least < best {
            (best, at) = (least, start);
        }
    }
    let first = (at..at + BLOCK).find(|&i| slope[i] + rises[i] == best).unwrap_or(at);
    let highest = highest.iter().fold(f32::NEG_INFINITY, |most, &v| if v > most { v } else { most });
    (first, highest - best)
}

/// Where `(slope - from)^2 / curvature` is largest among rows that can fall and lie above `from`.
#[inline(always)]
fn best_gain(slope: &[f32], falls: &[f32], diagonal: &[f32], row: &[f32], from: f32, own: f32) -> Option<usize> {
    let mut last = [0.0; BLOCK];
    let whole = row.len() / BLOCK * BLOCK;
    last[..row.len() - whole].copy_from_slice(&row[whole..]);
    let (mut best, mut at) = (0.0, usize::MAX);
    let mut gains = [0.0_f32; BLOCK];
    let fill = |gains: &mut [f32; BLOCK], start: usize| {
        let row = if start < whole { &row[start..start + BLOCK] } else { &last[..] };
        let (slope, falls) = (&slope[start..start + BLOCK], &falls[start..start + BLOCK]);
        let diagonal = &diagonal[start..start + BLOCK];
        for i in 0..BLOCK {
            let above = slope[i] + falls[i] - from;
            let above = if above > 0.0 { above } else { 0.0 };
            let curve = own + diagonal[i] - 2.0 * row[i];
            gains[i] = above * above / if curve > FLAT { curve } else { FLAT };
        }
    };
    for start in (0..slope.len()).step_by(BLOCK) {
        fill(&mut gains, start);
        let mut most = [0.0_f32; LANES];
        for part in gains.chunks_exact(LANES) {
            for lane in 0..LANES {
                most[lane] = if part[lane] > most[lane] { part[lane] } else { most[lane] };
            }
        }
        let most = most.iter().fold(0.0_f32, |most, &v| if v > most { v } else { most });
        if most > best {
            (best, at) = (most, start);
        }
    }
    if at == usize::MAX {
        return None;
    }
    fill(&mut gains, at);
    (0..BLOCK).find(|&i| gains[i] == best).map(|i| at + i)
}
