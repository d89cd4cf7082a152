//! Records to numbers, once: what every renderer of the report shows. A [`Summary`] holds the recorded runs, the
//! same grouped over seeds into [`Entry`]s in the order of display, and the comparisons between them.

mod entry;
mod pairs;
pub mod question;
pub(super) mod run;
mod training;

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;

use crate::record::{ArmRecord, Family, Records, RunRow, Status};

pub use entry::{AgainstFloor, ClassScores, Entry, Scores, Spread};
pub use pairs::{Pair, difference};
pub use question::{Aim, Budget, Question};
pub use run::{Calibrated, Judged, Run, Times};
pub use training::{Course, Training};

/// Everything that a report shows of one data set, in numbers.
#[derive(Debug)]
pub struct Summary<'a> {
    pub records: &'a Records,
    pub question: Question,
    /// Class names in label order.
    pub classes: Vec<&'a str>,
    /// In the order of `runs.csv`.
    pub runs: Vec<Run<'a>>,
    /// By column, family and falling accuracy.
    pub entries: Vec<Entry<'a>>,
    /// `native`, then canvases by size.
    pub columns: Vec<Column>,
    /// Every arm on a canvas against itself on native images, judged together.
    pub moves: Vec<Pair>,
}

/// Images as they are, or on one canvas: what is compared is compared within a column.
#[derive(Debug, Clone)]
pub struct Column {
    /// `native` or the canvas's side.
    pub canvas: String,
    /// Indices of its entries, in the order of display.
    pub entries: Vec<usize>,
    /// Every two of them that share images.
    pub pairs: Vec<Pair>,
    /// The entry of the floor that is highest on the selection images.
    pub floor: Option<usize>,
}

impl<'a> Summary<'a> {
    /// # Errors
    /// Records that contradict each other; the message names the file and the run.
    pub fn of(records: &'a Records, question: &Question) -> Result<Summary<'a>> {
        let classes: Vec<&str> = records.dataset.counts.iter().map(|c| c.class.as_str()).collect();
        let runs = Run::all(records, &classes)?;
        let mut entries = group(&runs, classes.len(), records.experiment.is_some());
        sort_for_display(&mut entries);
        let columns = columns(&entries, &runs, question);
        let question = *question;
        let mut summary = Summary { records, question, classes, runs, entries, columns, moves: Vec::new() };
        summary.judge_by_floors();
        summary.moves = summary.moves();
        Ok(summary)
    }

    /// The column that the findings and pictures speak of: native where there is one.
    pub fn first_column(&self) -> Option<&Column> {
        self.columns.first()
    }

    /// The arm's own words and settings.
    pub fn arm(&self, entry: &Entry) -> Option<&'a ArmRecord> {
        self.records.arms.get(&entry.row.arm)
    }

    /// The same arm in another column.
    pub fn same_arm(&self, entry: &Entry, column: &Column) -> Option<usize> {
        column.entries.iter().copied().find(|&i| self.entries[i].label == entry.label)
    }

    /// Runs that have no result, with the status.
    pub fn not_ok(&self) -> impl Iterator<Item = &'a RunRow> {
        self.runs.iter().map(|run| run.row).filter(|row| row.status != Status::Ok)
    }

    /// Images of the reported split, by the data set's own counts.
    pub fn reported_images(&self) -> usize {
        self.records.dataset.counts.iter().map(|c| c.test).sum()
    }

    /// The first judged run of an entry: pictures and lists of images show one seed.
    pub fn shown_run(&self, entry: &Entry) -> Option<&Run<'a>> {
        entry.runs.iter().map(|&i| &self.runs[i]).find(|run| run.confusion.is_some())
    }

    /// Every arm of a column against every floor of it, judged together. Of an arm that stands is the floor against which it
    /// does worst: who is called better is better than all of them.
    fn judge_by_floors(&mut self) {
        for column in &self.columns {
            let measured = column.entries.iter().copied().filter(|&i| self.entries[i].scores.is_some());
            let (floors, arms): (Vec<usize>, Vec<usize>) = measured.partition(|&i| self.entries[i].is_floor());
            let pairs: Vec<_> = arms.iter().flat_map(|&arm| floors.iter().map(move |&floor| (arm, floor))).collect();
            let mut table = Pair::table(&pairs, &self.entries, &self.runs, &self.question);
            table.sort_by(|a, b| {
                let standing = |pair: &Pair| (pair.a, AgainstFloor::standing(pair.outcome()));
                standing(a).cmp(&standing(b)).then(b.judged.p_adjusted.total_cmp(&a.judged.p_adjusted))
            });
            table.dedup_by_key(|pair| pair.a);
            for Pair { a, b, judged } in table {
                let floor = self.entries[b].label.clone();
                self.entries[a].against_floor = Some(AgainstFloor { floor, judged });
            }
        }
    }

    fn moves(&self) -> Vec<Pair> {
        let Some(native) = self.first_column().filter(|first| first.canvas == "native") else { return Vec::new() };
        let canvases = self.columns.iter().skip(1).flat_map(|column| column.entries.iter().copied());
        let pairs: Vec<_> = canvases.filter_map(|i| Some((i, self.same_arm(&self.entries[i], native)?))).collect();
        Pair::table(&pairs, &self.entries, &self.runs, &self.question)
    }

    /// An entry on a canvas against the same arm on native images.
    pub fn moved(&self, entry: usize) -> Option<&Pair> {
        self.moves.iter().find(|pair| pair.a == entry)
    }
}

/// One entry for every arm, backbone, input, canvas, form and protocol, in the order of the records.
fn group<'a>(runs: &[Run<'a>], classes: usize, experiment: bool) -> Vec<Entry<'a>> {
    let mut groups: Vec<(&RunRow, Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        match groups.iter_mut().find(|(row, _)| key(row) == key(run.row)) {
            Some((_, indices)) => indices.push(i),
            None => groups.push((run.row, vec![i])),
        }
    }
    let entry = |(row, mut indices): (&RunRow, Vec<usize>)| {
        indices.sort_by_key(|&i| runs[i].row.seed);
        Entry::new(label(row, runs, experiment), indices, runs, classes)
    };
    groups.into_iter().map(entry).collect()
}

/// What makes two runs runs of one entry.
pub fn key(row: &RunRow) -> (&str, &str, Option<u32>, &str, &str, &str) {
    (&row.arm, &row.backbone, row.input_px, &row.canvas, &row.form, &row.protocol)
}

/// The arm's name, and of backbone, input, form and protocol what differs between the records of this arm. A precision is
/// always named, and a form, unless it is the one of an experiment.
fn label(row: &RunRow, runs: &[Run], experiment: bool) -> String {
    let parts: [fn(&RunRow) -> String; 5] = [
        |row| row.network().0.to_owned(),
        |row| row.network().1.to_owned(),
        |row| row.input_px.map_or_else(String::new, |px| format!("{px} px")),
        |row| row.form.clone(),
        |row| row.protocol.clone(),
    ];
    let mut label = row.arm.clone();
    for part in parts {
        let values: BTreeSet<String> = runs.iter().filter(|r| r.row.arm == row.arm).map(|r| part(r.row)).collect();
        let part = part(row);
        let named = values.len() > 1 || part == row.network().1 || (part == row.form && !experiment);
        if named && !part.is_empty() {
            label.push_str(" · ");
            label.push_str(&part);
        }
    }
    label
}

/// By column and family; within a family by the accuracy in the first column that has the arm, so that every column
/// lists the arms in the same order.
fn sort_for_display(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| canvas_rank(&entry.row.canvas));
    let mut ranks: HashMap<String, f64> = HashMap::new();
    for entry in entries.iter() {
        ranks.entry(entry.label.clone()).or_insert(entry.accuracy().unwrap_or(-1.0));
    }
    entries.sort_by(|a, b| {
        let key = |e: &Entry| (canvas_rank(&e.row.canvas), Family::rank(&e.row.family));
        let by_accuracy = ranks[&b.label].total_cmp(&ranks[&a.label]);
        key(a).cmp(&key(b)).then(by_accuracy).then_with(|| a.label.cmp(&b.label))
    });
}

fn columns(entries: &[Entry], runs: &[Run], question: &Question) -> Vec<Column> {
    let canvases: BTreeSet<(u32, &str)> =
        entries.iter().map(|e| (canvas_rank(&e.row.canvas), e.row.canvas.as_str())).collect();
    let column = |(_, canvas): (u32, &str)| {
        let indices: Vec<usize> = (0..entries.len()).filter(|&i| entries[i].row.canvas == canvas).collect();
        let floors = indices.iter().copied().filter(|&i| entries[i].is_floor() && entries[i].scores.is_some());
        let floor = strongest(entries, floors);
        let pairs = Pair::all(&indices, entries, runs, question);
        Column { canvas: canvas.to_owned(), pairs, entries: indices, floor }
    };
    canvases.into_iter().map(column).collect()
}

/// Which of some entries is best on the selection images, the first of equals; of those without an accuracy there none, and
/// where none has one the first in the order of the records: no choice at all.
pub fn strongest(entries: &[Entry], of: impl Iterator<Item = usize>) -> Option<usize> {
    let val = |i: usize| entries[i].val_accuracy();
    let (known, unknown): (Vec<usize>, Vec<usize>) = of.partition(|&i| val(i).is_some());
    let best = known.into_iter().reduce(|a, b| if val(b) > val(a) { b } else { a });
    best.or_else(|| unknown.into_iter().min_by_key(|&i| entries[i].runs.first().copied()))
}

/// `native` first, then by size.
fn canvas_rank(canvas: &str) -> u32 {
    if canvas == "native" { 0 } else { canvas.parse().unwrap_or(u32::MAX) }
}

/// `None` of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / f64::from(n))
}

/// Smallest and largest.
pub fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}
