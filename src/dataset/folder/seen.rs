//! What was found in a folder, as the rules of layouts look at it, and how a layout that is not meant is refused.

use std::collections::HashSet;
use std::path::Path;

use super::DatasetError;
use super::labels::{Table, table};
use super::tree::Tree;
use super::walk::Found;
use crate::dataset::error::Foreign;
use crate::dataset::manifest::Part;
use crate::names::printable;

/// Names in a sentence before it says how many more there are.
const NAMES: usize = 6;

/// A file that stands where an image of a class belongs.
#[derive(Debug)]
pub(super) struct Placed {
    pub path: String,
    /// `None` in a folder without splits.
    pub split: Option<Part>,
    pub label: String,
    /// Of images that must not stand on two sides; `None` where it belongs to no group.
    pub group: Option<String>,
}

/// What the rules look at.
pub(super) struct Seen<'a> {
    pub folder: &'a Path,
    pub found: &'a Found,
    pub tree: &'a Tree,
    /// Where splits or classes are.
    pub top: &'a Tree,
}

impl Seen<'_> {
    pub(super) fn foreign(&self, what: String, meant: &[&str], remedy: String) -> DatasetError {
        let name = self.folder.file_name().map_or("FOLDER".into(), |name| name.to_string_lossy());
        let table = self.table(&HashSet::new()).map(|Table { path, columns, .. }| {
            let columns: Vec<String> =
                columns.iter().take(NAMES).map(|name| format!("`{}`", printable(name))).collect();
            format!(
                " Labels may be in `{}` (columns {}): with the columns path,label it is what --labels reads.",
                printable(&path),
                columns.join(", ")
            )
        });
        DatasetError::Foreign(Box::new(Foreign {
            folder: self.folder.to_path_buf(),
            what,
            seen: self.tree.draw(&name),
            meant: meant.iter().map(|line| (*line).to_owned()).collect(),
            remedy: remedy + &table.unwrap_or_default(),
        }))
    }

    pub(super) fn table(&self, folders: &HashSet<&str>) -> Option<Table> {
        table(self.folder, self.tree, &self.found.files, folders)
    }
}

/// Names as code, the first few of them.
pub(super) fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|name| format!("`{}`", printable(name))).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
