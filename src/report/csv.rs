//! `summary.csv`: one row a run, for spreadsheets and for comparing two versions; a value that is not defined is
//! an empty cell. Fractions have six decimals, milliseconds and seconds three.

use anyhow::{Context, Result};

use crate::record::Status;

use super::metrics::{METRICS, Metric};
use super::price::{PRICES, Price};
use super::summary::{Run, Summary};

/// A column's name and what stands in it.
type Column = (&'static str, fn(&Run) -> String);

/// What was run; stands before the metrics.
const RUN: [Column; 18] = [
    ("dataset", |run| run.row.dataset.clone()),
    ("arm", |run| run.row.arm.clone()),
    ("family", |run| run.row.family.clone()),
    ("backbone", |run| run.row.backbone.clone()),
    ("input_px", |run| text(run.row.input_px)),
    ("canvas", |run| run.row.canvas.clone()),
    ("seed", |run| run.row.seed.to_string()),
    ("form", |run| run.row.form.clone()),
    ("epochs", |run| text(run.row.epochs)),
    ("protocol", |run| run.row.protocol.clone()),
    ("settings_hash", |run| run.row.settings_hash.clone()),
    ("environment_id", |run| run.row.environment_id.clone()),
    ("split", |run| run.row.split.clone()),
    ("status", |run| run.row.status.name().to_owned()),
    ("reason", |run| run.row.reason.clone()),
    ("n", |run| text(measured(run, run.row.n))),
    ("skipped", |run| text(measured(run, run.row.skipped))),
    ("correct", |run| text(run.confusion.as_ref().map(|confusion| confusion.correct()))),
];

/// Stands behind the metrics.
const CALIBRATION: [Column; 1] = [("temperature", |run| decimals(run.row.temperature, 6))];

/// Stands behind what it cost.
const DEVICE: [Column; 1] = [("device", |run| run.row.device.clone())];

pub fn csv(summary: &Summary) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = |columns: &[Column]| columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    let metrics = METRICS.iter().flat_map(metric_names).collect();
    let prices = PRICES.iter().map(|price| price.name.to_owned()).collect();
    writer.write_record([names(&RUN), metrics, names(&CALIBRATION), prices, names(&DEVICE)].concat())?;
    for run in &summary.runs {
        let cells = |columns: &[Column]| columns.iter().map(|(_, cell)| cell(run)).collect::<Vec<_>>();
        let metrics = METRICS.iter().flat_map(|metric| metric_cells(metric, run)).collect();
        let price = |price: &Price| decimals(measured(run, price.of_run(run)).flatten(), price.decimals);
        let prices = PRICES.iter().map(price).collect();
        writer.write_record([cells(&RUN), metrics, cells(&CALIBRATION), prices, cells(&DEVICE)].concat())?;
    }
    writer.into_inner().context("writing summary.csv to memory")
}

fn metric_names(metric: &Metric) -> Vec<String> {
    let bounds = if metric.interval.is_some() { &["_low", "_high"][..] } else { &[] };
    [""].iter().chain(bounds).map(|bound| format!("{}{bound}", metric.name)).collect()
}

fn metric_cells(metric: &Metric, run: &Run) -> Vec<String> {
    let value = (metric.of)(run);
    let bounds = metric.interval.map(|interval| {
        let interval = value.and_then(|_| interval(&[run]));
        [interval.map(|i| i.low), interval.map(|i| i.high)]
    });
    [value].into_iter().chain(bounds.into_iter().flatten()).map(|value| decimals(value, 6)).collect()
}

fn measured<T>(run: &Run, value: T) -> Option<T> {
    (run.row.status == Status::Ok).then_some(value)
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn decimals(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.decimals$}"))
}
