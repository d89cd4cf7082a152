//! `featbench time`: how long an image takes, stage by stage, alone, in batches and all at once.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;

use crate::dataset::Dataset;
use crate::measure::environment::environment_id;
use crate::measure::plan::{Planned, Request, plan};
use crate::measure::run;
use crate::measure::session::Session;
use crate::protocol::arm::Arm;
use crate::record::{TimeRow, TimingRow, time};
use crate::report;

use super::Outcome;
use super::options::{Job, Options};
use super::report::{colour, terminal_width};

const EXAMPLES: &str = "\
Examples:
  featbench time                                     the default arms, on the default data set
  featbench time --arms sift-bovw-svm --images 100   a short look at one arm
  featbench time --dataset photos --threads 1
  featbench time --input 128 --arms resnet-frozen-svm

Arms are chosen and fitted as `featbench measure` does it, from its cache where they are there. Without a data set \
they are those of drawn images, without files to decode. Let nothing else run.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    /// Images that are timed one by one, evenly spaced; a 99th percentile needs 662
    #[arg(long, default_value_t = 700, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    images: u64,
}

pub(super) fn run(mut args: Args) -> Result<Outcome> {
    let options = &mut args.options;
    if options.arms.is_empty() {
        // what drawn images are measured with beside them would have to be trained first
        options.arms = Arm::select(&[])?.into_iter().map(|arm| arm.name).collect();
    }
    let Job { datasets, request } = options.job()?;
    let session = Session::open(&request, options.recording.fresh)?;
    let mut outcome = Outcome::Complete;
    for (i, dataset) in datasets.iter().enumerate() {
        ensure!(
            !datasets[..i].iter().any(|other| other.name == dataset.name),
            "two data sets are called {}: time them one after the other, with different --out",
            dataset.name
        );
    }
    for dataset in &datasets {
        let plan = plan(&request, dataset)?;
        if options.recording.dry_run {
            println!("{}: would time", dataset.name);
            plan.iter().for_each(|planned| println!("  {}", planned.title()));
        } else if !time_all(&session, dataset, &plan, &options.recording.out, args.images as usize)? {
            outcome = Outcome::Partial;
        }
    }
    Ok(outcome)
}

/// Times one run after the other and shows what came out; `false` if one could not be.
fn time_all(session: &Session, dataset: &Dataset, plan: &[Planned], out: &Path, images: usize) -> Result<bool> {
    let folder = out.join(&dataset.name).join("time");
    let id = environment_id(&session.environment);
    let write = |rows: &[TimeRow]| time::write(&folder, rows, (&id, session.environment.clone()));
    let path = write(&[])?;
    let (mut rows, mut complete) = (Vec::new(), true);
    for (i, planned) in plan.iter().enumerate() {
        session.progress.say(&format!("[{}/{}] {}", i + 1, plan.len(), planned.title()));
        match run::time(planned, dataset, &session.resources(planned), images) {
            Ok(samples) => {
                rows.extend(samples.into_iter().map(|s| time_row(s, planned, session.request, &dataset.name, &id)));
                write(&rows)?;
            }
            Err(error) => {
                session.progress.say(&format!("  {}", format!("{error:#}").replace('\n', " ")));
                complete = false;
            }
        }
    }
    print!("{}", report::time::terminal(&rows, terminal_width(), colour()));
    println!("\n{}", path.display());
    Ok(complete)
}

fn time_row(sample: TimingRow, planned: &Planned, request: &Request, dataset: &str, environment_id: &str) -> TimeRow {
    let (backbone, input_px) = planned.network();
    TimeRow {
        environment_id: environment_id.into(),
        dataset: dataset.into(),
        arm: planned.arm.name.clone(),
        backbone,
        input_px,
        canvas: planned.canvas_name(),
        seed: planned.seed,
        device: planned.device.name().into(),
        threads: if sample.scenario == "single" { 1 } else { request.threads },
        scenario: sample.scenario,
        stage: sample.stage,
        sample: sample.sample,
        images: sample.images,
        milliseconds: sample.milliseconds,
    }
}
