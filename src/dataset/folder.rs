//! Any folder as a data set: `SPLIT/CLASS/FILE`, or `CLASS/FILE` with a split that is drawn.
//! Every file is looked at; one that can't be used becomes a finding with its reason and stays out of every split.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::error::DatasetError;
use super::findings::{finding, image_finding};
use super::manifest::{Manifest, Part, Row, hex_sha256};
use crate::image::{DecodeError, Header};
use crate::record::Finding;

/// What is in a folder.
pub(super) struct Scan {
    pub manifest: Manifest,
    /// Of single files; those of the whole set come from the manifest.
    pub findings: Vec<Finding>,
}

/// Reads a folder of images. `inspect` says whether a file's bytes are a usable image.
///
/// With `train`, `val` and `test` folders each is what its name says. Without `test`, `val` is reported; where
/// nothing is left for selection, a fifth of train is drawn for it. Without split folders, a fifth of every class
/// is drawn for selection and one for the report.
pub(super) fn scan(
    folder: &Path,
    seed: u64,
    inspect: impl Fn(&[u8]) -> Result<Header, DecodeError> + Sync,
) -> Result<Scan, DatasetError> {
    let (files, mut findings) = files_below(folder)?;
    let (placed, stray) = place(&files);
    findings.extend(stray);
    if placed.is_empty() {
        return Err(DatasetError::Empty(folder.to_path_buf()));
    }
    let looked: Vec<_> = placed.par_iter().map(|file| look(folder, file, &inspect)).collect();
    let (mut rows, of_files): (Vec<Row>, Vec<Option<Finding>>) = looked.into_iter().unzip();
    findings.extend(of_files.into_iter().flatten());

    let used: Vec<&Row> = rows.iter().filter(|row| row.role.is_some()).collect();
    let classes: BTreeSet<&str> = used.iter().map(|row| row.label.as_str()).collect();
    match (used.is_empty(), classes.len()) {
        (true, _) => {
            let first = findings.first().map_or(String::new(), |f| format!("{}: {}", f.what, f.detail));
            return Err(DatasetError::NoneReadable { folder: folder.into(), files: rows.len(), first });
        }
        (false, 1) => {
            return Err(DatasetError::OneClass { folder: folder.into(), class: used[0].label.clone() });
        }
        _ => assign_roles(folder, &mut rows, seed)?,
    }
    let manifest = Manifest::new(rows);
    match Part::ALL.into_iter().find(|&part| manifest.with_role(part).next().is_none()) {
        Some(part) => Err(DatasetError::NoPart { folder: folder.into(), part: part.name() }),
        None => Ok(Scan { manifest, findings }),
    }
}

/// Paths inside `folder`, with `/`, sorted; and what is no file or has no name in UTF-8. Hidden files are left out.
pub fn files_below(folder: &Path) -> Result<(Vec<String>, Vec<Finding>), DatasetError> {
    let mut files = Vec::new();
    let mut findings = Vec::new();
    // Links to folders are followed; each folder is read once, so that a circle of links ends.
    let mut seen = HashSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let no_folder = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if next == folder => DatasetError::NoFolder(next.clone()),
            _ => DatasetError::io(&next, error),
        };
        if !seen.insert(fs::canonicalize(&next).map_err(no_folder)?) {
            let inside = next.strip_prefix(folder).unwrap_or(&next).to_string_lossy();
            findings.push(finding("unsupported", &inside, "a link to a folder that is read already, ignored"));
            continue;
        }
        let entries = fs::read_dir(&next).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut paths: Vec<_> = entries.map_err(no_folder)?.iter().map(|entry| entry.path()).collect();
        // The last opened is read next: in falling order, so that of two links the first by name counts.
        paths.sort_unstable_by(|a, b| b.cmp(a));
        for path in paths {
            let inside = path.strip_prefix(folder).unwrap_or(&path);
            let Some(name) = inside.to_str() else {
                let detail = "its name is not UTF-8: rename it";
                findings.push(finding("unsupported", &inside.to_string_lossy(), detail));
                continue;
            };
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            match fs::metadata(&path) {
                _ if is_hidden(&name) => {}
                Ok(what) if what.is_dir() => open.push(path),
                Ok(what) if what.is_file() => files.push(name),
                Ok(_) => findings.push(finding("unsupported", &name, "not a regular file")),
                Err(error) => findings.push(finding("unreadable", &name, &error.to_string())),
            }
        }
    }
    files.sort();
    Ok((files, findings))
}

fn is_hidden(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with('.') || matches!(name, "Thumbs.db" | "desktop.ini" | "__MACOSX")
}

/// A file that stands where an image of a class belongs.
struct Placed {
    path: String,
    /// `None` in a folder without splits.
    split: Option<Part>,
    label: String,
}

/// Split and class of each file by its path; files elsewhere become findings.
fn place(files: &[String]) -> (Vec<Placed>, Vec<Finding>) {
    let parts = |path: &str| path.split('/').map(String::from).collect::<Vec<_>>();
    // A class may be called `test`: a split folder is one that has folders in it.
    let has_splits = files.iter().map(|path| parts(path)).any(|p| p.len() > 2 && split_named(&p[0]).is_some());
    let mut placed = Vec::new();
    let mut stray = Vec::new();
    for path in files {
        let p = parts(path);
        let split = split_named(&p[0]).filter(|_| has_splits);
        match (has_splits, split, p.len()) {
            (true, Some(_), 3..) => placed.push(Placed { path: path.clone(), split, label: p[1].clone() }),
            (true, ..) => stray.push(finding("unsupported", path, "not inside SPLIT/CLASS, ignored")),
            (false, _, 2..) => placed.push(Placed { path: path.clone(), split, label: p[0].clone() }),
            (false, ..) => stray.push(finding("unsupported", path, "not inside a class folder, ignored")),
        }
    }
    (placed, stray)
}

fn split_named(folder: &str) -> Option<Part> {
    match folder.to_lowercase().as_str() {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" | "dev" => Some(Part::Val),
        "test" | "testing" => Some(Part::Test),
        _ => None,
    }
}

/// Reads one file. A usable one has its split as role, or train where there are no splits.
fn look(
    folder: &Path,
    file: &Placed,
    inspect: &impl Fn(&[u8]) -> Result<Header, DecodeError>,
) -> (Row, Option<Finding>) {
    let mut row = Row {
        path: file.path.clone(),
        label: file.label.clone(),
        split: file.split,
        role: None,
        sha256: String::new(),
        width: 0,
        height: 0,
    };
    let bytes = match fs::read(folder.join(&file.path)) {
        Ok(bytes) => bytes,
        Err(error) => return (row, Some(finding("unreadable", &file.path, &error.to_string()))),
    };
    row.sha256 = hex_sha256(&bytes);
    let header = inspect(&bytes);
    if let Ok(Header { width, height, .. }) = header {
        (row.width, row.height) = (width, height);
        row.role = Some(file.split.unwrap_or(Part::Train));
    }
    let found = image_finding(&file.path, &header);
    (row, found)
}

fn assign_roles(folder: &Path, rows: &mut [Row], seed: u64) -> Result<(), DatasetError> {
    let has = |part| rows.iter().any(|row| row.split == Some(part));
    match (has(Part::Train), has(Part::Val), has(Part::Test)) {
        (true, true, true) => {}
        (true, false, true) => draw(rows, seed, &[Part::Val]),
        (true, true, false) => {
            for row in rows.iter_mut().filter(|row| row.role == Some(Part::Val)) {
                row.role = Some(Part::Test);
            }
            draw(rows, seed, &[Part::Val]);
        }
        (true, false, false) => return Err(DatasetError::OnlyTrain(folder.to_path_buf())),
        (false, false, false) => {
            if let Some((class, images)) = different_images(rows).into_iter().find(|(_, hashes)| hashes.len() < 3) {
                return Err(DatasetError::TooFew { folder: folder.into(), class, images: images.len() });
            }
            draw(rows, seed, &[Part::Val, Part::Test]);
            rows.iter_mut().for_each(|row| row.split = row.role);
        }
        (false, ..) => return Err(DatasetError::NoTrain(folder.to_path_buf())),
    }
    Ok(())
}

/// Hashes of the train images, by class.
fn different_images(rows: &[Row]) -> BTreeMap<String, BTreeSet<String>> {
    let mut classes = BTreeMap::<_, BTreeSet<_>>::new();
    for row in rows.iter().filter(|row| row.role == Some(Part::Train)) {
        classes.entry(row.label.clone()).or_default().insert(row.sha256.clone());
    }
    classes
}

/// Moves a fifth of each class's train images into each of `parts`.
///
/// Images are ordered by SHA-256 of (seed, class, their own hash) rather than by a generator: the draw depends on
/// neither file names nor order nor the version of a library, and copies of an image stay on one side.
fn draw(rows: &mut [Row], seed: u64, parts: &[Part]) {
    let mut drawn = BTreeMap::new();
    for (class, hashes) in different_images(rows) {
        let key = |hash: &str| Sha256::digest([&seed.to_le_bytes(), class.as_bytes(), hash.as_bytes()].concat());
        let mut order: Vec<String> = hashes.into_iter().collect();
        order.sort_by_cached_key(|hash| key(hash));
        let fifth = (order.len() as f64 / 5.0).round() as usize;
        // At least one each, but one stays for training.
        let fifth = fifth.max(1).min((order.len() - 1) / parts.len());
        let pieces = parts.iter().flat_map(|&part| std::iter::repeat_n(part, fifth));
        drawn.extend(order.into_iter().zip(pieces).map(|(hash, part)| ((class.clone(), hash), part)));
    }
    for row in rows.iter_mut().filter(|row| row.role == Some(Part::Train)) {
        if let Some(&part) = drawn.get(&(row.label.clone(), row.sha256.clone())) {
            row.role = Some(part);
        }
    }
}

#[cfg(test)]
mod tests;
