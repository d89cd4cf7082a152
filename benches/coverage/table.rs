//! What was counted, as lines of a CSV file and as tables of a page.

use std::fmt::Write as _;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::draw::{Counts, SCENES, Scene};

/// Coverage that no cell may fall below, and above which a cell is listed; statements that may be false.
const LEAST: f64 = 0.94;
const MUCH: f64 = 0.97;
const FALSE: f64 = 0.05;

/// A line of a CSV file: a cell, and how often of its draws each thing happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    scene: String,
    images: usize,
    /// Or splits, where these are drawn again.
    seeds: usize,
    accuracy: f64,
    difference: f64,
    margin: f64,
    pub draws: usize,
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

/// Where a cell stands.
pub struct Place {
    pub scene: Scene,
    pub images: usize,
    /// Or splits.
    pub seeds: usize,
    pub accuracy: f64,
    pub difference: f64,
    pub margin: f64,
}

/// A rate of the table: its title, whose rows count, how often it happened and whether it is a coverage.
pub struct Rate {
    title: &'static str,
    applies: fn(&Row) -> bool,
    count: fn(&Row) -> usize,
    coverage: bool,
}

/// The last is of single fits alone.
pub const RATES: [Rate; 7] = [
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

/// A part of the page.
pub struct Part<'a> {
    pub rows: &'a [Row],
    pub rates: &'a [Rate],
    /// What the column `seeds` counts, and its values.
    pub counted: &'a str,
    pub values: &'a [usize],
    pub images: &'a [usize],
}

impl Row {
    pub fn of(place: &Place, counts: &Counts) -> Row {
        Row {
            scene: place.scene.name.to_owned(),
            images: place.images,
            seeds: place.seeds,
            accuracy: place.accuracy,
            difference: place.difference,
            margin: place.margin,
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

    pub fn is(&self, place: &Place) -> bool {
        (self.scene.as_str(), self.images, self.seeds) == (place.scene.name, place.images, place.seeds)
            && (self.accuracy, self.difference) == (place.accuracy, place.difference)
    }

    fn words(&self, counted: &str) -> String {
        let counted = if self.seeds == 1 { counted.trim_end_matches('s') } else { counted };
        format!(
            "*{}*, {} images, {} {counted}, {} %, difference {}",
            self.scene,
            self.images,
            self.seeds,
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

impl Part<'_> {
    /// The table of rates and the cells beyond a bound or above what is needed.
    pub fn write(&self, page: &mut String) -> Result<()> {
        let counted = self.counted;
        writeln!(page, "| % of draws | {counted} | cells | least | mean | most | above 97 | beyond the bound |")?;
        writeln!(page, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for (rate, &value) in self.rates.iter().flat_map(|rate| self.values.iter().map(move |value| (rate, value))) {
            let of: Vec<&Row> = self.rows.iter().filter(|row| row.seeds == value && (rate.applies)(row)).collect();
            let rates: Vec<f64> = of.iter().map(|row| 100.0 * rate.of(row)).collect();
            let (least, most) = rates.iter().fold((100.0_f64, 0.0_f64), |(l, m), &v| (l.min(v), m.max(v)));
            let much = of.iter().filter(|row| rate.coverage && rate.of(row) > MUCH).count();
            let much = if rate.coverage { much.to_string() } else { "–".into() };
            writeln!(
                page,
                "| {} | {value} | {} | {least:.1} | {:.1} | {most:.1} | {much} | {} |",
                rate.title,
                of.len(),
                rates.iter().sum::<f64>() / rates.len().max(1) as f64,
                of.iter().filter(|row| rate.fails(row)).count()
            )?;
        }
        self.beyond(page)?;
        self.above(page)
    }

    fn beyond(&self, page: &mut String) -> Result<()> {
        writeln!(page, "\n### Beyond the bound\n\nBelow 94 % or above 5 % by more than three standard errors.\n")?;
        let mut none = true;
        for (rate, row) in self.rates.iter().flat_map(|rate| self.rows.iter().map(move |row| (rate, row))) {
            if (rate.applies)(row) && rate.fails(row) {
                writeln!(page, "- {}: {} ({:.1} %)", rate.title, row.words(self.counted), 100.0 * rate.of(row))?;
                none = false;
            }
        }
        if none {
            writeln!(page, "None.")?;
        }
        Ok(())
    }

    fn above(&self, page: &mut String) -> Result<()> {
        writeln!(page, "\n### Cells above 97 %\n\nAccuracies are in %; of all differences together, by scene.\n")?;
        for rate in self.rates.iter().filter(|rate| rate.coverage) {
            writeln!(page, "**{}**\n", rate.title)?;
            for (scene, &value) in SCENES.iter().flat_map(|s| self.values.iter().map(move |value| (s, value))) {
                let of_images = |&images: &usize| {
                    let accuracies = self.much(rate, scene, value, images);
                    (!accuracies.is_empty()).then(|| format!("{images} images at {}", accuracies.join(", ")))
                };
                let cells: Vec<String> = self.images.iter().filter_map(of_images).collect();
                if !cells.is_empty() {
                    writeln!(page, "- *{}*, {}: {value}: {}", scene.name, self.counted, cells.join("; "))?;
                }
            }
            writeln!(page)?;
        }
        Ok(())
    }

    /// Accuracies, in %, of the cells of which a rate is above 97 %.
    fn much(&self, rate: &Rate, scene: &Scene, value: usize, images: usize) -> Vec<String> {
        let of = |row: &&Row| (row.scene.as_str(), row.seeds, row.images) == (scene.name, value, images);
        let much = self.rows.iter().filter(of).filter(|row| (rate.applies)(row) && rate.of(row) > MUCH);
        let mut accuracies: Vec<f64> = much.map(|row| row.accuracy).collect();
        accuracies.dedup();
        accuracies.iter().map(|a| ((1e3 * a).round() / 10.0).to_string()).collect()
    }
}
