//! `featbench lr-find`: the range test of a training, over several seeds, as rates to choose from; on demand beside a
//! grid of brief trainings.

mod grid;
mod show;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::finetune::range_test::{Curve, Flag, Growth, Loss, RangeTest, Smoothing, Suggestions, median};
use crate::measure::plan::{Planned, plan};
use crate::measure::range_test;
use crate::record::files::replace;
use crate::report::range_test as picture;

use super::Outcome;
use super::options::{Job, Options};
use crate::measure::session::Session;
use grid::Grid;

const EXAMPLES: &str = "\
Examples:
  featbench lr-find --arms resnet-finetuned-1cycle --input 128 --plot lr.svg
  featbench lr-find --loss val                                   the loss on val after each step
  featbench lr-find --grid                                       what does the range test save, and is it right?
  featbench lr-find --arms my-training.toml --dataset photos --steps 200 --json

Every seed begins with weights of its own and another order of the images; suggestions that differ much from seed to \
seed should not be trusted. The arm's own lr is not looked at. Nothing that is measured later depends on this test. \
Killed in the middle, the same command goes on where it stopped.";

/// The arm that is tested where none is named.
const ARM: &str = "resnet-finetuned-1cycle";

/// Steps of a test by training loss (fastai's), and of one that looks at all of val after each.
const STEPS: usize = 100;
const VAL_STEPS: usize = 50;

/// A rule's name, and what it suggests.
type Rule = (&'static str, fn(&Suggestions) -> Option<f64>);

const RULES: [Rule; 5] = [
    ("minimum", |s| s.minimum),
    ("steep", |s| s.steep),
    ("valley", |s| s.valley),
    ("slide", |s| s.slide),
    ("steepest step", |s| s.steepest_step),
];

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, mut_arg("seeds", |seeds| seeds.default_values(["0", "1", "2"])))]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    /// Lowest learning rate
    #[arg(long, default_value_t = 1e-7, value_name = "RATE")]
    start: f64,
    /// Highest learning rate
    #[arg(long, default_value_t = 10.0, value_name = "RATE")]
    end: f64,
    /// Mini-batches from the lowest rate to the highest [default: 100; with --loss val 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    steps: Option<u32>,
    /// Loss of each mini-batch, or of all selection images after each step
    #[arg(long, value_name = "train|val", default_value = "train", hide_possible_values = true)]
    loss: LossOption,
    /// Let the rate rise by equal amounts instead of equal factors
    #[arg(long)]
    linear: bool,
    /// Smooth losses as torch-lr-finder does instead of as fastai does
    #[arg(long)]
    torch_lr_finder: bool,
    /// Also train briefly at each of these rates and compare [without rates: two a decade from 1e-4 to 1]
    #[arg(long, value_name = "RATE,...", num_args = 0..=1, value_delimiter = ',', default_missing_value = grid::RATES)]
    grid: Option<Vec<f64>>,
    /// Epochs of each training of the grid [default: a quarter of the arm's]
    #[arg(long, value_name = "N", requires = "grid", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    grid_epochs: Option<u32>,
    /// Draw curves, suggestions and grid into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print curves, suggestions and grid as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LossOption {
    Train,
    Val,
}

impl Args {
    fn test(&self) -> Result<(RangeTest, Loss)> {
        let rising = 0.0 < self.start && self.start < self.end && self.end.is_finite();
        ensure!(rising, "--start {} and --end {}: rates must rise from above 0", self.start, self.end);
        let (loss, steps) = match self.loss {
            LossOption::Train => (Loss::Train, STEPS),
            LossOption::Val => (Loss::Val, VAL_STEPS),
        };
        let test = RangeTest {
            start: self.start,
            end: self.end,
            steps: self.steps.map_or(steps, |steps| steps as usize),
            growth: if self.linear { Growth::Linear } else { Growth::Exponential },
            smoothing: if self.torch_lr_finder { Smoothing::TorchLrFinder } else { Smoothing::Fastai },
        };
        Ok((test, loss))
    }
}

/// What was found of one arm on one data set and frame.
#[derive(Serialize)]
struct Findings {
    dataset: String,
    arm: String,
    canvas: Option<u32>,
    loss: Loss,
    /// One a seed.
    tests: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<Grid>,
}

/// What one range test found.
#[derive(Serialize)]
struct Found {
    seed: u64,
    suggestions: Suggestions,
    flags: Vec<Flag>,
    seconds: f64,
    curve: Curve,
}

pub(super) fn run(mut args: Args) -> Result<Outcome> {
    let test = args.test()?;
    let mut rates = args.grid.take();
    rates.iter_mut().try_for_each(grid::check)?;
    if args.options.arms.is_empty() {
        args.options.arms = vec![ARM.into()];
    }
    let Job { datasets, request } = args.options.job_with_one_backbone()?;
    if let Some(arm) = request.arms.iter().find(|arm| arm.training().is_none()) {
        anyhow::bail!("--arms {}: only an arm whose network is trained has a learning rate, as {ARM} has", arm.name);
    }
    let session = Session::open(&request, args.options.recording.fresh)?;
    let mut all = Vec::new();
    for dataset in &datasets {
        let plan = plan(&request, dataset)?;
        for same in plan.chunk_by(|a, b| (&a.arm.name, a.canvas) == (&b.arm.name, b.canvas)) {
            if args.options.recording.dry_run {
                same.iter().for_each(|planned| println!("{}: {}", dataset.name, planned.title()));
                continue;
            }
            let mut findings = Findings::of(&session, dataset, same, test)?;
            if let Some(rates) = &rates {
                findings.grid = Some(Grid::of(&session, dataset, same, rates, args.grid_epochs)?);
            }
            if !args.json {
                show::findings(&findings, &same[0].frame());
            }
            all.push(findings);
        }
    }
    if args.json && !args.options.recording.dry_run {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    if let Some(path) = args.plot.filter(|_| !args.options.recording.dry_run) {
        let drawn = picture::svg(&all.iter().map(show::drawn).collect::<Vec<_>>())?;
        replace(&path, drawn.as_bytes()).with_context(|| format!("--plot: can't write {}", path.display()))?;
    }
    Ok(Outcome::Complete)
}

impl Findings {
    fn of(session: &Session, dataset: &Dataset, same: &[Planned], (test, loss): (RangeTest, Loss)) -> Result<Findings> {
        let test = |planned: &Planned| {
            session.progress.say(&format!("{}: {}", dataset.name, planned.title()));
            let tested = range_test::run(planned, dataset, &session.resources(planned), test, loss)?;
            Ok(Found {
                seed: planned.seed,
                suggestions: tested.curve.suggest(),
                flags: tested.curve.flags(),
                seconds: tested.seconds,
                curve: tested.curve,
            })
        };
        let (arm, canvas) = (same[0].arm.name.clone(), same[0].canvas.map(|canvas| canvas.side));
        let tests = same.iter().map(test).collect::<Result<_>>()?;
        Ok(Findings { dataset: dataset.name.clone(), arm, canvas, loss, tests, grid: None })
    }

    /// What a rule suggests, rising; none where it suggests nothing for any seed.
    fn rates(&self, rule: fn(&Suggestions) -> Option<f64>) -> Vec<f64> {
        let mut rates: Vec<f64> = self.tests.iter().filter_map(|found| rule(&found.suggestions)).collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    fn seconds(&self) -> f64 {
        self.tests.iter().map(|found| found.seconds).sum()
    }
}
