//! Any folder as a data set: `SPLIT/CLASS/FILE`, or `CLASS/FILE` with a split that is drawn, or with a table of labels.
//! Every file is looked at; one that can't be used becomes a finding with its reason and stays out of every split.

mod bursts;
mod classes;
mod draw;
mod grouped;
mod groups;
mod labels;
mod layout;
mod seen;
mod split_folders;
mod stated;
mod tree;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;

use super::error::DatasetError;
use super::file;
use super::findings::{finding, of_image};
use super::manifest::{Manifest, Part, Row};
use super::reading::Reading;
use crate::image::{DecodeError, Inspected};
use crate::record::Finding;

pub(super) use draw::draw_all;
use layout::Layout;
use seen::Placed;
pub use walk::{Found, files_below};

/// What is in a folder.
pub(super) struct Scan {
    pub manifest: Manifest,
    /// Of single files; those of the whole set come from the manifest.
    pub findings: Vec<Finding>,
    /// No split was stated: all three were drawn.
    pub drawn: bool,
}

/// Reads a folder of images. `inspect` says whether a file's bytes are a usable image.
///
/// With `train`, `val` and `test` folders each is what its name says. Without `test`, `val` is reported; where
/// nothing is left for selection, a fifth of train is drawn for it. Without split folders, a fifth of every class
/// is drawn for selection and one for the report. Where `reading` names a table, labels and splits are what it says.
pub(super) fn scan(
    folder: &Path,
    reading: &Reading,
    inspect: impl Fn(&[u8]) -> Result<Inspected, DecodeError> + Sync,
) -> Result<Scan, DatasetError> {
    let (mut placed, mut findings) = place(folder, reading)?;
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
        _ => {}
    }
    let drawn = draw::assign_roles(folder, &mut rows, reading.seed)?;
    if rows.iter().all(|row| row.group.is_none()) {
        findings.extend(bursts::warning(&rows));
    }
    let manifest = Manifest::new(rows);
    match Part::ALL.into_iter().find(|&part| manifest.with_role(part).next().is_none()) {
        Some(part) => Err(DatasetError::NoPart { folder: folder.into(), part: part.name() }),
        None => Ok(Scan { manifest, findings, drawn }),
    }
}

/// The images by class, split and group, as folders or a table say.
fn place(folder: &Path, reading: &Reading) -> Result<(Vec<Placed>, Vec<Finding>), DatasetError> {
    let mut found = files_below(folder)?;
    let mut findings = std::mem::take(&mut found.findings);
    let (mut placed, more) = match &reading.labels {
        Some(table) => stated::read(folder, table, &found)?,
        None => layout::read(folder, &found).map(|Layout { placed, findings }| (placed, findings))?,
    };
    findings.extend(more);
    if let Some(grouping) = &reading.grouping {
        groups::find(folder, &mut placed, grouping)?;
    }
    groups::check_whole(folder, &placed)?;
    Ok((placed, findings))
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
        group: placed.group.clone(),
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

#[cfg(test)]
mod tests;
