//! A folder as a tree of names with numbers of pictures: what a layout is told by, and drawn for a message.

use std::collections::BTreeMap;

use super::walk::Found;
use crate::names::printable;

/// Endings of files that lie beside images and are none. All else counts as a picture until it is looked at.
const DOCUMENTS: [&str; 44] = [
    "7z", "bib", "bz2", "cfg", "csv", "db", "doc", "docx", "gz", "h5", "hdf5", "htm", "html", "ini", "ipynb", "json",
    "jsonl", "lnk", "log", "mat", "md", "npy", "npz", "ods", "parquet", "pdf", "pkl", "py", "rar", "rst", "sh",
    "sqlite", "tar", "tgz", "toml", "tsv", "txt", "url", "xls", "xlsx", "xml", "yaml", "yml", "zip",
];

/// Of these, the ones that often hold labels.
const TABLES: [&str; 7] = ["csv", "json", "jsonl", "tsv", "txt", "xls", "xlsx"];

/// How much of a tree is drawn.
const LEVELS: usize = 3;
const NAMES: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Pictures in this folder itself.
    pub pictures: usize,
    /// Names of the files that are no pictures.
    pub documents: Vec<String>,
    pub folders: BTreeMap<String, Tree>,
    /// Pictures here and below.
    pub total: usize,
    /// Files of any kind here and below.
    pub files: usize,
}

impl Tree {
    pub fn of(found: &Found) -> Tree {
        let mut root = Tree::default();
        for folder in &found.folders {
            folder.split('/').fold(&mut root, |at, name| at.folders.entry(name.to_owned()).or_default());
        }
        for file in &found.files {
            let (folders, name) =
                file.rsplit_once('/').map_or((None, file.as_str()), |(before, name)| (Some(before), name));
            let picture = is_picture(name);
            let count = |at: &mut Tree| {
                at.total += usize::from(picture);
                at.files += 1;
            };
            count(&mut root);
            let mut at = &mut root;
            for folder in folders.into_iter().flat_map(|folders| folders.split('/')) {
                at = at.folders.entry(folder.to_owned()).or_default();
                count(at);
            }
            if picture { at.pictures += 1 } else { at.documents.push(name.to_owned()) }
        }
        root
    }

    /// Folders with pictures at or below them.
    pub fn filled(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.folders.iter().filter(|(_, tree)| tree.total > 0).map(|(name, tree)| (name.as_str(), tree))
    }

    /// Documents here that may hold labels.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        let is_table = |name: &&str| ending(name).is_some_and(|ending| TABLES.contains(&ending.as_str()));
        self.documents.iter().map(String::as_str).filter(is_table)
    }

    /// A few lines: `NAME/` with how many images it holds, what is below it further in.
    pub fn draw(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        self.draw_into(name, 0, &mut lines);
        let width = lines.iter().map(|(place, _): &(String, String)| place.chars().count()).max().unwrap_or_default();
        lines.into_iter().map(|(place, text)| format!("{place:width$}  {text}").trim_end().to_owned()).collect()
    }

    fn draw_into(&self, name: &str, level: usize, lines: &mut Vec<(String, String)>) {
        let pad = "  ".repeat(level);
        let deeper = self.filled().next().is_some();
        let text = match (if deeper && level + 1 < LEVELS { self.pictures } else { self.total }, deeper) {
            (0, true) => String::new(),
            (0, false) => "no image".into(),
            (count, _) => images(count),
        };
        lines.push((format!("{pad}{}/", printable(name)), text));
        if level + 1 == LEVELS {
            return;
        }
        let more = |count: usize, what: &str| (format!("{pad}  … {count} more {what}"), String::new());
        self.folders.iter().take(NAMES).for_each(|(name, tree)| tree.draw_into(name, level + 1, lines));
        if self.folders.len() > NAMES {
            lines.push(more(self.folders.len() - NAMES, "folders"));
        }
        let tables: Vec<&str> = self.tables().collect();
        lines.extend(tables.iter().take(2).map(|name| (format!("{pad}  {}", printable(name)), String::new())));
        if tables.len() > 2 {
            lines.push(more(tables.len() - 2, "such files"));
        }
    }
}

/// `1 image`, `12 images`.
pub(super) fn images(count: usize) -> String {
    format!("{count} {}", if count == 1 { "image" } else { "images" })
}

/// What so many images do.
pub(super) fn lie(count: usize) -> &'static str {
    if count == 1 { "lies" } else { "lie" }
}

fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase())
}

pub(super) fn is_picture(name: &str) -> bool {
    !ending(name).is_some_and(|ending| DOCUMENTS.contains(&ending.as_str()))
}
