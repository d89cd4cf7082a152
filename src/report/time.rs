//! What `featbench time` measured, as tables in a terminal: one image, many images, and the network alone beside them.

use std::collections::BTreeSet;

use crate::record::TimeRow;
use crate::stats::latency::{median, p99, quantile};

use super::format::significant;
use super::table::{Cell, Table};
use super::terminal::{Style, table, wrap};

/// Stages of an image, as records name them and as a heading does.
const STAGES: [(&str, &str); 6] = [
    ("decode", "#decode"),
    ("resize", "#resize"),
    ("describe", "#describe"),
    ("infer", "#infer"),
    ("encode", "#encode"),
    ("classify", "#classify"),
];

/// All samples of one timed arm.
struct Timed<'a> {
    rows: Vec<&'a TimeRow>,
    /// Were arms timed with other backbones too?
    several: bool,
}

/// The rows of one call as tables of at most `width` characters.
pub fn terminal(rows: &[TimeRow], width: usize, colour: bool) -> String {
    let style = Style { colour };
    let same =
        |a: &TimeRow, b: &TimeRow| (&a.arm, &a.backbone, &a.canvas, a.seed) == (&b.arm, &b.backbone, &b.canvas, b.seed);
    let backbones: BTreeSet<&str> = rows.iter().map(|row| &*row.backbone).filter(|name| !name.is_empty()).collect();
    let several = backbones.len() > 1;
    let timed: Vec<Timed> = rows.chunk_by(same).map(|rows| Timed { rows: rows.iter().collect(), several }).collect();
    let Some(first) = rows.first() else { return "Nothing was timed.\n".to_owned() };
    let threads = rows.iter().map(|row| row.threads).max().unwrap_or(1);
    let parts = [
        (format!("{}: one image from encoded bytes to class, one thread, ms", first.dataset), single(&timed)),
        (format!("{}: many images, {threads} threads", first.dataset), many(&timed)),
        ("The network alone, on inputs that are ready, beside the whole".to_owned(), alone(&timed)),
    ];
    let mut lines = Vec::new();
    for (title, part) in parts.iter().filter(|(_, part)| !part.rows.is_empty()) {
        lines.extend([style.bold(title)]);
        lines.extend(table(part, width, &style));
        lines.push(String::new());
    }
    lines.extend(wrap("Stages, and what has no quantile, by their median.", width, "", ""));
    lines.join("\n") + "\n"
}

impl Timed<'_> {
    fn label(&self) -> Cell {
        let TimeRow { arm, backbone, canvas, seed, .. } = self.rows[0];
        let network = if self.several && !backbone.is_empty() { format!(" ({backbone})") } else { String::new() };
        let canvas = if canvas == "native" { String::new() } else { format!(", canvas {canvas}") };
        let seed = if *seed == 0 { String::new() } else { format!(", seed {seed}") };
        Cell::code(format!("{arm}{network}{canvas}{seed}"))
    }

    fn of<'a>(&'a self, scenario: &'a str, stage: &'a str) -> impl Iterator<Item = &'a TimeRow> {
        self.rows.iter().copied().filter(move |row| row.scenario == scenario && row.stage == stage)
    }

    fn milliseconds(&self, scenario: &str, stage: &str) -> Vec<f64> {
        self.of(scenario, stage).map(|row| row.milliseconds).collect()
    }

    /// Images a second, by the median sample.
    fn rate(&self, scenario: &str, stage: &str) -> Option<f64> {
        let rates: Vec<f64> = self.of(scenario, stage).map(|row| row.images as f64 / row.milliseconds * 1e3).collect();
        median(&rates)
    }
}

fn time(value: Option<f64>) -> Cell {
    Cell::optional(value, |ms| if ms < 0.01 { "< 0.01".to_owned() } else { significant(ms, 3) })
}

fn rate(value: Option<f64>) -> Cell {
    Cell::optional(value, |rate| significant(rate, 3))
}

fn single(timed: &[Timed]) -> Table {
    let heads = ["arm", "#images", "#p50", "#p90", "#p99", "#p50 without decoding"];
    let mut table = Table::new(&[&heads[..], &STAGES.map(|(_, title)| title)].concat());
    for arm in timed {
        let total = arm.milliseconds("single", "total");
        let count = Cell::number(total.len() as f64, total.len().to_string());
        let quantiles = [median(&total), quantile(&total, 0.9), p99(&total)];
        let decoded = median(&arm.milliseconds("single", "decoded"));
        let stages = STAGES.iter().map(|(stage, _)| median(&arm.milliseconds("single", stage)));
        let times = quantiles.into_iter().chain([decoded]).chain(stages).map(time);
        table.push("", [arm.label(), count].into_iter().chain(times).collect());
    }
    table.dispensable(&[0, 3, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
}

fn many(timed: &[Timed]) -> Table {
    let mut table = Table::new(&[
        "arm",
        "#a batch, images",
        "#ms",
        "#images/s",
        "#images/s without decoding",
        "#all at once, images",
        "#images/s",
    ]);
    for arm in timed {
        let images = |scenario| {
            let images = arm.of(scenario, "total").map(|row| row.images).next();
            Cell::optional(images.map(|images| images as f64), |images| images.to_string())
        };
        table.push(
            "",
            vec![
                arm.label(),
                images("batch"),
                time(median(&arm.milliseconds("batch", "total"))),
                rate(arm.rate("batch", "total")),
                rate(arm.rate("batch", "decoded")),
                images("offline"),
                rate(arm.rate("offline", "total")),
            ],
        );
    }
    table
}

/// What featbench adds to the network, and what of the network's rate it keeps.
fn alone(timed: &[Timed]) -> Table {
    let mut table = Table::new(&[
        "arm",
        "#one image, ms",
        "#with resizing, ms",
        "#overhead, %",
        "#all at once, images/s",
        "#from files, images/s",
        "#share, %",
    ]);
    for arm in timed {
        let Some(network) = median(&arm.milliseconds("single", "network")) else { continue };
        let prepared = arm.milliseconds("single", "resize").into_iter().zip(arm.milliseconds("single", "infer"));
        let featbench = median(&prepared.map(|(resize, infer)| resize + infer).collect::<Vec<_>>());
        let (bare, whole) = (arm.rate("offline", "network"), arm.rate("offline", "total"));
        let percent = |value: Option<f64>| Cell::optional(value, |value| format!("{value:.1}"));
        table.push(
            "",
            vec![
                arm.label(),
                time(Some(network)),
                time(featbench),
                percent(featbench.map(|featbench| (featbench / network - 1.0) * 100.0)),
                rate(bare),
                rate(whole),
                percent(bare.zip(whole).map(|(bare, whole)| whole / bare * 100.0)),
            ],
        );
    }
    table
}
