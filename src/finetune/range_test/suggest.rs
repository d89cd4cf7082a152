//! Rules that read a learning rate off a range test's curve, as fastai 2.8 and torch-lr-finder 0.2 state them.

use super::{Point, Suggestions};

/// Slopes that `slide` compares lie so many points apart, and differ by at most this.
const SLIDE_DISTANCE: usize = 15;
const SLIDE_THRESHOLD: f64 = 0.005;

pub fn all(points: &[Point], steps: usize) -> Suggestions {
    let end = points.len().saturating_sub(5);
    let middle = points.get(steps / 10..end).unwrap_or_default();
    let numbers = middle.iter().position(|point| point.smoothed.is_nan()).map_or(middle, |at| &middle[..at]);
    Suggestions {
        minimum: minimum(numbers),
        steep: steep(numbers),
        valley: valley(numbers),
        slide: slide(numbers),
        steepest_step: steepest_step(points, 10, 5),
    }
}

/// The first of the smallest.
fn smallest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let smaller = |best: Option<(usize, f64)>, (i, value): (usize, f64)| match best {
        Some((_, least)) if value >= least => best,
        _ => Some((i, value)),
    };
    values.enumerate().fold(None, smaller).map(|(i, _)| i)
}

fn minimum(points: &[Point]) -> Option<f64> {
    smallest(points.iter().map(|point| point.smoothed)).map(|i| points[i].learning_rate / 10.0)
}

fn steep(points: &[Point]) -> Option<f64> {
    let slope = |pair: &[Point]| {
        (pair[1].smoothed - pair[0].smoothed) / (pair[1].learning_rate.ln() - pair[0].learning_rate.ln())
    };
    smallest(points.windows(2).map(slope)).map(|i| points[i].learning_rate)
}

/// The longest decreasing subsequence, two thirds along its middle third. As in fastai it is taken to begin one point
/// before its length says; of equally long ones the first counts.
fn valley(points: &[Point]) -> Option<f64> {
    if points.is_empty() {
        return None;
    }
    let mut lengths = vec![1_i64; points.len()];
    // before the first point where all of them fall
    let (mut start, mut end) = (0, 0);
    for i in 1..points.len() {
        for j in 0..i {
            if points[i].smoothed < points[j].smoothed && lengths[i] < lengths[j] + 1 {
                lengths[i] = lengths[j] + 1;
            }
            if lengths[end] < lengths[i] {
                (start, end) = (i as i64 - lengths[i], i);
            }
        }
    }
    let third = (end as i64 - start) as f64 / 3.0;
    let chosen = start + third as i64 + (third / 2.0) as i64;
    Some(points[chosen.max(0) as usize].learning_rate)
}

/// From the right: pairs of slopes move left until they are nearly equal.
fn slide(points: &[Point]) -> Option<f64> {
    let n = points.len();
    if n <= SLIDE_DISTANCE {
        return None;
    }
    let slopes = gradient(points);
    let mut found = n - 1 - SLIDE_DISTANCE;
    for left in (0..n - SLIDE_DISTANCE).rev() {
        // the right one is the left one's successor at that distance
        if (slopes[left + SLIDE_DISTANCE] - slopes[left]).abs() <= SLIDE_THRESHOLD {
            break;
        }
        found = left;
    }
    Some(points[found].learning_rate)
}

/// Where the smoothed loss falls fastest from step to step; a loss that is no number counts as the fastest fall, as it does
/// in NumPy.
pub fn steepest_step(points: &[Point], skip_start: usize, skip_end: usize) -> Option<f64> {
    let points = points.get(skip_start..points.len().saturating_sub(skip_end)).filter(|points| points.len() >= 2)?;
    let slopes = gradient(points);
    let not_a_number = slopes.iter().position(|slope| slope.is_nan());
    not_a_number.or_else(|| smallest(slopes.iter().copied())).map(|i| points[i].learning_rate)
}

/// Differences by the step: central ones, and one-sided ones at the ends.
fn gradient(points: &[Point]) -> Vec<f64> {
    let loss = |i: usize| points[i].smoothed;
    let last = points.len() - 1;
    let slope = |i: usize| match i {
        0 => loss(1) - loss(0),
        i if i == last => loss(last) - loss(last - 1),
        i => (loss(i + 1) - loss(i - 1)) / 2.0,
    };
    (0..points.len()).map(slope).collect()
}
