//! A folder of records. Every write goes beside the file and is renamed into place, and a run counts as recorded
//! only once its line in `runs.csv` stands, so that a program killed at any moment leaves nothing half-written.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::rows::*;

/// Everything that was recorded for one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    pub dataset: DatasetRecord,
    pub arms: ArmRecords,
    pub environments: Environments,
    pub runs: Vec<RunRow>,
    pub predictions: Vec<PredictionRow>,
    pub timings: Vec<TimingRow>,
    pub selection: Vec<SelectionRow>,
}

/// The rows of one finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub run: RunRow,
    pub predictions: Vec<PredictionRow>,
    pub timings: Vec<TimingRow>,
    pub selection: Vec<SelectionRow>,
}

/// The record folder of one data set (`OUT/DATASET`), open for writing.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    records: Records,
}

impl Records {
    /// Reads `FOLDER/{runs,predictions,timings,selection}.csv` (or `.csv.gz`) and the three JSON files.
    ///
    /// # Errors
    /// A missing or unreadable file, a column of another version: the message names the file and the remedy.
    pub fn read(folder: &Path) -> Result<Records> {
        let _ = folder;
        todo!()
    }

    /// Every folder at or below `root` that holds a `runs.csv` or `runs.csv.gz`, sorted.
    pub fn find(root: &Path) -> Result<Vec<PathBuf>> {
        let _ = root;
        todo!()
    }
}

impl Store {
    /// Opens `folder`, creating it; what is recorded there is kept. Proves at once that the folder can be written.
    pub fn open(folder: &Path, dataset: DatasetRecord, arms: ArmRecords) -> Result<Store> {
        let _ = (folder, dataset, arms);
        todo!()
    }

    pub fn records(&self) -> &Records {
        &self.records
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Is this run recorded with status `ok`?
    pub fn has(&self, run_id: &str) -> bool {
        let _ = run_id;
        todo!()
    }

    /// Adds a run, in the place of an older one of the same dataset, arm, backbone, input, canvas, seed, form and
    /// protocol. Rows are kept in a fixed order, whatever order the runs ended in.
    pub fn add(&mut self, record: RunRecord, environment: (&str, Environment)) -> Result<()> {
        let _ = (record, environment);
        todo!()
    }
}
