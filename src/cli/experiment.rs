//! `featbench experiment`: a published experiment, measured again with what it takes to say how sure its conclusion is.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;

use crate::dataset::{Dataset, Refit};
use crate::experiment::{Experiment, Size};
use crate::measure::plan::{Request, plan};

use super::measure::Session;
use super::options::{CanvasOption, DeviceOption, Job, Options};
use super::{Outcome, report};

const EXAMPLES: &str = "\
Examples:
  featbench experiment one-cycle                      reduced: minutes, labelled so
  featbench experiment transfer --form standard       hours; killed in the middle, the same command goes on
  featbench experiment one-cycle --form full --device cuda --backbone resnet18
  featbench experiment transfer --dry-run             what would run, and how long it may take

The files in experiments/ hold the whole protocol, with its source.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// one-cycle: 1cycle against step decay on hymenoptera; transfer: fine-tuning against frozen features on
    /// mini-natural-images
    name: String,
    /// How large: reduced (64 px, minutes), standard (128 px, hours), full (224 px, for a GPU or several nights)
    #[arg(long, value_name = "reduced|standard|full", default_value = "reduced", hide_possible_values = true)]
    form: FormOption,
    /// Folder to look for the data set in (also: the folders of FEATBENCH_DATA, a list like PATH)
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Network that is trained
    #[arg(long, default_value = "resnet18-cntk", value_name = "NAME")]
    backbone: String,
    /// Folder with networks (also: the folders of FEATBENCH_MODELS); repeatable
    #[arg(long, value_name = "FOLDER")]
    model_dir: Vec<PathBuf>,
    /// What networks run on; `auto` takes an NVIDIA GPU where CUDA works, else the CPU, and says so
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto", hide_possible_values = true)]
    device: DeviceOption,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Folder for records and reports; this experiment's are in NAME/FORM below it
    #[arg(long, default_value = "featbench-report", value_name = "FOLDER")]
    out: PathBuf,
    /// Start over: ignore what is recorded and cached
    #[arg(long)]
    fresh: bool,
    /// Say what would run, how long it may take and what it may put on disk, and stop
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormOption {
    Reduced,
    Standard,
    Full,
}

impl FormOption {
    fn size(self) -> Size {
        match self {
            FormOption::Reduced => Size::Reduced,
            FormOption::Standard => Size::Standard,
            FormOption::Full => Size::Full,
        }
    }
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let experiment = Experiment::find(&args.name)?;
    let size = args.form.size();
    let options = options(args, &experiment, size);
    let Job { datasets, mut request, backbone } = options.job()?;
    request.arms = experiment.arms(size);
    request.form = size.name().into();
    let mut session = Session::open(&options, &request, backbone.as_ref())?;
    session.experiment = Some(experiment.record(size));
    for dataset in &datasets {
        check_size(&experiment, size, dataset, &request)?;
        let plan = plan(&request, dataset, backbone.as_ref())?;
        let folder = options.out.join(&experiment.name).join(size.name());
        if options.dry_run {
            session.preview(dataset, &plan, &folder);
            continue;
        }
        let outcome = session.all(dataset, &plan, &folder)?;
        report::render(&folder, false, Some(dataset))?;
        if outcome == Outcome::Partial {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Complete)
}

/// As if they had been typed for `measure`.
fn options(args: Args, experiment: &Experiment, size: Size) -> Options {
    let form = experiment.form(size);
    Options {
        dataset: vec![experiment.dataset.clone()],
        data_dir: args.data_dir,
        arms: Vec::new(),
        backbone: args.backbone,
        model_dir: args.model_dir,
        input: Some(form.input),
        device: args.device,
        seeds: form.seeds.clone(),
        threads: args.threads,
        canvas: vec![CanvasOption::NATIVE],
        refit: None,
        out: args.out,
        fresh: args.fresh,
        dry_run: args.dry_run,
    }
}

/// Is a training as long as the file says? It is not where images are missing, and then it is another experiment.
fn check_size(experiment: &Experiment, size: Size, dataset: &Dataset, request: &Request) -> Result<()> {
    let images = match request.refit.unwrap_or(dataset.refit) {
        Refit::Train => dataset.splits.train.len(),
        Refit::TrainAndVal => dataset.splits.train.len() + dataset.splits.val.len(),
    };
    let record = experiment.record(size);
    ensure!(
        images * record.epochs == record.image_steps,
        "experiment {}: {} training images in {} epochs are {} image steps, its file says {}: {} is not the data set \
         that was published",
        experiment.name,
        images,
        record.epochs,
        images * record.epochs,
        record.image_steps,
        dataset.folder.display()
    );
    Ok(())
}
