//! Forecasts of learning curves, as lines of a CSV file and as a table of the page.

use std::fmt::Write as _;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::laws::{Held, Law};

/// Each draw fits 600 laws: fewer draws than elsewhere.
pub const DRAWS: usize = 200;
const IMAGES: [usize; 3] = [100, 500, 2000];
/// Deviations, in probits, that the choice of training images brings.
const TRAINING: [f64; 2] = [0.0, 0.1];
/// Error of all training images, the part of it that never goes, and the exponent.
const LAWS: [(f64, f64, f64); 7] = [
    (0.3, 0.0, 0.3),
    (0.1, 0.0, 0.2),
    (0.1, 0.5, 0.5),
    (0.1, 0.8, 0.5),
    (0.1, 0.5, 1.0),
    (0.02, 0.0, 0.5),
    (0.02, 0.5, 0.5),
];
/// Coverage that is meant.
const MEANT: f64 = 0.95;

/// A line of the CSV file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LawRow {
    images: usize,
    training: f64,
    error: f64,
    floor: f64,
    exponent: f64,
    draws: usize,
    covers_now: usize,
    covers_twice: usize,
    covers_four_times: usize,
    covers_gain: usize,
    /// Mean of the interval, in points.
    width_now: f64,
    width_twice: f64,
    width_four_times: f64,
}

/// Small ones first.
pub fn laws() -> Vec<Law> {
    let of_images = |images| TRAINING.into_iter().flat_map(move |training| LAWS.map(|law| (images, training, law)));
    let all = IMAGES.into_iter().flat_map(of_images);
    let law = |(images, training, (error, floor, exponent))| Law { images, training, error, floor, exponent };
    all.map(law).collect()
}

impl LawRow {
    pub fn of(law: &Law, draws: usize, seed: u64) -> LawRow {
        let Held { forecasts: [now, twice, four_times], gain, width } = law.run(draws, seed);
        let [width_now, width_twice, width_four_times] = width.map(|points| (1e3 * points).round() / 1e3);
        LawRow {
            images: law.images,
            training: law.training,
            error: law.error,
            floor: law.floor,
            exponent: law.exponent,
            draws,
            covers_now: now,
            covers_twice: twice,
            covers_four_times: four_times,
            covers_gain: gain,
            width_now,
            width_twice,
            width_four_times,
        }
    }

    pub fn is(&self, law: &Law) -> bool {
        (self.images, self.training, self.error, self.floor, self.exponent)
            == (law.images, law.training, law.error, law.floor, law.exponent)
    }

    fn share(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.draws as f64
    }
}

/// The table of all laws.
pub fn write(page: &mut String, rows: &[LawRow]) -> Result<()> {
    let draws = rows.first().map_or(DRAWS, |row| row.draws);
    let error = 100.0 * (MEANT * (1.0 - MEANT) / draws as f64).sqrt();
    writeln!(
        page,
        "## Forecasts\n\nLearning curves with known laws, 1,000 training images in nested subsets, {draws} times each (a standard \
         error of {error:.1}): how often the 95 % interval held the true accuracy of as many images, of twice and of four times as \
         many, and how often that of the gain at twice as many did. *Training*: deviation, in probits, that the choice of the \
         training images brings. *Error* is that of all training images, *floor* the part of it that never goes.\n"
    )?;
    writeln!(
        page,
        "| reported images | training | error, % | floor | exponent | now | twice | four times | gain | width at twice, points |"
    )?;
    writeln!(page, "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for row in rows {
        let [now, twice, four_times, gain] =
            [row.covers_now, row.covers_twice, row.covers_four_times, row.covers_gain].map(|count| row.share(count));
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {now:.1} | {twice:.1} | {four_times:.1} | {gain:.1} | {:.1} |",
            row.images,
            row.training,
            100.0 * row.error,
            row.floor,
            row.exponent,
            row.width_twice
        )?;
    }
    Ok(())
}
