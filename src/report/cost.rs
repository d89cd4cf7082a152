//! The table of what every arm costs, with where it stands on the fronts, and what its columns mean.

use crate::record::RunRow;

use super::front::Standings;
use super::price::{PRICES, Price};
use super::summary::Summary;
use super::table::{Cell, Table};

/// What every arm costs, and where it stands among the others.
pub fn table(summary: &Summary) -> Table {
    let shown: Vec<&Price> = PRICES.iter().filter(|price| !price.title.is_empty()).collect();
    let titles = ["arm", "canvas"].into_iter().chain(shown.iter().map(|price| price.title));
    let titles = titles.chain(["front, by ms", "front, by MiB", "device", "environment"]);
    let mut table = Table::new(&titles.collect::<Vec<_>>());
    let several = summary.records.environments.len() > 1;
    let fronts = [Standings::by_ms(summary), Standings::by_mib(summary)];
    for (i, entry) in summary.entries.iter().enumerate().filter(|(_, entry)| entry.scores.is_some()) {
        let mut cells = vec![Cell::code(&*entry.label), Cell::text(&*entry.row.canvas)];
        cells.extend(shown.iter().map(|price| Cell::optional(price.of_entry(entry, &summary.runs), price.print)));
        cells.extend(fronts.iter().map(|front| front.cell(summary, i)));
        cells.push(Cell::text(&*entry.row.device));
        cells.push(if several { Cell::text(&*entry.row.environment_id) } else { Cell::none() });
        table.push(&entry.row.family, cells);
    }
    table
}

/// What the columns mean, and what was not measured.
pub fn note(summary: &Summary) -> String {
    let known = |of: fn(&RunRow) -> bool| summary.runs.iter().any(|run| run.confusion.is_some() && of(run.row));
    let mut note =
        "*ms an image*: from encoded bytes to class, one image at a time on one thread. *Offline*: the whole split, \
                    from bytes to class, on all threads. *Fit*: the final fit of the classifier, features excluded; \
                    *selection*: all candidates."
            .to_owned();
    if known(|row| row.file_bytes.is_some()) {
        note += " *File*: what `featbench export` writes; without one an arm can't be exported. *Parameters*: all numbers that \
                 were learned, of vocabularies by their bytes; *multiply-adds*: of one image in the network and the \
                 classifier. *Memory of one image*: what the largest image takes beyond what was there before it.";
    }
    note += if known(|row| row.joules.is_some()) {
        " *Joules*: of the processor in the offline scenario, with whatever else ran."
    } else {
        " Energy was not measured: the machine does not tell it, or not to this user."
    };
    if fronts_are_shown(summary) {
        note += " *Front*: an arm is *off* it where another is shown to be better (the pairs below, Holm's correction) and is \
                 not dearer, *on* it where it is shown to be better than all that are not dearer; else *undecided*. Costs \
                 are taken as measured.";
    }
    note
}

fn fronts_are_shown(summary: &Summary) -> bool {
    summary.columns.iter().any(|column| !column.pairs.is_empty())
}
