//! Selection: every point of a grid, fitted on train and judged on val. Points with one kernel are solved together.
//! Where train is large, two rounds (successive halving: Jamieson and Talwalkar 2016): every point on a sample of the
//! rows, then the best of them on all rows.

use std::cmp::Reverse;

use ndarray::{ArrayView2, s};

use super::own::{CHOICE, machines_on, machines_with};
use super::{Options, Point};
use crate::classify::dual::gram;
use crate::classify::rows::{HELD, blocks, drawn, gather};
use crate::classify::{ClassifyError, Labelled, check_classes, count_correct};

/// Bytes that the weights of machines of several C may take together; with more, fewer C are solved at once.
const WEIGHTS: usize = 512 << 20;
/// Rows of the first round: fewer than one kernel matrix serves, because every point is fitted on them.
const SAMPLE: usize = 1536;
/// Points of the second round.
const FINALISTS: usize = 3;

/// Rows of `val` that each point gets right when fitted on `train`, by this suite's own solver; `None` for one that the
/// first round on a sample of `train` left out.
///
/// # Errors
/// Fewer than two classes in `train`, and what keeps the vectors from being there.
pub fn count_correct_of(
    points: &[Point],
    options: Options,
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<Option<usize>>, ClassifyError> {
    check_classes(train.y, classes)?;
    let two_rounds = !gram::serves_a_choice(train.x) && points.len() > FINALISTS;
    let finalists: Vec<usize> =
        if two_rounds { best_on_sample(points, options, train, val, classes)? } else { (0..points.len()).collect() };
    let tried: Vec<Point> = finalists.iter().map(|&i| points[i]).collect();
    let mut counts = vec![None; points.len()];
    for (i, count) in finalists.into_iter().zip(count_all(&tried, options, train, val, classes)?) {
        counts[i] = Some(count);
    }
    Ok(counts)
}

/// The points that get most of `val` right when fitted on a sample of `train`, in their order; of equals the first.
fn best_on_sample(
    points: &[Point],
    options: Options,
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    let held = HELD / (size_of::<f32>() * train.x.dimension().max(1));
    let places = drawn(train.y, SAMPLE.min(held.max(classes)));
    let (x, y) = (gather(train.x, &places)?, places.iter().map(|&row| train.y[row]).collect::<Vec<_>>());
    let counts = count_all(points, options, Labelled { x: &x, y: &y }, val, classes)?;
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&i| Reverse(counts[i]));
    order.truncate(FINALISTS);
    order.sort_unstable();
    Ok(order)
}

/// Every point on all rows of `train`.
fn count_all(
    points: &[Point],
    options: Options,
    train: Labelled,
    val: Labelled,
    classes: usize,
) -> Result<Vec<usize>, ClassifyError> {
    let longest = train.x.dimension().max(train.x.len());
    let together = (WEIGHTS / (size_of::<f32>() * classes * longest).max(1)).max(1);
    let mut correct = Vec::with_capacity(points.len());
    for same in points.chunk_by(|a, b| a.kernel == b.kernel).flat_map(|same| same.chunks(together)) {
        let cs: Vec<f64> = same.iter().map(|point| point.c).collect();
        let kernel = same[0].kernel;
        let machines = machines_with(CHOICE, kernel, &cs, options, train, classes)?;
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
