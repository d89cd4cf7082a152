//! `featbench export`: a network, pretrained or trained here, as one ONNX file that `featbench classify` and any ONNX
//! runtime can use; or an arm without a network as a file of our own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs, FromArgMatches};

use crate::dataset::Refit;
use crate::deep::backbone::{Backbone, model_folders};
use crate::deep::exported::{Description, Preprocessing, Scores, export};
use crate::measure::export as measuring;
use crate::measure::plan::plan;
use crate::measure::session::Session;
use crate::names::printable;
use crate::protocol::arm::Arm;
use crate::record::files::replace;
use crate::record::{Records, RunRow};
use crate::report;

use super::Outcome;
use super::options::{CanvasOption, INPUT, Job, Options, Recording, Setup, refit};
use super::question::Asked;

const EXAMPLES: &str = "\
Examples:
  featbench export --dataset photos -o photos.featbench
  featbench export --dataset photos --budget 10ms,50MiB -o photos.featbench
  featbench export --arm resnet-finetuned-1cycle --dataset hymenoptera -o ants-bees.onnx
  featbench export --arm resnet-frozen-softmax --dataset photos --input 128 -o photos.onnx
  featbench export --arm handcrafted-best --dataset photos -o photos.featbench
  featbench export --backbone resnet18-cntk -o resnet18-cntk.onnx

Without --arm and --backbone it is the arm that the report on the data set recommends, with the backbone, input, canvas \
and seed of its run; --metric, --margin and --budget are those of `featbench report`. `featbench report` says the command.

An arm is chosen, trained and fitted as `featbench measure` does it, from its cache where it is there. The file has the \
outputs `features` and `logits`, any number of images a batch, and in its metadata labels, preprocessing and the \
temperature that makes probabilities of its logits. A backbone alone has `features`, and `logits` only where its own \
classifier is in its file. The classifier of an arm must be linear: a trained head, a softmax or a linear SVM, whose \
logits are margins.

An arm without a network becomes a file of featbench's own, NAME.featbench, which `featbench classify` reads: settings, \
vocabulary, machine, labels, temperature and preprocessing.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// File to write: NAME.onnx, or NAME.featbench for an arm without a network
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Arm that is exported: a name or a TOML file [default: the one that the report recommends; with --backbone alone
    /// none, but the backbone]
    #[arg(long, value_name = "NAME|FILE.toml")]
    arm: Option<String>,
    /// Data set that the arm is fitted on: a name that `featbench list` shows, or a folder [default: the only one that
    /// --from has records of]
    #[arg(long, value_name = "NAME|FOLDER")]
    dataset: Option<String>,
    /// Folder of records that say which arm is recommended
    #[arg(long, value_name = "FOLDER", default_value = "featbench-report", conflicts_with = "arm")]
    from: PathBuf,
    #[command(flatten)]
    asked: Asked,
    // stands before what holds --backbone, which is gone from the matches once it is read
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    setup: Setup,
    /// The recorded run that is exported, and its arm, where the report named it
    #[arg(skip)]
    recorded: Option<(String, Arm)>,
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

/// Which options were typed that have a default.
#[derive(Debug, Clone, Copy)]
struct Typed {
    backbone: bool,
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Typed, clap::Error> {
        Ok(Typed { backbone: matches.value_source("backbone") == Some(ValueSource::CommandLine) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Typed::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Typed {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}

pub(super) fn run(mut args: Args) -> Result<Outcome> {
    let output = args.output.clone();
    prepare(&output)?;
    let bytes = match (args.arm.is_some(), args.typed.backbone) {
        (true, _) => of_arm(args)?,
        (false, true) if args.dataset.is_some() => {
            bail!("--backbone with --dataset needs --arm: which arm is fitted on the backbone's features?")
        }
        (false, true) => of_backbone(&args)?,
        (false, false) => {
            let (run, arm) = recommended(&args)?;
            args.take(run, arm);
            of_arm(args)?
        }
    };
    write(&output, &bytes)?;
    println!("{} ({:.1} MiB)", output.display(), bytes.len() as f64 / f64::from(1 << 20));
    Ok(Outcome::Complete)
}

/// Writes the whole file or none.
pub(super) fn write(output: &Path, bytes: &[u8]) -> Result<()> {
    replace(output, bytes).with_context(|| format!("can't write {}: choose another --output", output.display()))
}

/// The run that the report on a data set recommends; says which and why.
fn recommended(args: &Args) -> Result<(RunRow, Arm)> {
    let from = args.from.display();
    let folders = if args.from.is_dir() { Records::find(&args.from)? } else { Vec::new() };
    let mut of_dataset = Vec::new();
    // files are read on all threads
    args.setup.start()?;
    let wanted = match &args.dataset {
        Some(name) => Some(args.setup.reading.open(name, args.setup.data_dir.as_deref())?.manifest.sha256()),
        None => None,
    };
    for folder in folders {
        let records = Records::read(&folder)?;
        let compares_arms = records.experiment.is_none() && records.sweep.is_none();
        if compares_arms && wanted.as_ref().is_none_or(|manifest| records.dataset.manifest_sha256 == *manifest) {
            of_dataset.push(records);
        }
    }
    let remedy = "measure it with `featbench report`, name the folder of its records with --from, or an arm with --arm";
    let records = match (&of_dataset[..], &args.dataset) {
        ([records, ..], Some(_)) | ([records], None) => records,
        ([], Some(name)) => bail!("no arm is recommended: {from} has no records of these images of {name}; {remedy}"),
        ([], None) => bail!("no arm is recommended: {from} has no records; {remedy}"),
        (several, None) => {
            let names: Vec<&str> = several.iter().map(|records| records.dataset.name.as_str()).collect();
            bail!("{from} has records of {}: name one with --dataset", names.join(", "))
        }
    };
    let found = report::recommendation(records, &args.asked.question())?;
    let found = found
        .with_context(|| format!("the records of {} in {from} recommend no arm; {remedy}", records.dataset.name))?;
    eprintln!("{}", printable(&found.why.replace('`', "")));
    let record = records.arms.get(&found.run.arm).with_context(|| format!("arms.json lacks {}", found.run.arm))?;
    let arm = Arm::recorded(&found.run.arm, record)?;
    Ok((found.run, arm))
}

/// Says what is wrong with the file's place before a training takes hours.
pub(super) fn prepare(output: &Path) -> Result<()> {
    let wrong = || format!("can't write {}: name a file in a folder that can be written", output.display());
    if output.is_dir() || output.file_name().is_none() {
        bail!(wrong());
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(wrong)
}

fn of_backbone(args: &Args) -> Result<Vec<u8>> {
    let backbone = Backbone::open(&args.setup.one_backbone()?, &model_folders(&args.setup.model_dir))?;
    let side = args.input.or(backbone.input).unwrap_or(INPUT);
    backbone.check_side(side as usize)?;
    let description = Description {
        preprocessing: Preprocessing::of(side, &backbone.preparation, None),
        labels: Vec::new(),
        scores: Scores::Logits,
        temperature: None,
        origin: format!("backbone {} ({})", backbone.name, backbone.identity),
    };
    export(&backbone, &description).with_context(|| backbone.name.clone())
}

fn of_arm(args: Args) -> Result<Vec<u8>> {
    let recorded = args.recorded.clone();
    let given = recorded.iter().map(|(_, arm)| arm.clone()).collect();
    let options = Options { given, ..args.options() };
    let Job { datasets, request } = options.job_with_one_backbone()?;
    let session = Session::open(&request, options.recording.fresh)?;
    let dataset = datasets.first().context("an arm is fitted on a data set")?;
    let plan = plan(&request, dataset)?;
    let planned = plan.first().context("nothing was planned")?;
    session.progress.say(&format!("{}: {}", dataset.name, planned.title()));
    if recorded.is_some_and(|(run_id, _)| run_id != planned.run_id) {
        eprintln!(
            "the records are of other settings, images or versions than these: what is exported may differ from what was \
             measured; measure it again with `featbench report`"
        );
    }
    measuring::run(planned, dataset, &session.resources(planned))
}

impl Args {
    /// As the run that was recorded.
    fn take(&mut self, run: RunRow, arm: Arm) {
        self.arm = Some(run.arm.clone());
        self.dataset.get_or_insert_with(|| run.dataset.clone());
        if !run.backbone.is_empty() {
            self.setup.backbone = vec![run.backbone.clone()];
            self.input = run.input_px.or(self.input);
        }
        self.seed = run.seed;
        self.canvas = run.canvas.parse().unwrap_or(CanvasOption::NATIVE);
        self.refit = refit(&run.refit).ok();
        self.recorded = Some((run.run_id, arm));
    }

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
