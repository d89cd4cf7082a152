//! Learning curves: would more photographs help? A recorded run is fitted again on nested subsets of its training images
//! and judged on the reported ones. Its features and settings are those that it has on all images: what is measured is
//! what more labels give. Vectors come from the cache, machines from parts of one matrix.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::classify::{Labelled, Pool};
use crate::dataset::{Dataset, Refit};
use crate::features::{Resources, VectorsOf};
use crate::record::claim::Attempt;
use crate::record::{LearningRow, Records, RunRecord, Status, Store};

use super::chosen::{choose, final_images};
use super::plan::Planned;
use super::run::Watched;
use super::session::{Outcome, PAUSE, Session};

/// Sizes of a curve, the largest of which is all training images, and how far they reach down.
const SIZES: usize = 7;
const SPAN: f64 = 16.0;
/// Images of a class that the smallest size has on average, at least.
const A_CLASS: usize = 3;
/// With less than this from the smallest size to the largest there is no law to be seen.
const LEAST_SPAN: f64 = 3.0;

/// Draws of every size but the largest, and of so many images that fits are slow.
const DRAWS: u64 = 10;
const FEWER_DRAWS: u64 = 5;
const MANY: usize = 2048;
/// Up to so many training images, and up to so many numbers of its matrices, a curve is a small part of a report.
const CHEAP: usize = 4096;
const CHEAP_NUMBERS: usize = 64 << 20;

/// Sizes of nested subsets of `images` training images, equal ratios apart and ascending; none where there are too few.
pub fn sizes(images: usize, classes: usize) -> Vec<usize> {
    let least = (images as f64 / SPAN).max((A_CLASS * classes) as f64);
    let span = images as f64 / least;
    if span < LEAST_SPAN {
        return Vec::new();
    }
    let size = |i: usize| (least * span.powf(i as f64 / (SIZES - 1) as f64)).round() as usize;
    (0..SIZES).map(size).collect()
}

/// Is a curve of such a run a small part of the time that a report takes?
pub fn is_cheap(planned: &Planned, dataset: &Dataset) -> bool {
    let (images, judged) = (trained_on(planned, dataset), dataset.splits.test.len());
    images <= CHEAP && images * (images + judged) <= CHEAP_NUMBERS
}

/// Can a curve of such a run be measured at all?
pub fn is_possible(planned: &Planned, dataset: &Dataset) -> bool {
    let sizes = sizes(trained_on(planned, dataset), dataset.splits.classes.len());
    planned.arm.training().is_none() && !sizes.is_empty()
}

fn trained_on(planned: &Planned, dataset: &Dataset) -> usize {
    let val = if planned.refit == Refit::TrainAndVal { dataset.splits.val.len() } else { 0 };
    dataset.splits.train.len() + val
}

/// Measures the curves of these runs that are recorded in `folder` without one. A run that fails here keeps what it has.
///
/// # Errors
/// Records that can't be read, a folder that can't be written.
pub fn measure(session: &Session, dataset: &Dataset, folder: &Path, plan: &[&Planned]) -> Result<Outcome> {
    let mut outcome = Outcome::Complete;
    let mut left = without_curve(&Records::read(folder)?, plan);
    if left.is_empty() {
        return Ok(outcome);
    }
    let mut store = session.store(dataset, folder)?;
    while !left.is_empty() {
        let mut held = Vec::new();
        for planned in left {
            match one(session, dataset, &mut store, planned)? {
                Some(ended) => outcome = outcome.and(ended),
                None => held.push(planned),
            }
        }
        if !held.is_empty() {
            // another process measures them
            std::thread::sleep(PAUSE);
        }
        left = held;
    }
    Store::merge(store.folder())?;
    Ok(outcome)
}

/// Of the runs that are recorded well those that have no curve.
fn without_curve<'p>(records: &Records, plan: &[&'p Planned]) -> Vec<&'p Planned> {
    let recorded = |planned: &&&Planned| {
        records.runs.iter().any(|run| run.run_id == planned.run_id && run.status == Status::Ok)
            && !records.details.learning.iter().any(|row| row.run_id == planned.run_id)
    };
    plan.iter().filter(recorded).copied().collect()
}

/// One curve, unless it is recorded by now; `None` where another process measures it.
fn one(session: &Session, dataset: &Dataset, store: &mut Store, planned: &Planned) -> Result<Option<Outcome>> {
    let Attempt::Own(_claim) = store.claim(&planned.run_id)? else { return Ok(None) };
    let records = Records::read(store.folder())?;
    if without_curve(&records, &[planned]).is_empty() {
        return Ok(Some(Outcome::Complete));
    }
    let Some((RunRecord { run, mut details }, environment)) = records.of_run(&planned.run_id) else {
        return Ok(Some(Outcome::Complete));
    };
    session.progress.say(&format!("learning curve: {}", planned.title()));
    match rows(planned, dataset, &session.resources(planned)) {
        Ok(rows) => {
            details.learning = rows;
            store.add(RunRecord { run, details }, environment)?;
            Ok(Some(Outcome::Complete))
        }
        Err(error) => {
            session.progress.say(&format!("  no learning curve: {}", format!("{error:#}").replace('\n', " ")));
            Ok(Some(Outcome::Partial))
        }
    }
}

/// What fits on every subset get right.
fn rows(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Vec<LearningRow>> {
    let chosen = choose(planned, dataset, resources)?;
    let (train, test) = (final_images(planned, dataset), &dataset.splits.test);
    let sizes = sizes(train.len(), dataset.splits.classes.len());
    ensure!(!sizes.is_empty(), "{} training images are too few", train.len());
    let subsets = subsets(dataset, &train, &sizes);
    let x = VectorsOf::new(&*chosen.features, resources, train.images());
    let judged = VectorsOf::new(&*chosen.features, resources, test.images());
    let labelled = Labelled { x: &x, y: train.labels() };
    let pool = Pool { train: labelled, judged: &judged, classes: dataset.splits.classes.len() };
    let bar = resources.progress.spinner("fitting on fewer images");
    let places: Vec<Vec<usize>> = subsets.iter().map(|(_, places)| places.clone()).collect();
    let decided = chosen.candidate().on_subsets(&pool, &places, &|| bar.inc(1))?;
    let row = |((draw, places), decided): (&(u64, Vec<usize>), &Vec<usize>)| {
        let mut judged = test.evaluate(&Watched(decided))?;
        judged.sort_by(|a, b| a.image.id.cmp(&b.image.id));
        let right = judged.iter().map(|judged| if judged.truth == judged.prediction.class { '1' } else { '0' });
        let run_id = planned.run_id.clone();
        Ok(LearningRow { run_id, images: places.len(), draw: *draw as usize, right: right.collect() })
    };
    subsets.iter().zip(&decided).map(row).collect()
}

/// Draws and the places of their images, size by size; all images once.
fn subsets(
    dataset: &Dataset,
    train: &crate::dataset::Split<crate::dataset::Train>,
    sizes: &[usize],
) -> Vec<(u64, Vec<usize>)> {
    let draws = if train.len() > MANY { FEWER_DRAWS } else { DRAWS };
    let of_draw: Vec<Vec<Vec<usize>>> = (0..draws).map(|draw| dataset.nested(train, sizes, draw)).collect();
    let of_size = |i: usize| {
        let draws = if i + 1 == sizes.len() { 1 } else { of_draw.len() };
        of_draw[..draws].iter().enumerate().map(move |(draw, subsets)| (draw as u64, subsets[i].clone()))
    };
    (0..sizes.len()).flat_map(of_size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_reach_from_a_few_images_a_class_to_all() {
        assert_eq!(sizes(1024, 8), [64, 102, 161, 256, 406, 645, 1024]);
        let few = sizes(60, 4);
        assert_eq!((few.len(), few[0], few[6]), (SIZES, 12, 60));
        assert!(sizes(30, 4).is_empty());
    }
}
