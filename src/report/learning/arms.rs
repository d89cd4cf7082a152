//! The recorded learning curves of a report, each with its arm.

use std::collections::HashMap;

use crate::record::LearningRow;
use crate::report::summary::{Entry, Summary};
use crate::stats::latency::median;
use crate::stats::learning::{Curve, Size};

/// Forecasts are for so many times the images.
pub const TIMES: [f64; 2] = [2.0, 4.0];

/// An arm's curve.
pub struct Learnt<'s, 'a> {
    pub entry: &'s Entry<'a>,
    /// Of the entry.
    pub index: usize,
    pub curve: Curve,
    /// By the sizes below the largest, for the largest.
    pub forecast: Option<f64>,
    /// Milliseconds an image on one thread.
    pub ms: Option<f64>,
}

/// Every arm of the first column that has a curve, in the order of display.
pub fn learnt<'s, 'a>(summary: &'s Summary<'a>) -> Vec<Learnt<'s, 'a>> {
    let mut rows: HashMap<&str, &[LearningRow]> = HashMap::new();
    for of_run in summary.records.details.learning.chunk_by(|a, b| a.run_id == b.run_id) {
        rows.insert(&of_run[0].run_id, of_run);
    }
    let of = |&index: &usize| {
        let entry = &summary.entries[index];
        let (run, rows) = entry.runs.iter().find_map(|&run| {
            let run = &summary.runs[run];
            Some((run, *rows.get(run.row.run_id.as_str())?))
        })?;
        let classes: Vec<usize> = run.judged.iter().map(|judged| judged.truth).collect();
        let sizes = sizes(rows, classes.len())?;
        let weights = summary.question.aim.weights(classes);
        let curve = Curve::of(&sizes, &weights)?;
        let fewer = Curve::of(&sizes[..sizes.len() - 1], &weights);
        let forecast = fewer.map(|fewer| 1.0 - fewer.law.error(curve.largest()));
        Some(Learnt { entry, index, curve, forecast, ms: median(&entry.times.single) })
    };
    let column = summary.first_column().map_or(&[][..], |column| &column.entries);
    column.iter().filter_map(of).collect()
}

/// What was right with each size; `None` where rows are not of so many reported images.
fn sizes(rows: &[LearningRow], reported: usize) -> Option<Vec<Size>> {
    let whole = rows.iter().all(|row| row.right.len() == reported);
    let right = |row: &LearningRow| row.right.bytes().map(|byte| i8::from(byte == b'1')).collect();
    let size = |rows: &[LearningRow]| Size { images: rows[0].images, right: rows.iter().map(right).collect() };
    whole.then(|| rows.chunk_by(|a, b| a.images == b.images).map(size).collect())
}

/// Every cheaper arm with the one that makes the fewest errors with the images that there are.
pub fn pairs<'l, 's, 'a>(arms: &'l [Learnt<'s, 'a>]) -> Vec<(&'l Learnt<'s, 'a>, &'l Learnt<'s, 'a>)> {
    let now = |arm: &Learnt| arm.curve.law.error(arm.curve.largest());
    let Some(best) = arms.iter().min_by(|a, b| now(a).total_cmp(&now(b))) else { return Vec::new() };
    let cheaper = |arm: &&Learnt| arm.ms.zip(best.ms).is_some_and(|(ms, of_best)| ms < of_best) && now(arm) > now(best);
    arms.iter().filter(cheaper).map(|arm| (arm, best)).collect()
}
