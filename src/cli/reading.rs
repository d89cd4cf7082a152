//! Options that say how a folder of one's own is read: labels from a table, groups from names.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::dataset::{Dataset, DatasetError, Grouping, Reading};

/// Draws the splits of a user's folder; the seeds of `--seeds` are for the arms.
const SPLIT_SEED: u64 = 0;

/// For the commands that open data sets.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ReadingOptions {
    /// Labels of a folder's images where its folders don't say them: a table with the columns path,label and, where they
    /// are known, split (train, val, test) and group; paths are inside the folder
    #[arg(long, value_name = "FILE.csv")]
    pub labels: Option<PathBuf>,
    /// What images of one group (patient, burst, video, camera) have in common in their paths, as '^[^/]+/([^_]+)_': the
    /// first (...) or the whole match; no group stands on two sides of a split
    #[arg(long, value_name = "REGEX")]
    pub group: Option<Grouping>,
}

impl ReadingOptions {
    /// The data set of this name or in this folder, with the splits that every command draws alike.
    pub fn open(&self, name_or_folder: &str, data_dir: Option<&Path>) -> Result<Dataset, DatasetError> {
        Dataset::open_as(name_or_folder, data_dir, &self.reading())
    }

    fn reading(&self) -> Reading {
        Reading { seed: SPLIT_SEED, labels: self.labels.clone(), grouping: self.group.clone() }
    }

    /// What is typed to read a folder this way again.
    pub fn typed(&self) -> String {
        self.reading().typed()
    }
}
