//! A table of labels beside images: does a CSV name the pictures, and do their folders say what it says?

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::tree::{Tree, is_picture};

/// So much of a table is looked at.
const ROWS: usize = 2_000;
const BYTES: u64 = 8 << 20;
const NAMED: usize = 3;

/// A table beside pictures.
pub(super) struct Table {
    /// Path inside the data set.
    pub path: String,
    /// As its first line says.
    pub columns: Vec<String>,
    /// Do at least half of its rows name a picture?
    pub names_pictures: bool,
    /// Does it also name a folder that holds pictures, as a label or in their paths?
    pub names_folders: bool,
}

/// The first table at the top of `tree` or one folder further in that names pictures, or else the first of any kind.
pub(super) fn table(folder: &Path, tree: &Tree, files: &[String], folders: &HashSet<&str>) -> Option<Table> {
    let here = tree.tables().map(str::to_owned);
    let below = tree.folders.iter().flat_map(|(name, tree)| tree.tables().map(move |table| format!("{name}/{table}")));
    let mut tables: Vec<String> = here.chain(below).collect();
    tables.retain(|path| path.to_lowercase().ends_with("csv") || path.to_lowercase().ends_with("tsv"));
    if tables.is_empty() {
        return None;
    }
    // a name that several pictures have can't label one
    let mut names = BTreeMap::<&str, usize>::new();
    for file in files.iter().filter(|file| is_picture(file)) {
        let name = file.rsplit('/').next().unwrap_or(file);
        *names.entry(name).or_default() += 1;
        if let Some((stem, _)) = name.rsplit_once('.') {
            *names.entry(stem).or_default() += 1;
        }
    }
    let names: HashSet<&str> = names.into_iter().filter(|(_, count)| *count == 1).map(|(name, _)| name).collect();
    let mut tables: Vec<Table> = tables.into_iter().filter_map(|path| read(folder, path, &names, folders)).collect();
    tables.sort_by_key(|table| !table.names_pictures);
    tables.into_iter().next()
}

fn read(folder: &Path, path: String, names: &HashSet<&str>, folders: &HashSet<&str>) -> Option<Table> {
    let file = BufReader::new(File::open(folder.join(&path)).ok()?.take(BYTES));
    let delimiter = if path.to_lowercase().ends_with("tsv") { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
    let columns: Vec<String> = reader.headers().ok()?.iter().map(str::to_owned).collect();
    let (mut rows, mut named, mut names_folders) = (0, 0, false);
    for row in reader.records().take(ROWS).map_while(Result::ok) {
        let parts = || row.iter().flat_map(|field| field.split(['/', '\\']).map(str::trim));
        let last = |field: &str| names.contains(field.rsplit(['/', '\\']).next().unwrap_or(field).trim());
        rows += 1;
        named += usize::from(row.iter().any(last));
        names_folders |= parts().any(|part| folders.contains(part));
    }
    let names_pictures = named >= NAMED.min(rows) && 2 * named >= rows && rows > 0;
    (columns.len() > 1).then_some(Table { path, columns, names_pictures, names_folders })
}
