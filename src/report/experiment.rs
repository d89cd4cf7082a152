//! A published experiment, answered: its arms compared over all seeds on the same images, under every protocol, and
//! how many epochs each arm took to a given accuracy.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::format::{NONE, capitalised, count, counted, list, percent, points};
use super::summary::{Entry, Run, Summary};
use super::table::{Cell, Table};
use crate::record::{Comparison, EpochRow, ExperimentRecord};
use crate::stats::crossed::{Difference, difference};

/// Of the intervals of differences.
const LEVEL: f64 = 0.95;

/// A part of the view.
#[derive(Debug, Serialize)]
pub struct ExperimentView {
    pub title: String,
    /// The sentences on top of the page: what the first protocol says, and what another one says otherwise.
    pub answers: Vec<String>,
    /// How large it is beside what was published.
    pub form: String,
    pub source: String,
    /// What each protocol is.
    pub protocols: Vec<String>,
    pub comparisons: Table,
    pub reach: Table,
}

/// One comparison under one protocol.
struct Compared<'a> {
    comparison: &'a Comparison,
    protocol: &'a str,
    seeds: usize,
    images: usize,
    difference: Difference,
}

pub fn experiment(summary: &Summary) -> Option<ExperimentView> {
    let record = summary.records.experiment.as_ref()?;
    let compared = compared(summary, record);
    let protocols = record.protocols.iter().map(|protocol| format!("`{protocol}`: {}", meaning(protocol)));
    Some(ExperimentView {
        title: format!("{} (form {})", record.title, record.form),
        answers: answers(summary, record, &compared),
        form: form(record),
        source: record.source.clone(),
        protocols: protocols.collect(),
        comparisons: comparisons(&compared),
        reach: reach(summary, record),
    })
}

fn answers(summary: &Summary, record: &ExperimentRecord, all: &[Compared]) -> Vec<String> {
    let first = record.protocols.first().map(String::as_str);
    let (main, others): (Vec<&Compared>, Vec<&Compared>) = all.iter().partition(|c| Some(c.protocol) == first);
    let mut sentences: Vec<String> = main.iter().map(|compared| sentence(compared)).collect();
    if let Some(sentence) = sentences.first_mut() {
        let question = record.question.trim_end_matches('?');
        *sentence = format!("{}? {sentence}", capitalised(question));
    }
    let changed = others.iter().filter(|other| {
        main.iter().any(|c| c.comparison == other.comparison && verdict(&c.difference) != verdict(&other.difference))
    });
    sentences.extend(changed.map(|compared| sentence(compared)));
    let arms: BTreeSet<&str> = record.comparisons.iter().flat_map(|c| [&*c.first, &*c.second]).collect();
    let unmeasured = |arm: &&str| record.protocols.iter().all(|protocol| entry(summary, arm, protocol).is_none());
    let missing: Vec<String> = arms.into_iter().filter(unmeasured).map(|arm| format!("`{arm}`")).collect();
    if !missing.is_empty() {
        sentences.push(format!("Not measured yet: {}; the same command goes on.", list(&missing)));
    }
    if record.form != "standard" && !sentences.is_empty() {
        sentences.push(form(record));
    }
    sentences
}

fn form(record: &ExperimentRecord) -> String {
    format!(
        "Form `{}`: {} a training where {} were published, {}; schedules keep their shape.",
        record.form,
        counted(record.epochs, "epoch"),
        record.published_epochs,
        counted(record.image_steps, "image step"),
    )
}

fn meaning(protocol: &str) -> &'static str {
    match protocol {
        "last" => "the weights after the last epoch.",
        "selected" => {
            "the epoch that is best on selection images, which are not trained on; reported images are read once."
        }
        _ => "the epoch that is best on the reported images themselves, as it was published: optimistic.",
    }
}

fn verdict(difference: &Difference) -> &'static str {
    match difference.mean {
        _ if !difference.decided() => "undecided",
        mean if mean > 0.0 => "better",
        _ => "worse",
    }
}

fn sentence(compared: &Compared) -> String {
    let Compared { comparison, protocol, seeds, images, difference } = compared;
    let Comparison { first, second, about } = comparison;
    let interval = interval(difference);
    let decided = match (difference.decided(), difference.images_to_decide()) {
        (true, _) => String::new(),
        (false, Some(needed)) => {
            format!(" About {} such images would decide, were this the difference.", count(needed))
        }
        (false, None) if difference.mean == 0.0 => String::new(),
        (false, None) => {
            format!(
                " No number of images would decide with {}: it moves too much from seed to seed.",
                counted(*seeds, "seed")
            )
        }
    };
    format!(
        "{}: `{first}` against `{second}` ({about}; protocol `{protocol}`) differs by {} points of accuracy (95 % \
         interval {interval}; {} on the same {}).{decided}",
        capitalised(verdict(difference)),
        points(difference.mean),
        counted(*seeds, "seed"),
        counted(*images, "image"),
    )
}

fn interval(difference: &Difference) -> String {
    difference.bounds.map_or(NONE.to_owned(), |(low, high)| format!("{} to {}", points(low), points(high)))
}

fn compared<'a>(summary: &Summary, record: &'a ExperimentRecord) -> Vec<Compared<'a>> {
    let mut all = Vec::new();
    for protocol in &record.protocols {
        for comparison in &record.comparisons {
            let of = |arm| entry(summary, arm, protocol);
            let (Some(first), Some(second)) = (of(&comparison.first), of(&comparison.second)) else { continue };
            let rows = paired(summary, first, second);
            if rows.first().is_some_and(|row| !row.is_empty()) {
                let (seeds, images) = (rows.len(), rows[0].len());
                all.push(Compared { comparison, protocol, seeds, images, difference: difference(&rows, LEVEL) });
            }
        }
    }
    all
}

/// The entry of an arm under a protocol; one that is not trained by epochs is the same under all.
fn entry<'s, 'a>(summary: &'s Summary<'a>, arm: &str, protocol: &str) -> Option<&'s Entry<'a>> {
    let of_arm =
        |entry: &&Entry| entry.row.arm == arm && (entry.row.epochs.is_none() || entry.row.protocol == protocol);
    summary.entries.iter().find(of_arm)
}

/// One row a common seed with the same images: who alone was right.
fn paired(summary: &Summary, first: &Entry, second: &Entry) -> Vec<Vec<f64>> {
    let judged = |entry: &Entry| -> Vec<&Run> {
        entry.runs.iter().map(|&i| &summary.runs[i]).filter(|run| !run.judged.is_empty()).collect()
    };
    let (of_first, of_second) = (judged(first), judged(second));
    let pairs = of_first.iter().filter_map(|a| Some((*a, *of_second.iter().find(|b| b.row.seed == a.row.seed)?)));
    let row = |(a, b): (&Run, &Run)| -> Option<Vec<f64>> {
        let same = a.judged.iter().map(|j| j.image).eq(b.judged.iter().map(|j| j.image));
        let differences = || a.judged.iter().zip(&b.judged).map(|(a, b)| f64::from(a.right()) - f64::from(b.right()));
        same.then(|| differences().collect())
    };
    let rows: Vec<Vec<f64>> = pairs.filter_map(row).collect();
    let images = rows.first().map_or(0, Vec::len);
    rows.into_iter().filter(|row| row.len() == images).collect()
}

fn comparisons(compared: &[Compared]) -> Table {
    let mut table = Table::new(&[
        "first",
        "second",
        "protocol",
        "first is",
        "#difference, points",
        "#95 % interval",
        "#images that would decide",
        "what it tells",
    ]);
    for Compared { comparison, protocol, difference, .. } in compared {
        let needed = difference.images_to_decide().filter(|_| !difference.decided());
        table.push(
            "deep",
            vec![
                Cell::code(&*comparison.first),
                Cell::code(&*comparison.second),
                Cell::text(*protocol),
                Cell::text(verdict(difference)),
                Cell::number(difference.mean, points(difference.mean)),
                Cell::text(interval(difference)),
                Cell::optional(needed.map(|needed| needed as f64), |needed| count(needed as usize)),
                Cell::text(&*comparison.about),
            ],
        );
    }
    table
}

/// Epochs to each accuracy on the reported images: the median of the seeds that reached it, and how many did.
fn reach(summary: &Summary, record: &ExperimentRecord) -> Table {
    let titles: Vec<String> = record.reach.iter().map(|share| format!("#epochs to {} %", percent(*share))).collect();
    let titles: Vec<&str> = ["arm"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = Table::new(&titles);
    let mut epochs: HashMap<&str, Vec<&EpochRow>> = HashMap::new();
    for row in summary.records.details.epochs.iter().filter(|row| !row.reported.is_empty()) {
        epochs.entry(&row.run_id).or_default().push(row);
    }
    for entry in summary.entries.iter().filter(|entry| entry.row.protocol == "last") {
        let runs = entry.runs.iter().map(|&i| &summary.runs[i]);
        let courses: Vec<Vec<f64>> =
            runs.filter_map(|run| Some(accuracies(run, epochs.get(run.row.run_id.as_str())?))).collect();
        if courses.is_empty() {
            continue;
        }
        let cells = record.reach.iter().map(|&share| {
            let first = |course: &Vec<f64>| course.iter().position(|accuracy| *accuracy >= share).map(|i| i + 1);
            let mut reached: Vec<usize> = courses.iter().filter_map(first).collect();
            reached.sort_unstable();
            let middle = reached.get(reached.len() / 2).copied();
            Cell::optional(middle.map(|epochs| epochs as f64), |epochs| match reached.len() {
                all if all == courses.len() => count(epochs as usize),
                some => format!("{} ({some} of {} seeds)", count(epochs as usize), courses.len()),
            })
        });
        table.push("deep", std::iter::once(Cell::code(&*entry.row.arm)).chain(cells).collect());
    }
    if record.reach.is_empty() { Table::new(&["arm"]) } else { table }
}

/// Accuracy on the reported images after each epoch.
fn accuracies(run: &Run, epochs: &[&EpochRow]) -> Vec<f64> {
    let right = |row: &&EpochRow| {
        let classes = row.reported.split(' ').map(str::parse::<usize>);
        let right = classes.zip(&run.judged).filter(|(class, judged)| class.as_ref() == Ok(&judged.truth)).count();
        right as f64 / run.judged.len().max(1) as f64
    };
    epochs.iter().map(right).collect()
}
