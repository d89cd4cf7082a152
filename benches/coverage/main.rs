//! Does every interval and every statement of a report hold its nominal rate? Judgements are drawn whose truth is known,
//! 10,000 times a cell: minutes long, so only by name: `cargo bench --bench coverage`, or with another number of draws
//! behind it, `-- 500`, which is printed and not kept, or `-- page` for the table of what is there. Writes
//! `reports/benchmarks/coverage.csv` and `coverage.md`; what the first holds already is not drawn again.

mod draw;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use draw::{Cell, Counts, SCENES, Scene};
use featbench::stats::outcome::Rule;
use serde::{Deserialize, Serialize};

const DRAWS: usize = 10_000;
const IMAGES: [usize; 5] = [50, 100, 200, 500, 2000];
const SEEDS: [usize; 4] = [1, 2, 3, 5];
const ACCURACIES: [f64; 6] = [0.5, 0.7, 0.9, 0.95, 0.99, 0.995];
/// True differences: none, and the margins of a table of its own each.
const DIFFERENCES: [f64; 3] = [0.0, 0.01, 0.05];
/// Coverage that no cell may fall below, and above which a cell is listed; statements that may be false.
const LEAST: f64 = 0.94;
const MUCH: f64 = 0.97;
const FALSE: f64 = 0.05;

/// A line of `coverage.csv`: a cell, and how often of its draws each thing happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    scene: String,
    images: usize,
    seeds: usize,
    accuracy: f64,
    difference: f64,
    margin: f64,
    draws: usize,
    covers_first: usize,
    covers_second: usize,
    covers_difference: usize,
    false_better: usize,
    false_worse: usize,
    false_equivalent: usize,
    false_not_worse: usize,
    /// Mean of the interval of the difference, in points.
    width_points: f64,
}

/// A rate of the table: its title, whose rows count, how often it happened and whether it is a coverage.
struct Rate {
    title: &'static str,
    applies: fn(&Row) -> bool,
    count: fn(&Row) -> usize,
    coverage: bool,
}

const RATES: [Rate; 7] = [
    Rate { title: "interval of an accuracy", applies: |_| true, count: |row| row.covers_first, coverage: true },
    Rate {
        title: "interval of the lower accuracy",
        applies: |row| row.difference > 0.0,
        count: |row| row.covers_second,
        coverage: true,
    },
    Rate { title: "interval of a difference", applies: |_| true, count: |row| row.covers_difference, coverage: true },
    Rate { title: "false *better*", applies: no_difference, count: |row| row.false_better, coverage: false },
    Rate { title: "false *worse*", applies: |_| true, count: |row| row.false_worse, coverage: false },
    Rate { title: "false *equivalent*", applies: margin, count: |row| row.false_equivalent, coverage: false },
    Rate { title: "false *not worse*", applies: margin, count: |row| row.false_not_worse, coverage: false },
];

fn no_difference(row: &Row) -> bool {
    row.difference == 0.0 || row.seeds < featbench::stats::share::FEWEST_SEEDS
}

fn margin(row: &Row) -> bool {
    row.difference > 0.0
}

fn main() -> Result<()> {
    let asked: Option<usize> = env::args().skip(1).find_map(|argument| argument.parse().ok());
    let mut rows = if asked.is_some() { Vec::new() } else { read()? };
    let cells = if env::args().any(|argument| argument == "page") { Vec::new() } else { cells() };
    for (number, cell) in cells.into_iter().enumerate() {
        if rows.iter().any(|row| row.is(&cell)) {
            continue;
        }
        rows.push(Row::of(&cell, &cell.run(asked.unwrap_or(DRAWS), number as u64)));
        if asked.is_none() {
            write(&rows)?;
        }
    }
    let page = page(&rows)?;
    match asked {
        Some(_) => print!("{page}"),
        None => fs::write(file("coverage.md"), page).context("coverage.md can't be written")?,
    }
    Ok(())
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports/benchmarks").join(name)
}

fn read() -> Result<Vec<Row>> {
    if !file("coverage.csv").exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(file("coverage.csv"))?;
    reader.deserialize().map(|row| row.context("coverage.csv: delete it")).collect()
}

fn write(rows: &[Row]) -> Result<()> {
    let mut writer = csv::Writer::from_path(file("coverage.csv"))?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    Ok(writer.flush()?)
}

/// Small ones first: whoever ends it early has most of it.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for images in IMAGES {
        for (scene, seeds) in SCENES.into_iter().flat_map(|scene: Scene| SEEDS.map(|seeds| (scene, seeds))) {
            for (accuracy, difference) in ACCURACIES.into_iter().flat_map(|a| DIFFERENCES.map(|d| (a, d))) {
                // five points are no margin where ten errors are rare
                if difference < 0.05 || accuracy < 0.97 {
                    let rule = Rule { margin: if difference > 0.0 { difference } else { 0.01 }, ..Rule::default() };
                    cells.push(Cell { scene, images, seeds, accuracy, difference, rule });
                }
            }
        }
    }
    cells
}

impl Row {
    fn of(cell: &Cell, counts: &Counts) -> Row {
        Row {
            scene: cell.scene.name.to_owned(),
            images: cell.images,
            seeds: cell.seeds,
            accuracy: cell.accuracy,
            difference: cell.difference,
            margin: cell.rule.margin,
            draws: counts.draws,
            covers_first: counts.accuracy[0],
            covers_second: counts.accuracy[1],
            covers_difference: counts.difference,
            false_better: counts.better,
            false_worse: counts.worse,
            false_equivalent: counts.equivalent,
            false_not_worse: counts.not_worse,
            width_points: (1e6 * counts.width / counts.draws as f64).round() / 1e4,
        }
    }

    fn is(&self, cell: &Cell) -> bool {
        (self.scene.as_str(), self.images, self.seeds) == (cell.scene.name, cell.images, cell.seeds)
            && (self.accuracy, self.difference) == (cell.accuracy, cell.difference)
    }

    fn words(&self) -> String {
        format!(
            "*{}*, {} images, {} seed{}, {} %, difference {}",
            self.scene,
            self.images,
            self.seeds,
            if self.seeds == 1 { "" } else { "s" },
            100.0 * self.accuracy,
            100.0 * self.difference
        )
    }
}

impl Rate {
    fn of(&self, row: &Row) -> f64 {
        (self.count)(row) as f64 / row.draws as f64
    }

    /// Beyond three standard errors of the draws?
    fn fails(&self, row: &Row) -> bool {
        let bound = if self.coverage { LEAST } else { FALSE };
        let error = 3.0 * (bound * (1.0 - bound) / row.draws as f64).sqrt();
        if self.coverage { self.of(row) < bound - error } else { self.of(row) > bound + error }
    }
}

fn page(rows: &[Row]) -> Result<String> {
    let mut page = String::from("# Coverage\n\n");
    writeln!(
        page,
        "Drawn judgements of two classifiers, {} times a cell, every number is in `coverage.csv` (`cargo bench --bench \
         coverage`): images of unequal difficulty, shared by both in part, and seeds that move a classifier as a whole \
         (Roe and Metz 1997), {} cells. With one or two seeds the truth is that of the fits that were drawn, with more \
         that of all seeds. Intervals are meant to hold the truth in 95 of 100 draws; *better* and *worse* are two-sided \
         at 5 %, *equivalent* is two one-sided tests at 5 %, *not worse* is one of them.\n",
        rows.first().map_or(0, |row| row.draws),
        rows.len()
    )?;
    writeln!(page, "| % of draws | seeds | cells | least | mean | most | above 97 | beyond the bound |")?;
    writeln!(page, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
    for (rate, seeds) in RATES.iter().flat_map(|rate| SEEDS.map(|seeds| (rate, seeds))) {
        let of: Vec<&Row> = rows.iter().filter(|row| row.seeds == seeds && (rate.applies)(row)).collect();
        let values: Vec<f64> = of.iter().map(|row| 100.0 * rate.of(row)).collect();
        let (least, most) = values.iter().fold((100.0_f64, 0.0_f64), |(l, m), &v| (l.min(v), m.max(v)));
        let much = of.iter().filter(|row| rate.coverage && rate.of(row) > MUCH).count();
        let much = if rate.coverage { much.to_string() } else { "–".into() };
        writeln!(
            page,
            "| {} | {seeds} | {} | {least:.1} | {:.1} | {most:.1} | {much} | {} |",
            rate.title,
            of.len(),
            values.iter().sum::<f64>() / values.len().max(1) as f64,
            of.iter().filter(|row| rate.fails(row)).count()
        )?;
    }
    listed(&mut page, rows)?;
    Ok(page)
}

fn listed(page: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(page, "\n## Beyond the bound\n\nBelow 94 % or above 5 % by more than three standard errors.\n")?;
    let mut none = true;
    for (rate, row) in RATES.iter().flat_map(|rate| rows.iter().map(move |row| (rate, row))) {
        if (rate.applies)(row) && rate.fails(row) {
            writeln!(page, "- {}: {} ({:.1} %)", rate.title, row.words(), 100.0 * rate.of(row))?;
            none = false;
        }
    }
    if none {
        writeln!(page, "None.")?;
    }
    writeln!(page, "\n## Cells above 97 %\n\nAccuracies are in %; of all differences together, by scene.\n")?;
    for rate in RATES.iter().filter(|rate| rate.coverage) {
        writeln!(page, "**{}**\n", rate.title)?;
        for (scene, seeds) in SCENES.iter().flat_map(|scene| SEEDS.map(|seeds| (scene, seeds))) {
            let cells = IMAGES.map(|images| {
                let of = |row: &&Row| (row.scene.as_str(), row.seeds, row.images) == (scene.name, seeds, images);
                let much = rows.iter().filter(of).filter(|row| (rate.applies)(row) && rate.of(row) > MUCH);
                let mut accuracies: Vec<f64> = much.map(|row| row.accuracy).collect();
                accuracies.dedup();
                let accuracies: Vec<String> =
                    accuracies.iter().map(|a| (1e3 * a).round() / 10.0).map(|a| a.to_string()).collect();
                (images, accuracies)
            });
            let cells: Vec<String> = cells
                .iter()
                .filter(|(_, accuracies)| !accuracies.is_empty())
                .map(|(images, accuracies)| format!("{images} images at {}", accuracies.join(", ")))
                .collect();
            if !cells.is_empty() {
                writeln!(page, "- *{}*, seeds: {seeds}: {}", scene.name, cells.join("; "))?;
            }
        }
        writeln!(page)?;
    }
    Ok(())
}
