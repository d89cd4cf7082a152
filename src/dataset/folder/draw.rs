//! Splits that a folder lacks, drawn by seed: which images select, which are reported.
//! Classes keep their shares, copies of an image stay on one side, and so do images of one group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DatasetError;
use super::grouped;
use crate::dataset::manifest::{Part, Row};

/// Gives each readable row what it is used for: its published split, or a drawn one. Says whether all three were drawn.
///
/// # Errors
/// Splits that can't be used, classes or groups of which too few are there for a draw.
pub(super) fn assign_roles(folder: &Path, rows: &mut [Row], seed: u64) -> Result<bool, DatasetError> {
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
            check_enough(folder, rows)?;
            draw_all(rows, seed);
            return Ok(true);
        }
        (false, ..) => return Err(DatasetError::NoTrain(folder.to_path_buf())),
    }
    Ok(false)
}

/// Draws all three parts from rows that are all train: a fifth of each class to select, a fifth to report.
pub(in crate::dataset) fn draw_all(rows: &mut [Row], seed: u64) {
    draw(rows, seed, &[Part::Val, Part::Test]);
    rows.iter_mut().for_each(|row| row.split = row.role);
}

fn check_enough(folder: &Path, rows: &[Row]) -> Result<(), DatasetError> {
    let counts = different_images(rows).into_iter().map(|(class, hashes)| (class, hashes.len()));
    let small: Vec<(String, usize)> = counts.filter(|(_, images)| *images < 3).collect();
    if !small.is_empty() {
        return Err(DatasetError::TooFew { folder: folder.into(), classes: small });
    }
    if has_groups(rows) { grouped::check_enough(folder, rows) } else { Ok(()) }
}

fn has_groups(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.group.is_some())
}

/// Moves a fifth of each class's train images into each of `parts`.
fn draw(rows: &mut [Row], seed: u64, parts: &[Part]) {
    if has_groups(rows) { grouped::draw(rows, seed, parts) } else { draw_images(rows, seed, parts) }
}

/// Hashes of the train images, by class.
fn different_images(rows: &[Row]) -> BTreeMap<String, BTreeSet<String>> {
    let mut classes = BTreeMap::<_, BTreeSet<_>>::new();
    for row in rows.iter().filter(|row| row.role == Some(Part::Train)) {
        classes.entry(row.label.clone()).or_default().insert(row.sha256.clone());
    }
    classes
}

/// Images are ordered by SHA-256 of (seed, class, their own hash) rather than by a generator: the draw depends on
/// neither file names nor order nor the version of a library, and copies of an image stay on one side.
fn draw_images(rows: &mut [Row], seed: u64, parts: &[Part]) {
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
