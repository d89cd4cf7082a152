//! Is something wrong with the pictures? Copies across splits, properties that give the class away, labels that look
//! wrong, classes that are too small, and what the accuracies are without the suspects: said before the accuracies.

use std::cmp::Reverse;

use serde::Serialize;

use crate::record::{AuditRecord, ClassCount, LabelsRecord, PropertyRecord};
use crate::stats::intervals::Interval;
use crate::stats::share::{Weights, interval};

use super::format::{count, counted, list, percent, significant};
use super::near_duplicates::{self, NearDuplicates, near_duplicates};
use super::summary::Summary;
use super::suspects;
use super::table::{Cell, Table};

/// Suspicious labels that are listed; the others are in `audit.json`.
const LISTED: usize = 40;
/// Classes that a sentence names.
const NAMED: usize = 6;
/// With fewer images than this a class is hardly learnt, or hardly judged.
const SMALL: usize = 10;
/// Probability that a table without any shortcut names one.
const ALPHA: f64 = 0.05;

/// A part of the view.
#[derive(Debug, Serialize)]
pub struct AuditView {
    /// What was found, one sentence a question.
    pub sentences: Vec<String>,
    pub near_duplicates: NearDuplicates,
    /// Each property by itself; without rows where they were not looked at.
    pub properties: Table,
    pub properties_note: String,
    /// The surest first; without rows where no label looks wrong.
    pub labels: Table,
    pub labels_note: String,
    /// Every arm with and without the suspects.
    pub accuracy: Table,
}

pub fn audit(summary: &Summary) -> AuditView {
    let audit = summary.records.audit.as_ref();
    let labels = audit.and_then(|audit| audit.labels.as_ref());
    AuditView {
        sentences: sentences(summary),
        near_duplicates: near_duplicates(summary),
        properties: audit.map_or_else(|| properties(&[]), |audit| properties(&judged(audit))),
        properties_note: audit.map(properties_note).unwrap_or_default(),
        labels: labels_table(labels),
        labels_note: labels.map(labels_note).unwrap_or_default(),
        accuracy: suspects::accuracy(summary),
    }
}

fn sentences(summary: &Summary) -> Vec<String> {
    let audit = summary.records.audit.as_ref();
    let mut sentences = Vec::new();
    sentences.extend(near_duplicates::sentence(summary));
    match audit {
        Some(audit) => sentences.extend([shortcuts(audit), labels(audit.labels.as_ref())]),
        None => sentences.push(
            "Content-free properties and labels were not looked at when this was recorded; `featbench report` on the images \
             does it."
                .to_owned(),
        ),
    }
    sentences.extend(classes(&summary.records.dataset.counts));
    sentences.extend(suspects::sentence(summary));
    sentences
}

/// A property with the share of reported images whose class it gives, and the interval of that.
struct Judged<'a> {
    property: &'a PropertyRecord,
    share: f64,
    interval: Interval,
    /// Its interval lies above the most frequent class.
    shortcut: bool,
}

/// The properties, the most telling first. Intervals are so wide that together they miss with probability [`ALPHA`]
/// (Bonferroni).
fn judged(audit: &AuditRecord) -> Vec<Judged<'_>> {
    let level = 1.0 - ALPHA / telling(audit).max(1) as f64;
    let mut judged: Vec<Judged> = audit.properties.iter().map(|property| judge(property, audit, level)).collect();
    judged.sort_by_key(|judged| Reverse(judged.property.correct));
    judged
}

fn judge<'a>(property: &'a PropertyRecord, audit: &AuditRecord, level: f64) -> Judged<'a> {
    let row = (0..audit.images).map(|image| i8::from(image < property.correct)).collect();
    let interval = interval(&[row], &Weights::equal(audit.images), level);
    let shortcut = property.values > 1 && interval.low > share(audit.majority, audit.images);
    Judged { property, share: share(property.correct, audit.images), interval, shortcut }
}

/// Properties that differ at all.
fn telling(audit: &AuditRecord) -> usize {
    audit.properties.iter().filter(|property| property.values > 1).count()
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

fn properties(judged: &[Judged]) -> Table {
    let mut table = Table::new(&["property alone", "#accuracy, %", "#interval, %", "#different values", "shortcut"]);
    for Judged { property, share, interval, shortcut } in judged {
        let constant = property.values <= 1;
        table.push(
            "",
            vec![
                Cell::text(&*property.name),
                Cell::number(*share, percent(*share)),
                if constant { Cell::none() } else { Cell::number(interval.low, bounds(interval)) },
                Cell::number(property.values as f64, count(property.values)),
                match (constant, shortcut) {
                    (true, _) => Cell::text("the same everywhere"),
                    (false, true) => Cell::text("yes"),
                    (false, false) => Cell::text("not shown"),
                },
            ],
        );
    }
    table
}

fn bounds(interval: &Interval) -> String {
    format!("{} to {}", percent(interval.low), percent(interval.high))
}

fn properties_note(audit: &AuditRecord) -> String {
    format!(
        "A small decision tree learns each property from all images but the reported ones and is judged on these. A \
         shortcut is one whose interval (95 % for all {} together, after Bonferroni) lies above what always saying the most \
         frequent class of the reported images gets, {} %.",
        count(telling(audit)),
        percent(share(audit.majority, audit.images)),
    )
}

fn shortcuts(audit: &AuditRecord) -> String {
    let majority = percent(share(audit.majority, audit.images));
    let judged = judged(audit);
    let named = |judged: &Judged| format!("{} ({} %)", judged.property.name, percent(judged.share));
    let found: Vec<String> = judged.iter().filter(|judged| judged.shortcut).map(named).collect();
    match (found.as_slice(), judged.first()) {
        ([], Some(highest)) => format!(
            "No content-free property is shown to tell the class: the highest is {}, always saying the most frequent class \
             gets {majority} %.",
            named(highest)
        ),
        ([], None) => "No content-free property was looked at.".to_owned(),
        (found, _) => format!(
            "Shortcuts: {} alone {} the class more often than always saying the most frequent one ({majority} %); arms can use \
             what they see of {}.",
            list(found),
            if found.len() == 1 { "tells" } else { "tell" },
            if found.len() == 1 { "it" } else { "them" },
        ),
    }
}

fn labels(labels: Option<&LabelsRecord>) -> String {
    let Some(labels) = labels else {
        return "Labels were not judged: no arm beyond the floors was measured whose classifier can be fitted without a part of \
                the images."
            .to_owned();
    };
    let LabelsRecord { arm, images, correct, suspects, .. } = labels;
    let by = format!(
        "`{arm}`, which agrees with {} % of {} that it had not learnt from",
        percent(share(*correct, *images)),
        counted(*images, "label"),
    );
    let reported = suspects.iter().filter(|suspect| suspect.role == "test").count();
    match suspects.len() {
        0 => format!("No label looks wrong to {by}."),
        all => format!(
            "{} to {by}: {} of images to learn from, {} of reported ones. Only a look tells a wrong label from a mistake of that \
             arm; the surest come first.",
            if all == 1 { "1 label looks wrong".to_owned() } else { format!("{} look wrong", counted(all, "label")) },
            count(all - reported),
            count(reported),
        ),
    }
}

fn labels_table(labels: Option<&LabelsRecord>) -> Table {
    let mut table = Table::new(&["image", "labelled", "looks like", "in", "#margin of the scores"]);
    for suspect in labels.iter().flat_map(|labels| &labels.suspects).take(LISTED) {
        let role = match suspect.role.as_str() {
            "test" => "reported",
            "val" => "selection",
            role => role,
        };
        table.push(
            "",
            vec![
                Cell::image(&*suspect.image),
                Cell::text(&*suspect.label),
                Cell::text(&*suspect.looks_like),
                Cell::text(role),
                Cell::number(suspect.margin, significant(suspect.margin, 3)),
            ],
        );
    }
    table
}

fn labels_note(labels: &LabelsRecord) -> String {
    let mut note = format!(
        "Images to learn from are judged by `{}` fitted on the other {} of {} parts, reported ones by the arm itself. \
         Suspicious: it looks more like another class, and as much like that as nine of ten images that are labelled so. \
         These are the surest; look at them before changing a label.",
        labels.arm,
        labels.folds - 1,
        labels.folds,
    );
    if labels.reported == 0 {
        note.push_str(" Reported images were not judged: no scores are recorded.");
    }
    let more = labels.suspects.len().saturating_sub(LISTED);
    if more > 0 {
        note.push_str(&format!(" {} more in `audit.json`.", count(more)));
    }
    note + " Without them the accuracy of this arm rises by the choice alone."
}

/// Classes that are absent from a split or too small, in one sentence.
fn classes(counts: &[ClassCount]) -> Option<String> {
    let of = |problem: &str, is: fn(&ClassCount) -> bool| {
        let classes: Vec<String> =
            counts.iter().filter(|c| is(c)).map(|c| format!("`{}`", c.class.replace('`', "'"))).collect();
        let more = classes.len().saturating_sub(NAMED);
        let mut named: Vec<String> = classes.into_iter().take(NAMED).collect();
        if more > 0 {
            named.push(format!("{} more", count(more)));
        }
        (!named.is_empty()).then(|| format!("{problem}: {}", list(&named)))
    };
    let problems = [
        of("without an image to learn from", |c| c.train == 0),
        of("without an image to choose settings by", |c| c.train > 0 && c.val == 0),
        of("without a reported image", |c| c.test == 0),
        of(&format!("with fewer than {SMALL} images to learn from"), |c| c.train > 0 && c.train + c.val < SMALL),
        of(&format!("with fewer than {SMALL} reported images"), |c| (1..SMALL).contains(&c.test)),
    ];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    (!problems.is_empty()).then(|| format!("Classes {}.", problems.join("; ")))
}
