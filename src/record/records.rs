//! Everything that is recorded for one data set: the tables of its folder, with the runs that still stand in files of
//! their own merged into them. Reading needs no lock, whoever writes meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};

use super::audit::AuditRecord;
use super::details::Details;
use super::family::Family;
use super::files;
use super::rows::*;
use super::run_file::{self, Loose, RunRecord, Written};
use super::table::{self, Row};

pub(super) const DATASET: &str = "dataset.json";
/// What is suspicious about the pictures.
pub(super) const AUDIT: &str = "audit.json";
pub(super) const ARMS: &str = "arms.json";
pub(super) const EXPERIMENT: &str = "experiment.json";
pub(super) const SWEEP: &str = "sweep.json";
pub(super) const DRAWS: &str = "draws.json";
pub(super) const ENVIRONMENTS: &str = "environment.json";
/// Folder of the runs that stand in files of their own, and of claims.
pub(super) const RUNS: &str = "runs";

/// Reading starts again when the tables change meanwhile, so many times.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

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
    /// By seed; empty unless splits were drawn more than once.
    pub draws: Vec<DrawRecord>,
    /// What is suspicious about the pictures; `None` where they were not looked at.
    pub audit: Option<AuditRecord>,
    /// Floors, handcrafted, deep; within a family as [`RunRow::identity`] orders them.
    pub runs: Vec<RunRow>,
    /// In the order of the runs.
    pub details: Details,
}

impl Row for RunRow {
    const NAME: &'static str = "runs";
    const LATER: &'static [&'static str] = &RunRow::LATER;
}

impl Records {
    /// Reads `FOLDER/{runs,predictions,timings,selection}.csv` (or `.csv.gz`), `steps`, `epochs` and `learning` where they
    /// are there, the JSON files, and the runs that stand in files of their own. Rows of runs that are not in `runs.csv`
    /// are what a killed write left behind; they are passed over.
    ///
    /// # Errors
    /// A missing or unreadable file, a column of another version, a run without all of its predictions: the message
    /// names the file and the remedy.
    pub fn read(folder: &Path) -> Result<Records> {
        let (mut records, loose) = Records::read_parts(folder)?;
        records.merge(loose.into_iter().map(|written| written.loose).collect());
        records.check_whole(folder)?;
        Ok(records)
    }

    /// The tables, and the runs beside them. Those are read first: one that is merged into the tables meanwhile is in
    /// the tables then.
    pub(super) fn read_parts(folder: &Path) -> Result<(Records, Vec<Written>)> {
        for _ in 0..ATTEMPTS {
            let loose = run_file::all(&folder.join(RUNS))?;
            let before = version(folder)?;
            let tables = Records::tables(folder);
            // Whoever merges writes `runs.csv` before the first row leaves the other tables, and after the last came.
            if version(folder)? == before {
                return Ok((tables?, loose));
            }
            std::thread::sleep(PAUSE);
        }
        bail!("{}: the records change all the time; read them again when nothing is merged into them", folder.display())
    }

    fn tables(folder: &Path) -> Result<Records> {
        let runs: Vec<RunRow> = table::read(folder)?;
        let mut records = Records {
            dataset: files::read_json(&folder.join(DATASET))?,
            arms: files::read_json(&folder.join(ARMS))?,
            environments: files::read_json(&folder.join(ENVIRONMENTS))?,
            experiment: files::read_json_if_there(&folder.join(EXPERIMENT))?,
            sweep: files::read_json_if_there(&folder.join(SWEEP))?,
            draws: files::read_json_if_there(&folder.join(DRAWS))?.unwrap_or_default(),
            audit: files::read_json_if_there(&folder.join(AUDIT))?,
            details: Details::read(folder, &runs)?,
            runs,
        };
        records.settle();
        Ok(records)
    }

    /// Puts runs, from the oldest to the latest, into the tables, each in the place of an older one of the same
    /// identity or id. Returns finished runs that have no place any more: an arm with other settings took it.
    pub(super) fn merge(&mut self, loose: Vec<Loose>) -> Vec<Loose> {
        let here = self.runs.len();
        let all = || self.runs.iter().chain(loose.iter().map(|loose| &loose.record.run));
        let staying = latest(all());
        let stays = all().zip(&staying).filter(|(_, stays)| **stays).map(|(run, _)| run.run_id.clone());
        let stays: HashSet<String> = stays.collect();
        let mut replaced = self.take_runs(|i| !staying[i]);
        let mut beside = staying[here..].iter();
        for loose in loose {
            if *beside.next().expect("one a run") {
                self.add(loose);
            } else {
                replaced.push(loose);
            }
        }
        self.settle();
        replaced.retain(|loose| {
            let run = &loose.record.run;
            run.status == Status::Ok && !stays.contains(&run.run_id)
        });
        replaced
    }

    fn add(&mut self, Loose { record: RunRecord { run, details }, environment, arm }: Loose) {
        if let Some(arm) = arm {
            self.arms.entry(run.arm.clone()).or_insert(arm);
        }
        self.environments.insert(run.environment_id.clone(), environment);
        self.details.extend(details);
        self.runs.push(run);
    }

    /// All that is recorded of a run, as it was added, and its machine; `None` where there is no such run.
    pub fn of_run(&self, run_id: &str) -> Option<(RunRecord, Environment)> {
        let run = self.runs.iter().find(|run| run.run_id == run_id)?.clone();
        let environment = self.environments.get(&run.environment_id)?.clone();
        let details = self.details.of_run(run_id);
        Some((RunRecord { run, details }, environment))
    }

    /// Takes runs out, by their place, with all their rows.
    fn take_runs(&mut self, taken: impl Fn(usize) -> bool) -> Vec<Loose> {
        let mut place = 0..;
        let runs: Vec<RunRow> = self.runs.extract_if(.., |_| taken(place.next().expect("no end"))).collect();
        let mut rows = self.details.take(&runs.iter().map(|run| run.run_id.as_str()).collect());
        let loose = runs.into_iter().filter_map(|run| {
            let details = rows.take(&HashSet::from([run.run_id.as_str()]));
            let environment = self.environments.get(&run.environment_id)?.clone();
            let arm = self.arms.get(&run.arm).cloned();
            Some(Loose { record: RunRecord { run, details }, environment, arm })
        });
        loose.collect()
    }

    /// The same without the runs of other data sets than the described one, such as further draws of its splits.
    pub fn of_first_draw(&self) -> Records {
        let mut first = self.clone();
        let others = self.runs.iter().filter(|run| run.dataset != self.dataset.name);
        first.details.take(&others.map(|run| run.run_id.as_str()).collect());
        first.runs.retain(|run| run.dataset == self.dataset.name);
        first.settle();
        first
    }

    /// A table that lost rows would still give accuracies, of fewer images.
    pub(super) fn check_whole(&self, folder: &Path) -> Result<()> {
        let mut predicted: HashMap<&str, usize> = HashMap::new();
        for rows in self.details.predictions.chunk_by(|a, b| a.run_id == b.run_id) {
            *predicted.entry(&rows[0].run_id).or_default() += rows.len();
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
            if ["runs.csv", "runs.csv.gz"].iter().any(|name| folder.join(name).exists()) {
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

    pub(super) fn empty(dataset: DatasetRecord) -> Records {
        Records {
            dataset,
            arms: ArmRecords::new(),
            environments: Environments::new(),
            experiment: None,
            sweep: None,
            draws: Vec::new(),
            audit: None,
            runs: Vec::new(),
            details: Details::default(),
        }
    }

    /// Brings all rows into their fixed order and drops environments that no run has.
    pub(super) fn settle(&mut self) {
        let Records { environments, runs, details, .. } = self;
        let rank = |run: &RunRow| Family::rank(&run.family);
        runs.sort_by(|a, b| (rank(a), a.identity()).cmp(&(rank(b), b.identity())));
        environments.retain(|id, _| runs.iter().any(|run| run.environment_id == *id));
        details.settle(&runs.iter().enumerate().map(|(place, run)| (run.run_id.as_str(), place)).collect());
    }

    /// Gives runs other ids, in every table: where the way in which ids are formed changes, what was measured stays
    /// what it is. A run without a new id keeps its own.
    ///
    /// # Errors
    /// Two runs that would have one id; nothing is changed then.
    pub fn rekey(&mut self, new_id: impl Fn(&RunRow) -> Option<String>) -> Result<()> {
        let ids: HashMap<String, String> = self
            .runs
            .iter()
            .map(|run| (run.run_id.clone(), new_id(run).unwrap_or_else(|| run.run_id.clone())))
            .collect();
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for (old, new) in &ids {
            if let Some(other) = seen.insert(new, old) {
                bail!("runs {other} and {old} would both be called {new}");
            }
        }
        self.runs.iter_mut().for_each(|run| run.run_id = ids[&run.run_id].clone());
        self.details.rename(|old| ids[old].clone());
        Ok(())
    }
}

/// Is each run the last of its identity and of its id?
fn latest<'a>(runs: impl Iterator<Item = &'a RunRow>) -> Vec<bool> {
    let runs: Vec<&RunRow> = runs.collect();
    let (mut of_identity, mut of_id) = (BTreeMap::new(), HashMap::new());
    for (i, run) in runs.iter().enumerate() {
        of_identity.insert(run.identity(), i);
        of_id.insert(&run.run_id, i);
    }
    let is_last = |(i, run): (usize, &'a RunRow)| of_identity[&run.identity()] == i && of_id[&run.run_id] == i;
    runs.iter().copied().enumerate().map(is_last).collect()
}

/// Tells one `runs.csv` from the next: its length, its time and, where files have one, its number.
pub(super) type Version = Option<(u64, SystemTime, u64)>;

pub(super) fn version(folder: &Path) -> Result<Version> {
    let path = table::path_of::<RunRow>(folder)?;
    #[cfg(unix)]
    let number = |file: &fs::Metadata| std::os::unix::fs::MetadataExt::ino(file);
    #[cfg(not(unix))]
    let number = |_: &fs::Metadata| 0;
    Ok(fs::metadata(path).ok().and_then(|file| Some((file.len(), file.modified().ok()?, number(&file)))))
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
        assert_eq!(documented("learning.csv"), crate::record::LearningRow::columns());
        assert_eq!(documented("time.csv"), crate::record::TimeRow::columns());
        assert_eq!(documented("dataset.json"), table::fields_of::<DatasetRecord>());
        assert_eq!(documented("environment.json"), table::fields_of::<Environment>());
        assert_eq!(documented("experiment.json"), table::fields_of::<ExperimentRecord>());
        assert_eq!(documented("sweep.json"), table::fields_of::<SweepRecord>());
        assert_eq!(documented("draws.json"), table::fields_of::<DrawRecord>());
        assert_eq!(documented("audit.json"), table::fields_of::<AuditRecord>());
        assert_eq!(documented("arms.json"), table::fields_of::<ArmRecord>());
    }
}
