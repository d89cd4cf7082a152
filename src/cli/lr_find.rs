//! `featbench lr-find`: the range test of a training, over several seeds, as rates to choose from.

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::finetune::range_test::{Curve, Flag, Growth, Smoothing, Suggestions, Sweep};
use crate::measure::plan::{Planned, plan};
use crate::measure::range_test;

use super::Outcome;
use super::measure::Session;
use super::options::{Job, Options};

const EXAMPLES: &str = "\
Examples:
  featbench lr-find --arms resnet-finetuned-1cycle --seeds 0,1,2 --input 128
  featbench lr-find --arms my-training.toml --dataset photos --steps 200 --json

Every seed begins with weights of its own and another order of the images; suggestions that differ much from seed to \
seed should not be trusted. The arm's own lr is not looked at. Nothing that is measured later depends on this test.";

/// The arm that is tested where none is named.
const ARM: &str = "resnet-finetuned-1cycle";

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
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    /// Lowest learning rate
    #[arg(long, default_value_t = 1e-7, value_name = "RATE")]
    start: f64,
    /// Highest learning rate
    #[arg(long, default_value_t = 10.0, value_name = "RATE")]
    end: f64,
    /// Mini-batches from the lowest rate to the highest
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    steps: u32,
    /// Let the rate rise by equal amounts instead of equal factors
    #[arg(long)]
    linear: bool,
    /// Smooth losses as torch-lr-finder does instead of as fastai does
    #[arg(long)]
    torch_lr_finder: bool,
    /// Print curves and suggestions as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    fn sweep(&self) -> Result<Sweep> {
        let rising = 0.0 < self.start && self.start < self.end && self.end.is_finite();
        ensure!(rising, "--start {} and --end {}: rates must rise from above 0", self.start, self.end);
        Ok(Sweep {
            start: self.start,
            end: self.end,
            steps: self.steps as usize,
            growth: if self.linear { Growth::Linear } else { Growth::Exponential },
            smoothing: if self.torch_lr_finder { Smoothing::TorchLrFinder } else { Smoothing::Fastai },
        })
    }
}

/// What one range test found.
#[derive(Serialize)]
struct Found {
    dataset: String,
    arm: String,
    canvas: Option<u32>,
    seed: u64,
    suggestions: Suggestions,
    flags: Vec<Flag>,
    curve: Curve,
}

pub(super) fn run(mut args: Args) -> Result<Outcome> {
    let sweep = args.sweep()?;
    if args.options.arms.is_empty() {
        args.options.arms = vec![ARM.into()];
    }
    let Job { datasets, request, backbone } = args.options.job()?;
    if let Some(arm) = request.arms.iter().find(|arm| arm.training().is_none()) {
        anyhow::bail!("--arms {}: only an arm whose network is trained has a learning rate, as {ARM} has", arm.name);
    }
    let session = Session::open(&args.options, &request, backbone.as_ref())?;
    let mut all = Vec::new();
    for dataset in &datasets {
        let plan = plan(&request, dataset, backbone.as_ref())?;
        for same in plan.chunk_by(|a, b| (&a.arm.name, a.canvas) == (&b.arm.name, b.canvas)) {
            if args.options.dry_run {
                same.iter().for_each(|planned| println!("{}: {}", dataset.name, planned.title()));
                continue;
            }
            let found =
                same.iter().map(|planned| test(&session, dataset, planned, sweep)).collect::<Result<Vec<_>>>()?;
            if !args.json {
                show(&same[0], &found);
            }
            all.extend(found);
        }
    }
    if args.json && !args.options.dry_run {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(Outcome::Complete)
}

fn test(session: &Session, dataset: &Dataset, planned: &Planned, sweep: Sweep) -> Result<Found> {
    session.progress.say(&format!("{}: {}", dataset.name, planned.title()));
    let curve = range_test::run(planned, dataset, &session.resources(planned), sweep)?;
    Ok(Found {
        dataset: dataset.name.clone(),
        arm: planned.arm.name.clone(),
        canvas: planned.canvas.map(|canvas| canvas.side),
        seed: planned.seed,
        suggestions: curve.suggest(),
        flags: curve.flags(),
        curve,
    })
}

/// One line a rule: the middle of the seeds, and their range.
fn show(planned: &Planned, found: &[Found]) {
    let Some(first) = found.first() else { return };
    let (arm, frame) = (&first.arm, planned.frame());
    println!("{}, {arm}, {frame}: learning rates suggested over {} seeds", first.dataset, found.len());
    for (name, rule) in RULES {
        let mut rates: Vec<f64> = found.iter().filter_map(|found| rule(&found.suggestions)).collect();
        rates.sort_by(f64::total_cmp);
        match rates[..] {
            [] => println!("  {name:14} none"),
            [low, .., high] => {
                println!("  {name:14} {:.2e}   from {low:.2e} to {high:.2e}", rates[rates.len() / 2]);
            }
            [only] => println!("  {name:14} {only:.2e}"),
        }
    }
    for found in found {
        let (points, last) = (found.curve.points(), found.curve.points().last());
        let reached = last.map_or(0.0, |point| point.learning_rate);
        let flags: Vec<String> = found.flags.iter().map(|flag| format!("{flag:?}").to_lowercase()).collect();
        let flags = if flags.is_empty() { String::new() } else { format!("; {}", flags.join(", ")) };
        println!("  seed {}: {} steps, up to {reached:.2e}{flags}", found.seed, points.len());
    }
}
