//! What is recorded of runs beside their line in `runs.csv`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;

use super::learning::LearningRow;
use super::rows::{EpochRow, PredictionRow, RunRow, SelectionRow, StepRow, TimingRow};
use super::table::{self, Limits, Row};

/// The rows of one run or of many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// Sorted by image.
    pub predictions: Vec<PredictionRow>,
    /// By scenario, stage and sample.
    pub timings: Vec<TimingRow>,
    /// By candidate.
    pub selection: Vec<SelectionRow>,
    /// By training and step or epoch; empty where no network was trained.
    pub steps: Vec<StepRow>,
    pub epochs: Vec<EpochRow>,
    /// By size and draw; empty where no learning curve was measured.
    pub learning: Vec<LearningRow>,
}

/// Rows of one run in a table other than `predictions`; more are refused.
const MOST_OF_A_RUN: usize = 10_000_000;

impl Row for PredictionRow {
    const NAME: &'static str = "predictions";
    const COMPRESSED_WHEN_LONG: bool = true;
}

impl Row for TimingRow {
    const NAME: &'static str = "timings";
}

impl Row for SelectionRow {
    const NAME: &'static str = "selection";
}

impl Row for StepRow {
    const NAME: &'static str = "steps";
}

impl Row for EpochRow {
    const NAME: &'static str = "epochs";
}

/// A row that belongs to a run.
trait OfRun: Row {
    fn run_id(&self) -> &str;
    /// Where the row stands among those of its run.
    fn place(&self) -> impl Ord;
}

impl OfRun for PredictionRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        &self.image
    }
}

impl OfRun for TimingRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        (&self.scenario, &self.stage, self.sample)
    }
}

impl OfRun for SelectionRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        self.candidate
    }
}

impl OfRun for StepRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        (&self.training, self.step)
    }
}

impl OfRun for EpochRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        (&self.training, self.epoch)
    }
}

impl OfRun for LearningRow {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn place(&self) -> impl Ord {
        (self.images, self.draw)
    }
}

fn settle<R: OfRun>(rows: &mut [R], order: &HashMap<&str, usize>) {
    let run = |row: &R| order.get(row.run_id());
    rows.sort_by(|a, b| if a.run_id() == b.run_id() { a.place().cmp(&b.place()) } else { run(a).cmp(&run(b)) });
}

/// The rows of these runs, taken out.
fn take<R: OfRun>(rows: &mut Vec<R>, runs: &HashSet<&str>) -> Vec<R> {
    if runs.is_empty() { Vec::new() } else { rows.extract_if(.., |row| runs.contains(row.run_id())).collect() }
}

fn of_run<R: OfRun + Clone>(rows: &[R], run_id: &str) -> Vec<R> {
    rows.iter().filter(|row| row.run_id() == run_id).cloned().collect()
}

fn all_of_run<R: OfRun>(rows: &[R], run_id: &str) -> bool {
    rows.iter().all(|row| row.run_id() == run_id)
}

impl Details {
    /// The rows of these runs in a record folder.
    pub(super) fn read(folder: &Path, runs: &[RunRow]) -> Result<Details> {
        let predicted: Limits = runs.iter().map(|run| (run.run_id.as_str(), run.n)).collect();
        let known: Limits = predicted.keys().map(|&run| (run, MOST_OF_A_RUN)).collect();
        Ok(Details {
            predictions: table::read_of(folder, &predicted)?,
            timings: table::read_of(folder, &known)?,
            selection: table::read_of(folder, &known)?,
            steps: table::read_of_if_there(folder, &known)?,
            epochs: table::read_of_if_there(folder, &known)?,
            learning: table::read_of_if_there(folder, &known)?,
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        table::write_if_any(folder, &self.steps)?;
        table::write_if_any(folder, &self.epochs)?;
        table::write_if_any(folder, &self.learning)?;
        table::write(folder, &self.selection)?;
        table::write(folder, &self.timings)?;
        table::write(folder, &self.predictions)
    }

    /// Brings all rows into their fixed order, by their run's place in `order`.
    pub(super) fn settle(&mut self, order: &HashMap<&str, usize>) {
        settle(&mut self.predictions, order);
        settle(&mut self.timings, order);
        settle(&mut self.selection, order);
        settle(&mut self.steps, order);
        settle(&mut self.epochs, order);
        settle(&mut self.learning, order);
    }

    /// The rows of these runs, taken out.
    pub(super) fn take(&mut self, runs: &HashSet<&str>) -> Details {
        Details {
            predictions: take(&mut self.predictions, runs),
            timings: take(&mut self.timings, runs),
            selection: take(&mut self.selection, runs),
            steps: take(&mut self.steps, runs),
            epochs: take(&mut self.epochs, runs),
            learning: take(&mut self.learning, runs),
        }
    }

    /// The rows of this run.
    pub(super) fn of_run(&self, run_id: &str) -> Details {
        Details {
            predictions: of_run(&self.predictions, run_id),
            timings: of_run(&self.timings, run_id),
            selection: of_run(&self.selection, run_id),
            steps: of_run(&self.steps, run_id),
            epochs: of_run(&self.epochs, run_id),
            learning: of_run(&self.learning, run_id),
        }
    }

    pub(super) fn extend(&mut self, rows: Details) {
        self.predictions.extend(rows.predictions);
        self.timings.extend(rows.timings);
        self.selection.extend(rows.selection);
        self.steps.extend(rows.steps);
        self.epochs.extend(rows.epochs);
        self.learning.extend(rows.learning);
    }

    /// Gives every row the id that its run has now.
    pub(super) fn rename(&mut self, new_id: impl Fn(&str) -> String) {
        self.predictions.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
        self.timings.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
        self.selection.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
        self.steps.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
        self.epochs.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
        self.learning.iter_mut().for_each(|row| row.run_id = new_id(&row.run_id));
    }

    /// Do all rows belong to this run?
    pub(super) fn all_of_run(&self, run_id: &str) -> bool {
        all_of_run(&self.predictions, run_id)
            && all_of_run(&self.timings, run_id)
            && all_of_run(&self.selection, run_id)
            && all_of_run(&self.steps, run_id)
            && all_of_run(&self.epochs, run_id)
            && all_of_run(&self.learning, run_id)
    }
}
