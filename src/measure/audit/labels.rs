//! Labels that look wrong. The settings of the strongest measured arm are fitted on all but a fifth of the images to learn
//! from and judge that fifth, five times, so that no image is judged by a fit that learnt its label.
//!
//! An image is a suspect where its best class is another than its label, and where it looks as much like that class as
//! the images that are labelled so do (after Northcutt, Jiang and Chuang, Confident learning, 2021; scores in the place
//! of probabilities, and a quantile, which a few wrong labels don't move, in the place of the mean).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::{Array2, ArrayView1, Axis, concatenate};

use crate::classify::{Candidate, Labelled, decide};
use crate::dataset::{Dataset, ImageFile, Refit};
use crate::features::{Features, Resources, hashes, of_vectors};
use crate::record::{Family, LabelsRecord, PredictionRow, Records, RunRow, Scores, Status, SuspectRecord};
use crate::stage::cache::Key;

use super::super::chosen::choose;
use super::super::plan::Planned;

/// Raised when the same scores may accuse others.
pub const VERSION: u32 = 1;
const FOLDS: usize = 5;
/// Images of a class at least, so that every fit has seen some.
const FEWEST: usize = 5;
/// Of the images of a class, the share that look less like it than a suspect may.
const QUANTILE: f64 = 0.1;
/// Suspects that are recorded.
const MOST: usize = 500;
/// Bytes of the vectors of all images; an arm whose vectors are more is not asked.
const LARGEST: usize = 2 << 30;

/// The planned run whose settings judge the labels: of those that are recorded, learn by a classifier on features and are
/// no floor, the best on the selection images, on native images where there is one.
pub fn judge<'p, 'r>(plan: &'p [Planned], records: &'r Records) -> Option<(&'p Planned, &'r RunRow, f64)> {
    let recorded: HashMap<&str, &RunRow> = records.runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let candidate = |planned: &'p Planned| {
        let run = *recorded.get(planned.run_id.as_str())?;
        let fits = run.status == Status::Ok && planned.arm.family != Family::Floor && planned.arm.training().is_none();
        Some((planned, run, run.val_accuracy.filter(|_| fits)?))
    };
    let better = |(a, _, of_a): &(&Planned, &RunRow, f64), (b, _, of_b): &(&Planned, &RunRow, f64)| {
        // the first of equals, as everywhere
        (b.canvas.is_none(), *of_b).partial_cmp(&(a.canvas.is_none(), *of_a)).is_some_and(|order| order.is_gt())
    };
    plan.iter().filter_map(candidate).reduce(|best, other| if better(&best, &other) { other } else { best })
}

/// The labels of all images, judged by the settings of one run.
///
/// # Errors
/// Vectors that can't be had, a fit that fails.
pub fn labels(
    dataset: &Dataset,
    (planned, run, val_accuracy): (&Planned, &RunRow, f64),
    records: &Records,
    resources: &Resources,
) -> Result<Option<LabelsRecord>> {
    let Some(scores) = out_of_fold(dataset, planned, resources)? else { return Ok(None) };
    let learned = dataset.splits.train.with(&dataset.splits.val);
    let (images, classes) = (learned.images(), &dataset.splits.classes);
    let judged: Vec<usize> = (0..images.len()).filter(|&i| scores[[i, 0]].is_finite()).collect();
    let likely = thresholds(&scores, learned.labels(), &judged, classes.len());
    let answers = decide(&scores);
    let of_learned = |&i: &usize| {
        let role = if i < dataset.splits.train.len() { "train" } else { "val" };
        let (label, answer) = (learned.labels()[i], answers[i]);
        let (score, own) = (scores[[i, answer]], scores[[i, label]]);
        let judged = Judged { label, answer, score: score.into(), margin: f64::from(score - own) };
        judged.suspect(&images[i].id, role, classes, &likely)
    };
    let mut suspects: Vec<SuspectRecord> = judged.iter().filter_map(of_learned).collect();
    let predictions: Vec<&PredictionRow> =
        records.details.predictions.iter().filter(|row| row.run_id == run.run_id && !row.scores.is_empty()).collect();
    suspects.extend(predictions.iter().filter_map(|row| reported(row, classes, &likely)));
    suspects.sort_by(|a, b| b.margin.total_cmp(&a.margin).then_with(|| a.image.cmp(&b.image)));
    suspects.truncate(MOST);
    Ok(Some(LabelsRecord {
        run_id: run.run_id.clone(),
        arm: run.arm.clone(),
        val_accuracy,
        folds: FOLDS,
        images: judged.len(),
        correct: judged.iter().filter(|&&i| answers[i] == learned.labels()[i]).count(),
        reported: predictions.len(),
        suspects,
    }))
}

/// The suspect that a reported image is, by what the recorded run said of it.
fn reported(row: &PredictionRow, classes: &[String], likely: &[f32]) -> Option<SuspectRecord> {
    let place = |name: &String| classes.binary_search(name).ok();
    let (label, answer) = (place(&row.truth)?, place(&row.predicted)?);
    let scores = Scores::parse(&row.scores)?;
    let score = scores.of(answer)?;
    let judged = Judged { label, answer, score, margin: score - scores.of_truth(label)? };
    judged.suspect(&row.image, "test", classes, likely)
}

/// What scores say of one image.
struct Judged {
    label: usize,
    /// The class with the highest score, and that score.
    answer: usize,
    score: f64,
    /// By how much it is above that of the label.
    margin: f64,
}

impl Judged {
    /// The suspect that the image is, where it is one.
    fn suspect(&self, image: &str, role: &str, classes: &[String], likely: &[f32]) -> Option<SuspectRecord> {
        // a class that was never learnt has no score that could be held against it
        let held = self.margin.is_finite();
        (self.answer != self.label && self.score >= f64::from(likely[self.answer]) && held).then(|| SuspectRecord {
            image: image.to_owned(),
            role: role.to_owned(),
            label: classes[self.label].clone(),
            looks_like: classes[self.answer].clone(),
            margin: self.margin,
        })
    }
}

/// Of each class the score for it that all but a share of the images that are labelled so reach.
fn thresholds(scores: &Array2<f32>, labels: &[usize], judged: &[usize], classes: usize) -> Vec<f32> {
    let of_class = |class: usize| {
        let of_label = judged.iter().filter(|&&i| labels[i] == class);
        let mut own: Vec<f32> = of_label.map(|&i| scores[[i, class]]).collect();
        own.sort_by(f32::total_cmp);
        own.get((QUANTILE * own.len() as f64) as usize).copied().unwrap_or(f32::INFINITY)
    };
    (0..classes).map(of_class).collect()
}

/// Scores of every image of train and then val (n x classes) by a fit without its fold; NaN where it was not judged.
/// `None` where the vectors are too many.
fn out_of_fold(dataset: &Dataset, planned: &Planned, resources: &Resources) -> Result<Option<Array2<f32>>> {
    let (train, val) = (&dataset.splits.train, &dataset.splits.val);
    let learned = train.with(val);
    let chosen = choose(planned, dataset, resources)?;
    let (features, candidate) = (&*chosen.features, chosen.candidate());
    if size_of::<f32>() * features.dimension() * learned.len() > LARGEST {
        return Ok(None);
    }
    let images = (hashes(learned.images()), learned.labels());
    let key = Key::new("labels", VERSION, &(of_vectors(features, resources), candidate, images))?;
    let classes = dataset.splits.classes.len();
    let scores: (usize, Vec<f32>) = resources.cache.get_or(&key, || {
        let bar = resources.progress.spinner("judging labels");
        // as they stand in the cache: in the order in which the run asked for them
        let parts: Vec<&[Arc<ImageFile>]> = match planned.refit {
            Refit::Train => vec![train.images(), val.images()],
            Refit::TrainAndVal => vec![learned.images()],
        };
        let x = vectors(features, resources, &parts)?;
        let scores = judged(&x, learned.labels(), learned.images(), candidate, classes)?;
        drop(bar);
        Ok((learned.len(), scores.into_raw_vec_and_offset().0))
    })?;
    Ok(Some(Array2::from_shape_vec((scores.0, classes), scores.1).context("scores of another shape")?))
}

fn vectors(features: &dyn Features, resources: &Resources, parts: &[&[Arc<ImageFile>]]) -> Result<Array2<f32>> {
    let parts = parts.iter().map(|images| Ok(features.vectors(resources, images)?.x));
    let parts: Vec<Array2<f32>> = parts.collect::<Result<_>>()?;
    concatenate(Axis(0), &parts.iter().map(|part| part.view()).collect::<Vec<_>>()).context("vectors of two lengths")
}

fn judged(
    x: &Array2<f32>,
    y: &[usize],
    images: &[Arc<ImageFile>],
    candidate: &Candidate,
    classes: usize,
) -> Result<Array2<f32>> {
    let mut scores = Array2::from_elem((x.nrows(), classes), f32::NAN);
    let fold = folds(y, images);
    for this in 0..FOLDS {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..y.len()).filter(|&i| fold[i].is_some()).partition(|&i| fold[i] == Some(this));
        let learned: Vec<usize> = outside.iter().map(|&i| y[i]).collect();
        let fitted = candidate.fit(Labelled { x: &x.select(Axis(0), &outside), y: &learned }, classes)?;
        let found = fitted.scores(x.select(Axis(0), &inside).view());
        inside.iter().zip(found.outer_iter()).for_each(|(&i, row): (&usize, ArrayView1<f32>)| {
            scores.row_mut(i).assign(&row);
        });
    }
    Ok(scores)
}

/// The fold of each image: those of a class dealt out one after the other, in an order that only their content gives.
/// Copies stand in one fold, or each would tell the other's label. `None` for the images of a class with too few.
fn folds(y: &[usize], images: &[Arc<ImageFile>]) -> Vec<Option<usize>> {
    let mut fold = vec![None; y.len()];
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by_key(|&i| (y[i], &images[i].sha256, Reverse(i)));
    for of_class in order.chunk_by(|&a, &b| y[a] == y[b]).filter(|of_class| of_class.len() >= FEWEST) {
        let copies = of_class.chunk_by(|&a, &b| images[a].sha256 == images[b].sha256);
        copies.enumerate().for_each(|(k, copies)| copies.iter().for_each(|&i| fold[i] = Some(k % FOLDS)));
    }
    fold
}
