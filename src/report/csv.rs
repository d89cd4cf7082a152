//! `summary.csv`: one row a run, for spreadsheets and for comparing two versions; a value that is not defined is
//! an empty cell.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::record::{RunRow, Status};
use crate::stats::intervals::wilson;
use crate::stats::latency::quantile;

use super::summary::{LEVEL, Run, Summary};

/// The columns, in their order.
#[derive(Debug, Serialize)]
struct Line<'a> {
    dataset: &'a str,
    arm: &'a str,
    family: &'a str,
    backbone: &'a str,
    input_px: Option<u32>,
    canvas: &'a str,
    seed: u64,
    form: &'a str,
    epochs: Option<u32>,
    protocol: &'a str,
    settings_hash: &'a str,
    environment_id: &'a str,
    split: &'a str,
    status: Status,
    reason: &'a str,
    n: Option<usize>,
    skipped: Option<usize>,
    correct: Option<u64>,
    /// Fractions with six decimals.
    accuracy: String,
    accuracy_low: String,
    accuracy_high: String,
    mean_class_accuracy: String,
    macro_f1: String,
    /// Milliseconds and seconds with three decimals.
    extract_ms_median: String,
    extract_ms_p90: String,
    classify_ms_median: String,
    images_per_s: String,
    fit_s: String,
    select_s: String,
    peak_mib: String,
    dimension: Option<usize>,
    threads: usize,
    device: &'a str,
}

pub fn csv(summary: &Summary) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if summary.runs.is_empty() {
        writer.write_record(COLUMNS)?;
    }
    for run in &summary.runs {
        writer.serialize(line(run))?;
    }
    writer.into_inner().context("writing summary.csv to memory")
}

/// The head of a file without rows; a test holds it equal to the fields of [`Line`].
const COLUMNS: [&str; 33] = [
    "dataset",
    "arm",
    "family",
    "backbone",
    "input_px",
    "canvas",
    "seed",
    "form",
    "epochs",
    "protocol",
    "settings_hash",
    "environment_id",
    "split",
    "status",
    "reason",
    "n",
    "skipped",
    "correct",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "mean_class_accuracy",
    "macro_f1",
    "extract_ms_median",
    "extract_ms_p90",
    "classify_ms_median",
    "images_per_s",
    "fit_s",
    "select_s",
    "peak_mib",
    "dimension",
    "threads",
    "device",
];

fn line<'a>(run: &Run<'a>) -> Line<'a> {
    let row: &RunRow = run.row;
    let measured = row.status == Status::Ok;
    let confusion = run.confusion.as_ref();
    let interval = confusion.map(|c| wilson(c.correct() as f64, c.total(), LEVEL));
    let times = &run.times;
    let of_measured = |value: f64| decimals(Some(value).filter(|_| measured), 3);
    Line {
        dataset: &row.dataset,
        arm: &row.arm,
        family: &row.family,
        backbone: &row.backbone,
        input_px: row.input_px,
        canvas: &row.canvas,
        seed: row.seed,
        form: &row.form,
        epochs: row.epochs,
        protocol: &row.protocol,
        settings_hash: &row.settings_hash,
        environment_id: &row.environment_id,
        split: &row.split,
        status: row.status,
        reason: &row.reason,
        n: measured.then_some(row.n),
        skipped: measured.then_some(row.skipped),
        correct: confusion.map(|c| c.correct()),
        accuracy: decimals(confusion.and_then(|c| c.accuracy()), 6),
        accuracy_low: decimals(interval.map(|i| i.low), 6),
        accuracy_high: decimals(interval.map(|i| i.high), 6),
        mean_class_accuracy: decimals(confusion.and_then(|c| c.mean_class_accuracy()), 6),
        macro_f1: decimals(confusion.and_then(|c| c.macro_f1()), 6),
        extract_ms_median: decimals(quantile(&times.extract, 0.5), 3),
        extract_ms_p90: decimals(quantile(&times.extract, 0.9), 3),
        classify_ms_median: decimals(quantile(&times.classify, 0.5), 3),
        images_per_s: decimals(times.images_per_s(), 3),
        fit_s: of_measured(row.fit_s),
        select_s: of_measured(row.select_s),
        peak_mib: decimals(row.peak_mib.filter(|_| measured), 3),
        dimension: measured.then_some(row.dimension),
        threads: row.threads,
        device: &row.device,
    }
}

fn decimals(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.decimals$}"))
}
