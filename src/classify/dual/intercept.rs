//! The intercept that makes a machine's loss smallest while its weights stay: a root of a rising function that is
//! straight between the places where a row meets its margin.

use super::{Loss, Task};

/// Shares of the whole cost by which two sums of costs may differ and still be equal.
const EQUAL: f64 = 1e-6;

/// Smallest total loss over all intercepts; `outputs` are the rows' `w . x`. Where a whole range is best, its middle.
pub fn best_intercept(task: &Task, outputs: &[f32]) -> f64 {
    // where each row's output with the intercept meets its margin
    let mut meets: Vec<(f32, u32)> =
        outputs.iter().enumerate().map(|(row, output)| (task.sign(row) - output, row as u32)).collect();
    meets.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    match task.loss {
        Loss::Hinge => hinge(task, &meets),
        Loss::SquaredHinge => squared(task, &meets),
    }
}

/// The slope begins at minus the positive rows' costs, and every row adds its own where it is met.
fn hinge(task: &Task, meets: &[(f32, u32)]) -> f64 {
    let positive: f64 =
        (0..task.costs.len()).filter(|&row| task.positive[row]).map(|row| f64::from(task.costs[row])).sum();
    let all: f64 = task.costs.iter().map(|&cost| f64::from(cost)).sum();
    let mut slope = -positive;
    for (i, &(at, row)) in meets.iter().enumerate() {
        slope += f64::from(task.costs[row as usize]);
        if slope.abs() <= EQUAL * all
            && let Some(&(next, _)) = meets.get(i + 1)
        {
            return 0.5 * (f64::from(at) + f64::from(next));
        }
        if slope > 0.0 {
            return f64::from(at);
        }
    }
    meets.last().map_or(0.0, |&(at, _)| f64::from(at))
}

/// Half the slope at b is `sum of c (b - meets)` over the rows short of their margin: all positive ones at first; where
/// it is met a positive row leaves, a negative one comes in.
fn squared(task: &Task, meets: &[(f32, u32)]) -> f64 {
    let cost = |row: u32| f64::from(task.costs[row as usize]);
    let (mut costs, mut weighted) = (0.0, 0.0);
    for &(at, row) in meets.iter().filter(|&&(_, row)| task.positive[row as usize]) {
        costs += cost(row);
        weighted += cost(row) * f64::from(at);
    }
    for &(at, row) in meets {
        if f64::from(at) * costs >= weighted && costs > 0.0 {
            break;
        }
        let change = if task.positive[row as usize] { -cost(row) } else { cost(row) };
        costs += change;
        weighted += change * f64::from(at);
    }
    if costs > 0.0 { weighted / costs } else { meets.last().map_or(0.0, |&(at, _)| f64::from(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No intercept nearby is better.
    #[test]
    fn it_is_the_best_of_all() {
        let outputs: Vec<f32> = (0..25).map(|i| ((i * 7) % 11) as f32 / 4.0 - 1.3).collect();
        let costs: Vec<f32> = (0..25).map(|i| 0.5 + (i % 4) as f32).collect();
        for positives in [1, 7, 20, 24] {
            let positive: Vec<bool> = (0..25).map(|i| (i * 3) % 25 < positives).collect();
            for loss in [Loss::Hinge, Loss::SquaredHinge] {
                let task = Task { positive: &positive, costs: &costs, loss };
                let best = best_intercept(&task, &outputs);
                let value = |b: f64| task.primal(&outputs, 0.0, b).0;
                for other in (-400..400).map(|i| f64::from(i) / 100.0) {
                    assert!(value(best) <= value(other) + 1e-3, "{loss:?} {positives}: {best} and {other}");
                }
            }
        }
    }

    #[test]
    fn of_a_range_of_best_ones_it_is_the_middle() {
        let task = Task { positive: &[true, false], costs: &[1.0, 1.0], loss: Loss::Hinge };
        assert_eq!(best_intercept(&task, &[3.0, -3.0]), 0.0);
    }
}
