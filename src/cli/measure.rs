//! `featbench measure`: runs what is not recorded yet.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;

use crate::dataset::Dataset;
use crate::measure::plan::{Request, plan};
use crate::measure::repeats::{self, Draw};
use crate::measure::session::Session;
use crate::report::Question;

use super::Outcome;
use super::learning::LearningCurve;
use super::options::{Job, Options};
use super::repeats::Repeats;
use super::shard::{Shard, Share};

const EXAMPLES: &str = "\
Examples:
  featbench measure --dry-run                                  what would run, and how long it may take
  featbench measure --arms sift-bovw-svm,orb-bovw-svm          two arms only
  featbench measure --arms my-sift.toml --dataset photos       an arm of your own on a folder of your own
  featbench measure --dataset clips --group '^[^/]+/([^_]+)_'  what stands before _ in a name is never on two sides
  featbench measure --dataset photos --repeats 10              ten draws of its splits
  featbench measure --dataset scans --labels scans.csv         path,label[,split][,group] in the place of folders
  featbench measure --backbone resnet50                        another network, after `featbench fetch resnet50`
  featbench measure --backbone mine --model-dir ~/models       your own, mine.onnx, .safetensors or .pth there
  featbench measure --backbone resnet18-cntk,mine              each is a row of its own of every deep arm
  featbench measure --device cuda --out cuda-report            its network on an NVIDIA GPU, or not at all
  featbench measure --shard 3/8                                the third of eight shares, the others elsewhere

Killed in the middle, the same command goes on where it stopped. Called several times at once, on one machine or on
several that share the folder, no run is measured twice.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    repeats: Repeats,
    #[command(flatten)]
    share: Share,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let measured = measure(&args.options, &args.repeats, args.share.shard, None)?;
    Ok(measured.map_or(Outcome::Complete, |measured| measured.outcome))
}

/// What was measured, and where its records are.
pub(super) struct Measured {
    pub outcome: Outcome,
    pub folders: Vec<(Dataset, PathBuf)>,
}

/// Measures what is not recorded yet, and learning curves for the question of a report; `None` after a dry run.
pub(super) fn measure(
    options: &Options,
    repeats: &Repeats,
    shard: Shard,
    curves: Option<(&LearningCurve, &Question)>,
) -> Result<Option<Measured>> {
    let Job { datasets, request } = options.job()?;
    let session = Session::open(&request, options.recording.fresh)?;
    let draws = datasets.iter().map(|dataset| repeats.of(dataset)).collect::<Result<Vec<_>>>()?;
    let all = datasets.iter().zip(&draws).flat_map(|(first, draws)| [first].into_iter().chain(draws));
    let plans = all.map(|dataset| plan(&request, dataset));
    let mut plans = plans.collect::<Result<Vec<_>>>()?;
    shard.keep_share(&mut plans);
    let mut plans = plans.into_iter();
    // what differs in its images alone needs no times
    let quick = Request { detailed: false, ..request.clone() };
    let joining = session.joining(&quick)?;
    let mut measured = Measured { outcome: Outcome::Complete, folders: Vec::new() };
    for (dataset, draws) in datasets.into_iter().zip(draws) {
        let wanted = options.recording.out.join(&dataset.name);
        let plan = plans.next().context("a plan for each data set")?;
        let draws: Vec<Draw> = draws.into_iter().zip(plans.by_ref()).collect();
        if options.recording.dry_run {
            println!("{}", session.preview(&dataset, &plan, &draws, &wanted));
            let curves = curves.and_then(|(curves, _)| curves.preview(&dataset, &plan));
            curves.iter().for_each(|line| println!("{line}"));
            continue;
        }
        let (outcome, folder) = session.all(&dataset, &plan, &wanted)?;
        measured.outcome = measured.outcome.and(outcome);
        if !draws.is_empty() {
            measured.outcome = measured.outcome.and(repeats::measure(&joining, &dataset, &wanted, &draws)?);
        }
        if let Some((curves, question)) = curves {
            measured.outcome = measured.outcome.and(curves.measure(&joining, &dataset, &plan, &folder, question)?);
        }
        measured.folders.push((dataset, folder));
    }
    Ok((!options.recording.dry_run).then_some(measured))
}
