//! `featbench experiment`: a published experiment, measured again with what it takes to say how sure its conclusion is.

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;

use crate::dataset::{Dataset, Refit};
use crate::experiment::{Experiment, Size};
use crate::measure::plan::{Request, plan};
use crate::names;
use crate::record::ExperimentRecord;
use crate::sweep::Preset;

use super::measure::Session;
use super::options::{Job, Options, Recording, Setup};
use super::{Outcome, report, sweep};

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
    /// mini-natural-images; scratch: pretrained against random weights on ever fewer drawn images
    name: String,
    /// How large: reduced (64 px, minutes), standard (128 px, hours), full (224 px, for a GPU or several nights)
    #[arg(long, value_name = "reduced|standard|full", default_value = "reduced")]
    form: Size,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    recording: Recording,
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let size = args.form;
    let (experiments, sweeps) = (Experiment::embedded()?, Preset::embedded()?);
    if let Some(preset) = sweeps.iter().find(|preset| preset.name == args.name) {
        return sweep::experiment(preset, size, args.setup, args.recording);
    }
    let Some(experiment) = experiments.iter().find(|experiment| experiment.name == args.name) else {
        let known =
            experiments.iter().map(|experiment| &experiment.name).chain(sweeps.iter().map(|preset| &preset.name));
        bail!(names::unknown("experiment", &args.name, known.map(String::as_str)))
    };
    let options = options(args, experiment, size);
    let Job { datasets, mut request, backbone } = options.job()?;
    request.arms = experiment.arms(size);
    request.form = size.name().into();
    let dataset = datasets.first().context("an experiment has a data set")?;
    let record = experiment.record(size);
    check_size(&record, dataset, &request)?;
    let mut session = Session::open(&options, &request, backbone.as_ref())?;
    session.experiment = Some(record);
    let plan = plan(&request, dataset, backbone.as_ref())?;
    let folder = options.recording.out.join(&experiment.name).join(size.name());
    if options.recording.dry_run {
        session.preview(dataset, &plan, &folder);
        return Ok(Outcome::Complete);
    }
    let outcome = session.all(dataset, &plan, &folder)?;
    report::render(&folder, false, Some(dataset))?;
    Ok(outcome)
}

/// As if they had been typed for `measure`.
fn options(args: Args, experiment: &Experiment, size: Size) -> Options {
    let form = experiment.form(size);
    Options {
        dataset: vec![experiment.dataset.clone()],
        input: Some(form.input),
        seeds: form.seeds.clone(),
        ..Options::of(args.setup, args.recording)
    }
}

/// Is a training as long as the file says? It is not where images are missing, and then it is another experiment.
fn check_size(record: &ExperimentRecord, dataset: &Dataset, request: &Request) -> Result<()> {
    let images = match request.refit.unwrap_or(dataset.refit) {
        Refit::Train => dataset.splits.train.len(),
        Refit::TrainAndVal => dataset.splits.train.len() + dataset.splits.val.len(),
    };
    let steps = images * record.epochs;
    ensure!(
        steps == record.image_steps,
        "experiment {}: {images} training images in {} epochs are {steps} image steps, its file says {}: {} is not the \
         data set that was published",
        record.name,
        record.epochs,
        record.image_steps,
        dataset.place()
    );
    Ok(())
}
