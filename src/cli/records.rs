//! `featbench records`: looks after record folders that are there already.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};

use crate::measure::session::Outcome;
use crate::record::{Records, Store};

const EXAMPLES: &str = "\
Examples:
  featbench records merge featbench-report            runs of calls that were killed, into the tables
  featbench records prune featbench-report/photos     delete the runs whose place others took
  featbench records convert reports                   write records of an older version as this one does";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Merge runs that stand in files of their own into the tables, as a call does when it ends
    Merge(Below),
    /// Delete superseded runs: those whose place a run with other settings took
    Prune(Below),
    /// Write records as this version does
    Convert {
        #[command(flatten)]
        below: Below,
        /// Also give runs other ids: a file with lines OLD,NEW
        #[arg(long, value_name = "FILE")]
        ids: Option<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
struct Below {
    /// Every folder of records in or below this one
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    match &args.task {
        Task::Merge(below) => below.each(|folder| Ok(format!("{} runs merged", Store::merge(folder)?))),
        Task::Prune(below) => below.each(|folder| Ok(format!("{} superseded runs deleted", Store::prune(folder)?))),
        Task::Convert { below, ids } => {
            let ids = ids.as_deref().map_or_else(|| Ok(HashMap::new()), new_ids)?;
            below.each(|folder| convert(folder, &ids))
        }
    }
}

impl Below {
    fn each(&self, task: impl Fn(&Path) -> Result<String>) -> Result<Outcome> {
        let folders = if self.folder.is_dir() { Records::find(&self.folder)? } else { Vec::new() };
        ensure!(!folders.is_empty(), "no records (runs.csv) in or below {}", self.folder.display());
        for folder in folders {
            println!("{}: {}", folder.display(), task(&folder)?);
        }
        Ok(Outcome::Complete)
    }
}

fn convert(folder: &Path, ids: &HashMap<String, String>) -> Result<String> {
    let mut renamed = 0;
    Store::rewrite(folder, |records| {
        renamed = records.runs.iter().filter(|run| ids.contains_key(&run.run_id)).count();
        records.rekey(|run| ids.get(&run.run_id).cloned())
    })?;
    Ok(format!("converted, {renamed} runs with new ids"))
}

/// New ids by old ones.
fn new_ids(path: &Path) -> Result<HashMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut ids = HashMap::new();
    for (i, line) in text.lines().enumerate() {
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let Some((old, new)) = line.split_once(',').filter(|(old, new)| is_id(old) && is_id(new)) else {
            bail!("{}: line {}: `{line}` is not OLD,NEW, two ids of runs", path.display(), i + 1)
        };
        ids.insert(old.to_owned(), new.to_owned());
    }
    Ok(ids)
}
