//! A published experiment, answered: its arms compared over all seeds on the same images, under every protocol, and
//! how many epochs each arm took to a given accuracy.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::format::{capitalised, count, counted, list, p_value, percent, points, relation, trimmed};
use super::said;
use super::summary::{Entry, Run, Summary, difference};
use super::table::{Cell, Table};
use crate::record::{Comparison, EpochRow, ExperimentRecord, Family};
use crate::stats::latency::median;
use crate::stats::outcome::{Judged, Rule, judge};

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
    pub comparisons_note: String,
    pub reach: Table,
    pub reach_note: &'static str,
}

/// One comparison under one protocol.
pub struct Compared<'a> {
    pub comparison: &'a Comparison,
    pub protocol: &'a str,
    /// Together with all comparisons of the experiment, each under each protocol.
    pub judged: Judged,
    rule: Rule,
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
        comparisons_note: comparisons_note(compared.len(), summary.question.rule),
        reach: reach(summary, record),
        reach_note: "Epochs until the reported images are classified with that accuracy for the first time: the median \
                     over the seeds, in which one that does not get there takes longer than any.",
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
        main.iter().any(|c| c.comparison == other.comparison && c.judged.outcome != other.judged.outcome)
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

impl Compared<'_> {
    pub fn verdict(&self) -> String {
        said::outcome(self.judged.outcome, self.rule)
    }
}

fn sentence(compared: &Compared) -> String {
    let Compared { comparison, protocol, judged, rule } = compared;
    let Comparison { first, second, about } = comparison;
    let difference = &judged.difference;
    format!(
        "{}: `{first}` against `{second}` ({about}; protocol `{protocol}`) differs by {} points of accuracy (95 % \
         interval {}, p {} after Holm's correction; {} on the same {}).{}",
        capitalised(&compared.verdict()),
        points(difference.mean()),
        said::interval(difference, rule.level),
        relation(judged.p_adjusted),
        counted(difference.seeds, "seed"),
        counted(difference.images, "image"),
        said::detectable(judged, *rule),
    )
}

/// Every comparison of the experiment whose arms were measured, under each protocol.
pub fn compared<'a>(summary: &Summary, record: &'a ExperimentRecord) -> Vec<Compared<'a>> {
    let (mut asked, mut differences) = (Vec::new(), Vec::new());
    for protocol in &record.protocols {
        for comparison in &record.comparisons {
            let of = |arm| entry(summary, arm, protocol);
            let (Some(first), Some(second)) = (of(&comparison.first), of(&comparison.second)) else { continue };
            if let Some(difference) = difference(first, second, &summary.runs, &summary.question) {
                asked.push((comparison, protocol.as_str()));
                differences.push(difference);
            }
        }
    }
    let rule = summary.question.rule;
    let judged = asked.into_iter().zip(judge(&differences, rule));
    judged.map(|((comparison, protocol), judged)| Compared { comparison, protocol, judged, rule }).collect()
}

/// The entry of an arm under a protocol; one that is not trained by epochs is the same under all.
fn entry<'s, 'a>(summary: &'s Summary<'a>, arm: &str, protocol: &str) -> Option<&'s Entry<'a>> {
    let of_arm =
        |entry: &&Entry| entry.row.arm == arm && (entry.row.epochs.is_none() || entry.row.protocol == protocol);
    summary.entries.iter().find(of_arm)
}

fn comparisons(compared: &[Compared]) -> Table {
    let mut table = Table::new(&[
        "first",
        "second",
        "protocol",
        "first is",
        "#difference, points",
        "#95 % interval",
        "#p",
        "#p, Holm",
        "#shown with 80 % power, points",
        "what it tells",
    ]);
    for compared in compared {
        let Compared { comparison, protocol, judged, rule } = compared;
        let Judged { difference, p, p_adjusted, .. } = judged;
        table.push(
            Family::Deep.name(),
            vec![
                Cell::code(&*comparison.first),
                Cell::code(&*comparison.second),
                Cell::text(*protocol),
                Cell::text(compared.verdict()),
                Cell::number(difference.mean(), points(difference.mean())),
                Cell::text(said::interval(difference, rule.level)),
                Cell::number(*p, p_value(*p)),
                Cell::number(*p_adjusted, p_value(*p_adjusted)),
                Cell::optional(difference.detectable(rule.level), percent),
                Cell::text(&*comparison.about),
            ],
        );
    }
    table
}

fn comparisons_note(rows: usize, rule: Rule) -> String {
    format!(
        "Differences of accuracy, {} in the table. {} What is shown with 80 % power is the difference that seeds and \
         images like these show in four of five measurements of one comparison by itself; it is left out where it would \
         rest on fewer than five degrees of freedom.",
        counted(rows, "row"),
        said::method(rule)
    )
}

/// Epochs to each accuracy on the reported images: the median over the seeds, in which one that never got there took
/// longer than any number of epochs, and how many got there.
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
            reach_cell(&courses.iter().map(first).collect::<Vec<_>>(), courses[0].len())
        });
        table.push(&entry.row.family, std::iter::once(Cell::code(&*entry.row.arm)).chain(cells).collect());
    }
    if record.reach.is_empty() { Table::new(&["arm"]) } else { table }
}

/// Of each seed the epoch that got there, `None` where none of `epochs` did.
fn reach_cell(reached: &[Option<usize>], epochs: usize) -> Cell {
    let seeds = reached.iter().flatten().count();
    let infinite = |epoch: &Option<usize>| epoch.map_or(f64::INFINITY, |epoch| epoch as f64);
    let middle = median(&reached.iter().map(infinite).collect::<Vec<_>>()).filter(|middle| middle.is_finite());
    let note = if seeds < reached.len() { format!(" ({seeds} of {} seeds)", reached.len()) } else { String::new() };
    match middle {
        Some(middle) => Cell::number(middle, format!("{}{note}", trimmed(middle, 1))),
        None => Cell::text(format!("over {}{note}", count(epochs))),
    }
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
