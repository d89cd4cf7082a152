//! How sure an arm is: calibrated probabilities, and what it is right on when it may say "I don't know". The temperature
//! and the probability from which on it answers were chosen on selection images that the fit had not seen; what is said
//! of both is said of the reported images.

use serde::Serialize;

use crate::stats::calibration::Selective;
use crate::stats::intervals::Interval;

use super::format::{counted, list, percent, significant, trimmed};
use super::metrics::{METRICS, Metric};
use super::summary::{Entry, Run, Summary, mean};
use super::table::{Cell, Table};

/// Arms without a temperature that are named.
const NAMED: usize = 5;

/// A part of the view.
#[derive(Debug, Serialize)]
pub struct SureView {
    pub table: Table,
    pub note: String,
}

/// What an arm answers, over its seeds: each with its own threshold.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Share of the answers that was wanted to be right, on the selection images.
    pub wanted: f64,
    /// Mean probability from which on it answers.
    pub from: f64,
    pub coverage: f64,
    pub coverage_interval: Interval,
    /// `None` where no image is answered.
    pub accuracy: Option<(f64, Interval)>,
}

/// The threshold that a run recorded for a share of right answers, in percent.
fn threshold(run: &Run, wanted: u32) -> Option<f64> {
    let mut parts = run.row.thresholds.split_whitespace().filter_map(|part| part.split_once('='));
    parts.find_map(|(share, threshold)| (share.parse() == Ok(wanted)).then(|| threshold.parse().ok())?)
}

/// The shares for which every calibrated run of these recorded a threshold, from the largest.
fn shares(runs: &[&Run]) -> Vec<u32> {
    let of = |run: &&Run| -> Vec<u32> {
        run.row.thresholds.split_whitespace().filter_map(|part| part.split_once('=')?.0.parse().ok()).collect()
    };
    let mut shares = runs.first().map(of).unwrap_or_default();
    shares.retain(|share| runs.iter().all(|run| threshold(run, *share).is_some()));
    shares.sort_unstable_by(|a, b| b.cmp(a));
    shares
}

/// The probability from which on a run answers, at the largest share of right answers that it recorded.
pub fn threshold_of(run: &Run) -> Option<f64> {
    threshold(run, *shares(&[run]).first()?)
}

fn calibrated<'r, 'a>(entry: &Entry, runs: &'r [Run<'a>]) -> Vec<&'r Run<'a>> {
    entry.runs.iter().map(|&i| &runs[i]).filter(|run| run.calibrated.is_some()).collect()
}

/// What an arm answers at the largest share of right answers that its selection images reach; `None` where it has no
/// probabilities or no threshold.
pub fn answered(entry: &Entry, runs: &[Run]) -> Option<Answered> {
    let runs = calibrated(entry, runs);
    let wanted = *shares(&runs).first()?;
    let of_seed = |run: &&Run| {
        let from = threshold(run, wanted)?;
        Some((from, Selective::of(&run.calibrated.as_ref()?.answers, from)))
    };
    let seeds: Vec<(f64, Selective)> = runs.iter().filter_map(of_seed).collect();
    let of = |number: fn(&Selective) -> Option<f64>| mean(seeds.iter().filter_map(|(_, found)| number(found)));
    // seeds see the same images: the mean of their intervals is not narrower than one of them
    let interval = |of: fn(&Selective) -> Interval| Interval {
        low: mean(seeds.iter().map(|(_, found)| of(found).low)).unwrap_or(0.0),
        high: mean(seeds.iter().map(|(_, found)| of(found).high)).unwrap_or(1.0),
    };
    Some(Answered {
        wanted: f64::from(wanted) / 100.0,
        from: mean(seeds.iter().map(|(from, _)| *from))?,
        coverage: of(Selective::coverage)?,
        coverage_interval: interval(Selective::coverage_interval),
        accuracy: of(Selective::accuracy).map(|accuracy| (accuracy, interval(Selective::accuracy_interval))),
    })
}

/// `86.1 to 89.5 %`
fn between(interval: Interval) -> String {
    format!("{} to {} %", percent(interval.low), percent(interval.high))
}

/// Rounded down, so that who types it gets what is said.
fn probability(from: f64) -> String {
    trimmed((from * 1e4).floor() / 1e4, 4)
}

/// What the arm that is to be taken is right on, when it may leave images out.
pub fn sentence(entry: &Entry, summary: &Summary) -> Option<String> {
    let found = answered(entry, &summary.runs)?;
    let (accuracy, interval) = found.accuracy?;
    Some(format!(
        "Let it answer {} % of the images (95 % interval {}), those of which it is at least {} sure, and it is right on {} % \
         of these ({}); the threshold is that at which {} % of its answers on the selection images are right: `featbench \
         classify --min-confidence {}`.",
        percent(found.coverage),
        between(found.coverage_interval),
        probability(found.from),
        percent(accuracy),
        between(interval),
        trimmed(100.0 * found.wanted, 0),
        probability(found.from),
    ))
}

/// `None` where no arm has scores.
pub fn view(summary: &Summary) -> Option<SureView> {
    let judged = |entry: &&Entry| entry.scores.is_some();
    let scored = |entry: &&Entry| {
        let scores = |&i: &usize| summary.runs[i].judged.iter().any(|judged| !judged.scores.is_empty());
        entry.runs.iter().any(scores)
    };
    let (with, without): (Vec<&Entry>, Vec<&Entry>) = summary
        .entries
        .iter()
        .filter(judged)
        .filter(scored)
        .partition(|entry| !calibrated(entry, &summary.runs).is_empty());
    if with.is_empty() && without.is_empty() {
        return None;
    }
    Some(SureView { table: table(summary, &with), note: note(summary, with.len(), &without) })
}

fn table(summary: &Summary, entries: &[&Entry]) -> Table {
    let sure: Vec<(usize, &Metric)> =
        METRICS.iter().enumerate().filter(|(_, metric)| ["ece", "log_loss"].contains(&metric.name)).collect();
    let columns: Vec<String> = sure.iter().map(|(_, metric)| metric.column()).collect();
    let titles = ["arm", "canvas", "#temperature"].into_iter().chain(columns.iter().map(String::as_str));
    let titles = titles.chain([
        "#right wanted, %",
        "#answers from",
        "#answered, %",
        "#95 % interval",
        "#right of these, %",
        "#95 % interval",
    ]);
    let mut table = Table::new(&titles.collect::<Vec<_>>());
    for entry in entries {
        let runs = calibrated(entry, &summary.runs);
        let temperature = mean(runs.iter().filter_map(|run| run.row.temperature));
        let mut cells = vec![Cell::code(&*entry.label), Cell::text(&*entry.row.canvas)];
        // scores that tell nothing have one without bound
        let print = |value: f64| if value < 1e4 { significant(value, 3) } else { "> 10,000".to_owned() };
        cells.push(Cell::optional(temperature, print));
        cells.extend(sure.iter().map(|(place, metric)| Cell::optional(entry.score_of(*place), metric.print)));
        let found = answered(entry, &summary.runs);
        let bounds = |interval: Interval| Cell::number(interval.low, between(interval).replace(" %", ""));
        cells.extend([
            Cell::optional(found.map(|found| found.wanted), |wanted| trimmed(100.0 * wanted, 0)),
            Cell::optional(found.map(|found| found.from), probability),
            Cell::optional(found.map(|found| found.coverage), percent),
            found.map_or_else(Cell::none, |found| bounds(found.coverage_interval)),
            Cell::optional(found.and_then(|found| found.accuracy).map(|(accuracy, _)| accuracy), percent),
            found.and_then(|found| found.accuracy).map_or_else(Cell::none, |(_, interval)| bounds(interval)),
        ]);
        table.push(&entry.row.family, cells);
    }
    table
}

fn note(summary: &Summary, calibrated: usize, without: &[&Entry]) -> String {
    let mut sentences = Vec::new();
    if calibrated > 0 {
        sentences.push(
            "Probabilities are softmax(scores / *temperature*); it is fitted on the selection images by a fit on train alone, \
             with Platt's targets, and changes no answer. *Expected calibration error*: how far the share of right answers \
             is from the mean probability of the predicted class, in 15 bins of as many images each; of few images it is \
             above 0 by chance alone. *Log loss*: natural. *Answers from*: the least probability from which on as many \
             answers as wanted are right on the selection images; what is answered and right is of the reported images. \
             Intervals are exact ones of counts, of several seeds their mean: they are about these fits."
                .to_owned(),
        );
    }
    if !without.is_empty() {
        let mut labels: Vec<String> = without.iter().map(|entry| format!("`{}`", entry.label)).collect();
        labels.sort();
        labels.dedup();
        let who = if labels.len() <= NAMED { list(&labels) } else { counted(labels.len(), "arm") };
        sentences.push(format!(
            "No temperature is recorded for {who}: their records are older, or no fit was without the selection images ({}). \
             Measured again with `--fresh` there is one where there can be.",
            summary.records.dataset.selection_split
        ));
    }
    sentences.join(" ")
}
