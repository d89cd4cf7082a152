//! Near-duplicates across splits: which reported images nearly equal an image that arms learned from, and what each
//! arm reaches without them.

use std::collections::HashSet;

use serde::Serialize;

use super::format::{column_name, count, counted, percent, points, significant};
use super::summary::{Entry, Summary};
use super::table::{Cell, Table};

/// Images that are listed; the others are in `dataset.json`.
const LISTED: usize = 40;

/// A part of the view; all of it is empty where near-duplicates were not looked for.
#[derive(Debug, Serialize)]
pub struct NearDuplicates {
    pub note: String,
    pub images: Table,
    /// How many are not listed, where the table does not list them all.
    pub more: String,
    /// Every arm with and without these images.
    pub accuracy: Table,
}

pub fn near_duplicates(summary: &Summary) -> NearDuplicates {
    let more = summary.records.dataset.near_duplicates.len().saturating_sub(LISTED);
    NearDuplicates {
        note: note(summary).unwrap_or_default(),
        images: images(summary),
        more: if more > 0 { format!("{} more in `dataset.json`.", counted(more, "image")) } else { String::new() },
        accuracy: accuracy(summary),
    }
}

fn note(summary: &Summary) -> Option<String> {
    let dataset = &summary.records.dataset;
    let (rmse, found) = (dataset.near_duplicate_rmse?, dataset.near_duplicates.len());
    Some(format!(
        "{} of {} {} nearly the same as an image to train on or to choose settings: thumbnails of 24 × 24 RGB values \
         from 0 to 255 differ by at most {rmse} (root mean square).",
        if found == 0 { "None".to_owned() } else { count(found) },
        counted(summary.reported_images(), "reported image"),
        if found == 1 { "is" } else { "are" },
    ))
}

fn images(summary: &Summary) -> Table {
    let mut table = Table::new(&["image", "nearest", "in", "#RMSE"]);
    let mut found: Vec<_> = summary.records.dataset.near_duplicates.iter().collect();
    found.sort_by(|a, b| a.rmse.total_cmp(&b.rmse).then_with(|| a.image.cmp(&b.image)));
    for near in found.into_iter().take(LISTED) {
        let role = if near.other_role == "val" { "selection" } else { &near.other_role };
        let rmse = Cell::number(near.rmse, significant(near.rmse, 2));
        table.push("", vec![Cell::image(&*near.image), Cell::image(&*near.other), Cell::text(role), rmse]);
    }
    table
}

fn accuracy(summary: &Summary) -> Table {
    let mut table = Table::new(&[
        "arm",
        "canvas",
        "#accuracy, %",
        "#without near-duplicates, %",
        "#difference, points",
        "#images without them",
    ]);
    for entry in &summary.entries {
        let Some((with, without, images)) = compared(summary, entry) else { continue };
        table.push(
            &entry.row.family,
            vec![
                Cell::code(&*entry.label),
                Cell::text(&*entry.row.canvas),
                Cell::number(with, percent(with)),
                Cell::number(without, percent(without)),
                Cell::number(without - with, points(without - with)),
                Cell::number(images as f64, count(images)),
            ],
        );
    }
    table
}

/// Accuracy of an arm with and without near-duplicates (means over seeds) and how many images are left; `None` where
/// there are none, or nothing else.
fn compared(summary: &Summary, entry: &Entry) -> Option<(f64, f64, usize)> {
    let near: HashSet<&str> = summary.records.dataset.near_duplicates.iter().map(|near| near.image.as_str()).collect();
    let mut images = 0;
    let mut accuracies = Vec::new();
    for run in entry.runs.iter().map(|&i| &summary.runs[i]).filter(|run| run.confusion.is_some()) {
        let left: Vec<bool> =
            run.judged.iter().filter(|j| !near.contains(j.image)).map(|judged| judged.right()).collect();
        images = left.len();
        accuracies.push(left.iter().filter(|right| **right).count() as f64 / left.len() as f64);
    }
    let without = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    (!near.is_empty() && without.is_finite()).then_some((entry.accuracy()?, without, images))
}

/// What near-duplicates change, in one sentence.
pub fn finding(summary: &Summary) -> Option<String> {
    let found = summary.records.dataset.near_duplicates.len();
    let moves = summary.entries.iter().filter_map(|entry| {
        let (with, without, _) = compared(summary, entry)?;
        Some((without - with, entry))
    });
    let (most, entry) = moves.reduce(|a, b| if b.0.abs() > a.0.abs() { b } else { a })?;
    Some(format!(
        "{} {} nearly the same as an image to train on or to choose settings; without {} no accuracy moves by more \
         than {} points (`{}` on {}).",
        counted(found, "reported image"),
        if found == 1 { "is" } else { "are" },
        if found == 1 { "it" } else { "them" },
        significant(most.abs() * 100.0, 2),
        entry.label,
        column_name(&entry.row.canvas),
    ))
}
