//! What all runs of one call share, and the loop over them: every planned run that is not recorded yet is carried out
//! and recorded as soon as it is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::classify::svm::NOT_CONVERGED;
use crate::dataset::Dataset;
use crate::deep::session::{Device, Runtime};
use crate::features::Resources;
use crate::image::decode;
use crate::protocol::arm::Arm;
use crate::record::claim::Attempt;
use crate::record::{ArmRecord, ArmRecords, Environment, ExperimentRecord, Records, Start, Status, Store};
use crate::stage::cache::Cache;
use crate::stage::progress::Progress;

use super::environment::{environment, environment_id};
use super::plan::{Planned, Request};
use super::{audit, estimate, near_duplicates, run as measuring, told};

/// Between two looks at what other processes do.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is there.
    Complete,
    /// It ran, but some arm could not be measured, an image not read, or a report is not what its records give.
    Partial,
}

impl Outcome {
    /// Of two parts of a call.
    pub fn and(self, other: Outcome) -> Outcome {
        if self == Outcome::Complete { other } else { self }
    }
}

/// What all runs of one call share.
pub struct Session<'a> {
    cache: Cache,
    pub progress: Progress,
    pub environment: Environment,
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
    pub fn open(request: &'a Request, fresh: bool) -> Result<Self> {
        Ok(Session {
            cache: Cache::open(Cache::default_folder()?, fresh),
            progress: Progress::on_stderr(),
            environment: this_environment(request),
            request,
            experiment: None,
            fresh,
        })
    }

    /// A session of the same call whose runs join what this one has recorded.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn joining(&self, request: &'a Request) -> Result<Session<'a>> {
        Ok(Session { fresh: false, ..Session::open(request, self.fresh)? })
    }

    /// Every planned run of a data set that is not recorded yet, and what else is said of the data set. Returns the
    /// folder of the records: `wanted`, unless that is another data set's.
    pub fn all(&self, dataset: &Dataset, plan: &[Planned], wanted: &Path) -> Result<(Outcome, PathBuf)> {
        let mut store = self.store(dataset, wanted)?;
        if let Some(experiment) = &self.experiment {
            store.name_experiment(experiment)?;
        }
        dataset.write_manifest(store.folder())?;
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
        let description = store.dataset()?;
        let told = [told::classes(&description.counts), told::findings(&description.findings)].concat();
        told.iter().for_each(|line| self.progress.say(line));
        let looked = self.near_duplicates(dataset, &store)?;
        let (outcome, held) = self.rest(&mut store, dataset, plan)?;
        let outcome = outcome.and(self.wait(&mut store, dataset, held)?);
        let looked = match looked {
            Some(outcome) => outcome,
            None => self.wait_for_near_duplicates(dataset, &store)?,
        };
        let audited = self.audit(dataset, plan, &store)?;
        Store::merge(store.folder())?;
        Ok((outcome.and(looked).and(audited), store.folder().to_path_buf()))
    }

    /// The records of a data set, open for writing, in the folder that [`Store::place`] says.
    pub fn store(&self, dataset: &Dataset, wanted: &Path) -> Result<Store> {
        let describe = |recorded: &[u32]| {
            let canvases = self.request.canvases.iter().copied().flatten().chain(recorded.iter().copied());
            dataset.record(&canvases.collect::<Vec<_>>())
        };
        let arms = arm_records(&self.request.arms)?;
        let store =
            if self.fresh { Store::create(wanted, describe, arms) } else { Store::open(wanted, describe, arms) }?;
        if store.folder() != wanted {
            self.progress.say(&format!(
                "{}: what is recorded in {} is of other images and stays there; the records of these are in {}",
                dataset.name,
                wanted.display(),
                store.folder().display()
            ));
        }
        Ok(store)
    }

    /// Every planned run that is not recorded in `store`, in order; each is recorded as soon as it is done. Returns
    /// those that other processes measure meanwhile.
    pub fn rest<'p>(
        &self,
        store: &mut Store,
        dataset: &Dataset,
        plan: &'p [Planned],
    ) -> Result<(Outcome, Vec<&'p Planned>)> {
        let rest: Vec<&Planned> = plan.iter().filter(|planned| !store.has(&planned.run_id)).collect();
        let (mut outcome, mut held) = (Outcome::Complete, Vec::new());
        for (i, planned) in rest.iter().enumerate() {
            match self.one(store, dataset, planned, &format!("[{}/{}] ", i + 1, rest.len()))? {
                Some(ended) => outcome = outcome.and(ended),
                None => held.push(*planned),
            }
        }
        Ok((outcome, held))
    }

    /// Waits for the runs of other processes, and measures what they don't finish.
    pub fn wait(&self, store: &mut Store, dataset: &Dataset, mut held: Vec<&Planned>) -> Result<Outcome> {
        let mut outcome = Outcome::Complete;
        held.retain(|planned| !store.has(&planned.run_id));
        if !held.is_empty() {
            self.progress.say(&format!("waiting for {} runs that other processes measure", held.len()));
        }
        while !held.is_empty() {
            let mut still = Vec::new();
            for planned in held {
                match self.one(store, dataset, planned, "")? {
                    Some(ended) => outcome = outcome.and(ended),
                    None => still.push(planned),
                }
            }
            held = still;
            if !held.is_empty() {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(outcome)
    }

    /// One run, unless it is recorded by now; `None` where another process measures it.
    fn one(&self, store: &mut Store, dataset: &Dataset, planned: &Planned, number: &str) -> Result<Option<Outcome>> {
        let of = |status: Status| if status == Status::Ok { Outcome::Complete } else { Outcome::Partial };
        let title = format!("{number}{}", planned.title());
        let _claim = match store.start(&planned.run_id)? {
            Start::Recorded(status) => return Ok(Some(of(status))),
            Start::Restored => {
                self.progress.say(&format!("{title}: measured with these settings before, taken back"));
                return Ok(Some(Outcome::Complete));
            }
            Start::Held(_) => return Ok(None),
            Start::Own(claim) => claim,
        };
        self.progress.say(&title);
        let environment_id = environment_id(&self.environment);
        let record = measuring::run(planned, self.request, dataset, &self.resources(planned), &environment_id);
        let status = record.run.status;
        if status != Status::Ok {
            self.progress.say(&format!("  {}", record.run.reason));
        }
        if record.run.chosen.contains(NOT_CONVERGED) {
            let chosen = &record.run.chosen;
            self.progress.say(&format!("  {chosen}: scaled features or a smaller C would converge"));
        }
        store.add(record, self.environment.clone())?;
        Ok(Some(of(status)))
    }

    /// Looks for near-duplicates unless that is done; what keeps it from looking is said and stops nothing. `None`
    /// where another process looks.
    fn near_duplicates(&self, dataset: &Dataset, store: &Store) -> Result<Option<Outcome>> {
        if near_duplicates::known(&store.dataset()?) {
            return Ok(Some(Outcome::Complete));
        }
        let Attempt::Own(_claim) = store.claim("near-duplicates")? else { return Ok(None) };
        match near_duplicates::add(store.dataset()?, dataset, &self.of_no_run()) {
            Ok(description) => store.describe(description).map(|()| Some(Outcome::Complete)),
            Err(error) => {
                self.progress.say(&format!("  near-duplicates were not looked for: {error:#}"));
                Ok(Some(Outcome::Partial))
            }
        }
    }

    /// Looks at the pictures once the arms that judge labels are there; what keeps it from looking is said and stops
    /// nothing. Processes do so one after the other, and the last has the strongest arm.
    fn audit<'p>(&'p self, dataset: &Dataset, plan: &'p [Planned], store: &Store) -> Result<Outcome> {
        let _claim = loop {
            match store.claim("audit")? {
                Attempt::Own(claim) => break claim,
                Attempt::Held(_) => std::thread::sleep(PAUSE),
            }
        };
        let records = Records::read(store.folder())?;
        match audit::audit(dataset, plan, &records, |planned| self.resources(planned), &self.of_no_run()) {
            Ok(audit) => audit.map_or(Ok(()), |audit| store.name_audit(&audit)).map(|()| Outcome::Complete),
            Err(error) => {
                self.progress.say(&format!("  the pictures were not looked at: {error:#}"));
                Ok(Outcome::Partial)
            }
        }
    }

    fn wait_for_near_duplicates(&self, dataset: &Dataset, store: &Store) -> Result<Outcome> {
        loop {
            if let Some(outcome) = self.near_duplicates(dataset, store)? {
                return Ok(outcome);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What a run works with.
    pub fn resources<'p>(&'p self, planned: &'p Planned) -> Resources<'p> {
        Resources {
            canvas: planned.canvas,
            device: planned.device,
            seed: planned.seed,
            input: planned.input().unwrap_or(self.request.input),
            backbone: planned.backbone.as_ref().map(|asked| &asked.found),
            ..self.of_no_run()
        }
    }

    /// What work on a data set works with that belongs to no run: native images, the CPU.
    fn of_no_run(&self) -> Resources<'_> {
        Resources {
            cache: &self.cache,
            threads: self.request.threads,
            canvas: None,
            progress: &self.progress,
            device: Device::PLAIN,
            input: self.request.input,
            backbone: None,
            seed: 0,
        }
    }

    /// What would run on a data set and on further draws of its splits, and how long it may take.
    pub fn preview(
        &self,
        dataset: &Dataset,
        plan: &[Planned],
        draws: &[(Dataset, Vec<Planned>)],
        folder: &Path,
    ) -> String {
        let recorded = Store::recorded(&Store::place(folder, &dataset.manifest.sha256()));
        let rest = |plan: &'_ [Planned]| -> Vec<Planned> {
            plan.iter().filter(|p| self.fresh || !recorded.contains(&p.run_id)).cloned().collect()
        };
        let first = rest(plan);
        let of_draws: Vec<(&Dataset, Vec<Planned>)> = draws.iter().map(|(draw, plan)| (draw, rest(plan))).collect();
        // draws share no vectors: what they are fitted on, and who stands beside whom in the cache, is another one
        let cost = of_draws
            .iter()
            .map(|(draw, rest)| estimate::of(rest, draw, self.request))
            .fold(estimate::of(&first, dataset, self.request), estimate::Cost::and);
        let description = dataset.record(&[]);
        [format!("{}: {} runs, {} of them recorded", dataset.name, plan.len(), plan.len() - first.len())]
            .into_iter()
            .chain(told::classes(&description.counts))
            .chain(told::findings(&description.findings))
            .chain(first.iter().map(|planned| format!("  {}", planned.title())))
            .chain(further(draws, &of_draws))
            .chain([format!("  about {} with an empty cache, and {} MiB there", cost.time(), cost.mib())])
            .chain(estimate::memory(&first, dataset, self.request))
            .chain(estimate::memory_of_fits(&first, dataset))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The runs on further draws, in a line.
fn further(draws: &[(Dataset, Vec<Planned>)], rest: &[(&Dataset, Vec<Planned>)]) -> Option<String> {
    let all: usize = draws.iter().map(|(_, plan)| plan.len()).sum();
    let left: usize = rest.iter().map(|(_, plan)| plan.len()).sum();
    (all > 0).then(|| {
        format!("  and {all} runs more on {} further draws of its splits, {} of them recorded", draws.len(), all - left)
    })
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
