//! What a reader must know of a data set's files: unusable ones, copies across splits, absent classes.
//! Findings of single files are made where the file is read; those of the whole set come from its manifest.

use std::collections::BTreeMap;

use super::manifest::{Manifest, Part, Row};
use crate::image::{DecodeError, Header};
use crate::record::{ClassCount, Finding};

pub(super) fn finding(kind: &str, what: &str, detail: &str) -> Finding {
    Finding { kind: kind.into(), what: what.into(), detail: detail.into() }
}

/// Why an image file is not used, or that it asks for a rotation.
pub(super) fn image_finding(path: &str, header: &Result<Header, DecodeError>) -> Option<Finding> {
    match header {
        Ok(Header { orientation: 0 | 1, .. }) => None,
        Ok(header) => {
            let detail = format!("EXIF orientation {} is ignored, as torchvision does", header.orientation);
            Some(finding("rotated", path, &detail))
        }
        Err(error @ DecodeError::Unsupported(_)) => Some(finding("unsupported", path, &error.to_string())),
        Err(error) => Some(finding("unreadable", path, &error.to_string())),
    }
}

/// Copies in two splits, and classes that a split lacks.
pub(super) fn of_manifest(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = duplicates(manifest);
    for (class, counts) in counts(manifest) {
        // A class may have no usable image at all; then no split has it.
        if counts == [0; 3] {
            findings.push(finding("absent", class, "no readable image, the class is left out"));
            continue;
        }
        for (part, _) in Part::ALL.into_iter().zip(counts).filter(|(_, count)| *count == 0) {
            findings.push(finding("absent", class, &format!("no image in {}", known_as(manifest, part))));
        }
    }
    findings
}

/// How many images each class has in each part: all that is told of the reported labels before the final evaluation.
pub(super) fn class_counts(manifest: &Manifest) -> Vec<ClassCount> {
    let used = counts(manifest).into_iter().filter(|(_, counts)| *counts != [0; 3]);
    used.map(|(class, [train, val, test])| ClassCount { class: class.into(), train, val, test }).collect()
}

/// Images of each class in train, val and test, by name; classes without any are listed too.
fn counts(manifest: &Manifest) -> BTreeMap<&str, [usize; 3]> {
    let mut counts = BTreeMap::<&str, [usize; 3]>::new();
    for row in &manifest.rows {
        let of_class = counts.entry(&row.label).or_default();
        row.role.into_iter().for_each(|role| of_class[role as usize] += 1);
    }
    counts
}

/// What a reader calls the images with this role: a published split, or what was drawn from one.
fn known_as(manifest: &Manifest, role: Part) -> &'static str {
    match (role, manifest.published(role)) {
        (Part::Val, Part::Train) => "the fifth of train that selects",
        (_, split) => split.name(),
    }
}

fn duplicates(manifest: &Manifest) -> Vec<Finding> {
    let mut copies = BTreeMap::<&str, Vec<&Row>>::new();
    for row in manifest.used() {
        copies.entry(&row.sha256).or_default().push(row);
    }
    let name = |row: &Row| row.role.map_or("", |role| known_as(manifest, role));
    copies
        .into_values()
        .flat_map(|mut rows| {
            rows.sort_by_key(|row| row.role);
            let first = rows[0];
            rows.into_iter().filter(|row| row.role != first.role).map(move |row| {
                let detail = format!("in {}, the same bytes as {} in {}", name(row), first.path, name(first));
                finding("duplicate", &row.path, &detail)
            })
        })
        .collect()
}
