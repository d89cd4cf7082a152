//! What is recorded of runs beside their line in `runs.csv`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;

use super::rows::{EpochRow, PredictionRow, SelectionRow, StepRow, TimingRow};
use super::table::{self, Row};

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
}

impl Row for PredictionRow {
    const NAME: &'static str = "predictions";
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

/// Drops rows whose run is not in `order` and sorts the others.
fn settle<R: OfRun>(rows: &mut Vec<R>, order: &HashMap<&str, usize>) {
    rows.retain(|row| order.contains_key(row.run_id()));
    rows.sort_by(|a, b| (order[a.run_id()], a.place()).cmp(&(order[b.run_id()], b.place())));
}

fn replace<R: OfRun>(rows: &mut Vec<R>, run_id: &str, new: Vec<R>) {
    rows.retain(|row| row.run_id() != run_id);
    rows.extend(new);
}

fn all_of_run<R: OfRun>(rows: &[R], run_id: &str) -> bool {
    rows.iter().all(|row| row.run_id() == run_id)
}

impl Details {
    pub(super) fn read(folder: &Path) -> Result<Details> {
        Ok(Details {
            predictions: table::read(folder)?,
            timings: table::read(folder)?,
            selection: table::read(folder)?,
            steps: table::read_if_there(folder)?,
            epochs: table::read_if_there(folder)?,
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        table::write_if_any(folder, &self.steps)?;
        table::write_if_any(folder, &self.epochs)?;
        table::write(folder, &self.selection)?;
        table::write(folder, &self.timings)?;
        table::write(folder, &self.predictions)
    }

    /// Brings all rows into their fixed order, by their run's place in `order`, and drops those whose run has none.
    pub(super) fn settle(&mut self, order: &HashMap<&str, usize>) {
        settle(&mut self.predictions, order);
        settle(&mut self.timings, order);
        settle(&mut self.selection, order);
        settle(&mut self.steps, order);
        settle(&mut self.epochs, order);
    }

    /// Puts `rows` in the place of the rows of this run.
    pub(super) fn replace(&mut self, run_id: &str, rows: Details) {
        replace(&mut self.predictions, run_id, rows.predictions);
        replace(&mut self.timings, run_id, rows.timings);
        replace(&mut self.selection, run_id, rows.selection);
        replace(&mut self.steps, run_id, rows.steps);
        replace(&mut self.epochs, run_id, rows.epochs);
    }

    /// Do all rows belong to this run?
    pub(super) fn all_of_run(&self, run_id: &str) -> bool {
        all_of_run(&self.predictions, run_id)
            && all_of_run(&self.timings, run_id)
            && all_of_run(&self.selection, run_id)
            && all_of_run(&self.steps, run_id)
            && all_of_run(&self.epochs, run_id)
    }
}
