//! `featbench sweep`: accuracy of every arm against one factor at a time.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;

use crate::measure::plan::{Request, plan};
use crate::measure::session::Session;
use crate::protocol::experiment::Form;
use crate::protocol::sweep::{Point, Preset, Sweep};
use crate::record::{Records, Store};
use crate::report::Question;

use super::options::{Job, Options, Recording, Setup};
use super::shard::{Shard, Share};
use super::{Outcome, report};

const EXAMPLES: &str = "\
Examples:
  featbench sweep                                          drawn images, every factor: hours
  featbench sweep --factors blur,noise --arms sift-bovw-svm,resnet-frozen-svm
  featbench sweep mini-natural-images                      classes, training images and clarity of photographs
  featbench sweep --dry-run                                what would run

Killed in the middle, the same command goes on where it stopped.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// `procedural`, another name that `featbench list` shows, or a folder
    #[arg(default_value = crate::dataset::procedural::NAME, value_name = "NAME|FOLDER")]
    dataset: String,
    /// classes, train (training images a class), blur, noise, contrast, clutter, pose [default: all that the images have]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    factors: Vec<String>,
    /// Arms to run [default: as for `report` on these images]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...|FILE.toml")]
    arms: Vec<String>,
    /// How long networks are trained, as for `report`
    #[arg(long, value_name = "reduced|standard")]
    form: Option<Form>,
    /// Side of the network's input in pixels [default: as for `report`]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024))]
    input: Option<u32>,
    /// Seeds: each draws classes and images anew
    #[arg(long, value_delimiter = ',', default_value = "0,1,2", value_name = "N,...")]
    seeds: Vec<u64>,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    recording: Recording,
    #[command(flatten)]
    share: Share,
}

impl Args {
    /// What is typed to measure it again, behind the name of the data set.
    fn typed(&self) -> String {
        let list = |name: &str, values: &[String]| match values {
            [] => String::new(),
            values => format!(" --{name} {}", values.join(",")),
        };
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        [
            list("factors", &self.factors),
            list("arms", &self.arms),
            self.form.map_or_else(String::new, |form| format!(" --form {}", form.name())),
            self.input.map_or_else(String::new, |input| format!(" --input {input}")),
            list("seeds", &seeds),
            self.setup.reading.typed(),
        ]
        .concat()
    }
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let typed = args.typed();
    let shard = args.share.shard;
    let options = Options {
        dataset: vec![args.dataset],
        arms: args.arms,
        form: args.form,
        input: args.input,
        seeds: args.seeds,
        ..Options::of(args.setup, args.recording)
    };
    let job = options.job_with_one_backbone()?;
    let base = job.datasets.first().context("a sweep has a data set")?;
    let folder = options.recording.out.join("sweep").join(&base.name);
    let command = format!("featbench sweep {}{typed}", base.name);
    measure(&options, &job, &Sweep::of(base, &args.factors, &options.seeds)?, &command, &folder, shard)
}

/// These arms of an experiment that is a sweep, in this form.
pub(super) fn experiment(
    preset: &Preset,
    form: Form,
    arms: Vec<String>,
    setup: Setup,
    recording: Recording,
    shard: Shard,
) -> Result<Outcome> {
    let size = preset.size(form.name())?;
    let options = Options {
        dataset: vec![preset.dataset.clone()],
        arms,
        // trainings are as long as the experiment says
        form: Some(Form::Standard),
        input: Some(size.input),
        seeds: size.seeds.clone(),
        ..Options::of(setup, recording)
    };
    let mut job = options.job_with_one_backbone()?;
    job.request.form = form.name().into();
    let base = job.datasets.first().context("an experiment has a data set")?;
    let folder = options.recording.out.join(&preset.name).join(form.name());
    let command = format!("featbench experiment {} --form {}", preset.name, form.name());
    measure(&options, &job, &preset.sweep(base, size)?, &command, &folder, shard)
}

fn measure(options: &Options, job: &Job, sweep: &Sweep, command: &str, folder: &Path, shard: Shard) -> Result<Outcome> {
    let Job { datasets, request } = job;
    let request = Request { detailed: false, ..request.clone() };
    let session = Session::open(&request, options.recording.fresh)?;
    let points = shard.share(sweep.points());
    if options.recording.dry_run {
        points.iter().for_each(|point| println!("{}, seed {}", point.name, point.seed));
        println!("{} data sets, {} arms on each", points.len(), request.arms.len());
        return Ok(Outcome::Complete);
    }
    let base = datasets.first().context("a sweep has a data set")?;
    let mut store = session.store(base, folder)?;
    store.name_sweep(&sweep.record(&request.form, command, &request.arms)?)?;
    let (mut outcome, mut held) = (Outcome::Complete, Vec::new());
    let planned = |point: &Point| {
        // opened one after the other: what is drawn stays in memory as long as its data set is open
        let dataset = sweep.open(point)?;
        let arms = sweep.arms(&request.arms, &dataset);
        let request = Request { arms, seeds: vec![point.seed], ..request.clone() };
        plan(&request, &dataset).map(|plan| (dataset, plan))
    };
    for (i, point) in points.iter().enumerate() {
        session.progress.say(&format!("{}/{} {}", i + 1, points.len(), point.name));
        let (dataset, plan) = planned(point)?;
        let (ended, elsewhere) = session.rest(&mut store, &dataset, &plan)?;
        outcome = outcome.and(ended);
        if !elsewhere.is_empty() {
            held.push(point);
        }
    }
    for point in held {
        let (dataset, plan) = planned(point)?;
        outcome = outcome.and(session.wait(&mut store, &dataset, plan.iter().collect())?);
    }
    Store::merge(store.folder())?;
    let folder = store.folder();
    report::render(folder, false, None, &Question::default())?;
    // their pages speak of this one
    for other in Records::sweeps_beside(folder)? {
        crate::report::write(&Records::read(&other)?, &other, &Question::default())?;
    }
    Ok(outcome)
}
