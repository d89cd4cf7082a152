//! The tables of a report, one function each, from the numbers of the summary.

use std::collections::BTreeMap;

use crate::record::{Environment, Environments, Status};
use crate::stats::intervals::Interval;
use crate::stats::outcome::{Judged, Rule};

use super::findings::status_name;
use super::format::{NONE, count, list, p_value, percent, points, trimmed};
use super::metrics::METRICS;
use super::said;
use super::summary::{AgainstFloor, Column, Entry, Scores, Summary};
use super::table::{Cell, Table};

/// Names of one kind of finding that are listed in full.
const LISTED: usize = 12;

/// A column over arms: its title, when it goes where there is little room, and what stands in it.
type ArmColumn = (String, u8, Box<dyn Fn(&Entry) -> Cell>);

/// The arms of one column with their metrics.
pub fn accuracy(summary: &Summary, column: &Column) -> Table {
    let columns = arm_columns(summary.question.rule);
    let titles: Vec<&str> = columns.iter().map(|(title, ..)| title.as_str()).collect();
    let order: Vec<u8> = columns.iter().map(|(_, order, _)| *order).collect();
    let mut table = Table::new(&titles).dispensable(&order);
    for entry in column.entries.iter().map(|&i| &summary.entries[i]) {
        table.push(&entry.row.family, columns.iter().map(|(.., cell)| cell(entry)).collect());
    }
    table
}

fn arm_columns(rule: Rule) -> Vec<ArmColumn> {
    let of_entry =
        |title: &str, order, cell: fn(&Entry) -> Cell| -> ArmColumn { (title.to_owned(), order, Box::new(cell)) };
    let scored = |title: &str, order, cell: fn(&Scores) -> Cell| -> ArmColumn {
        (title.to_owned(), order, Box::new(move |entry| entry.scores.as_ref().map_or_else(Cell::none, cell)))
    };
    let mut columns = vec![
        of_entry("arm", 0, |entry| Cell::code(&*entry.label)),
        of_entry("family", 8, |entry| Cell::text(&*entry.row.family)),
    ];
    for (i, metric) in METRICS.iter().enumerate() {
        let order = if i == 0 { 0 } else { i as u8 + 1 };
        columns.push((metric.column(), order, Box::new(move |entry| metric_cell(entry, i))));
        if metric.interval.is_some() {
            columns.push(("#95 % interval".to_owned(), order + 1, Box::new(move |entry| interval_cell(entry, i))));
        }
        if i == 0 {
            columns.push(("against floors".to_owned(), 1, Box::new(move |entry| floor_cell(entry, rule))));
        }
    }
    columns.extend([
        scored("#val accuracy, %", 6, |scores| Cell::optional(scores.val_accuracy, percent)),
        scored("#seeds", 4, |scores| Cell::number(scores.seeds as f64, count(scores.seeds))),
        scored("#min to max, %", 5, spread_cell),
        scored("#images", 7, |scores| Cell::number(scores.n as f64, count(scores.n))),
        of_entry("network", 9, |entry| Cell::text(entry.network())),
    ]);
    columns
}

fn metric_cell(entry: &Entry, metric: usize) -> Cell {
    let value = entry.scores.as_ref().and_then(|scores| scores.metrics[metric]);
    Cell::optional(value, METRICS[metric].print)
}

fn interval_cell(entry: &Entry, metric: usize) -> Cell {
    let print = METRICS[metric].print;
    let interval = entry.scores.as_ref().and_then(|scores| scores.intervals[metric]);
    interval.map_or_else(Cell::none, |Interval { low, high }| {
        Cell::number(low, format!("{} to {}", print(low), print(high)))
    })
}

fn spread_cell(scores: &Scores) -> Cell {
    match scores.accuracy {
        _ if scores.seeds < 2 => Cell::none(),
        spread => Cell::number(spread.min, format!("{} to {}", percent(spread.min), percent(spread.max))),
    }
}

fn floor_cell(entry: &Entry, rule: Rule) -> Cell {
    match &entry.against_floor {
        None if entry.row.status != Status::Ok => Cell::text(status_name(entry.row.status)),
        None if entry.scores.is_none() => Cell::text("no image judged"),
        None => Cell::none(),
        Some(AgainstFloor { judged, .. }) => {
            Cell::number(AgainstFloor::standing(judged.outcome).into(), said::outcome(judged.outcome, rule))
        }
    }
}

/// Every arm that was measured on native images and on a canvas, side by side.
pub fn canvas(summary: &Summary) -> Table {
    let native = summary.columns.iter().find(|c| c.canvas == "native");
    let canvases: Vec<&Column> = summary.columns.iter().filter(|c| c.canvas != "native").collect();
    let mut titles = vec!["arm".to_owned(), "#native, %".to_owned()];
    for column in &canvases {
        titles.push(format!("#canvas {}, %", column.canvas));
        titles.push("#difference, points".to_owned());
        titles.push("#95 % interval".to_owned());
        titles.push("#p, Holm".to_owned());
        titles.push("on the canvas it is".to_owned());
    }
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for &i in native.map_or(&[][..], |native| &native.entries) {
        let entry = &summary.entries[i];
        let others: Vec<Option<usize>> = canvases.iter().map(|column| summary.same_arm(entry, column)).collect();
        let Some(before) = entry.accuracy().filter(|_| others.iter().any(Option::is_some)) else { continue };
        let mut cells = vec![Cell::code(&*entry.label), Cell::number(before, percent(before))];
        for other in others {
            cells.extend(canvas_cells(summary, before, other));
        }
        table.push(&entry.row.family, cells);
    }
    table
}

fn canvas_cells(summary: &Summary, before: f64, canvas: Option<usize>) -> [Cell; 5] {
    let measured = canvas.and_then(|i| Some((i, summary.entries[i].accuracy()?)));
    let Some((i, after)) = measured else { return std::array::from_fn(|_| Cell::none()) };
    let rule = summary.question.rule;
    let judged = summary.moved(i).map(|pair| pair.judged);
    let text = |cell: &dyn Fn(&Judged) -> Cell| judged.as_ref().map_or_else(Cell::none, cell);
    [
        Cell::number(after, percent(after)),
        Cell::number(after - before, points(after - before)),
        text(&|judged| Cell::text(said::interval(&judged.difference, rule.level))),
        text(&|judged| Cell::number(judged.p_adjusted, p_value(judged.p_adjusted))),
        text(&|judged| Cell::text(said::outcome(judged.outcome, rule))),
    ]
}

/// How each arm was chosen on the selection images.
pub fn selection(summary: &Summary) -> Table {
    let mut table = Table::new(&[
        "arm",
        "canvas",
        "chosen",
        "#val accuracy, %",
        "#candidates",
        "#their accuracies, %",
        "refitted on",
    ]);
    for entry in summary.entries.iter().filter(|e| e.scores.is_some()) {
        let chosen = by_seed(summary, entry, |i| summary.runs[i].row.chosen.clone());
        if chosen.is_empty() {
            continue;
        }
        let val = entry.scores.as_ref().and_then(|s| s.val_accuracy);
        let [candidates, range] = candidate_cells(summary, entry);
        let refit = Cell::text(&*entry.row.refit);
        let head = [Cell::code(&*entry.label), Cell::text(&*entry.row.canvas), Cell::text(chosen)];
        table.push(
            &entry.row.family,
            head.into_iter().chain([Cell::optional(val, percent), candidates, range, refit]).collect(),
        );
    }
    table
}

/// Number of candidates in one run, and the range of their accuracies over all seeds.
fn candidate_cells(summary: &Summary, entry: &Entry) -> [Cell; 2] {
    let ids: Vec<&str> = entry.runs.iter().map(|&i| summary.runs[i].row.run_id.as_str()).collect();
    let rows: Vec<_> =
        summary.records.details.selection.iter().filter(|s| s.n > 0 && ids.contains(&s.run_id.as_str())).collect();
    let accuracies = rows.iter().map(|s| s.correct as f64 / s.n as f64);
    let (Some(low), Some(high)) = (accuracies.clone().reduce(f64::min), accuracies.reduce(f64::max)) else {
        return [Cell::none(), Cell::none()];
    };
    let of_one = rows.iter().filter(|s| s.run_id == rows[0].run_id).count();
    [Cell::number(of_one as f64, count(of_one)), Cell::number(low, format!("{} to {}", percent(low), percent(high)))]
}

/// A text that may differ between seeds: once where it does not, else with its seeds.
fn by_seed(summary: &Summary, entry: &Entry, text: impl Fn(usize) -> String) -> String {
    let mut seeds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for &i in &entry.runs {
        seeds.entry(text(i)).or_default().push(summary.runs[i].row.seed.to_string());
    }
    seeds.remove("");
    if seeds.len() < 2 {
        return seeds.into_keys().next().unwrap_or_default();
    }
    let with_seeds = seeds
        .iter()
        .map(|(text, seeds)| format!("{text} (seed{} {})", if seeds.len() == 1 { "" } else { "s" }, list(seeds)));
    with_seeds.collect::<Vec<_>>().join("; ")
}

/// Precision, recall and F1 of every class.
pub fn classes(summary: &Summary, scores: &Scores) -> Table {
    let mut table = Table::new(&["class", "#images", "#precision, %", "#recall, %", "#F1, %"]);
    for (name, class) in summary.classes.iter().zip(&scores.classes) {
        table.push(
            "",
            vec![
                Cell::text(*name),
                Cell::number(class.n as f64, count(class.n)),
                Cell::optional(class.precision, percent),
                Cell::optional(class.recall, percent),
                Cell::optional(class.f1, percent),
            ],
        );
    }
    table
}

/// What has no result, and the remedy.
pub fn missing(summary: &Summary) -> Table {
    let mut table = Table::new(&["arm", "network", "canvas", "seeds", "status", "reason"]);
    for entry in &summary.entries {
        let mut reasons: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for row in entry.runs.iter().map(|&i| summary.runs[i].row) {
            let status = status_name(row.status);
            if status != NONE {
                reasons.entry((status, &row.reason)).or_default().push(row.seed.to_string());
            }
        }
        for ((status, reason), seeds) in reasons {
            table.push(
                &entry.row.family,
                vec![
                    Cell::code(&*entry.label),
                    Cell::text(entry.network()),
                    Cell::text(&*entry.row.canvas),
                    Cell::text(list(&seeds)),
                    Cell::text(status),
                    Cell::text(reason),
                ],
            );
        }
    }
    table
}

/// Images by class and role.
pub fn counts(summary: &Summary) -> Table {
    let dataset = &summary.records.dataset;
    let selection = format!("#selection ({})", dataset.selection_split);
    let reported = format!("#reported ({})", dataset.reported_split);
    let mut table = Table::new(&["class", "#train", &selection, &reported]);
    let number = |n: usize| Cell::number(n as f64, count(n));
    for class in &dataset.counts {
        table.push("", vec![Cell::text(&*class.class), number(class.train), number(class.val), number(class.test)]);
    }
    let sum = |of: fn(&crate::record::ClassCount) -> usize| number(dataset.counts.iter().map(of).sum());
    table.push("", vec![Cell::text("all"), sum(|c| c.train), sum(|c| c.val), sum(|c| c.test)]);
    table
}

/// What is to be known of single files, by kind.
pub fn files(summary: &Summary) -> Table {
    let said = |finding: &crate::record::Finding| {
        let detail = if finding.detail.is_empty() { String::new() } else { format!(" ({})", finding.detail) };
        format!("{}{detail}", finding.what)
    };
    let mut table = Table::new(&["kind", "#files", "which"]);
    // they stand in the order of what they do to the result
    for found in summary.records.dataset.findings.chunk_by(|a, b| a.kind == b.kind) {
        let (kind, which) = (found[0].kind.as_str(), found.iter().map(said).collect::<Vec<_>>());
        let mut listed = which[..which.len().min(LISTED)].join(", ");
        if which.len() > LISTED {
            listed.push_str(&format!(", and {} more (all in dataset.json)", count(which.len() - LISTED)));
        }
        table
            .push("", vec![Cell::text(kind), Cell::number(which.len() as f64, count(which.len())), Cell::text(listed)]);
    }
    table
}

/// The machines and builds behind the runs, one a column.
pub fn environments(environments: &Environments) -> Table {
    let titles: Vec<&str> = ["environment"].into_iter().chain(environments.keys().map(String::as_str)).collect();
    let mut table = Table::new(&titles);
    type Line = (&'static str, fn(&Environment) -> String);
    let lines: [Line; 11] = [
        ("commit", |e| format!("{}{}", e.commit, if e.dirty { ", with changes that are not committed" } else { "" })),
        ("featbench", |e| e.featbench.clone()),
        ("Rust", |e| format!("{}, {}", e.rustc, e.profile)),
        ("OpenCV", |e| e.opencv.clone()),
        ("ONNX Runtime", |e| e.onnxruntime.clone()),
        ("execution providers", |e| e.providers.join("; ")),
        ("system", |e| e.os.clone()),
        ("CPU", |e| e.cpu.clone()),
        ("cores", |e| e.cores.to_string()),
        ("memory", |e| format!("{} MiB", count(e.memory_mib as usize))),
        ("GPU", |e| e.gpu.clone()),
    ];
    for (name, value) in lines {
        let values =
            environments.values().map(|e| Cell::text(Some(value(e)).filter(|v| !v.is_empty()).unwrap_or(NONE.into())));
        table.push("", [Cell::text(name)].into_iter().chain(values).collect());
    }
    table
}

/// Every two arms of one column, on the images that both judged.
pub fn pairs(summary: &Summary, column: &Column) -> Table {
    let mut table = Table::new(&[
        "arm",
        "other arm",
        "the first is",
        "#images",
        "#only the first right",
        "#only the other right",
        "#difference, points",
        "#95 % interval",
        "#p",
        "#p, Holm",
    ]);
    let rule = summary.question.rule;
    for pair in &column.pairs {
        let (a, b) = (&summary.entries[pair.a], &summary.entries[pair.b]);
        let Judged { difference, outcome, p, p_adjusted } = &pair.judged;
        let images = |images: f64| Cell::number(images, trimmed(images, 1));
        table.push(
            &a.row.family,
            vec![
                Cell::code(&*a.label),
                Cell::code(&*b.label),
                Cell::text(said::outcome(*outcome, rule)),
                Cell::number(difference.images as f64, count(difference.images)),
                images(pair.alone()[0]),
                images(pair.alone()[1]),
                Cell::number(difference.mean(), points(difference.mean())),
                Cell::number(difference.bounds(rule.level).0, said::interval(difference, rule.level)),
                Cell::number(*p, p_value(*p)),
                Cell::number(*p_adjusted, p_value(*p_adjusted)),
            ],
        );
    }
    table
}
