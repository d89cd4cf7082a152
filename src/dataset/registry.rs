//! The data sets that featbench knows by name: where they come from and which files they consist of.
//! Each is a pair of files in `datasets/`, built into the program; the images themselves are looked for on this
//! machine and checked against the manifest.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rayon::prelude::*;
use serde::Deserialize;

use super::error::{DatasetError, Differs, NotFound};
use super::findings::{finding, of_image};
use super::folder::{Found, files_below};
use super::manifest::{Manifest, Row, hex_sha256};
use crate::image::{DecodeError, Header, Inspected};
use crate::record::Finding;

macro_rules! embedded {
    ($($name:literal),*) => {
        [$((
            $name,
            include_str!(concat!("../../datasets/", $name, ".toml")),
            include_str!(concat!("../../datasets/", $name, ".csv")),
        )),*]
    };
}

/// Name, description and manifest of every registered data set. To add one: its two files and its name here.
const FILES: [(&str, &str, &str); 2] = embedded!["mini-natural-images", "hymenoptera"];

static REGISTERED: LazyLock<Vec<Registered>> = LazyLock::new(|| {
    let read = |(name, description, manifest)| Registered::parse(name, description, manifest);
    FILES.into_iter().map(|files| read(files).expect("the embedded data sets are valid, a test reads them")).collect()
});

/// A data set with a name, as `datasets/NAME.toml` and `datasets/NAME.csv` describe it.
#[derive(Debug, Clone)]
pub struct Registered {
    pub name: &'static str,
    pub description: Description,
    pub manifest: Manifest,
}

/// `datasets/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub title: String,
    /// The public repository, `https://github.com/OWNER/NAME`.
    pub repository: String,
    /// The commit whose files the manifest lists.
    pub commit: String,
    /// Name of the set's folder, in the repository and on disk.
    pub folder: String,
    /// What a reader of the results must know.
    pub remarks: Vec<String>,
    /// R of the canvas for the sides N that are pinned.
    pub canvas_reduce: BTreeMap<String, u32>,
}

/// What a check of the files found, when all are there.
pub(super) struct Checked {
    pub findings: Vec<Finding>,
    /// Files in the folder that the manifest does not list.
    pub additional: usize,
}

/// Every registered data set, in the order of choice: the first that is here is measured unless one is named.
pub fn registered() -> &'static [Registered] {
    &REGISTERED
}

/// The folders in which registered sets are looked for: `data_dir` or else those of `FEATBENCH_DATA` (a path list),
/// then `featbench/datasets` in the user's data folder.
pub fn search_folders(data_dir: Option<&Path>) -> Vec<PathBuf> {
    let listed = std::env::var_os("FEATBENCH_DATA").unwrap_or_default();
    let mut folders = match data_dir {
        Some(folder) => vec![folder.to_path_buf()],
        None => std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect(),
    };
    folders.extend(data_folder());
    folders
}

/// `$XDG_DATA_HOME/featbench/datasets`, by default below `~/.local/share`; `None` where there is no home.
pub fn data_folder() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    set.or_else(home).map(|data| data.join("featbench/datasets"))
}

impl Description {
    /// Where GitHub offers the commit as an archive.
    pub fn archive(&self) -> String {
        format!("{}/archive/{}.tar.gz", self.repository, self.commit)
    }
}

impl Registered {
    fn parse(name: &'static str, description: &str, manifest: &str) -> anyhow::Result<Registered> {
        let description = toml::from_str(description)?;
        let manifest = Manifest::parse(&format!("datasets/{name}.csv"), manifest.as_bytes())?;
        Ok(Registered { name, description, manifest })
    }

    /// Repository and commit, in words.
    pub fn source(&self) -> String {
        format!("{} at commit {}", self.description.repository, self.description.commit)
    }

    /// The set's folder in the first of `folders` that has it or is it.
    ///
    /// # Errors
    /// [`DatasetError::NotFound`] says where it was looked for and how to get it.
    pub fn locate(&self, folders: &[PathBuf]) -> Result<PathBuf, DatasetError> {
        let name = &self.description.folder;
        let candidates = folders.iter().flat_map(|folder| [folder.join(name), folder.clone()]);
        candidates.into_iter().find(|folder| self.is_in(folder)).ok_or_else(|| {
            DatasetError::NotFound(NotFound {
                name: self.name.into(),
                folder: name.clone(),
                archive: self.description.archive(),
                looked_in: folders.to_vec(),
            })
        })
    }

    /// A folder is taken for the set if it has its name or all its class folders; what is missing then is an error.
    fn is_in(&self, folder: &Path) -> bool {
        let classes: BTreeSet<_> = self.manifest.used().filter_map(|row| Path::new(&row.path).parent()).collect();
        let is_named = folder.file_name() == Some(OsStr::new(&self.description.folder));
        folder.is_dir() && (is_named || classes.into_iter().all(|class| folder.join(class).is_dir()))
    }

    /// Compares every file that has a role with the manifest, by SHA-256; `header` looks at each for findings.
    ///
    /// # Errors
    /// [`DatasetError::Differs`] if files are missing or have other bytes.
    pub(super) fn check(
        &self,
        folder: &Path,
        header: impl Fn(&[u8]) -> Result<Header, DecodeError> + Sync,
    ) -> Result<Checked, DatasetError> {
        let states = self.manifest.rows.par_iter().map(|row| check_file(folder, row, &header));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let mut checked = Checked { findings: Vec::new(), additional: self.additional(folder)? };
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        for (row, state) in self.manifest.rows.iter().zip(states) {
            match state {
                FileState::Good(finding) => checked.findings.extend(finding),
                FileState::Missing => missing.push(row.path.clone()),
                FileState::Changed => changed.push(row.path.clone()),
            }
        }
        if missing.is_empty() && changed.is_empty() {
            return Ok(checked);
        }
        let (name, folder) = (self.name.to_string(), folder.to_path_buf());
        Err(DatasetError::Differs(Differs { name, folder, missing, changed, source: self.source() }))
    }

    fn additional(&self, folder: &Path) -> Result<usize, DatasetError> {
        let listed: HashSet<_> = self.manifest.rows.iter().map(|row| row.path.as_str()).collect();
        let Found { files, .. } = files_below(folder)?;
        Ok(files.iter().filter(|path| !listed.contains(path.as_str())).count())
    }
}

enum FileState {
    Good(Vec<Finding>),
    Missing,
    Changed,
}

fn check_file(
    folder: &Path,
    row: &Row,
    header: &impl Fn(&[u8]) -> Result<Header, DecodeError>,
) -> Result<FileState, DatasetError> {
    // A file without a role is not needed; what it was when the manifest was made is said in words.
    if row.role.is_none() {
        return Ok(FileState::Good(vec![finding("unsupported", &row.path, "listed in the manifest, never used")]));
    }
    let path = folder.join(&row.path);
    match fs::read(&path) {
        Ok(bytes) if hex_sha256(&bytes) == row.sha256 => {
            Ok(FileState::Good(of_image(&row.path, &header(&bytes).map(Inspected::from))))
        }
        Ok(_) => Ok(FileState::Changed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(FileState::Missing),
        Err(error) => Err(DatasetError::io(&path, error)),
    }
}

#[cfg(test)]
mod tests;
