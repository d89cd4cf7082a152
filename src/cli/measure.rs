//! `featbench measure`: runs what is not recorded yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::dataset::Dataset;
use crate::deep::session::{Device, Runtime};
use crate::features::{FoundBackbone, Resources};
use crate::image::decode;
use crate::measure::environment::{environment, environment_id};
use crate::measure::plan::{Planned, Request, plan};
use crate::measure::{estimate, near_duplicates, run as measuring};
use crate::protocol::arm::Arm;
use crate::record::{ArmRecord, ArmRecords, Environment, ExperimentRecord, Finding, Status, Store};
use crate::stage::cache::Cache;
use crate::stage::progress::Progress;

use super::Outcome;
use super::options::{Job, Options};

const EXAMPLES: &str = "\
Examples:
  featbench measure --dry-run                                  what would run, and how long it may take
  featbench measure --arms sift-bovw-svm,orb-bovw-svm          two arms only
  featbench measure --arms my-sift.toml --dataset photos       an arm of your own on a folder of your own
  featbench measure --backbone resnet50                        another network, after `featbench fetch resnet50`
  featbench measure --backbone mine --model-dir ~/models       your own, mine.onnx, .safetensors or .pth there
  featbench measure --device cuda --out cuda-report            its network on an NVIDIA GPU, or not at all

Killed in the middle, the same command goes on where it stopped.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    Ok(measure(&args.options)?.map_or(Outcome::Complete, |measured| measured.outcome))
}

/// What was measured, and where its records are.
pub(super) struct Measured {
    pub outcome: Outcome,
    pub folders: Vec<(Dataset, PathBuf)>,
}

/// Measures what is not recorded yet; `None` after a dry run.
pub(super) fn measure(options: &Options) -> Result<Option<Measured>> {
    let Job { datasets, request, backbone } = options.job()?;
    let session = Session::open(options, &request, backbone.as_ref())?;
    let plans = datasets.iter().map(|dataset| plan(&request, dataset, backbone.as_ref()));
    let plans = plans.collect::<Result<Vec<_>>>()?;
    if options.recording.dry_run {
        datasets
            .iter()
            .zip(&plans)
            .for_each(|(dataset, plan)| session.preview(dataset, plan, &options.recording.out.join(&dataset.name)));
        return Ok(None);
    }
    let mut measured = Measured { outcome: Outcome::Complete, folders: Vec::new() };
    for (dataset, plan) in datasets.into_iter().zip(&plans) {
        let folder = options.recording.out.join(&dataset.name);
        if session.all(&dataset, plan, &folder)? == Outcome::Partial {
            measured.outcome = Outcome::Partial;
        }
        measured.folders.push((dataset, folder));
    }
    Ok(Some(measured))
}

/// What all runs of one call share.
pub(super) struct Session<'a> {
    cache: Cache,
    pub progress: Progress,
    pub environment: Environment,
    backbone: Option<&'a FoundBackbone>,
    pub request: &'a Request,
    /// Whose runs these are, if they are an experiment's.
    pub experiment: Option<ExperimentRecord>,
    options: &'a Options,
}

fn this_environment(request: &Request) -> Environment {
    let runtime = Runtime::get().map(|runtime| runtime.version()).unwrap_or_default();
    let provider = if runtime.is_empty() { Vec::new() } else { vec![request.device.provider()] };
    environment(decode::version(), runtime, provider)
}

impl<'a> Session<'a> {
    pub fn open(options: &'a Options, request: &'a Request, backbone: Option<&'a FoundBackbone>) -> Result<Self> {
        Ok(Session {
            cache: Cache::open(Cache::default_folder()?, options.recording.fresh),
            progress: Progress::on_stderr(),
            environment: this_environment(request),
            backbone,
            request,
            experiment: None,
            options,
        })
    }

    /// Every planned run of a data set that is not recorded in this folder, and what else is said of the data set.
    pub fn all(&self, dataset: &Dataset, plan: &[Planned], folder: &Path) -> Result<Outcome> {
        let mut store = self.store(dataset, folder)?;
        store.name_experiment(self.experiment.clone())?;
        dataset.write_manifest(folder)?;
        let recorded = plan.iter().filter(|planned| store.has(&planned.run_id)).count();
        let classes = dataset.splits.classes.len();
        self.progress.say(&format!(
            "{}: {} classes, {} train, {} val, {} reported images; {} runs, {} of them recorded",
            dataset.name,
            classes,
            dataset.splits.train.len(),
            dataset.splits.val.len(),
            dataset.splits.test.len(),
            plan.len(),
            recorded
        ));
        warnings(&store.records().dataset.findings).iter().for_each(|line| self.progress.say(line));
        let outcome = self.near_duplicates(dataset, &mut store)?;
        Ok(if self.rest(&mut store, dataset, plan)? == Outcome::Partial { Outcome::Partial } else { outcome })
    }

    /// The records of a data set in this folder, open for writing.
    pub fn store(&self, dataset: &Dataset, folder: &Path) -> Result<Store> {
        let open = if self.options.recording.fresh { Store::create } else { Store::open };
        open(folder, dataset.record(&self.canvases(folder)), arm_records(&self.request.arms)?)
    }

    /// Every planned run that is not recorded in `store`, in order; each is recorded as soon as it is done.
    pub fn rest(&self, store: &mut Store, dataset: &Dataset, plan: &[Planned]) -> Result<Outcome> {
        let rest: Vec<&Planned> = plan.iter().filter(|planned| !store.has(&planned.run_id)).collect();
        let mut outcome = Outcome::Complete;
        let environment_id = environment_id(&self.environment);
        for (i, planned) in rest.iter().enumerate() {
            self.progress.say(&format!("[{}/{}] {}", i + 1, rest.len(), planned.title()));
            let record = measuring::run(planned, self.request, dataset, &self.resources(planned), &environment_id);
            if record.run.status != Status::Ok {
                self.progress.say(&format!("  {}", record.run.reason));
                outcome = Outcome::Partial;
            }
            store.add(record, (&environment_id, self.environment.clone()))?;
        }
        Ok(outcome)
    }

    /// Looks for near-duplicates unless that is done; what keeps it from looking is said and stops nothing.
    fn near_duplicates(&self, dataset: &Dataset, store: &mut Store) -> Result<Outcome> {
        let description = store.records().dataset.clone();
        if description.near_duplicate_rmse.is_some() {
            return Ok(Outcome::Complete);
        }
        match near_duplicates::add(description, dataset, &self.of_no_run()) {
            Ok(description) => store.describe(description).map(|()| Outcome::Complete),
            Err(error) => {
                self.progress.say(&format!("  near-duplicates were not looked for: {error:#}"));
                Ok(Outcome::Partial)
            }
        }
    }

    /// Sides of the canvases that are asked for and of those that stay recorded.
    fn canvases(&self, folder: &Path) -> Vec<u32> {
        let recorded = if self.options.recording.fresh { Vec::new() } else { Store::canvases(folder) };
        self.request.canvases.iter().copied().flatten().chain(recorded).collect()
    }

    /// What a run works with.
    pub fn resources(&self, planned: &Planned) -> Resources<'_> {
        let input = self.request.input_of(&planned.arm);
        Resources { canvas: planned.canvas, device: planned.device, seed: planned.seed, input, ..self.of_no_run() }
    }

    /// What work on a data set works with that belongs to no run: native images, the CPU.
    fn of_no_run(&self) -> Resources<'_> {
        Resources {
            cache: &self.cache,
            threads: self.request.threads,
            canvas: None,
            progress: &self.progress,
            device: Device::Cpu,
            input: self.request.input,
            backbone: self.backbone,
            seed: 0,
        }
    }

    pub fn preview(&self, dataset: &Dataset, plan: &[Planned], folder: &Path) {
        let recorded = Store::recorded(folder);
        let rest: Vec<&Planned> =
            plan.iter().filter(|p| self.options.recording.fresh || !recorded.contains(&p.run_id)).collect();
        println!("{}: {} runs, {} of them recorded", dataset.name, plan.len(), plan.len() - rest.len());
        rest.iter().for_each(|planned| println!("  {}", planned.title()));
        let cost = estimate::of(&rest, dataset, self.request);
        println!("  about {} with an empty cache, and {} MiB there", cost.time(), cost.mib());
    }
}

/// One line a kind of finding (they are sorted by kind): the first, and how many more the report lists.
fn warnings(findings: &[Finding]) -> Vec<String> {
    let line = |found: &[Finding]| {
        let Finding { kind, what, detail } = &found[0];
        let more = if found.len() > 1 { format!("; {} more in the report", found.len() - 1) } else { String::new() };
        format!("  {kind}: {what} ({detail}){more}")
    };
    findings.chunk_by(|a, b| a.kind == b.kind).map(line).collect()
}

fn arm_records(arms: &[Arm]) -> Result<ArmRecords> {
    let record = |arm: &Arm| {
        let settings = arm.settings()?;
        let record = ArmRecord {
            family: arm.family.name().into(),
            title: arm.title.clone(),
            expectation: arm.expectation.clone(),
            analysis: arm.analysis.clone(),
            settings,
        };
        Ok((arm.name.clone(), record))
    };
    // of several protocols of one arm the first is described
    arms.iter().rev().map(record).collect::<Result<BTreeMap<_, _>>>()
}
