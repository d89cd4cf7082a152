//! Selection: every point of a grid, fitted on train and judged on val. Points with one kernel are solved together.

use ndarray::{ArrayView2, s};

use super::own::{machines, machines_on};
use super::{Options, Point};
use crate::classify::rows::blocks;
use crate::classify::{ClassifyError, Labelled, check_classes, count_correct};

/// Bytes that the weights of machines of several C may take together; with more, fewer C are solved at once.
const WEIGHTS: usize = 512 << 20;

/// Rows of `val` that each point gets right when fitted on `train`, by this suite's own solver.
///
/// # Errors
/// Fewer than two classes in `train`, and what keeps the vectors from being there.
pub fn count_correct_of(
    points: &[Point],
    options: Options,
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    check_classes(train.y, classes)?;
    let longest = train.x.dimension().max(train.x.len());
    let together = (WEIGHTS / (size_of::<f32>() * classes * longest).max(1)).max(1);
    let mut correct = Vec::with_capacity(points.len());
    for same in points.chunk_by(|a, b| a.kernel == b.kernel).flat_map(|same| same.chunks(together)) {
        let cs: Vec<f64> = same.iter().map(|point| point.c).collect();
        let kernel = same[0].kernel;
        let machines = machines(kernel, &cs, options, train, classes)?;
        let mut counts = vec![0; same.len()];
        for block in blocks(val.x) {
            let (range, x) = block?;
            let scores = machines.scores(kernel, x.view(), train.x)?;
            for (i, count) in counts.iter_mut().enumerate() {
                let of_point = scores.slice(s![.., i * classes..(i + 1) * classes]);
                *count += count_correct(of_point, &val.y[range.clone()]);
            }
        }
        correct.extend(counts);
    }
    Ok(correct)
}

/// The same for linear machines where nothing but the dot products of all rows is at hand, those of `train` before those
/// of `val`.
///
/// # Errors
/// Fewer than two classes in `train`, or products that are not finite.
pub fn count_correct_on(
    products: ArrayView2<f32>,
    cs: &[f64],
    options: Options,
    (train, val): (&[usize], &[usize]),
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    check_classes(train, classes)?;
    let n = train.len();
    let machines = machines_on(products.slice(s![..n, ..n]).to_owned(), cs, options, train, classes)?;
    let scores = machines.scores_on(products.slice(s![n.., ..n]));
    let of_c = |i: usize| count_correct(scores.slice(s![.., i * classes..(i + 1) * classes]), val);
    Ok((0..cs.len()).map(of_c).collect())
}
