//! Any folder as a data set: `SPLIT/CLASS/FILE`, or `CLASS/FILE` with a split that is drawn.
//! Every file is looked at; one that can't be used becomes a finding with its reason and stays out of every split.

mod classes;
mod labels;
mod layout;
mod seen;
mod split_folders;
mod tree;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::error::DatasetError;
use super::file;
use super::findings::{finding, of_image};
use super::manifest::{Manifest, Part, Row};
use crate::image::{DecodeError, Inspected};
use crate::record::Finding;

use layout::Layout;
use seen::Placed;
pub use walk::{Found, files_below};

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
    inspect: impl Fn(&[u8]) -> Result<Inspected, DecodeError> + Sync,
) -> Result<Scan, DatasetError> {
    let found = files_below(folder)?;
    let Layout { mut placed, findings: of_layout } = layout::read(folder, &found)?;
    let mut findings = found.findings;
    findings.extend(of_layout);
    findings.extend(classes::join(folder, &mut placed)?);
    let looked: Result<Vec<_>, _> = placed.par_iter().map(|file| look(folder, file, &inspect)).collect();
    let (mut rows, of_files): (Vec<Row>, Vec<Vec<Finding>>) = looked?.into_iter().unzip();
    let first = of_files.iter().flatten().next().map_or(String::new(), |f| format!("{}: {}", f.what, f.detail));
    findings.extend(of_files.into_iter().flatten());

    let used: Vec<&Row> = rows.iter().filter(|row| row.role.is_some()).collect();
    let classes: BTreeSet<&str> = used.iter().map(|row| row.label.as_str()).collect();
    match (used.is_empty(), classes.len()) {
        (true, _) => {
            return Err(DatasetError::NoneReadable { folder: folder.into(), files: rows.len(), first });
        }
        (false, 1) => {
            let class = used[0].label.clone();
            let unread = rows.iter().find(|row| row.label != class).map(|row| &row.label);
            let others = unread.map_or(String::new(), |other| format!(" (`{other}` has no readable image, {first})"));
            return Err(DatasetError::OneClass { folder: folder.into(), class, others });
        }
        _ => assign_roles(folder, &mut rows, seed)?,
    }
    let manifest = Manifest::new(rows);
    match Part::ALL.into_iter().find(|&part| manifest.with_role(part).next().is_none()) {
        Some(part) => Err(DatasetError::NoPart { folder: folder.into(), part: part.name() }),
        None => Ok(Scan { manifest, findings }),
    }
}

/// Reads one file. A usable one has its split as role, or train where there are no splits.
///
/// # Errors
/// What this machine can't do is no fault of the file.
fn look(
    folder: &Path,
    placed: &Placed,
    inspect: &impl Fn(&[u8]) -> Result<Inspected, DecodeError>,
) -> Result<(Row, Vec<Finding>), DatasetError> {
    let mut row = Row {
        path: placed.path.clone(),
        label: placed.label.clone(),
        split: placed.split,
        role: None,
        sha256: String::new(),
        width: 0,
        height: 0,
    };
    let path = folder.join(&placed.path);
    let unreadable = |reason: String| finding("unreadable", &placed.path, &reason);
    let (sha256, bytes) = match file::open(&path) {
        Ok(opened) => opened,
        Err(error) => return Ok((row, vec![unreadable(error.to_string())])),
    };
    row.sha256 = sha256;
    let inspected = bytes.and_then(|bytes| inspect(&bytes));
    match &inspected {
        Ok(Inspected { header, .. }) => {
            (row.width, row.height) = (header.width, header.height);
            row.role = Some(placed.split.unwrap_or(Part::Train));
        }
        Err(error) if error.is_of_machine() => return Err(DatasetError::Machine { path, error: error.clone() }),
        Err(_) => {}
    }
    let found = of_image(&placed.path, &inspected);
    Ok((row, found))
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
            let counts = different_images(rows).into_iter().map(|(class, hashes)| (class, hashes.len()));
            let small: Vec<(String, usize)> = counts.filter(|(_, images)| *images < 3).collect();
            if !small.is_empty() {
                return Err(DatasetError::TooFew { folder: folder.into(), classes: small });
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
