//! Which arms are worth their cost: the Pareto front of accuracy against a cost, with its uncertainty. An arm is *off* the
//! front only where it is shown that another is better and not dearer; it is *on* it where it is shown to be better than
//! all that are not dearer. The comparisons are those of the pairs: on the same images, over all seeds, Holm's correction.

use crate::stats::outcome::Outcome;

use super::price;
use super::summary::{Column, Entry, Pair, Summary};
use super::table::Cell;

/// Where an arm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    On,
    Undecided,
    /// Index of the entry that is shown to be better and is not dearer: of several the most accurate.
    Off(usize),
}

/// Where every arm stands, by its entry; `None` for one without a cost or an accuracy, and for one whose epoch the
/// reported images chose.
pub struct Standings(Vec<Option<Standing>>);

impl Standings {
    /// By the median time of one image.
    pub fn by_ms(summary: &Summary) -> Standings {
        Standings::of(summary, |entry| price::ms(entry).filter(|ms| *ms > 0.0))
    }

    /// By the size of the exported file.
    pub fn by_mib(summary: &Summary) -> Standings {
        Standings::of(summary, |entry| price::file_mib(entry, &summary.runs))
    }

    /// Arms are compared within their column.
    fn of(summary: &Summary, cost: impl Fn(&Entry) -> Option<f64>) -> Standings {
        let cost = |entry: &Entry| {
            let judged = entry.scores.is_some() && !entry.chosen_by_reported_images();
            cost(entry).filter(|_| judged)
        };
        let costs: Vec<Option<f64>> = summary.entries.iter().map(cost).collect();
        let mut found = vec![None; costs.len()];
        for column in &summary.columns {
            for &i in column.entries.iter().filter(|&&i| costs[i].is_some()) {
                found[i] = Some(standing(summary, column, i, &costs));
            }
        }
        Standings(found)
    }

    pub fn get(&self, entry: usize) -> Option<Standing> {
        self.0[entry]
    }

    /// `off: worse than NAME`, for a table.
    pub fn cell(&self, summary: &Summary, entry: usize) -> Cell {
        match self.get(entry) {
            None => Cell::none(),
            Some(Standing::On) => Cell::text("on"),
            Some(Standing::Undecided) => Cell::text("undecided"),
            Some(Standing::Off(other)) => Cell::text(format!("off: worse than {}", summary.entries[other].label)),
        }
    }
}

fn standing(summary: &Summary, column: &Column, arm: usize, costs: &[Option<f64>]) -> Standing {
    let not_dearer = |&&other: &&usize| other != arm && costs[other].is_some() && costs[other] <= costs[arm];
    let others: Vec<(usize, Outcome)> =
        column.entries.iter().filter(not_dearer).map(|&other| (other, outcome(column, arm, other))).collect();
    let accuracy = |other: usize| summary.entries[other].score(summary.question.aim).unwrap_or_default();
    let better = others.iter().filter(|(_, outcome)| *outcome == Outcome::Worse).map(|(other, _)| *other);
    match better.max_by(|&a, &b| accuracy(a).total_cmp(&accuracy(b))) {
        Some(other) => Standing::Off(other),
        None if others.iter().all(|(_, outcome)| *outcome == Outcome::Better) => Standing::On,
        None => Standing::Undecided,
    }
}

/// Of the first against the second; undecided where they were not compared.
fn outcome(column: &Column, first: usize, second: usize) -> Outcome {
    let of = |pair: &Pair| match (pair.a, pair.b) {
        (a, b) if (a, b) == (first, second) => Some(pair.outcome()),
        (a, b) if (a, b) == (second, first) => Some(pair.outcome().turned()),
        _ => None,
    };
    column.pairs.iter().find_map(of).unwrap_or(Outcome::Undecided)
}
