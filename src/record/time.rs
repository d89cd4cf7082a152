//! `time.csv`: what `featbench time` measured, every sample with all that tells it from the others. Beside it stands
//! `environment.json`, as in every record folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::files;
use super::records::ENVIRONMENTS;
use super::rows::{Environment, Environments};
use super::table::{self, Row};

/// One sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeRow {
    /// Key into `environment.json`.
    pub environment_id: String,
    pub dataset: String,
    pub arm: String,
    /// Network behind the features; empty where there is none.
    pub backbone: String,
    /// Side of the network's input in pixels; empty where there is none.
    pub input_px: Option<u32>,
    /// `native` or the side of the canvas in pixels.
    pub canvas: String,
    pub seed: u64,
    /// `cpu` or `cuda`.
    pub device: String,
    /// `single`, `batch` or `offline`; never mixed.
    pub scenario: String,
    pub threads: usize,
    /// Part of the way from encoded bytes to class, or all of it.
    pub stage: String,
    /// Number of the sample within its scenario and stage, from 0.
    pub sample: usize,
    /// Images that the sample covers.
    pub images: usize,
    pub milliseconds: f64,
}

impl Row for TimeRow {
    const NAME: &'static str = "time";
}

/// Writes the record of one call into `folder`, in the place of an older one, compressed where that was. Returns its
/// place.
///
/// # Errors
/// A folder that can't be written.
pub fn write(folder: &Path, rows: &[TimeRow], (id, environment): (&str, Environment)) -> Result<PathBuf> {
    files::write_json(&folder.join(ENVIRONMENTS), &Environments::from([(id.to_owned(), environment)]))?;
    table::write(folder, rows)?;
    table::path_of::<TimeRow>(folder)
}
