//! A folder of records. Every write goes beside the file and is renamed into place, and a run counts as recorded
//! only once its line in `runs.csv` stands, so that a program killed at any moment leaves nothing half-written.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use crate::atomic;

use super::details::Details;
use super::files::{self, unwritable};
use super::rows::*;
use super::table::{self, Row};

const DATASET: &str = "dataset.json";
const ARMS: &str = "arms.json";
const EXPERIMENT: &str = "experiment.json";
const SWEEP: &str = "sweep.json";
pub(super) const ENVIRONMENTS: &str = "environment.json";

/// Everything that was recorded for one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    pub dataset: DatasetRecord,
    pub arms: ArmRecords,
    pub environments: Environments,
    /// The experiment that the runs belong to, if they do.
    pub experiment: Option<ExperimentRecord>,
    /// The sweep whose points they are, if they are.
    pub sweep: Option<SweepRecord>,
    /// Floors, handcrafted, deep; within a family as [`RunRow::identity`] orders them.
    pub runs: Vec<RunRow>,
    /// In the order of the runs.
    pub details: Details,
}

/// The rows of one finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub run: RunRow,
    pub details: Details,
}

/// The record folder of one data set (`OUT/DATASET`), open for writing.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    records: Records,
    /// The folder itself, locked as long as this lives.
    _lock: File,
}

impl Row for RunRow {
    const NAME: &'static str = "runs";
}

impl Records {
    /// Reads `FOLDER/{runs,predictions,timings,selection}.csv` (or `.csv.gz`), `steps` and `epochs` where they are
    /// there, and the three JSON files. Rows of runs
    /// that are not in `runs.csv` are what a killed write left behind; they are passed over.
    ///
    /// # Errors
    /// A missing or unreadable file, a column of another version, a run without all of its predictions: the message
    /// names the file and the remedy.
    pub fn read(folder: &Path) -> Result<Records> {
        let mut records = Records {
            dataset: files::read_json(&folder.join(DATASET))?,
            arms: files::read_json(&folder.join(ARMS))?,
            environments: files::read_json(&folder.join(ENVIRONMENTS))?,
            experiment: files::read_json_if_there(&folder.join(EXPERIMENT))?,
            sweep: files::read_json_if_there(&folder.join(SWEEP))?,
            runs: table::read(folder)?,
            details: Details::read(folder)?,
        };
        records.settle();
        records.check_whole(folder)?;
        Ok(records)
    }

    /// A table that lost rows would still give accuracies, of fewer images.
    fn check_whole(&self, folder: &Path) -> Result<()> {
        let mut predicted: HashMap<&str, usize> = HashMap::new();
        for row in &self.details.predictions {
            *predicted.entry(&row.run_id).or_default() += 1;
        }
        for run in self.runs.iter().filter(|run| run.status == Status::Ok) {
            let found = predicted.get(run.run_id.as_str()).copied().unwrap_or_default();
            ensure!(
                found == run.n,
                "{}: {found} predictions of run {} ({}), which made {}; put back the whole file, or measure again with --fresh",
                table::path_of::<PredictionRow>(folder)?.display(),
                run.run_id,
                run.arm,
                run.n
            );
        }
        Ok(())
    }

    /// Every folder at or below `root` that holds a `runs.csv` or `runs.csv.gz`, sorted. Links are not followed.
    ///
    /// # Errors
    /// A folder that can't be listed.
    pub fn find(root: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(folder) = open.pop() {
            if table::path_of::<RunRow>(&folder)?.exists() {
                found.push(folder.clone());
            }
            for entry in fs::read_dir(&folder).map_err(|error| files::unreadable(&folder, &error))? {
                let entry = entry.map_err(|error| files::unreadable(&folder, &error))?;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Folders of the sweeps beside the one in `folder`, if there is one, sorted.
    ///
    /// # Errors
    /// A folder that can't be listed.
    pub fn sweeps_beside(folder: &Path) -> Result<Vec<PathBuf>> {
        let is_sweep = |folder: &Path| folder.join(SWEEP).exists();
        let folder = folder.canonicalize().map_err(|error| files::unreadable(folder, &error))?;
        let Some(parent) = folder.parent().filter(|_| is_sweep(&folder)) else { return Ok(Vec::new()) };
        let found = Records::find(parent)?;
        Ok(found.into_iter().filter(|other| *other != folder && is_sweep(other)).collect())
    }

    fn empty(dataset: DatasetRecord) -> Records {
        Records {
            dataset,
            arms: ArmRecords::new(),
            environments: Environments::new(),
            experiment: None,
            sweep: None,
            runs: Vec::new(),
            details: Details::default(),
        }
    }

    /// Brings all rows into their fixed order and drops what belongs to no run.
    fn settle(&mut self) {
        let Records { environments, runs, details, .. } = self;
        runs.sort_by(|a, b| (a.family_rank(), a.identity()).cmp(&(b.family_rank(), b.identity())));
        environments.retain(|id, _| runs.iter().any(|run| run.environment_id == *id));
        details.settle(&runs.iter().enumerate().map(|(place, run)| (run.run_id.as_str(), place)).collect());
    }
}

impl Store {
    /// Opens `folder`, creating it. What is recorded there is kept as long as the data set's manifest is the same;
    /// the data set's description (but for near-duplicates that were found) and those of `arms` are brought up to date. It writes at once, so that a folder
    /// that can't be written is known before anything is measured.
    ///
    /// # Errors
    /// A folder that can't be written or that another process writes, records that can't be read or are of another
    /// version.
    pub fn open(folder: &Path, dataset: DatasetRecord, arms: ArmRecords) -> Result<Store> {
        let lock = lock(folder)?;
        let recorded = table::path_of::<RunRow>(folder)?.exists();
        let records = if recorded { Records::read(folder)? } else { Records::empty(dataset.clone()) };
        let mut fresh = records.clone();
        if fresh.dataset.manifest_sha256 != dataset.manifest_sha256 {
            fresh.runs.clear();
            fresh.dataset = dataset;
        } else {
            let DatasetRecord { near_duplicate_rmse, near_duplicates, .. } = fresh.dataset;
            fresh.dataset = DatasetRecord { near_duplicate_rmse, near_duplicates, ..dataset };
        }
        fresh.arms.retain(|arm, _| fresh.runs.iter().any(|run| run.arm == *arm));
        fresh.arms.extend(arms);
        let mut store = Store { folder: folder.to_path_buf(), records, _lock: lock };
        store.replace(fresh)?;
        Ok(store)
    }

    /// Opens `folder` without anything that was recorded there, whatever version it is of (`--fresh`).
    ///
    /// # Errors
    /// A folder that can't be written or that another process writes.
    pub fn create(folder: &Path, dataset: DatasetRecord, arms: ArmRecords) -> Result<Store> {
        let lock = lock(folder)?;
        table::write::<RunRow>(folder, &[])?;
        let mut records = Records::empty(dataset);
        records.arms = arms;
        let mut store = Store { folder: folder.to_path_buf(), records: records.clone(), _lock: lock };
        store.replace(records)?;
        Ok(store)
    }

    /// Ids of the runs that `folder` has recorded with status `ok`; none where it holds no records that can be read.
    pub fn recorded(folder: &Path) -> Vec<String> {
        let runs = Records::read(folder).map(|records| records.runs).unwrap_or_default();
        runs.into_iter().filter(|run| run.status == Status::Ok).map(|run| run.run_id).collect()
    }

    /// Sides of the canvases that `folder` has runs on; none where it holds no records that can be read.
    pub fn canvases(folder: &Path) -> Vec<u32> {
        let runs = table::read::<RunRow>(folder).unwrap_or_default();
        runs.iter().filter_map(|run| run.canvas.parse().ok()).collect()
    }

    /// Puts another description of the same data set in the place of the recorded one.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn describe(&mut self, dataset: DatasetRecord) -> Result<()> {
        self.replace(Records { dataset, ..self.records.clone() })
    }

    /// Says which experiment the runs belong to.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn name_experiment(&mut self, experiment: Option<ExperimentRecord>) -> Result<()> {
        if self.records.experiment == experiment {
            return Ok(());
        }
        self.replace(Records { experiment, ..self.records.clone() })
    }

    /// Says which point of a sweep each data set is.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn name_sweep(&mut self, sweep: SweepRecord) -> Result<()> {
        self.replace(Records { sweep: Some(sweep), ..self.records.clone() })
    }

    pub fn records(&self) -> &Records {
        &self.records
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Is this run recorded with status `ok`?
    pub fn has(&self, run_id: &str) -> bool {
        self.records.runs.iter().any(|run| run.run_id == run_id && run.status == Status::Ok)
    }

    /// Adds a run, in the place of an older one of the same dataset, arm, backbone, input, canvas, seed, form and
    /// protocol. Rows are kept in a fixed order, whatever order the runs ended in.
    ///
    /// # Errors
    /// A file that can't be written; the store is then as it was, and the folder holds no part of the run.
    pub fn add(&mut self, record: RunRecord, environment: (&str, Environment)) -> Result<()> {
        let RunRecord { run, details } = record;
        let id = &run.run_id;
        ensure!(details.all_of_run(id), "run {id}: some of its rows name another run");
        let mut records = self.records.clone();
        // rows of a run that is replaced go with it
        records.runs.retain(|old| old.run_id != *id && old.identity() != run.identity());
        records.details.replace(id, details);
        records.environments.insert(environment.0.to_owned(), environment.1);
        records.runs.push(run);
        self.replace(records)
    }

    /// Puts `records` in the place of what is recorded, on disk and here. At every moment between two files each run
    /// of `runs.csv` has all its rows: what goes away leaves it first, what comes enters it last.
    fn replace(&mut self, mut records: Records) -> Result<()> {
        records.settle();
        let staying: Vec<RunRow> = self.records.runs.iter().filter(|run| records.runs.contains(run)).cloned().collect();
        if staying.len() < self.records.runs.len() {
            table::write(&self.folder, &staying)?;
        }
        files::write_json(&self.folder.join(DATASET), &records.dataset)?;
        files::write_json(&self.folder.join(ARMS), &records.arms)?;
        files::write_json(&self.folder.join(ENVIRONMENTS), &records.environments)?;
        if let Some(experiment) = &records.experiment {
            files::write_json(&self.folder.join(EXPERIMENT), experiment)?;
        }
        if let Some(sweep) = &records.sweep {
            files::write_json(&self.folder.join(SWEEP), sweep)?;
        }
        records.details.write(&self.folder)?;
        table::write(&self.folder, &records.runs)?;
        self.records = records;
        Ok(())
    }
}

/// Creates the folder and locks it: a store writes all that it knows, so of two at once each would take away what the
/// other has added.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let file = File::open(folder).map_err(|error| unwritable(folder, &error))?;
    atomic::sweep(folder);
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!(
            "{}: another featbench is writing its records there; wait for it, or choose another --out",
            folder.display()
        ),
        // not every file system has locks
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of the table under the heading that names `file`.
    fn documented(file: &str) -> Vec<String> {
        let format = include_str!("../../docs/RECORDS.md");
        let (_, section) = format.split_once(&format!("## `{file}`\n")).expect("every file has its section");
        let lines = section.lines().take_while(|line| !line.starts_with("## "));
        lines.filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect()
    }

    #[test]
    fn the_documented_columns_are_the_written_ones() {
        assert_eq!(documented("runs.csv"), RunRow::columns());
        assert_eq!(documented("predictions.csv"), PredictionRow::columns());
        assert_eq!(documented("timings.csv"), TimingRow::columns());
        assert_eq!(documented("selection.csv"), SelectionRow::columns());
        assert_eq!(documented("steps.csv"), StepRow::columns());
        assert_eq!(documented("epochs.csv"), EpochRow::columns());
        assert_eq!(documented("time.csv"), crate::record::TimeRow::columns());
        assert_eq!(documented("dataset.json"), table::fields_of::<DatasetRecord>());
        assert_eq!(documented("environment.json"), table::fields_of::<Environment>());
        assert_eq!(documented("experiment.json"), table::fields_of::<ExperimentRecord>());
        assert_eq!(documented("sweep.json"), table::fields_of::<SweepRecord>());
        assert_eq!(documented("arms.json"), table::fields_of::<ArmRecord>());
    }
}
