//! What each arm reaches with and without the reported images that are suspicious: near-duplicates of images that it
//! learned from, and labels that look wrong.

use std::collections::HashSet;

use super::format::{column_name, count, counted, list, percent, points, significant};
use super::summary::{Entry, Summary};
use super::table::{Cell, Table};

/// Reported images, by their paths.
struct Suspects<'a> {
    copies: HashSet<&'a str>,
    labels: HashSet<&'a str>,
}

/// Accuracies of one arm, means over its seeds.
struct Compared {
    with: f64,
    without_copies: f64,
    without_labels: f64,
    without_both: f64,
    /// Images that are left without both.
    images: usize,
}

impl<'a> Suspects<'a> {
    fn of(summary: &Summary<'a>) -> Suspects<'a> {
        let copies = summary.records.dataset.near_duplicates.iter().map(|near| near.image.as_str()).collect();
        let labels = summary.records.audit.iter().flat_map(|audit| &audit.labels).flat_map(|labels| &labels.suspects);
        let labels = labels.filter(|suspect| suspect.role == "test").map(|suspect| suspect.image.as_str()).collect();
        Suspects { copies, labels }
    }

    fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.labels.is_empty()
    }

    /// `None` where there are no suspects, or nothing else.
    fn compared(&self, summary: &Summary, entry: &Entry) -> Option<Compared> {
        let mut images = 0;
        let mut without = |left: &dyn Fn(&str) -> bool| {
            let judged = entry.runs.iter().map(|&i| &summary.runs[i]).filter(|run| run.confusion.is_some());
            let accuracies: Vec<f64> = judged
                .map(|run| {
                    let left: Vec<bool> = run.judged.iter().filter(|j| left(j.image)).map(|j| j.right()).collect();
                    images = left.len();
                    left.iter().filter(|right| **right).count() as f64 / left.len() as f64
                })
                .collect();
            accuracies.iter().sum::<f64>() / accuracies.len() as f64
        };
        let compared = Compared {
            with: entry.accuracy()?,
            without_copies: without(&|image| !self.copies.contains(image)),
            without_labels: without(&|image| !self.labels.contains(image)),
            without_both: without(&|image| !self.copies.contains(image) && !self.labels.contains(image)),
            images,
        };
        (!self.is_empty() && compared.without_both.is_finite()).then_some(compared)
    }
}

/// Every arm with and without these images; without rows where there are none.
pub fn accuracy(summary: &Summary) -> Table {
    let suspects = Suspects::of(summary);
    let mut table = Table::new(&[
        "arm",
        "canvas",
        "#accuracy, %",
        "#without near-duplicates, %",
        "#without suspicious labels, %",
        "#without both, %",
        "#difference, points",
        "#images without them",
    ]);
    for entry in &summary.entries {
        let Some(compared) = suspects.compared(summary, entry) else { continue };
        let share = |of: &HashSet<&str>, value: f64| {
            if of.is_empty() { Cell::none() } else { Cell::number(value, percent(value)) }
        };
        let both = !suspects.copies.is_empty() && !suspects.labels.is_empty();
        let moves = compared.without_both - compared.with;
        table.push(
            &entry.row.family,
            vec![
                Cell::code(&*entry.label),
                Cell::text(&*entry.row.canvas),
                Cell::number(compared.with, percent(compared.with)),
                share(&suspects.copies, compared.without_copies),
                share(&suspects.labels, compared.without_labels),
                if both { Cell::number(compared.without_both, percent(compared.without_both)) } else { Cell::none() },
                Cell::number(moves, points(moves)),
                Cell::number(compared.images as f64, count(compared.images)),
            ],
        );
    }
    table
}

/// What these images change, in one sentence.
pub fn sentence(summary: &Summary) -> Option<String> {
    let suspects = Suspects::of(summary);
    let of_entry = |entry| suspects.compared(summary, entry).map(|c| (c.without_both - c.with, entry));
    let (most, entry) =
        summary.entries.iter().filter_map(of_entry).reduce(|a, b| if b.0.abs() > a.0.abs() { b } else { a })?;
    let named = [(suspects.copies.len(), "near-duplicate"), (suspects.labels.len(), "reported image")];
    let parts = named.into_iter().filter(|(images, _)| *images > 0).map(|(images, noun)| counted(images, noun));
    let doubtful = if suspects.labels.is_empty() { "" } else { " with a suspicious label" };
    Some(format!(
        "Without the {}{doubtful} no accuracy moves by more than {} points (`{}` on {}).",
        list(&parts.collect::<Vec<_>>()),
        significant(most.abs() * 100.0, 2),
        entry.label,
        column_name(&entry.row.canvas),
    ))
}
