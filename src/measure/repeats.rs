//! Runs on further draws of a folder's splits, recorded beside those of the first draw: each draw is a data set of its
//! own, with a name and a manifest of its own, so that its runs have ids of their own.

use std::path::Path;

use anyhow::Result;

use super::plan::Planned;
use super::session::{Outcome, Session};
use crate::dataset::Dataset;
use crate::record::{DrawRecord, Store};

/// A draw and what is to be run on it.
pub type Draw = (Dataset, Vec<Planned>);

/// Measures the draws of `first` after it; their runs join the records in `folder`, where those of the first one are.
///
/// # Errors
/// A folder that can't be written.
pub fn measure(session: &Session, first: &Dataset, folder: &Path, draws: &[Draw]) -> Result<Outcome> {
    let mut store = session.store(first, folder)?;
    let all = [first].into_iter().chain(draws.iter().map(|(dataset, _)| dataset));
    store.name_draws((0..).zip(all).map(|(seed, dataset)| record(seed, dataset)).collect())?;
    let (mut outcome, mut held) = (Outcome::Complete, Vec::new());
    for (i, (dataset, plan)) in draws.iter().enumerate() {
        dataset.write_manifest(&store.folder().join("splits").join((i + 1).to_string()))?;
        let recorded = plan.iter().filter(|planned| store.has(&planned.run_id)).count();
        session.progress.say(&format!(
            "{}: splits drawn again, {} of {}; {} runs, {recorded} of them recorded",
            first.name,
            i + 2,
            draws.len() + 1,
            plan.len()
        ));
        let (ended, elsewhere) = session.rest(&mut store, dataset, plan)?;
        outcome = outcome.and(ended);
        held.push(elsewhere);
    }
    for ((dataset, _), held) in draws.iter().zip(held) {
        outcome = outcome.and(session.wait(&mut store, dataset, held)?);
    }
    Store::merge(store.folder())?;
    Ok(outcome)
}

fn record(seed: u64, dataset: &Dataset) -> DrawRecord {
    let splits = &dataset.splits;
    DrawRecord {
        dataset: dataset.name.clone(),
        seed,
        manifest_sha256: dataset.manifest.sha256(),
        train: splits.train.len(),
        val: splits.val.len(),
        test: splits.test.len(),
    }
}
