//! `featbench export`: a network, pretrained or trained here, as one ONNX file that `featbench classify` and any ONNX
//! runtime can use; or an arm without a network as a file of our own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use crate::dataset::Refit;
use crate::deep::backbone::{Backbone, model_folders};
use crate::deep::exported::{Description, Preprocessing, Scores, export};
use crate::measure::export as measuring;
use crate::measure::plan::plan;
use crate::record::files::replace;

use super::Outcome;
use super::options::{CanvasOption, INPUT, Job, Options, Recording, Setup, refit};
use crate::measure::session::Session;

const EXAMPLES: &str = "\
Examples:
  featbench export --arm resnet-finetuned-1cycle --dataset hymenoptera -o ants-bees.onnx
  featbench export --arm resnet-frozen-softmax --dataset photos --input 128 -o photos.onnx
  featbench export --arm handcrafted-best --dataset photos -o photos.featbench
  featbench export --backbone resnet18-cntk -o resnet18-cntk.onnx

An arm is chosen, trained and fitted as `featbench measure` does it, from its cache where it is there. The file has the \
outputs `features` and `logits`, any number of images a batch, and in its metadata labels and preprocessing. A \
backbone alone has `features`, and `logits` only where its own classifier is in its file. The classifier of an arm must be \
linear: a trained head, a softmax or a linear SVM, whose logits are margins.

An arm without a network becomes a file of featbench's own, NAME.featbench, which `featbench classify` reads: settings, \
vocabulary, machine, labels and preprocessing.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// File to write: NAME.onnx, or NAME.featbench for an arm without a network
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Arm that is exported: a name or a TOML file [default: none, the backbone alone]
    #[arg(long, value_name = "NAME|FILE.toml")]
    arm: Option<String>,
    /// Data set that the arm is fitted on: a name that `featbench list` shows, or a folder
    #[arg(long, value_name = "NAME|FOLDER", requires = "arm")]
    dataset: Option<String>,
    #[command(flatten)]
    setup: Setup,
    /// Side of the network's input in pixels [default: what its file states, else 224]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024))]
    input: Option<u32>,
    /// Seed of the arm's run
    #[arg(long, default_value_t = 0, value_name = "N", requires = "arm")]
    seed: u64,
    /// Frame of the images: as they are, or on a square canvas of N pixels
    #[arg(long, default_value = "native", value_name = "native|N", requires = "arm")]
    canvas: CanvasOption,
    /// Images of the final fit [default: train, with val where val was drawn from train]
    #[arg(long, value_name = "train|train+val", value_parser = refit, requires = "arm")]
    refit: Option<Refit>,
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let output = args.output.clone();
    prepare(&output)?;
    let bytes = if args.arm.is_some() { of_arm(args)? } else { of_backbone(&args)? };
    replace(&output, &bytes).with_context(|| format!("can't write {}: choose another --output", output.display()))?;
    println!("{} ({:.1} MiB)", output.display(), bytes.len() as f64 / f64::from(1 << 20));
    Ok(Outcome::Complete)
}

/// Says what is wrong with the file's place before a training takes hours.
fn prepare(output: &Path) -> Result<()> {
    let wrong = || format!("can't write {}: name a file in a folder that can be written", output.display());
    if output.is_dir() || output.file_name().is_none() {
        bail!(wrong());
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(wrong)
}

fn of_backbone(args: &Args) -> Result<Vec<u8>> {
    let backbone = Backbone::open(&args.setup.backbone, &model_folders(&args.setup.model_dir))?;
    let side = args.input.or(backbone.input).unwrap_or(INPUT);
    backbone.check_side(side as usize)?;
    let description = Description {
        preprocessing: Preprocessing::of(side, backbone.normalisation, None),
        labels: Vec::new(),
        scores: Scores::Logits,
        origin: format!("backbone {} ({})", backbone.name, backbone.identity),
    };
    export(&backbone, &description).with_context(|| backbone.name.clone())
}

fn of_arm(args: Args) -> Result<Vec<u8>> {
    let options = args.options();
    let Job { datasets, request, backbone } = options.job()?;
    let session = Session::open(&request, backbone.as_ref(), options.recording.fresh)?;
    let dataset = datasets.first().context("an arm is fitted on a data set")?;
    let plan = plan(&request, dataset, backbone.as_ref())?;
    let planned = plan.first().context("nothing was planned")?;
    session.progress.say(&format!("{}: {}", dataset.name, planned.title()));
    measuring::run(planned, dataset, &session.resources(planned))
}

impl Args {
    /// As for measuring this one run.
    fn options(self) -> Options {
        Options {
            dataset: self.dataset.into_iter().collect(),
            arms: self.arm.into_iter().collect(),
            input: self.input,
            seeds: vec![self.seed],
            canvas: vec![self.canvas],
            refit: self.refit,
            ..Options::of(self.setup, Recording { out: self.output, fresh: false, dry_run: false })
        }
    }
}
