//! Multinomial logistic regression of many rows by L-BFGS (Liu and Nocedal 1989): rows are f32 and gone through block by
//! block in products of matrices, sums over rows and all that steps are made of are f64. The loss is linfa's: the summed
//! cross-entropy plus alpha / 2 times the squared weights.

use std::collections::VecDeque;

use ndarray::{Array1, Array2, ArrayViewMut1, Axis, s};
use rayon::prelude::*;

use super::Softmax;
use crate::classify::rows::Kept;
use crate::classify::{ClassifyError, Labelled};
use crate::product::product;

/// Pairs of a step and what it did to the gradient that the next step is made of.
const PAIRS: usize = 10;
/// Steps that a model gets at most, and lengths that are tried for each.
const STEPS: usize = 1000;
const LENGTHS: usize = 20;
/// A step must lessen the loss by this share of what the slope at its beginning promises, and the slope at its end to
/// this share of it (Wolfe's conditions).
const DECREASE: f64 = 1e-4;
const FLATTER: f64 = 0.9;
/// Losses that differ by less than this share are equal: products are f32.
const EQUAL: f64 = 1e-6;

/// What the models of all penalties share.
pub struct Problem<'a> {
    rows: Kept<'a>,
    /// The column of each row's class.
    y: Vec<usize>,
    /// The class of each column: those that train shows.
    shown: Vec<usize>,
    classes: usize,
}

/// Weights, and in the last row intercepts: (d + 1) x columns.
pub type Parameters = Array2<f64>;

/// A place with its loss and gradient.
#[derive(Clone)]
struct Place {
    at: Parameters,
    loss: f64,
    gradient: Parameters,
}

impl<'a> Problem<'a> {
    /// # Errors
    /// Those of the rows.
    pub fn new(train: Labelled<'a>, classes: usize) -> Result<Self, ClassifyError> {
        let shown: Vec<usize> = (0..classes).filter(|class| train.y.contains(class)).collect();
        let y = train.y.iter().filter_map(|class| shown.binary_search(class).ok()).collect();
        Ok(Self { rows: Kept::of(train.x)?, y, shown, classes })
    }

    /// Parameters with which the gradient's norm is at most `tolerance`, or that are as near as f32 comes, found from
    /// those of another penalty.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn solve(&self, alpha: f64, tolerance: f64, from: Option<&Parameters>) -> Result<Parameters, ClassifyError> {
        let columns = self.shown.len();
        let nothing = || Array2::zeros((self.rows.dimension() + 1, columns));
        let mut here = self.place(from.cloned().unwrap_or_else(nothing), alpha)?;
        // of standardised vectors the curvature along one weight at the start
        let curvature = self.y.len() as f64 / columns as f64 + alpha;
        let mut pairs = VecDeque::with_capacity(PAIRS + 1);
        for _ in 0..STEPS {
            if along(&here.gradient, &here.gradient).sqrt() <= tolerance {
                break;
            }
            let direction = direction(&here.gradient, &pairs, curvature);
            let Some(next) = self.step(&here, &direction, alpha)? else { break };
            let pair = (&next.at - &here.at, &next.gradient - &here.gradient);
            if along(&pair.0, &pair.1) > 0.0 {
                pairs.push_back(pair);
            }
            if pairs.len() > PAIRS {
                pairs.pop_front();
            }
            here = next;
        }
        Ok(here.at)
    }

    /// A place along the direction that Wolfe's conditions hold for; `None` where f32 tells none from here. Where the
    /// loss can't be told from the one here, the slope has to do (Hager and Zhang 2005).
    fn step(&self, here: &Place, direction: &Parameters, alpha: f64) -> Result<Option<Place>, ClassifyError> {
        let slope = along(&here.gradient, direction);
        let (mut length, mut low, mut high) = (1.0, 0.0, f64::INFINITY);
        for _ in 0..LENGTHS {
            let next = self.place(&here.at + &(direction * length), alpha)?;
            let end = along(&next.gradient, direction);
            let less = next.loss <= here.loss + DECREASE * length * slope;
            let equal = next.loss <= here.loss + EQUAL * here.loss.abs() && end <= (2.0 * DECREASE - 1.0) * slope;
            if !less && !equal {
                high = length;
            } else if end < FLATTER * slope {
                low = length;
            } else {
                return Ok(Some(next));
            }
            length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
        }
        Ok(None)
    }

    fn place(&self, at: Parameters, alpha: f64) -> Result<Place, ClassifyError> {
        let d = self.rows.dimension();
        let by_class = at.slice(s![..d, ..]).t().mapv(|w| w as f32).as_standard_layout().into_owned();
        let intercepts = at.row(d).to_owned();
        let mut gradient = Array2::zeros(at.dim());
        let mut loss = 0.0;
        self.rows.each_block(|start, x| {
            let mut excess = product(x, by_class.view());
            let rows = excess.axis_iter_mut(Axis(0)).into_par_iter().zip(&self.y[start..start + x.nrows()]);
            let losses: Vec<f64> = rows.map(|(row, &class)| row_loss(row, &intercepts, class)).collect();
            loss += losses.iter().sum::<f64>();
            let of_block = product(x.t(), excess.t());
            gradient.slice_mut(s![..d, ..]).zip_mut_with(&of_block, |sum, &v| *sum += f64::from(v));
            let mut sums = gradient.row_mut(d);
            excess.outer_iter().for_each(|row| sums.zip_mut_with(&row, |sum, &v| *sum += f64::from(v)));
        })?;
        let weights = at.slice(s![..d, ..]);
        loss += 0.5 * alpha * weights.iter().map(|w| w * w).sum::<f64>();
        gradient.slice_mut(s![..d, ..]).scaled_add(alpha, &weights);
        Ok(Place { at, loss, gradient })
    }

    /// The model of these parameters.
    pub fn model(&self, parameters: &Parameters) -> Softmax {
        let d = self.rows.dimension();
        let mut weights = Array2::zeros((d, self.classes));
        let mut intercepts = Array1::from_elem(self.classes, f64::NEG_INFINITY);
        for (column, &class) in parameters.axis_iter(Axis(1)).zip(&self.shown) {
            weights.column_mut(class).assign(&column.slice(s![..d]));
            intercepts[class] = column[d];
        }
        Softmax::new(weights, intercepts)
    }
}

/// The cross-entropy of a row whose scores without intercepts are given; they become probabilities, less 1 at its class.
fn row_loss(mut scores: ArrayViewMut1<f32>, intercepts: &Array1<f64>, class: usize) -> f64 {
    let logit = |(score, intercept): (&f32, &f64)| f64::from(*score) + intercept;
    let largest = scores.iter().zip(intercepts).map(logit).fold(f64::NEG_INFINITY, f64::max);
    let own = f64::from(scores[class]) + intercepts[class];
    let mut sum = 0.0;
    for (score, intercept) in scores.iter_mut().zip(intercepts) {
        let share = (f64::from(*score) + intercept - largest).exp();
        sum += share;
        *score = share as f32;
    }
    scores.mapv_inplace(|share| (f64::from(share) / sum) as f32);
    scores[class] -= 1.0;
    largest + sum.ln() - own
}

/// Sum of the products of all elements.
fn along(a: &Parameters, b: &Parameters) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minus the gradient, times what the pairs tell of the inverse of the second derivatives.
fn direction(gradient: &Parameters, pairs: &VecDeque<(Parameters, Parameters)>, curvature: f64) -> Parameters {
    let mut direction = -gradient;
    let mut shares = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let share = along(step, &direction) / along(step, change);
        direction.scaled_add(-share, change);
        shares.push(share);
    }
    let scale = pairs.back().map_or(1.0 / curvature, |(step, change)| along(step, change) / along(change, change));
    direction *= scale;
    for ((step, change), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = along(change, &direction) / along(step, change);
        direction.scaled_add(share - back, step);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::logistic::tests::clouds;
    use crate::classify::logistic::{Penalty, Training};

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (x, y) = clouds();
        let problem = Problem::new(Labelled { x: &x, y: &y }, 3).unwrap();
        let at = Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 / 7.0 - 0.4);
        let place = problem.place(at.clone(), 2.0).unwrap();
        for index in [(0, 0), (1, 2), (2, 1), (3, 0), (3, 2)] {
            // f32 products need a long way
            let loss = |by: f64| {
                let mut moved = at.clone();
                moved[index] += by;
                problem.place(moved, 2.0).unwrap().loss
            };
            let difference = (loss(1e-2) - loss(-1e-2)) / 2e-2;
            let apart = (difference - place.gradient[index]).abs();
            assert!(apart < 5e-3 * difference.abs().max(1.0), "{index:?}: {difference} {}", place.gradient[index]);
        }
    }

    #[test]
    fn the_optimum_is_that_of_linfa_also_from_another_penalty_and_read_again_in_every_pass() {
        let (x, y) = clouds();
        // a class is missing
        let y: Vec<usize> = y.iter().map(|class| [0, 2, 3][*class]).collect();
        let train = Labelled { x: &x, y: &y };
        let mut problem = Problem::new(train, 4).unwrap();
        let mut last = None;
        for alpha in [30.0, 1.0, 0.1] {
            let expected = Training::of(train, 4).unwrap().fit_to(Penalty { alpha }, 1e-5).unwrap();
            let found = problem.solve(alpha, 1e-4, None).unwrap();
            let warm = problem.solve(alpha, 1e-4, last.as_ref()).unwrap();
            problem.rows = Kept::Streamed(&x);
            assert_eq!(problem.solve(alpha, 1e-4, None).unwrap(), found);
            problem.rows = Kept::Held(x.clone());
            for parameters in [&found, &warm] {
                let apart = problem.model(parameters).scores(x.view()) - expected.scores(x.view());
                let shown = apart.select(Axis(1), &problem.shown);
                assert!(shown.iter().all(|v| v.abs() < 1e-3), "alpha {alpha}: {shown}");
            }
            last = Some(found);
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x = Array2::from_shape_fn((700, 30), |(i, j)| ((i * 7919 + j * 104_729) % 1009) as f32 / 500.0 - 1.0);
        let y: Vec<usize> = (0..700).map(|i| (i * i) % 5).collect();
        let solve = || Problem::new(Labelled { x: &x, y: &y }, 5).unwrap().solve(3.0, 1e-2, None).unwrap();
        let by = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(solve);
        assert_eq!(by(1), by(3));
    }
}
