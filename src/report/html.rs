//! The report as one page that needs nothing else: style, pictures, script and the predictions behind every cell of
//! a confusion matrix are inside.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use crate::names::acts;

use super::errors::{Errors, errors, hard};
use super::format::counted;
use super::summary::Summary;
use super::table::Table;
use super::templates;
use super::view::View;

/// Pictures of images as data URLs, by the images' paths inside the data set.
pub type Thumbnails = BTreeMap<String, String>;

/// What the script needs to name the images behind a cell: small, since images and classes are numbers.
#[derive(Debug, Serialize)]
struct Predictions<'a> {
    classes: &'a [&'a str],
    /// Paths inside the data set.
    images: Vec<&'a str>,
    /// Class of each image.
    truth: Vec<usize>,
    /// For each entry with errors, in order: the predicted class of each image, -1 where it has none.
    predicted: Vec<Vec<i32>>,
}

/// Images that every arm of a column gets wrong.
#[derive(Debug, Serialize)]
struct Hard {
    title: String,
    table: Table,
    /// How many there are, where the table does not list them all.
    more: String,
}

/// Paths of the images that the page lists one by one: those whose thumbnails it can show.
pub fn listed(summary: &Summary, view: &View) -> BTreeSet<String> {
    let (errors, hard) = (errors(summary), hard_images(summary, view));
    let tables = errors.iter().map(|errors| &errors.worst).chain(hard.iter().map(|hard| &hard.table));
    let audited = [&view.audit.near_duplicates.images, &view.audit.labels];
    let cells = tables.chain(audited).flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    cells.filter(|cell| cell.image).map(|cell| cell.text.clone()).collect()
}

/// `report.html`.
pub fn html(summary: &Summary, view: &View, thumbnails: &Thumbnails) -> Result<String> {
    let errors: Vec<Errors> = errors(summary);
    // In a script element only `<` could end it early.
    let predictions = serde_json::to_string(&Predictions::of(summary))?;
    let in_script = |c: char| if c == '<' || acts(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    let predictions: String = predictions.chars().map(in_script).collect();
    let values = context! {
        view => Serde(view),
        errors => Serde(&errors),
        classes => Serde(&summary.classes),
        longest => summary.classes.iter().map(|class| class.chars().count()).max(),
        hard => Serde(&hard_images(summary, view)),
        predictions,
        thumbnails,
    };
    templates::render("report.html", values)
}

impl<'a> Predictions<'a> {
    fn of(summary: &'a Summary) -> Predictions<'a> {
        let runs: Vec<_> = summary.entries.iter().filter_map(|entry| summary.shown_run(entry)).collect();
        let mut index: HashMap<&str, usize> = HashMap::new();
        let (mut images, mut truth) = (Vec::new(), Vec::new());
        for judged in runs.iter().flat_map(|run| &run.judged) {
            index.entry(judged.image).or_insert_with(|| {
                images.push(judged.image);
                truth.push(judged.truth);
                images.len() - 1
            });
        }
        let mut predicted = vec![vec![-1; images.len()]; runs.len()];
        for (run, predicted) in runs.iter().zip(&mut predicted) {
            run.judged.iter().for_each(|judged| predicted[index[judged.image]] = judged.predicted as i32);
        }
        Predictions { classes: &summary.classes, images, truth, predicted }
    }
}

fn hard_images(summary: &Summary, view: &View) -> Vec<Hard> {
    let of_column = |(column, view): (_, &super::view::ColumnView)| {
        let (images, table) = hard(summary, column);
        let more = match images - table.rows.len() {
            0 => String::new(),
            more => format!("{} more are not listed.", counted(more, "image")),
        };
        Hard { title: view.title.clone(), table, more }
    };
    summary.columns.iter().zip(&view.columns).map(of_column).filter(|hard| !hard.table.rows.is_empty()).collect()
}
