//! A folder of records, open for writing by any number of processes on any number of machines. A finished run is a
//! file of its own, written beside and renamed into place; when a call ends it merges what is there into the tables.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail, ensure};

use crate::atomic;

use super::audit::AuditRecord;
use super::claim::{self, Attempt, CLAIM, Claim, Holder};
use super::files::{self, unwritable};
use super::records::{self, ARMS, AUDIT, DATASET, DRAWS, ENVIRONMENTS, EXPERIMENT, RUNS, Records, SWEEP, Version};
use super::rows::*;
use super::run_file::{self, Loose, RUN, RunRecord, Written};
use super::table;

/// Folder of finished runs whose place another one took; they are used again when they are asked for again.
const SUPERSEDED: &str = "superseded";
/// Hex digits of the manifest's hash in the name of a folder whose plain name belongs to other images.
const HASH_DIGITS: usize = 8;

/// The record folder of one data set (`OUT/DATASET`), open for writing.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    arms: ArmRecords,
    /// How runs had ended when the folder was opened, and those since that this process knows of.
    statuses: HashMap<String, Status>,
    /// Had not ended well by then: to be tried again, once.
    retry: Vec<String>,
    /// The `runs.csv` that was read last.
    seen: Version,
}

/// What is to be done for a run.
#[derive(Debug)]
pub enum Start {
    /// Nothing: it is recorded.
    Recorded(Status),
    /// Nothing: it was recorded before another took its place, and has that again.
    Restored,
    /// It is this process's to measure.
    Own(Claim),
    /// Another process measures it.
    Held(Holder),
}

impl Store {
    /// The folder that the records of a data set belong to: `wanted`, or where that holds records of other images
    /// (another manifest) `wanted-HASH`, with the first digits of the manifest's SHA-256.
    pub fn place(wanted: &Path, manifest_sha256: &str) -> PathBuf {
        let named = with_hash(wanted, manifest_sha256);
        match (manifest_of(wanted), manifest_of(&named)) {
            (Some(manifest), _) if manifest == manifest_sha256 => wanted.to_path_buf(),
            (_, Some(manifest)) if manifest == manifest_sha256 => named,
            (Some(_), _) => named,
            (None, _) => wanted.to_path_buf(),
        }
    }

    /// Opens the folder of a data set ([`Store::place`]), creating it. What is recorded there stays; the data set's
    /// description (but for near-duplicates that were found) and those of `arms` are brought up to date. `describe`
    /// gets the sides of the canvases that are in use there. It writes at once, so that a folder that can't be written
    /// is known before anything is measured.
    ///
    /// # Errors
    /// A folder that can't be written, records that can't be read or are of another version.
    pub fn open(wanted: &Path, describe: impl Fn(&[u32]) -> DatasetRecord, arms: ArmRecords) -> Result<Store> {
        let manifest = describe(&[]).manifest_sha256;
        let (folder, _lock) = locked(wanted, &manifest)?;
        sweep(&folder);
        let recorded = table::path_of::<RunRow>(&folder)?.exists();
        let records = if recorded { Some(Records::read(&folder)?) } else { None };
        let dataset = refreshed(records.as_ref(), describe);
        let mut described = records.as_ref().map(|records| records.arms.clone()).unwrap_or_default();
        let runs = records.map(|records| records.runs).unwrap_or_default();
        described.retain(|arm, _| runs.iter().any(|run| run.arm == *arm));
        described.extend(arms.clone());
        files::write_json(&folder.join(DATASET), &dataset)?;
        files::write_json(&folder.join(ARMS), &described)?;
        if !recorded {
            write_tables(&folder, &Records { arms: described, ..Records::empty(dataset.clone()) })?;
        }
        let statuses: HashMap<_, _> = runs.into_iter().map(|run| (run.run_id, run.status)).collect();
        let retry = statuses.iter().filter(|(_, status)| **status != Status::Ok).map(|(id, _)| id.clone()).collect();
        let seen = records::version(&folder)?;
        Ok(Store { folder, arms, statuses, retry, seen })
    }

    /// Opens the folder without anything that was recorded there, whatever version it is of (`--fresh`).
    ///
    /// # Errors
    /// A folder that can't be written or that another process measures into.
    pub fn create(wanted: &Path, describe: impl Fn(&[u32]) -> DatasetRecord, arms: ArmRecords) -> Result<Store> {
        let dataset = describe(&[]);
        let (folder, _lock) = locked(wanted, &dataset.manifest_sha256)?;
        if let Some(holder) = claims(&folder).find_map(|path| claim::holder(&path)) {
            bail!(
                "{}: {} is measuring into it; wait for it, or choose another --out",
                folder.display(),
                holder.describe()
            );
        }
        table::write::<RunRow>(&folder, &[])?;
        for inside in [RUNS, SUPERSEDED].map(|name| folder.join(name)).iter().filter(|inside| inside.is_dir()) {
            fs::remove_dir_all(inside).map_err(|error| unwritable(inside, &error))?;
        }
        for path in [AUDIT, EXPERIMENT, SWEEP, DRAWS].map(|name| folder.join(name)).iter().filter(|path| path.exists())
        {
            fs::remove_file(path).map_err(|error| unwritable(path, &error))?;
        }
        sweep(&folder);
        write_tables(&folder, &Records { arms: arms.clone(), ..Records::empty(dataset.clone()) })?;
        let seen = records::version(&folder)?;
        Ok(Store { folder, arms, statuses: HashMap::new(), retry: Vec::new(), seen })
    }

    /// Ids of the runs that `folder` has recorded with status `ok`; none where it holds no records that can be read.
    pub fn recorded(folder: &Path) -> Vec<String> {
        let runs = Records::read(folder).map(|records| records.runs).unwrap_or_default();
        runs.into_iter().filter(|run| run.status == Status::Ok).map(|run| run.run_id).collect()
    }

    /// Adds the near-duplicates of another description to that which stands in the folder.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn describe(&self, with: DatasetRecord) -> Result<()> {
        let _lock = lock(&self.folder)?;
        let path = self.folder.join(DATASET);
        let dataset: DatasetRecord = files::read_json(&path)?;
        files::write_json(&path, &dataset.with_near_duplicates_of(with))
    }

    /// What is suspicious about the pictures, as it was found last.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn audit(&self) -> Result<Option<AuditRecord>> {
        files::read_json_if_there(&self.folder.join(AUDIT))
    }

    /// Says what is suspicious about the pictures.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn name_audit(&self, audit: &AuditRecord) -> Result<()> {
        files::write_json(&self.folder.join(AUDIT), audit)
    }
    /// Says which experiment the runs belong to.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn name_experiment(&self, experiment: &ExperimentRecord) -> Result<()> {
        files::write_json(&self.folder.join(EXPERIMENT), experiment)
    }

    /// Says which point of a sweep each data set is.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn name_sweep(&self, sweep: &SweepRecord) -> Result<()> {
        files::write_json(&self.folder.join(SWEEP), sweep)
    }

    /// Says which draws of the splits there are, beside those that were said before.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn name_draws(&self, draws: Vec<DrawRecord>) -> Result<()> {
        let _lock = lock(&self.folder)?;
        let path = self.folder.join(DRAWS);
        let mut all: Vec<DrawRecord> = files::read_json_if_there(&path)?.unwrap_or_default();
        all.retain(|known| draws.iter().all(|draw| draw.dataset != known.dataset));
        all.extend(draws);
        all.sort_by_key(|draw| draw.seed);
        files::write_json(&path, &all)
    }

    /// The data set as it was described last.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn dataset(&self) -> Result<DatasetRecord> {
        files::read_json(&self.folder.join(DATASET))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Was this run recorded with status `ok` when the folder was opened, or since by this process?
    pub fn has(&self, run_id: &str) -> bool {
        self.statuses.get(run_id) == Some(&Status::Ok)
    }

    /// Claims work that belongs to no run.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn claim(&self, work: &str) -> Result<Attempt> {
        claim::claim(&self.folder.join(RUNS).join(format!("{work}.{CLAIM}")))
    }

    /// What there is to do for a run: nothing, or to measure it.
    ///
    /// # Errors
    /// A folder that can't be written, a record that can't be read.
    pub fn start(&mut self, run_id: &str) -> Result<Start> {
        if let Some(status) = self.ended(run_id)? {
            return Ok(Start::Recorded(status));
        }
        let claim = match self.claim(run_id)? {
            Attempt::Held(holder) => return Ok(Start::Held(holder)),
            Attempt::Own(claim) => claim,
        };
        // another process may have finished it just before
        if let Some(status) = self.ended(run_id)? {
            return Ok(Start::Recorded(status));
        }
        if self.restore(run_id)? {
            return Ok(Start::Restored);
        }
        Ok(Start::Own(claim))
    }

    /// How the run ended; `None` where it did not, or is to be tried again.
    fn ended(&mut self, run_id: &str) -> Result<Option<Status>> {
        if !self.has(run_id) {
            let beside = run_file::row(&self.folder.join(RUNS), run_id)?;
            self.statuses.extend(beside.map(|run| (run.run_id, run.status)));
            let version = records::version(&self.folder)?;
            // merged by another process since
            if version != self.seen {
                let runs = table::read::<RunRow>(&self.folder)?;
                self.statuses.extend(runs.into_iter().map(|run| (run.run_id, run.status)));
                self.seen = version;
            }
        }
        let status = self.statuses.get(run_id).copied();
        Ok(status.filter(|status| *status == Status::Ok || !self.retry.iter().any(|id| id == run_id)))
    }

    /// Gives a superseded run its place back.
    fn restore(&mut self, run_id: &str) -> Result<bool> {
        let name = format!("{run_id}.{RUN}");
        let (from, to) = (self.folder.join(SUPERSEDED).join(&name), self.folder.join(RUNS).join(&name));
        if run_file::row(&self.folder.join(SUPERSEDED), run_id)?.is_none() {
            return Ok(false);
        }
        // the latest has the place
        let renamed = fs::File::options().write(true).open(&from).and_then(|file| {
            file.set_modified(SystemTime::now())?;
            fs::rename(&from, &to)
        });
        renamed.map_err(|error| unwritable(&to, &error))?;
        self.statuses.insert(run_id.into(), Status::Ok);
        Ok(true)
    }

    /// Adds a run, as a file of its own. Merged, it takes the place of an older one of the same dataset, arm, backbone,
    /// input, canvas, seed, form and protocol.
    ///
    /// # Errors
    /// A file that can't be written; the folder then holds no part of the run.
    pub fn add(&mut self, record: RunRecord, environment: Environment) -> Result<()> {
        let id = record.run.run_id.clone();
        ensure!(record.details.all_of_run(&id), "run {id}: some of its rows name another run");
        let arm = self.arms.get(&record.run.arm).cloned();
        let status = record.run.status;
        Loose { record, environment, arm }.write(&self.folder.join(RUNS))?;
        self.retry.retain(|retry| *retry != id);
        self.statuses.insert(id, status);
        Ok(())
    }

    /// Merges the runs that stand in files of their own into the tables of `folder`, and returns how many there were.
    /// Finished runs whose place another one took are kept in `superseded`.
    ///
    /// # Errors
    /// Records that can't be read, a file that can't be written; no run is lost then.
    pub fn merge(folder: &Path) -> Result<usize> {
        if run_file::paths(&folder.join(RUNS))?.is_empty() {
            // best effort: nothing is in it, or a claim
            let _ = fs::remove_dir(folder.join(RUNS));
            return Ok(0);
        }
        let _lock = lock(folder)?;
        let (mut records, written) = Records::read_parts(folder)?;
        let before = records.runs.clone();
        let (merged, loose): (Vec<Mark>, Vec<Loose>) = written.into_iter().map(Mark::of).unzip();
        for superseded in records.merge(loose) {
            superseded.write(&folder.join(SUPERSEDED))?;
        }
        records.check_whole(folder)?;
        // At every moment each run of `runs.csv` has all its rows: what goes away leaves it first, what comes enters it last.
        let staying: Vec<RunRow> = before.iter().filter(|run| records.runs.contains(run)).cloned().collect();
        table::write(folder, &staying)?;
        write_tables(folder, &records)?;
        merged.iter().try_for_each(|mark| mark.remove(folder))?;
        let _ = fs::remove_dir(folder.join(RUNS));
        Ok(merged.len())
    }

    /// Writes the records of a folder anew, after `change`, in the form of this version.
    ///
    /// # Errors
    /// Records that can't be read, a file that can't be written, or what `change` says.
    pub fn rewrite(folder: &Path, change: impl FnOnce(&mut Records) -> Result<()>) -> Result<()> {
        Store::merge(folder)?;
        let _lock = lock(folder)?;
        let mut records = Records::read(folder)?;
        let mut before = records.clone();
        change(&mut records)?;
        let gone = before.runs.iter().map(|run| run.run_id.as_str());
        let gone = gone.filter(|id| !records.runs.iter().any(|run| run.run_id == *id)).collect();
        // whenever it is stopped, each run of `runs.csv` has all its rows
        let mut both = records.details.clone();
        both.extend(before.details.take(&gone));
        both.write(folder)?;
        table::write(folder, &records.runs)?;
        write_tables(folder, &records)
    }

    /// Deletes the superseded runs of a folder, and returns how many there were.
    ///
    /// # Errors
    /// A folder that can't be listed or written.
    pub fn prune(folder: &Path) -> Result<usize> {
        let _lock = lock(folder)?;
        let old = folder.join(SUPERSEDED);
        let count = run_file::paths(&old)?.len();
        if old.is_dir() {
            fs::remove_dir_all(&old).map_err(|error| unwritable(&old, &error))?;
        }
        sweep(folder);
        Ok(count)
    }
}

/// The file of a run as it was when it was read.
struct Mark {
    run_id: String,
    path: PathBuf,
    time: SystemTime,
}

impl Mark {
    fn of(Written { path, time, loose }: Written) -> (Mark, Loose) {
        (Mark { run_id: loose.record.run.run_id.clone(), path, time }, loose)
    }

    /// Merged, the file goes, unless another process has measured the run again or is about to.
    fn remove(&self, folder: &Path) -> Result<()> {
        let claimed = claim::claim(&folder.join(RUNS).join(format!("{}.{CLAIM}", self.run_id)))?;
        if matches!(claimed, Attempt::Own(_)) && run_file::time_of(&self.path) == Some(self.time) {
            fs::remove_file(&self.path).map_err(|error| unwritable(&self.path, &error))?;
        }
        Ok(())
    }
}

fn write_tables(folder: &Path, records: &Records) -> Result<()> {
    files::write_json(&folder.join(DATASET), &records.dataset)?;
    files::write_json(&folder.join(ARMS), &records.arms)?;
    files::write_json(&folder.join(ENVIRONMENTS), &records.environments)?;
    records.details.write(folder)?;
    table::write(folder, &records.runs)
}

/// The description of a data set with what is recorded and not in `describe`: canvases in use, near-duplicates.
fn refreshed(records: Option<&Records>, describe: impl Fn(&[u32]) -> DatasetRecord) -> DatasetRecord {
    let Some(recorded) = records.map(|records| &records.dataset) else { return describe(&[]) };
    let canvases: Vec<u32> = recorded.canvas_reduce.keys().copied().collect();
    describe(&canvases).with_near_duplicates_of(recorded.clone())
}

fn with_hash(folder: &Path, manifest_sha256: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!("-{}", manifest_sha256.get(..HASH_DIGITS).unwrap_or(manifest_sha256)));
    name.into()
}

/// Manifest of the data set that is recorded in a folder, also where the rest is of another version.
fn manifest_of(folder: &Path) -> Option<String> {
    let description: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(DATASET)).ok()?).ok()?;
    Some(description.get("manifest_sha256")?.as_str()?.to_owned())
}

/// The folder of a data set, locked. Only what a folder holds once it is locked says whose it is.
fn locked(wanted: &Path, manifest_sha256: &str) -> Result<(PathBuf, Claim)> {
    let first = Store::place(wanted, manifest_sha256);
    let held = lock(&first)?;
    let folder = Store::place(wanted, manifest_sha256);
    if folder == first {
        return Ok((first, held));
    }
    drop(held);
    let held = lock(&folder)?;
    Ok((folder, held))
}

/// Keeps others from describing or merging at the same time; it is held for moments only.
fn lock(folder: &Path) -> Result<Claim> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    claim::wait(&folder.join(format!("writing.{CLAIM}")))
}

/// Claims of runs in a folder.
fn claims(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder.join(RUNS)).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == CLAIM))
}

/// Takes away what dead processes left in a record folder: files beside their place, and claims.
fn sweep(folder: &Path) {
    [folder, &folder.join(RUNS), &folder.join(SUPERSEDED)].iter().for_each(|folder| atomic::sweep(folder));
    claims(folder).for_each(|path| claim::sweep(&path));
}
