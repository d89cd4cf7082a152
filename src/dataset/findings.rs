//! What a reader must know of a data set's files: classes that can't be learnt or judged, contradictory labels, copies
//! across splits, files that can't be used. Findings of single files are made where the file is read; those of the whole
//! set come from its manifest.

use std::collections::BTreeMap;

use super::manifest::{Manifest, Part, Row};
use crate::image::{DecodeError, Header, Inspected};
use crate::record::{ClassCount, Finding};

/// Kinds in the order of what they do to a result: a class or a part of the data that is not there, labels that can't be
/// right, images that are known beforehand, then readings of the layout and single files.
const ORDER: [&str; 18] = [
    "lost",
    "unlearnt",
    "unjudged",
    "absent",
    "empty",
    "contradiction",
    "duplicate",
    "burst",
    "wrapper",
    "named",
    "nested",
    "joined",
    "dark",
    "unreadable",
    "rotated",
    "small",
    "unsupported",
    "ignored",
];

/// The first kinds of these are never told in part.
const IMPORTANT: usize = 13;

/// Orders findings by what they do to a result.
pub(super) fn order(findings: &mut [Finding]) {
    let rank = |kind: &str| ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len());
    findings.sort_by(|a, b| rank(&a.kind).cmp(&rank(&b.kind)).then_with(|| a.cmp(b)));
}

/// Can findings of this kind make a result wrong? Then every one of them is to be told.
pub fn is_important(kind: &str) -> bool {
    ORDER[..IMPORTANT].contains(&kind)
}

pub(super) fn finding(kind: &str, what: &str, detail: &str) -> Finding {
    Finding { kind: kind.into(), what: what.into(), detail: detail.into() }
}

/// Why an image file is not used, or what is to be known of its pixels.
pub(super) fn of_image(path: &str, inspected: &Result<Inspected, DecodeError>) -> Vec<Finding> {
    let Inspected { header: Header { orientation, .. }, dark } = match inspected {
        Ok(inspected) => inspected,
        Err(error @ DecodeError::Unsupported(_)) => return vec![finding("unsupported", path, &error.to_string())],
        Err(error) => return vec![finding("unreadable", path, &error.to_string())],
    };
    let rotated = (*orientation > 1)
        .then(|| finding("rotated", path, &format!("EXIF orientation {orientation} is ignored, as torchvision does")));
    let dark = dark.map(|largest| {
        let detail = format!(
            "nearly black: its 16-bit values reach {largest} of 65535, as where 12 bits or fewer are stored in 16; scale them \
             up before measuring"
        );
        finding("dark", path, &detail)
    });
    rotated.into_iter().chain(dark).collect()
}

/// Contradictory labels, copies in two splits, and classes that a split lacks.
pub(super) fn of_manifest(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = copies(manifest);
    let counts = class_counts(manifest);
    for ClassCount { class, train, val, test } in &counts {
        let said = |kind, role, effect: &str| {
            let detail = format!("no image in {}{effect}", known_as(manifest, role));
            finding(kind, class, &detail)
        };
        if *train == 0 {
            let wrong = format!(", so it can't be learnt: each of its {test} reported images counts as wrong");
            findings.push(said("unlearnt", Part::Train, &wrong));
        }
        if *test == 0 {
            findings.push(said("unjudged", Part::Test, ", so nothing is known of how well it is recognised"));
        }
        if *val == 0 {
            findings.push(said("absent", Part::Val, ""));
        }
    }
    // A class may have no usable image at all; then no split has it.
    let mut unused = BTreeMap::<&str, usize>::new();
    manifest.rows.iter().for_each(|row| *unused.entry(&row.label).or_default() += 1);
    unused.retain(|label, _| counts.binary_search_by(|count| count.class.as_str().cmp(label)).is_err());
    for (class, files) in unused {
        let detail = format!("none of its {files} files is a readable image, the class is left out");
        findings.push(finding("lost", class, &detail));
    }
    findings
}

/// How many images each class has in each part: all that is told of the reported labels before the final evaluation.
pub(super) fn class_counts(manifest: &Manifest) -> Vec<ClassCount> {
    let mut counts = BTreeMap::<&str, [usize; 3]>::new();
    for row in manifest.used() {
        let parts = counts.entry(&row.label).or_default();
        Part::ALL.iter().zip(parts).filter(|(part, _)| row.role == Some(**part)).for_each(|(_, count)| *count += 1);
    }
    let count = |(class, [train, val, test]): (&str, [usize; 3])| ClassCount { class: class.into(), train, val, test };
    counts.into_iter().map(count).collect()
}

/// What a reader calls the images with this role: a published split, or what was drawn from one.
fn known_as(manifest: &Manifest, role: Part) -> &'static str {
    match (role, manifest.published(role)) {
        (Part::Val, Part::Train) => "the fifth of train that selects",
        (_, split) => split.name(),
    }
}

/// The same bytes under two classes, or in two splits.
fn copies(manifest: &Manifest) -> Vec<Finding> {
    let mut copies = BTreeMap::<&str, Vec<&Row>>::new();
    for row in manifest.used() {
        copies.entry(&row.sha256).or_default().push(row);
    }
    let name = Part::ALL.map(|part| known_as(manifest, part));
    let name = |row: &Row| row.role.map_or("", |role| name[role as usize]);
    let mut findings = Vec::new();
    for mut rows in copies.into_values().filter(|rows| rows.len() > 1) {
        rows.sort_by_key(|row| row.role);
        let first = rows[0];
        for row in &rows[1..] {
            let (here, there) = (name(row), name(first));
            if row.label != first.label {
                let detail = format!(
                    "in {here}, the same bytes as {} in {there}, where they are `{}` and here `{}`",
                    first.path, first.label, row.label
                );
                findings.push(finding("contradiction", &row.path, &detail));
            } else if row.role != first.role {
                let detail = format!("in {here}, the same bytes as {} in {there}", first.path);
                findings.push(finding("duplicate", &row.path, &detail));
            }
        }
    }
    findings
}
