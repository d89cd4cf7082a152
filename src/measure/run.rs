//! One run: features and classifier chosen on val, fitted again on the final training images, test read once.
//! The same flow for every arm.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::classify::{Candidate, Classifier, ClassifierSettings, Labelled, decide, rows};
use crate::dataset::splits::{Evaluated, FittedArm, Prediction};
use crate::dataset::{Dataset, ImageFile, Refit, Split, Train};
use crate::deep::exported::are_scores;
use crate::deep::extract::Extractor;
use crate::deep::kernels::Kernels;
use crate::deep::session::Device;
use crate::features::{Choice, Features, Lessons, Missing, Resources, Training, hashes, of_vectors};
use crate::finetune::settings::Keep;
use crate::record::format_scores;
use crate::record::{Details, PredictionRow, RunRecord, RunRow, SelectionRow, Status, TimingRow};
use crate::stage::cache::Key;

use super::curves::Curves;
use super::memory;
use super::plan::{Planned, Request};
use super::timing::Subject;
use crate::features::VectorsOf;

/// One candidate with its score on val.
struct Tried {
    features: Choice,
    candidate: Candidate,
    /// `None` where nothing was to be chosen and val is learnt from.
    correct: Option<usize>,
}

/// The outcome of selection.
struct Selected {
    tried: Vec<Tried>,
    chosen: usize,
    seconds: f64,
    /// Of every training, the final one among them.
    curves: Curves,
}

/// A classifier with the time that its fit took, as it is cached.
#[derive(Serialize, Deserialize)]
pub(super) struct Fit {
    pub classifier: Classifier,
    seconds: f64,
}

/// Features and classifier as selection chose them, fitted on the final training images.
pub(super) struct Chosen {
    selected: Selected,
    pub features: Box<dyn Features>,
    pub fit: Fit,
}

/// What the final evaluation gets: it can predict, and nothing else.
struct Fitted<'a> {
    features: &'a dyn Features,
    classifier: &'a Classifier,
    resources: &'a Resources<'a>,
    /// Of the images that it predicted; `None` where keypoints are not used.
    without_keypoints: Cell<Option<usize>>,
}

impl FittedArm for Fitted<'_> {
    fn predict(&self, images: &[Arc<ImageFile>]) -> Result<Vec<Prediction>> {
        let mut predictions = Vec::with_capacity(images.len());
        for range in rows::ranges(images.len(), self.features.dimension()) {
            let block = &images[range];
            let vectors = self.features.vectors(self.resources, block)?;
            rows::check(vectors.x.view(), |row| block[row].place())?;
            let scores = self.classifier.scores(vectors.x.view());
            for (row, image) in scores.outer_iter().zip(block) {
                ensure!(
                    are_scores(&row.to_vec()),
                    "{}: the classifier's scores are no finite numbers (NaN or infinite): its features are too large or too \
                     small for these settings; scale them (scale = \"standardise\")",
                    image.place()
                );
            }
            let of_row = |(class, scores): (usize, ArrayView1<f32>)| Prediction { class, scores: scores.to_vec() };
            predictions.extend(decide(&scores).into_iter().zip(scores.outer_iter()).map(of_row));
            let before = self.without_keypoints.get().unwrap_or(0);
            self.without_keypoints.set(vectors.without_keypoints.map(|here| before + here));
        }
        Ok(predictions)
    }
}

/// Predictions that a training kept of the images that it watched.
struct Watched<'a>(&'a [usize]);

impl FittedArm for Watched<'_> {
    fn predict(&self, _: &[Arc<ImageFile>]) -> Result<Vec<Prediction>> {
        Ok(self.0.iter().map(|&class| Prediction { class, scores: Vec::new() }).collect())
    }
}

/// The first epoch, from 0, that is best on the reported images: the optimistic evaluation of publications without a
/// test set.
fn best_epoch(dataset: &Dataset, training: &Training) -> Result<(usize, Vec<Evaluated>)> {
    let epochs = training.log.epochs.iter().map(|epoch| dataset.splits.test.evaluate(&Watched(&epoch.watched)));
    let epochs: Vec<Vec<Evaluated>> = epochs.collect::<Result<_>>()?;
    let right = |judged: &[Evaluated]| judged.iter().filter(|j| j.truth == j.prediction.class).count();
    let better = |best: usize, i: usize| if right(&epochs[i]) > right(&epochs[best]) { i } else { best };
    let best = (0..epochs.len()).fold(0, better);
    epochs.into_iter().enumerate().nth(best).context("a training has at least one epoch")
}

/// Carries out one run and gives its record, also when it could not be done.
pub fn run(
    planned: &Planned,
    request: &Request,
    dataset: &Dataset,
    resources: &Resources,
    environment_id: &str,
) -> RunRecord {
    let row = blank(planned, request, dataset, resources, environment_id);
    attempt(planned, dataset, resources, row.clone(), request.detailed).unwrap_or_else(|error| {
        let status = if error.is::<Missing>() { Status::Missing } else { Status::Failed };
        let run = RunRow { status, reason: format!("{error:#}").replace('\n', " "), ..row };
        RunRecord { run, details: Details::default() }
    })
}

/// The row with everything that is known before measuring.
fn blank(
    planned: &Planned,
    request: &Request,
    dataset: &Dataset,
    resources: &Resources,
    environment_id: &str,
) -> RunRow {
    let (backbone, input_px) = request.network_of(&planned.arm);
    let training = planned.arm.training();
    RunRow {
        run_id: planned.run_id.clone(),
        dataset: dataset.name.clone(),
        arm: planned.arm.name.clone(),
        family: planned.arm.family.name().into(),
        backbone,
        input_px,
        canvas: planned.canvas_name(),
        seed: planned.seed,
        form: training.map_or_else(String::new, |_| request.form.clone()),
        epochs: training.and_then(|training| training.epochs.try_into().ok()),
        protocol: training.map_or("last", |training| training.keep.protocol()).into(),
        refit: planned.refit.to_string(),
        settings_hash: planned.settings_hash.clone(),
        environment_id: environment_id.into(),
        split: dataset.reported_split().into(),
        status: Status::Ok,
        reason: String::new(),
        n: 0,
        skipped: dataset.unreadable_reported(),
        without_keypoints: None,
        dimension: 0,
        chosen: String::new(),
        val_accuracy: None,
        select_s: 0.0,
        fit_s: 0.0,
        gap: None,
        peak_mib: None,
        threads: resources.threads,
        device: planned.device.name().into(),
    }
}

/// What the network ran on, and where that was a CPU with kernels of ours, how many nodes each one's computed.
fn ran_on(features: &dyn Features, resources: &Resources) -> Result<String> {
    let name = resources.device.name();
    match (features.network(), resources.device) {
        (Some(network), Device::Cpu(Kernels::Featbench)) => {
            let extractor = Extractor::new(network, resources.device, resources.input as usize, 1)?;
            let training = features.training().map(|training| format!("; training {}", training.shares));
            Ok(format!("{name} ({}{})", extractor.shares()?, training.unwrap_or_default()))
        }
        _ => Ok(name.into()),
    }
}

/// Times a run at length ([`Subject::long`]), its features and classifier chosen and fitted as for its record.
pub fn time(planned: &Planned, dataset: &Dataset, resources: &Resources, images: usize) -> Result<Vec<TimingRow>> {
    let Chosen { features, fit, .. } = choose(planned, dataset, resources)?;
    let reported = dataset.splits.test.images();
    Subject { features: &*features, classifier: &fit.classifier, resources, images: reported }.long(images)
}

impl Chosen {
    /// The candidate of the features that val chose.
    pub fn choice(&self) -> &Choice {
        &self.selected.tried[self.selected.chosen].features
    }
}

pub(super) fn choose(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Chosen> {
    let classes = dataset.splits.classes.len();
    let mut selected = select(planned, dataset, resources, classes)?;
    let best = &selected.tried[selected.chosen];
    let train = match planned.refit {
        Refit::Train => dataset.splits.train.clone(),
        Refit::TrainAndVal => dataset.splits.train.with(&dataset.splits.val),
    };
    let val = (planned.refit == Refit::Train).then_some(&dataset.splits.val);
    let lessons = Lessons { train: &train, val, reported: dataset.splits.test.images(), classes };
    let features = planned.arm.features.kind().fit(&best.features, resources, &lessons)?;
    let fit = final_fit(planned, &*features, &best.candidate, resources, &train, classes)?;
    if planned.refit == Refit::TrainAndVal {
        selected.curves.add(features.training(), planned, dataset, None);
    }
    Ok(Chosen { selected, features, fit })
}

fn attempt(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    row: RunRow,
    detailed: bool,
) -> Result<RunRecord> {
    memory::reset_peak();
    let Chosen { mut selected, features, fit } = choose(planned, dataset, resources)?;
    let fitted =
        Fitted { features: &*features, classifier: &fit.classifier, resources, without_keypoints: Cell::new(None) };
    let optimistic = planned.arm.training().is_some_and(|training| training.keep == Keep::BestReported);
    let judged = match features.training().filter(|_| optimistic) {
        Some(training) => {
            let (epoch, judged) = best_epoch(dataset, training)?;
            selected.curves.choose(epoch, planned);
            judged
        }
        None => dataset.splits.test.evaluate(&fitted)?,
    };
    let peak_mib = memory::peak_mib();

    let best = &selected.tried[selected.chosen];
    let images = dataset.splits.test.images();
    // trainings of another length, as an experiment compares them, give a network that is as fast
    let timings = if detailed && row.form.is_empty() {
        Subject { features: &*features, classifier: &fit.classifier, resources, images }.brief()?
    } else {
        Vec::new()
    };
    let run = RunRow {
        n: judged.len(),
        without_keypoints: fitted.without_keypoints.get(),
        dimension: features.dimension(),
        chosen: chosen_settings(best, &*features, fit.classifier.remark(&planned.arm.classifier)),
        val_accuracy: best.correct.map(|correct| correct as f64 / dataset.splits.val.len() as f64),
        select_s: selected.seconds,
        fit_s: fit.seconds,
        gap: fit.classifier.gap(),
        peak_mib,
        device: ran_on(&*features, resources)?,
        ..row
    };
    let details = Details {
        predictions: prediction_rows(&judged, dataset, &planned.run_id, detailed),
        timings: timings.into_iter().map(|t| TimingRow { run_id: planned.run_id.clone(), ..t }).collect(),
        selection: selection_rows(&selected, dataset.splits.val.len(), &planned.run_id),
        steps: selected.curves.steps,
        epochs: selected.curves.epochs,
    };
    Ok(RunRecord { run, details })
}

/// The settings that val chose, the learning rate that range tests did, and what is to be said of the final fit.
fn chosen_settings(best: &Tried, features: &dyn Features, remark: String) -> String {
    let found = features.training().and_then(|training| training.found.clone());
    [best.settings()]
        .into_iter()
        .chain(found)
        .chain([remark])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

impl Tried {
    fn settings(&self) -> String {
        let parts = [self.features.describe().to_owned(), self.candidate.describe()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Tries every candidate on val with a fit on train alone; the first of the best is chosen.
fn select(planned: &Planned, dataset: &Dataset, resources: &Resources, classes: usize) -> Result<Selected> {
    let (train, val) = (&dataset.splits.train, &dataset.splits.val);
    let mut curves = Curves::default();
    let mut tried = Vec::new();
    let mut seconds = 0.0;
    let head = planned.arm.classifier == ClassifierSettings::Head;
    if head && planned.refit == Refit::TrainAndVal {
        // nothing is chosen: the one training is the final one
        tried.push(Tried { features: Choice::only(), candidate: Candidate::Head, correct: None });
        return Ok(Selected { tried, chosen: 0, seconds, curves });
    }
    let lessons = Lessons { train, val: Some(val), reported: dataset.splits.test.images(), classes };
    planned.arm.features.kind().search(&mut |candidate| {
        let fitted = planned.arm.features.kind().fit(candidate, resources, &lessons)?;
        curves.add(fitted.training(), planned, dataset, Some(val.len()));
        if let Some(training) = fitted.training().filter(|_| head) {
            let x = VectorsOf::new(&*fitted, resources, val.images());
            let correct = training.classifier.count_correct(Labelled { x: &x, y: val.labels() })?;
            tried.push(Tried { features: candidate.clone(), candidate: Candidate::Head, correct: Some(correct) });
            return Ok(correct);
        }
        let images = (hashes(train.images()), hashes(val.images()));
        let ingredients = (images, train.labels(), val.labels(), &planned.arm.classifier);
        let key = classifier_key("select", planned, &*fitted, resources, &ingredients)?;
        let (results, spent): (Vec<(Candidate, usize)>, f64) =
            resources.cache.get_or(&key, || try_on_val(planned, dataset, resources, &*fitted, classes))?;
        seconds += spent;
        let most = results.iter().map(|(_, correct)| *correct).max().unwrap_or(0);
        tried.extend(results.into_iter().map(|(c, correct)| Tried {
            features: candidate.clone(),
            candidate: c,
            correct: Some(correct),
        }));
        Ok(most)
    })?;
    let chosen = (0..tried.len()).fold(0, |best, i| if tried[i].correct > tried[best].correct { i } else { best });
    tried.get(chosen).context("the arm's grid is empty")?;
    Ok(Selected { tried, chosen, seconds, curves })
}

/// Every candidate of the classifier with the images of val that it gets right, and the seconds that this took besides
/// computing vectors.
fn try_on_val(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    fitted: &dyn Features,
    classes: usize,
) -> Result<(Vec<(Candidate, usize)>, f64)> {
    let (train, val, classifier) = (&dataset.splits.train, &dataset.splits.val, &planned.arm.classifier);
    let bar = resources.progress.spinner("choosing settings on val");
    let all: Vec<Arc<ImageFile>> = train.images().iter().chain(val.images()).cloned().collect();
    if let Some(products) = fitted.products(resources, train.len(), &all)? {
        let start = Instant::now();
        let labels = (train.labels(), val.labels());
        if let Some(results) = classifier.try_all_on(products.view(), labels, classes) {
            return Ok((results?, start.elapsed().as_secs_f64()));
        }
    }
    let train_x = VectorsOf::new(fitted, resources, train.images());
    let val_x = VectorsOf::new(fitted, resources, val.images());
    let start = Instant::now();
    let results = classifier.try_all(
        Labelled { x: &train_x, y: train.labels() },
        Labelled { x: &val_x, y: val.labels() },
        classes,
    )?;
    drop(bar);
    Ok((results, start.elapsed().saturating_sub(train_x.spent() + val_x.spent()).as_secs_f64()))
}

fn final_fit(
    planned: &Planned,
    features: &dyn Features,
    candidate: &Candidate,
    resources: &Resources,
    train: &Split<Train>,
    classes: usize,
) -> Result<Fit> {
    if let (Candidate::Head, Some(training)) = (candidate, features.training()) {
        return Ok(Fit { classifier: training.classifier.clone(), seconds: training.seconds });
    }
    let ingredients = (hashes(train.images()), train.labels(), candidate, classes);
    let key = classifier_key("fit", planned, features, resources, &ingredients)?;
    resources.cache.get_or(&key, || {
        let x = VectorsOf::new(features, resources, train.images());
        let start = Instant::now();
        let classifier = candidate.fit(Labelled { x: &x, y: train.labels() }, classes)?;
        Ok(Fit { classifier, seconds: start.elapsed().saturating_sub(x.spent()).as_secs_f64() })
    })
}

/// Key of what a classifier gave: with everything that its vectors depend on, whatever made them.
fn classifier_key(
    stage: &'static str,
    planned: &Planned,
    features: &dyn Features,
    resources: &Resources,
    ingredients: &impl Serialize,
) -> Result<Key> {
    Key::new(stage, planned.arm.classifier.version(), &(of_vectors(features, resources), ingredients))
}

fn prediction_rows(judged: &[Evaluated], dataset: &Dataset, run_id: &str, with_scores: bool) -> Vec<PredictionRow> {
    let name = |class: usize| dataset.splits.classes[class].clone();
    let row = |judged: &Evaluated| PredictionRow {
        run_id: run_id.into(),
        image: judged.image.id.clone(),
        truth: name(judged.truth),
        predicted: name(judged.prediction.class),
        scores: if with_scores { format_scores(&judged.prediction.scores, judged.truth) } else { String::new() },
    };
    judged.iter().map(row).collect()
}

fn selection_rows(selected: &Selected, n: usize, run_id: &str) -> Vec<SelectionRow> {
    let row = |(i, tried): (usize, &Tried)| {
        Some(SelectionRow {
            run_id: run_id.into(),
            candidate: i,
            settings: tried.settings(),
            correct: tried.correct?,
            n,
            chosen: i == selected.chosen,
        })
    };
    selected.tried.iter().enumerate().filter_map(row).collect()
}
