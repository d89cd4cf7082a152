//! A manifest: every file of a data set with its label, split, hash and size, as CSV.
//! It is committed for the registered data sets and written for a user's folder, so that a result can name the
//! exact files behind it.

use serde::{Deserialize, Serialize};

/// One line of a manifest file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Path inside the data set's folder, with `/`.
    pub path: String,
    pub label: String,
    /// The published split that the file stands in: `train`, `val` or `test`.
    pub split: String,
    /// What featbench uses it for: `train`, `val` (selection), `test` (reported); empty for a file that is listed but never used.
    pub role: String,
    pub sha256: String,
    pub width: u32,
    pub height: u32,
}

/// All rows, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub rows: Vec<Row>,
}
