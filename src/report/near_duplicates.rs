//! Near-duplicates across splits: which reported images nearly equal an image that arms learned from, as it is or
//! mirrored or cropped.

use serde::Serialize;

use super::format::{count, counted, list, significant};
use super::summary::Summary;
use super::table::{Cell, Table};

/// Images that are listed; the others are in `dataset.json`.
const LISTED: usize = 40;

/// A part of the view; all of it is empty where near-duplicates were not looked for.
#[derive(Debug, Serialize)]
pub struct NearDuplicates {
    /// What a near-duplicate is.
    pub note: String,
    pub images: Table,
    /// How many are not listed, where the table does not list them all.
    pub more: String,
}

pub fn near_duplicates(summary: &Summary) -> NearDuplicates {
    let more = summary.records.dataset.near_duplicates.len().saturating_sub(LISTED);
    NearDuplicates {
        note: note(summary).unwrap_or_default(),
        images: images(summary),
        more: if more > 0 { format!("{} more in `dataset.json`.", counted(more, "image")) } else { String::new() },
    }
}

/// How many there are, in one sentence.
pub fn sentence(summary: &Summary) -> Option<String> {
    let dataset = &summary.records.dataset;
    dataset.near_duplicate_rmse?;
    let found = dataset.near_duplicates.len();
    let of_change = |change: &str| {
        let images = dataset.near_duplicates.iter().filter(|near| near.change == change).count();
        (images > 0).then(|| format!("{} {change}", count(images)))
    };
    let changed: Vec<String> =
        ["mirrored", "cropped", "mirrored and cropped"].into_iter().filter_map(of_change).collect();
    let too = match (dataset.near_duplicate_changes, changed.as_slice()) {
        (0, _) => "; mirrored and cropped ones were not looked for".to_owned(),
        (_, []) if found == 0 => ", mirrored or cropped ones too".to_owned(),
        (_, []) => ", none of them mirrored or cropped".to_owned(),
        (_, changed) => format!(", {} among them", list(changed)),
    };
    Some(format!(
        "{} of {} {} nearly the same as an image to train on or to choose settings{too}.",
        if found == 0 { "None".to_owned() } else { count(found) },
        counted(summary.reported_images(), "reported image"),
        if found == 1 { "is" } else { "are" },
    ))
}

fn note(summary: &Summary) -> Option<String> {
    let dataset = &summary.records.dataset;
    let rmse = dataset.near_duplicate_rmse?;
    let mut note = format!(
        "Near-duplicates: thumbnails of 24 × 24 RGB values from 0 to 255 differ by at most {rmse} (root mean square)"
    );
    if dataset.near_duplicate_changes > 0 {
        note.push_str("; of mirrored and cropped ones by less, once that is undone, and by little of their contrast");
    }
    Some(note + ".")
}

fn images(summary: &Summary) -> Table {
    let mut table = Table::new(&["image", "nearest", "in", "change", "#RMSE"]);
    let mut found: Vec<_> = summary.records.dataset.near_duplicates.iter().collect();
    found.sort_by(|a, b| a.rmse.total_cmp(&b.rmse).then_with(|| a.image.cmp(&b.image)));
    for near in found.into_iter().take(LISTED) {
        let role = if near.other_role == "val" { "selection" } else { &near.other_role };
        let rmse = Cell::number(near.rmse, significant(near.rmse, 2));
        let images = [&near.image, &near.other].map(|image| Cell::image(&**image));
        table.push("", images.into_iter().chain([Cell::text(role), Cell::text(&*near.change), rmse]).collect());
    }
    table
}
