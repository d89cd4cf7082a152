//! What all runs of one call share, and the loop over them: every planned run that is not recorded yet is carried out
//! and recorded as soon as it is done.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::dataset::Dataset;
use crate::deep::session::{Device, Runtime};
use crate::features::{FoundBackbone, Resources};
use crate::image::decode;
use crate::protocol::arm::Arm;
use crate::record::{ArmRecord, ArmRecords, Environment, ExperimentRecord, Status, Store};
use crate::stage::cache::Cache;
use crate::stage::progress::Progress;

use super::environment::{environment, environment_id};
use super::plan::{Planned, Request};
use super::{estimate, near_duplicates, run as measuring, told};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is there.
    Complete,
    /// It ran, but some arm could not be measured, an image not read, or a report is not what its records give.
    Partial,
}

/// What all runs of one call share.
pub struct Session<'a> {
    cache: Cache,
    pub progress: Progress,
    pub environment: Environment,
    backbone: Option<&'a FoundBackbone>,
    pub request: &'a Request,
    /// Whose runs these are, if they are an experiment's.
    pub experiment: Option<ExperimentRecord>,
    /// Start over: ignore what is recorded and cached.
    fresh: bool,
}

fn this_environment(request: &Request) -> Environment {
    let runtime = Runtime::get().map(|runtime| runtime.version()).unwrap_or_default();
    let provider = if runtime.is_empty() { Vec::new() } else { vec![request.device.provider()] };
    environment(decode::version(), runtime, provider)
}

impl<'a> Session<'a> {
    /// `fresh` ignores what is recorded and cached.
    ///
    /// # Errors
    /// A cache without a place.
    pub fn open(request: &'a Request, backbone: Option<&'a FoundBackbone>, fresh: bool) -> Result<Self> {
        Ok(Session {
            cache: Cache::open(Cache::default_folder()?, fresh),
            progress: Progress::on_stderr(),
            environment: this_environment(request),
            backbone,
            request,
            experiment: None,
            fresh,
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
        let description = &store.records().dataset;
        let told = [told::classes(&description.counts), told::findings(&description.findings)].concat();
        told.iter().for_each(|line| self.progress.say(line));
        let outcome = self.near_duplicates(dataset, &mut store)?;
        Ok(if self.rest(&mut store, dataset, plan)? == Outcome::Partial { Outcome::Partial } else { outcome })
    }

    /// The records of a data set in this folder, open for writing.
    pub fn store(&self, dataset: &Dataset, folder: &Path) -> Result<Store> {
        let open = if self.fresh { Store::create } else { Store::open };
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
        let recorded = if self.fresh { Vec::new() } else { Store::canvases(folder) };
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

    /// What would run, and how long it may take.
    pub fn preview(&self, dataset: &Dataset, plan: &[Planned], folder: &Path) -> String {
        let recorded = Store::recorded(folder);
        let rest: Vec<&Planned> = plan.iter().filter(|p| self.fresh || !recorded.contains(&p.run_id)).collect();
        let cost = estimate::of(&rest, dataset, self.request);
        let description = dataset.record(&[]);
        [format!("{}: {} runs, {} of them recorded", dataset.name, plan.len(), plan.len() - rest.len())]
            .into_iter()
            .chain(told::classes(&description.counts))
            .chain(told::findings(&description.findings))
            .chain(rest.iter().map(|planned| format!("  {}", planned.title())))
            .chain([format!("  about {} with an empty cache, and {} MiB there", cost.time(), cost.mib())])
            .chain(estimate::memory(&rest, dataset, self.request))
            .collect::<Vec<_>>()
            .join("\n")
    }
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
