//! `featbench measure`: runs what is not recorded yet.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::dataset::Dataset;
use crate::measure::plan::plan;
use crate::measure::session::Session;

use super::Outcome;
use super::options::{Job, Options};
use super::shard::{Shard, Share};

const EXAMPLES: &str = "\
Examples:
  featbench measure --dry-run                                  what would run, and how long it may take
  featbench measure --arms sift-bovw-svm,orb-bovw-svm          two arms only
  featbench measure --arms my-sift.toml --dataset photos       an arm of your own on a folder of your own
  featbench measure --backbone resnet50                        another network, after `featbench fetch resnet50`
  featbench measure --backbone mine --model-dir ~/models       your own, mine.onnx, .safetensors or .pth there
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
    share: Share,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    Ok(measure(&args.options, args.share.shard)?.map_or(Outcome::Complete, |measured| measured.outcome))
}

/// What was measured, and where its records are.
pub(super) struct Measured {
    pub outcome: Outcome,
    pub folders: Vec<(Dataset, PathBuf)>,
}

/// Measures what is not recorded yet; `None` after a dry run.
pub(super) fn measure(options: &Options, shard: Shard) -> Result<Option<Measured>> {
    let Job { datasets, request, backbone } = options.job()?;
    let session = Session::open(&request, backbone.as_ref(), options.recording.fresh)?;
    let plans = datasets.iter().map(|dataset| plan(&request, dataset, backbone.as_ref()));
    let mut plans = plans.collect::<Result<Vec<_>>>()?;
    shard.keep_share(&mut plans);
    if options.recording.dry_run {
        let preview = |(dataset, plan): (&Dataset, &Vec<_>)| {
            println!("{}", session.preview(dataset, plan, &options.recording.out.join(&dataset.name)));
        };
        datasets.iter().zip(&plans).for_each(preview);
        return Ok(None);
    }
    let mut measured = Measured { outcome: Outcome::Complete, folders: Vec::new() };
    for (dataset, plan) in datasets.into_iter().zip(&plans) {
        let (outcome, folder) = session.all(&dataset, plan, &options.recording.out.join(&dataset.name))?;
        measured.outcome = measured.outcome.and(outcome);
        measured.folders.push((dataset, folder));
    }
    Ok(Some(measured))
}
