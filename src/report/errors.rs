//! The errors one by one: which classes an arm takes for which, where it was surest and wrong, and the images that
//! no arm gets right. All of one entry comes from its first judged seed.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::format::{column_name, count, percent, significant};
use super::summary::{Column, Entry, Judged, Run, Summary};
use super::table::{Cell, Table};

/// Confused pairs and worst errors that are listed of each entry.
const LISTED: usize = 10;
/// Images that no arm gets right, listed of each column.
const HARD: usize = 40;
/// Classes up to which a matrix can be read on a page.
const MATRIX: usize = 40;

/// The errors of one entry.
#[derive(Debug, Serialize)]
pub struct Errors {
    pub title: String,
    /// The page shows it first.
    pub first: bool,
    pub seed: u64,
    pub wrong: usize,
    /// Did the reported images choose the epoch?
    pub optimistic: bool,
    /// One row a true class; empty where there are too many classes to show.
    pub matrix: Vec<MatrixRow>,
    /// The most frequent confusions.
    pub confused: Vec<Confusion>,
    /// The surest errors first; empty where the arm has no scores.
    pub worst: Table,
}

#[derive(Debug, Serialize)]
pub struct MatrixRow {
    pub class: String,
    pub images: String,
    pub recall: String,
    pub cells: Vec<MatrixCell>,
}

#[derive(Debug, Serialize)]
pub struct MatrixCell {
    /// Empty where there is no image.
    pub images: String,
    /// Percent of the row.
    pub share: u32,
    pub right: bool,
}

/// A class taken for another, by index.
#[derive(Debug, Serialize)]
pub struct Confusion {
    pub truth: usize,
    pub predicted: usize,
    pub images: usize,
    /// Percent of the true class.
    pub share: String,
}

/// The errors of every entry that judged an image.
pub fn errors(summary: &Summary) -> Vec<Errors> {
    let of_entry = |entry| Some(of_entry(summary, entry, summary.shown_run(entry)?));
    let mut errors: Vec<Errors> = summary.entries.iter().filter_map(of_entry).collect();
    let fewest = errors.iter_mut().filter(|errors| !errors.optimistic).min_by_key(|errors| errors.wrong);
    fewest.into_iter().for_each(|errors| errors.first = true);
    errors
}

fn of_entry(summary: &Summary, entry: &Entry, run: &Run) -> Errors {
    Errors {
        title: format!("{} on {}", entry.label, column_name(&entry.row.canvas)),
        first: false,
        seed: run.row.seed,
        wrong: run.judged.iter().filter(|j| !j.right()).count(),
        optimistic: entry.chosen_by_reported_images(),
        matrix: matrix(&summary.classes, run),
        confused: confused(run),
        worst: worst(&summary.classes, run),
    }
}

fn matrix(classes: &[&str], run: &Run) -> Vec<MatrixRow> {
    let Some(confusion) = run.confusion.as_ref().filter(|c| c.classes() <= MATRIX) else { return Vec::new() };
    let row = |(truth, scores): (usize, crate::stats::classification::ClassScores)| {
        let cell = |predicted: usize| {
            let n = confusion.at(truth, predicted);
            MatrixCell {
                images: if n == 0 { String::new() } else { count(n as usize) },
                share: (n * 100).div_ceil(scores.support.max(1)) as u32,
                right: truth == predicted,
            }
        };
        MatrixRow {
            class: classes[truth].to_owned(),
            images: count(scores.support as usize),
            recall: scores.recall.map_or(String::new(), percent),
            cells: (0..classes.len()).map(cell).collect(),
        }
    };
    confusion.per_class().enumerate().map(row).collect()
}

fn confused(run: &Run) -> Vec<Confusion> {
    let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut support: HashMap<usize, usize> = HashMap::new();
    for judged in &run.judged {
        *support.entry(judged.truth).or_default() += 1;
        if !judged.right() {
            *pairs.entry((judged.truth, judged.predicted)).or_default() += 1;
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|&(_, images)| std::cmp::Reverse(images));
    pairs.truncate(LISTED);
    let confusion = |((truth, predicted), images): ((usize, usize), usize)| {
        let share = percent(images as f64 / support[&truth] as f64);
        Confusion { truth, predicted, images, share }
    };
    pairs.into_iter().map(confusion).collect()
}

fn worst(classes: &[&str], run: &Run) -> Table {
    let wrong = run.judged.iter().filter(|j| !j.right());
    let mut margins: Vec<(f64, &Judged)> = wrong.filter_map(|j| Some((j.margin()?, j))).collect();
    margins.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.image.cmp(b.1.image)));
    let mut table = Table::new(&["image", "shows", "taken for", "#margin of the scores"]);
    for (margin, judged) in margins.into_iter().take(LISTED) {
        table.push(
            "",
            vec![
                Cell::image(judged.image),
                Cell::text(classes[judged.truth]),
                Cell::text(classes[judged.predicted]),
                Cell::number(margin, significant(margin, 3)),
            ],
        );
    }
    table
}

/// Images of one column that every arm beyond the floors gets wrong, with what each took them for; and how many.
pub fn hard(summary: &Summary, column: &Column) -> (usize, Table) {
    let entries = column.entries.iter().map(|&i| &summary.entries[i]).filter(|e| !e.is_floor());
    let arms: Vec<(&Entry, &Run)> = entries.filter_map(|e| Some((e, summary.shown_run(e)?))).collect();
    let titles = ["image", "shows"].into_iter().chain(arms.iter().map(|(entry, _)| entry.label.as_str()));
    let mut table = Table::new(&titles.collect::<Vec<_>>());
    if arms.len() < 2 {
        return (0, table);
    }
    let mut wrong: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for judged in arms.iter().flat_map(|(_, run)| &run.judged).filter(|judged| !judged.right()) {
        wrong.entry(judged.image).or_default().push(judged);
    }
    wrong.retain(|_, judged| judged.len() == arms.len());
    for (image, judged) in wrong.iter().take(HARD) {
        let guesses = judged.iter().map(|j| Cell::text(summary.classes[j.predicted]));
        let head = [Cell::image(*image), Cell::text(summary.classes[judged[0].truth])];
        table.push("", head.into_iter().chain(guesses).collect());
    }
    (wrong.len(), table)
}
