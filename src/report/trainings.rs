//! The trainings of networks as a table: how long, how fast, and how far they came.

use super::format::{NONE, count, percent, significant, trimmed};
use super::summary::{Course, Summary, Training};
use super::table::{Cell, Table};

/// One row a training, means over its seeds; without rows where no network was trained.
pub fn table(summary: &Summary) -> Table {
    let mut table = Table::new(&[
        "arm",
        "canvas",
        "learns from",
        "#seeds",
        "#epochs",
        "#steps",
        "#images a step",
        "#peak learning rate",
        "#momentum",
        "#peak lr/(1−momentum)",
        "#sum of lr/(1−momentum)",
        "#train loss",
        "#train accuracy, %",
        "#val accuracy, %",
        "#best val accuracy, %",
        "#epoch used",
        "#training, s",
    ]);
    for training in Training::all(summary) {
        let entry = &summary.entries[training.entry];
        let mut cells = vec![Cell::code(&*entry.label), Cell::text(&*entry.row.canvas), Cell::text(training.images)];
        cells.push(whole(Some(training.courses.len() as f64)));
        cells.extend(length(&training));
        cells.extend(rates(&training));
        cells.extend(outcome(&training));
        table.push(&entry.row.family, cells);
    }
    table
}

fn whole(value: Option<f64>) -> Cell {
    Cell::optional(value, |value| count(value.round() as usize))
}

/// Epochs, steps, images a step.
fn length(training: &Training) -> [Cell; 3] {
    let steps = |course: &Course| course.steps.len() as f64;
    let images = |course: &Course| course.epochs.iter().map(|epoch| epoch.train_n).sum::<usize>() as f64;
    [
        whole(training.mean(|course| Some(course.epochs.len() as f64))),
        whole(training.mean(|course| Some(steps(course)))),
        Cell::optional(training.mean(|course| Some(images(course) / steps(course))), |n| significant(n, 3)),
    ]
}

/// Peak learning rate, range of the momentum, peak and sum of lr/(1-momentum).
fn rates(training: &Training) -> [Cell; 4] {
    let (_, peak) = training.range(|step| step.learning_rate);
    let (low, high) = training.range(|step| step.momentum);
    let (_, effective) = training.range(|step| step.effective);
    let sum = training.mean(|course| Some(course.steps.iter().map(|step| step.effective).sum()));
    let [from, to] = [low, high].map(|momentum| trimmed(momentum, 3));
    let momentum = if from == to { to } else { format!("{from} to {to}") };
    [
        Cell::number(peak, significant(peak, 2)),
        Cell::number(high, momentum),
        Cell::number(effective, significant(effective, 2)),
        Cell::optional(sum, |sum| significant(sum, 3)),
    ]
}

/// Of the last epoch: loss and accuracy; the best epoch on val, the one whose weights predict, and seconds of all.
fn outcome(training: &Training) -> [Cell; 6] {
    let last = |of: fn(&crate::record::EpochRow) -> Option<f64>| training.mean(|course| of(course.last()?));
    let best = |course: &Course| course.epochs.iter().filter_map(Course::val_accuracy).reduce(f64::max);
    let seconds = |course: &Course| Some(course.epochs.iter().map(|epoch| epoch.train_s).sum());
    let used = training.courses.iter().flat_map(|course| course.epochs).filter(|epoch| epoch.chosen);
    let used: Vec<usize> = used.map(|epoch| epoch.epoch).collect();
    let used = match (used.iter().min(), used.iter().max()) {
        (Some(low), Some(high)) if low < high => format!("{low} to {high}"),
        (Some(only), _) => only.to_string(),
        _ => NONE.to_owned(),
    };
    [
        Cell::optional(last(|epoch| Some(epoch.train_loss)), |loss| significant(loss, 3)),
        Cell::optional(last(Course::train_accuracy), percent),
        Cell::optional(last(Course::val_accuracy), percent),
        Cell::optional(training.mean(best), percent),
        Cell::text(used),
        Cell::optional(training.mean(seconds), |seconds| significant(seconds, 3)),
    ]
}
