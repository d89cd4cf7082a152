//! `featbench experiment`: a published experiment, measured again with what it takes to say how sure its conclusion is.

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;

use crate::dataset::{Dataset, Refit};
use crate::measure::plan::{Request, plan};
use crate::measure::session::Session;
use crate::names;
use crate::protocol::experiment::{Experiment, Form};
use crate::protocol::sweep::Preset;
use crate::record::ExperimentRecord;
use crate::report::Question;

use super::options::{Job, Options, Recording, Setup};
use super::shard::Share;
use super::{Outcome, report, sweep};

const EXAMPLES: &str = "\
Examples:
  featbench experiment one-cycle                      reduced: minutes, labelled so
  featbench experiment transfer --form standard       hours; killed in the middle, the same command goes on
  featbench experiment one-cycle --form full --device cuda --backbone resnet18
  featbench experiment transfer --dry-run             what would run, and how long it may take
  featbench experiment one-cycle --form standard --arms constant
                                                      one arm today, the others when it is called again

The files in experiments/ hold the whole protocol, with its source.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// one-cycle: 1cycle against step decay on hymenoptera; transfer: fine-tuning against frozen features on
    /// mini-natural-images; scratch: pretrained against random weights on ever fewer drawn images
    name: String,
    /// How large: reduced (64 px, minutes), standard (128 px, hours), full (224 px, for a GPU or several nights)
    #[arg(long, value_name = "reduced|standard|full", default_value = "reduced")]
    form: Form,
    /// Only these arms of the experiment, so that several calls share the work; what is recorded of others stays
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    arms: Vec<String>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    recording: Recording,
    #[command(flatten)]
    share: Share,
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let form = args.form;
    let (experiments, sweeps) = (Experiment::embedded()?, Preset::embedded()?);
    if let Some(preset) = sweeps.iter().find(|preset| preset.name == args.name) {
        let arms = only(&args.arms, preset.arms.clone(), String::as_str)?;
        return sweep::experiment(preset, form, arms, args.setup, args.recording, args.share.shard);
    }
    let Some(experiment) = experiments.iter().find(|experiment| experiment.name == args.name) else {
        let known =
            experiments.iter().map(|experiment| &experiment.name).chain(sweeps.iter().map(|preset| &preset.name));
        bail!(names::unknown("experiment", &args.name, known.map(String::as_str)))
    };
    let arms = only(&args.arms, experiment.arms(form), |arm| &arm.name)?;
    let shard = args.share.shard;
    let options = options(args, experiment, form);
    let Job { datasets, mut request } = options.job_with_one_backbone()?;
    request.arms = arms;
    request.form = form.name().into();
    let dataset = datasets.first().context("an experiment has a data set")?;
    let record = experiment.record(form);
    check_size(&record, dataset, &request)?;
    let mut session = Session::open(&request, options.recording.fresh)?;
    session.experiment = Some(record);
    let mut plans = [plan(&request, dataset)?];
    shard.keep_share(&mut plans);
    let [plan] = plans;
    let folder = options.recording.out.join(&experiment.name).join(form.name());
    if options.recording.dry_run {
        println!("{}", session.preview(dataset, &plan, &[], &folder));
        return Ok(Outcome::Complete);
    }
    let (outcome, folder) = session.all(dataset, &plan, &folder)?;
    report::render(&folder, false, Some(dataset), &Question::default())?;
    Ok(outcome)
}

/// The arms with these names, all where none is named.
fn only<T>(names: &[String], mut arms: Vec<T>, name: impl Fn(&T) -> &str) -> Result<Vec<T>> {
    if let Some(unknown) = names.iter().find(|wanted| !arms.iter().any(|arm| name(arm) == **wanted)) {
        let mut known: Vec<&str> = arms.iter().map(&name).collect();
        known.dedup();
        bail!(names::unknown("arm of this experiment", unknown, known))
    }
    arms.retain(|arm| names.is_empty() || names.iter().any(|wanted| wanted == name(arm)));
    Ok(arms)
}

/// As if they had been typed for `measure`.
fn options(args: Args, experiment: &Experiment, form: Form) -> Options {
    let size = experiment.size(form);
    Options {
        dataset: vec![experiment.dataset.clone()],
        input: Some(size.input),
        seeds: size.seeds.clone(),
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
