//! Does every interval and every statement of a report hold its nominal rate? Judgements are drawn whose truth is known,
//! 10,000 times a cell (splits drawn again 2,000 times): minutes long, so only by name: `cargo bench --bench coverage`, or with another number of draws
//! behind it, `-- 500`, which is printed and not kept, or `-- page` for the table of what is there. Writes
//! `reports/benchmarks/coverage.csv` (seeds), `resplits.csv` (splits drawn again), `forecasts.csv` (learning curves) and
//! `coverage.md`; what these hold already is not drawn again.

mod draw;
mod forecasts;
mod laws;
#[path = "../records/mod.rs"]
mod records;
mod resplits;
mod table;

use std::env;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use draw::{Cell, Counts, SCENES, Scene};
use featbench::stats::outcome::Rule;
use forecasts::LawRow;
use records::{file, read, write};
use resplits::Resplits;
use table::{Part, Place, RATES, Row};

const DRAWS: usize = 10_000;
/// Of splits that are drawn again: each draw is several fits.
const DRAWS_OF_SPLITS: usize = 2_000;
const IMAGES: [usize; 5] = [50, 100, 200, 500, 2000];
const SEEDS: [usize; 4] = [1, 2, 3, 5];
const ACCURACIES: [f64; 6] = [0.5, 0.7, 0.9, 0.95, 0.99, 0.995];
/// True differences: none, and the margins of a table of its own each.
const DIFFERENCES: [f64; 3] = [0.0, 0.01, 0.05];

/// Of folders whose splits are drawn again: all their images, and how often.
const POOLS: [usize; 4] = [60, 120, 250, 1000];
const SPLITS: [usize; 3] = [3, 5, 10];

const OF_SEEDS: &str = "coverage.csv";
const OF_SPLITS: &str = "resplits.csv";
const OF_LAWS: &str = "forecasts.csv";

fn main() -> Result<()> {
    let asked: Option<usize> = env::args().skip(1).find_map(|argument| argument.parse().ok());
    let page_only = env::args().any(|argument| argument == "page");
    let of_seeds = all(OF_SEEDS, asked, &if page_only { Vec::new() } else { cells() }, DRAWS)?;
    let of_splits = all(OF_SPLITS, asked, &if page_only { Vec::new() } else { resplits() }, DRAWS_OF_SPLITS)?;
    let of_laws = all_laws(asked, page_only)?;
    let page = page(&of_seeds, &of_splits, &of_laws)?;
    match asked {
        Some(_) => print!("{page}"),
        None => fs::write(file("coverage.md"), page).context("coverage.md can't be written")?,
    }
    Ok(())
}

/// A cell of a table.
trait Drawn {
    fn place(&self) -> Place;
    fn run(&self, draws: usize, seed: u64) -> Counts;
}

impl Drawn for Cell {
    fn place(&self) -> Place {
        let Cell { scene, images, seeds, accuracy, difference, rule } = *self;
        Place { scene, images, seeds, accuracy, difference, margin: rule.margin }
    }

    fn run(&self, draws: usize, seed: u64) -> Counts {
        self.run(draws, seed)
    }
}

impl Drawn for Resplits {
    fn place(&self) -> Place {
        let Resplits { scene, images, splits, accuracy, difference, rule } = *self;
        Place { scene, images, seeds: splits, accuracy, difference, margin: rule.margin }
    }

    fn run(&self, draws: usize, seed: u64) -> Counts {
        self.run(draws, seed)
    }
}

/// The rows of all cells; those that the file holds are not drawn again.
fn all(name: &str, asked: Option<usize>, cells: &[impl Drawn], draws: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = if asked.is_some() { Vec::new() } else { read(name)? };
    for (number, cell) in cells.iter().enumerate() {
        let place = cell.place();
        if rows.iter().any(|row| row.is(&place)) {
            continue;
        }
        rows.push(Row::of(&place, &cell.run(asked.unwrap_or(draws), number as u64)));
        if asked.is_none() {
            write(name, &rows)?;
        }
    }
    Ok(rows)
}

/// The rows of all laws, likewise.
fn all_laws(asked: Option<usize>, page_only: bool) -> Result<Vec<LawRow>> {
    let mut rows: Vec<LawRow> = if asked.is_some() { Vec::new() } else { read(OF_LAWS)? };
    let laws = if page_only { Vec::new() } else { forecasts::laws() };
    for (number, law) in laws.iter().enumerate() {
        if rows.iter().any(|row| row.is(law)) {
            continue;
        }
        rows.push(LawRow::of(law, asked.unwrap_or(forecasts::DRAWS), number as u64));
        if asked.is_none() {
            write(OF_LAWS, &rows)?;
        }
    }
    Ok(rows)
}

/// Small ones first: whoever ends it early has most of it.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for images in IMAGES {
        for (scene, seeds) in SCENES.into_iter().flat_map(|scene: Scene| SEEDS.map(|seeds| (scene, seeds))) {
            for (accuracy, difference) in accuracies() {
                cells.push(Cell { scene, images, seeds, accuracy, difference, rule: rule(difference) });
            }
        }
    }
    cells
}

fn resplits() -> Vec<Resplits> {
    let mut cells = Vec::new();
    for images in POOLS {
        for (scene, splits) in SCENES.into_iter().flat_map(|scene: Scene| SPLITS.map(|splits| (scene, splits))) {
            for (accuracy, difference) in accuracies() {
                cells.push(Resplits { scene, images, splits, accuracy, difference, rule: rule(difference) });
            }
        }
    }
    cells
}

/// With differences; five points are no margin where ten errors are rare.
fn accuracies() -> impl Iterator<Item = (f64, f64)> {
    let all = ACCURACIES.into_iter().flat_map(|accuracy| DIFFERENCES.map(|difference| (accuracy, difference)));
    all.filter(|(accuracy, difference)| *difference < 0.05 || *accuracy < 0.97)
}

fn rule(difference: f64) -> Rule {
    Rule { margin: if difference > 0.0 { difference } else { 0.01 }, ..Rule::default() }
}

fn page(of_seeds: &[Row], of_splits: &[Row], of_laws: &[LawRow]) -> Result<String> {
    let mut page = String::from("# Coverage\n\n");
    writeln!(
        page,
        "Drawn judgements of two classifiers, {} times a cell, every number is in `{OF_SEEDS}`, `{OF_SPLITS}` and `{OF_LAWS}` (`cargo bench \
         --bench coverage`). Intervals are meant to hold the truth in 95 of 100 draws; *better* and *worse* are two-sided at \
         5 %, *equivalent* is two one-sided tests at 5 %, *not worse* is one of them.\n\n## Seeds\n",
        of_seeds.first().map_or(0, |row| row.draws),
    )?;
    writeln!(
        page,
        "Images of unequal difficulty, shared by both in part, and seeds that move a classifier as a whole (Roe and Metz \
         1997), {} cells. With one or two seeds the truth is that of the fits that were drawn, with more that of all seeds.\n",
        of_seeds.len()
    )?;
    let (counted, values, images) = ("seeds", &SEEDS[..], &IMAGES[..]);
    Part { rows: of_seeds, rates: &RATES, counted, values, images }.write(&mut page)?;
    writeln!(
        page,
        "## Splits drawn again\n\nThe corrected resampled interval (Nadeau and Bengio 2003) of `--repeats`: a fifth of the images is \
         reported, a fit is on the others, each of which moves it; splits share images and lessons, {} cells of {} draws. The truth is \
         what fits on so many new images reach on new images. Where all splits gave the same number there is no interval, and \
         nothing is said.\n",
        of_splits.len(),
        of_splits.first().map_or(0, |row| row.draws),
    )?;
    let (counted, values, images) = ("splits", &SPLITS[..], &POOLS[..]);
    Part { rows: of_splits, rates: &RATES[..6], counted, values, images }.write(&mut page)?;
    forecasts::write(&mut page, of_laws)?;
    Ok(page)
}
