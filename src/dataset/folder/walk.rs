//! Every file below a folder, and what could not be looked at: one folder that can't be opened ends nothing.
//! What systems and programs put beside images (thumbnails, recycle bins, snapshots) is not read.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::DatasetError;
use crate::dataset::findings::finding;
use crate::record::Finding;

/// Folders of file servers, operating systems and programs, in lower case; a class may be called `$5` or `#1`, so that
/// only known names are taken for them. Names that begin with a dot are hidden anyhow.
const OF_SYSTEMS: [&str; 19] = [
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "@tmp",
    "@sharebin",
    "@sharesnap",
    "#recycle",
    "#snapshot",
    "~snapshot",
    "$recycle.bin",
    "$extend",
    "recycler",
    "recycled",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "__macosx",
    "__pycache__",
];

/// Files of the same kind, in lower case.
const FILES_OF_SYSTEMS: [&str; 5] = ["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"];

/// What is below a folder; paths are inside it, with `/`.
#[derive(Debug, Default)]
pub struct Found {
    /// Sorted.
    pub files: Vec<String>,
    /// Also those without a file.
    pub folders: Vec<String>,
    /// What is no file, has no name in UTF-8, can't be opened or is not read.
    pub findings: Vec<Finding>,
}

/// Every file at and below `folder`; hidden ones are left out.
///
/// # Errors
/// Only where `folder` itself is none or can't be read.
pub fn files_below(folder: &Path) -> Result<Found, DatasetError> {
    let mut found = Found::default();
    let mut ignored = BTreeMap::<String, Vec<String>>::new();
    // Links to folders are followed; each folder is read once, so that a circle of links ends.
    let mut seen = HashSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let inside =
            next.strip_prefix(folder).unwrap_or(&next).to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        let entries = fs::canonicalize(&next).and_then(|place| {
            let entries = fs::read_dir(&next)?.collect::<Result<Vec<_>, _>>()?;
            Ok((place, entries))
        });
        let (place, entries) = match entries {
            Ok(read) => read,
            Err(error) if next == folder => {
                return Err(match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => DatasetError::NoFolder(next),
                    _ => DatasetError::io(&next, error),
                });
            }
            Err(error) => {
                let detail = format!("the folder can't be read ({error}), what is in it is left out");
                found.findings.push(finding("lost", &inside, &detail));
                continue;
            }
        };
        if !seen.insert(place) {
            let detail = "a link to a folder that is read already, ignored";
            found.findings.push(finding("unsupported", &inside, detail));
            continue;
        }
        if next != folder {
            found.folders.push(inside);
        }
        let mut paths: Vec<_> = entries.iter().map(|entry| (entry.path(), entry.file_type())).collect();
        // The last opened is read next: in falling order, so that of two links the first by name counts.
        paths.sort_unstable_by(|a, b| b.0.cmp(&a.0));
        for (path, kind) in paths {
            let is_folder = fs::metadata(&path).map(|what| what.is_dir());
            let inside = path.strip_prefix(folder).unwrap_or(&path);
            let Some(name) = inside.to_str() else {
                let lossy = inside.to_string_lossy();
                found.findings.push(match is_folder {
                    Ok(true) => {
                        let files = files_below(&path).map_or(0, |found| found.files.len());
                        let detail =
                            format!("the folder's name is not UTF-8, its {files} files are left out: rename it");
                        finding("lost", &lossy, &detail)
                    }
                    _ => finding("unsupported", &lossy, "its name is not UTF-8: rename it"),
                });
                continue;
            };
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            let own = name.rsplit('/').next().unwrap_or(&name);
            match is_folder {
                Ok(true) if is_of_system(own, &OF_SYSTEMS) => ignored.entry(own.to_owned()).or_default().push(name),
                _ if is_of_system(own, &FILES_OF_SYSTEMS) => {}
                Ok(true) => open.push(path),
                Ok(false) if path.is_file() => found.files.push(name),
                Ok(false) => found.findings.push(finding("unsupported", &name, "not a regular file")),
                Err(error) if kind.is_ok_and(|kind| kind.is_dir()) => {
                    let detail = format!("the folder can't be read ({error}), what is in it is left out");
                    found.findings.push(finding("lost", &name, &detail));
                }
                Err(error) => found.findings.push(finding("unreadable", &name, &error.to_string())),
            }
        }
    }
    found.files.sort();
    for places in ignored.into_values() {
        let more = places.len() - 1;
        let more = if more > 0 { format!("; {more} more of this name") } else { String::new() };
        let detail = format!("a folder that systems or programs make, not read{more}");
        found.findings.push(finding("ignored", places.iter().min().map_or("", |place| place), &detail));
    }
    Ok(found)
}

fn is_of_system(name: &str, known: &[&str]) -> bool {
    let small = name.to_lowercase();
    // what Windows keeps of a download, what it found after a crash
    let is_stream = small.ends_with(":zone.identifier");
    let is_rescued =
        small.strip_prefix("found.").is_some_and(|number| number.len() == 3 && number.parse::<u16>().is_ok());
    name.starts_with('.') || known.contains(&small.as_str()) || is_stream || is_rescued
}
