//! The record of one run as a file of its own: its rows in every table, the machine and the arm, one section each. It
//! is written whole or not at all, costs what the run costs, and is merged into the tables later.
//!
//! ```text
//! featbench run 1
//! # runs.csv 312
//! run_id,dataset,…
//! # predictions.csv 20412
//! …
//! # end 0
//! ```
//! The number is that of the bytes which follow the line.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::details::Details;
use super::files;
use super::rows::*;
use super::table::{self, Row};

/// What the file's name ends with, after the run's id.
pub(super) const RUN: &str = "run";
const FIRST_LINE: &str = "featbench run 1\n";
const END: &str = "end";
const ENVIRONMENT: &str = "environment.json";
const ARM: &str = "arm.json";

/// One run with all that is recorded of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub run: RunRow,
    pub details: Details,
}

/// A run that stands in a file of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loose {
    pub record: RunRecord,
    pub environment: Environment,
    /// Description of the arm, where the tables may lack it.
    pub arm: Option<ArmRecord>,
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub path: PathBuf,
    pub time: SystemTime,
    pub loose: Loose,
}

fn path_of(folder: &Path, run_id: &str) -> PathBuf {
    folder.join(format!("{run_id}.{RUN}"))
}

impl Loose {
    /// Writes `FOLDER/RUN_ID.run`, in the place of an older one.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = path_of(folder, &self.record.run.run_id);
        let text = self.text().with_context(|| path.display().to_string())?;
        files::write(&path, &text)
    }

    fn text(&self) -> Result<Vec<u8>> {
        let RunRecord { run, details } = &self.record;
        let mut text = FIRST_LINE.as_bytes().to_vec();
        add(&mut text, std::slice::from_ref(run))?;
        add(&mut text, &details.predictions)?;
        add(&mut text, &details.timings)?;
        add(&mut text, &details.selection)?;
        add(&mut text, &details.steps)?;
        add(&mut text, &details.epochs)?;
        add(&mut text, &details.learning)?;
        add_json(&mut text, ENVIRONMENT, &self.environment)?;
        if let Some(arm) = &self.arm {
            add_json(&mut text, ARM, arm)?;
        }
        section(&mut text, END, &[]);
        Ok(text)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Loose> {
        let sections = sections(text).ok_or_else(|| files::other_version(path, "not a whole record of a run"))?;
        let run = run_in(&sections, path)?;
        let details = Details {
            predictions: rows(&sections, path)?,
            timings: rows(&sections, path)?,
            selection: rows(&sections, path)?,
            steps: rows(&sections, path)?,
            epochs: rows(&sections, path)?,
            learning: rows(&sections, path)?,
        };
        let environment = json(&sections, ENVIRONMENT, path)?
            .ok_or_else(|| files::other_version(path, &format!("no section {ENVIRONMENT}")))?;
        let arm = json(&sections, ARM, path)?;
        let whole = details.all_of_run(&run.run_id)
            && path_of(Path::new(""), &run.run_id).as_os_str() == path.file_name().unwrap_or_default();
        ensure!(whole, files::other_version(path, "some of its rows name another run"));
        Ok(Loose { record: RunRecord { run, details }, environment, arm })
    }
}

/// The run's line in `FOLDER/RUN_ID.run`; `None` where there is no such file.
pub(super) fn row(folder: &Path, run_id: &str) -> Result<Option<RunRow>> {
    let path = path_of(folder, run_id);
    let Some((text, _)) = read_if_there(&path)? else { return Ok(None) };
    let sections = sections(&text).ok_or_else(|| files::other_version(&path, "not a whole record of a run"))?;
    run_in(&sections, &path).map(Some)
}

/// Every run that stands in `folder`, from the oldest to the latest.
pub(super) fn all(folder: &Path) -> Result<Vec<Written>> {
    let mut found = Vec::new();
    for path in paths(folder)? {
        // gone by now: another process has merged it into the tables
        if let Some((text, time)) = read_if_there(&path)? {
            found.push(Written { loose: Loose::parse(&text, &path)?, time, path });
        }
    }
    found.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
    Ok(found)
}

/// Files of runs in `folder`, in no order; none where there is no such folder.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| files::unreadable(folder, &error))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| files::unreadable(folder, &error)));
    let is_run = |path: &PathBuf| path.extension().is_some_and(|extension| extension == RUN);
    paths.filter(|path| path.as_ref().map_or(true, is_run)).collect()
}

/// When the file was written; `None` where it is gone.
pub(super) fn time_of(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn read_if_there(path: &Path) -> Result<Option<(Vec<u8>, SystemTime)>> {
    let Some(time) = time_of(path) else { return Ok(None) };
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => Ok(Some((text.map_err(|error| files::unreadable(path, &error))?, time))),
    }
}

fn section(text: &mut Vec<u8>, name: &str, content: &[u8]) {
    text.extend(format!("# {name} {}\n", content.len()).bytes());
    text.extend(content);
}

fn add<R: Row>(text: &mut Vec<u8>, rows: &[R]) -> Result<()> {
    if !rows.is_empty() {
        section(text, &format!("{}.csv", R::NAME), &table::to_csv(rows)?);
    }
    Ok(())
}

fn add_json<T: Serialize>(text: &mut Vec<u8>, name: &str, value: &T) -> Result<()> {
    section(text, name, format!("{:#}\n", serde_json::to_value(value)?).as_bytes());
    Ok(())
}

type Sections<'a> = BTreeMap<&'a str, &'a [u8]>;

/// `None` unless the file is whole.
fn sections(text: &[u8]) -> Option<Sections<'_>> {
    let mut rest = text.strip_prefix(FIRST_LINE.as_bytes())?;
    let mut found = Sections::new();
    loop {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (name, bytes) = std::str::from_utf8(&rest[..end]).ok()?.strip_prefix("# ")?.rsplit_once(' ')?;
        let (content, after) = rest[end + 1..].split_at_checked(bytes.parse().ok()?)?;
        if name == END {
            return after.is_empty().then_some(found);
        }
        found.insert(name, content);
        rest = after;
    }
}

fn rows<R: Row>(sections: &Sections, path: &Path) -> Result<Vec<R>> {
    let content = sections.get(format!("{}.csv", R::NAME).as_str());
    content.map_or_else(|| Ok(Vec::new()), |content| table::parse(*content, path, None))
}

fn run_in(sections: &Sections, path: &Path) -> Result<RunRow> {
    let mut runs = rows(sections, path)?;
    let run = runs.pop().filter(|_| runs.is_empty());
    run.ok_or_else(|| files::other_version(path, "not the record of one run"))
}

fn json<T: DeserializeOwned>(sections: &Sections, name: &str, path: &Path) -> Result<Option<T>> {
    let parse = |content: &&[u8]| serde_json::from_slice(content).map_err(|error| anyhow!(error));
    sections.get(name).map(parse).transpose().map_err(|error| files::other_version(path, &error.to_string()))
}
