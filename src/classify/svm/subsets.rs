//! Linear machines on many subsets of the same rows, all on parts of one matrix: no vector is multiplied twice.

use ndarray::{Array2, Axis};

use super::own::machines_on;
use super::{Options, check_classes};
use crate::classify::{ClassifyError, decide};

/// The class of each other row, by machines with this C that are fitted on some of the rows: `products` are those of all
/// rows with each other (n x n), `of_others` those of other rows with them (m x n), `rows` ascend.
///
/// # Errors
/// Fewer than two classes among these rows, or products that are not finite.
pub fn decided_on(
    (products, of_others): (&Array2<f32>, &Array2<f32>),
    (c, options): (f64, Options),
    (rows, y): (&[usize], &[usize]),
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    let labels: Vec<usize> = rows.iter().map(|&row| y[row]).collect();
    check_classes(&labels, classes)?;
    // row by row, as the solver reads it
    let among = Array2::from_shape_fn((rows.len(), rows.len()), |(i, j)| products[(rows[i], rows[j])]);
    let machines = machines_on(among, &[c], options, &labels, classes)?;
    let scores = machines.scores_on(of_others.select(Axis(1), rows).view());
    Ok(decide(&scores))
}
