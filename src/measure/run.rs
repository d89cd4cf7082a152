//! One run: features and classifier chosen on val, fitted again on the final training images, test read once.
//! The same flow for every arm.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::dataset::splits::{Evaluated, FittedArm, Prediction};
use crate::dataset::{Dataset, ImageFile};
use crate::deep::extract::Extractor;
use crate::deep::kernels::Kernels;
use crate::deep::session::Device;
use crate::features::{Features, Missing, Resources, Training};
use crate::finetune::settings::Keep;
use crate::record::format_scores;
use crate::record::{Details, PredictionRow, RunRecord, RunRow, SelectionRow, Status, TimingRow};

use super::calibrate::{Calibration, calibrate};
use super::chosen::{Chosen, Selected, Tried, choose};
use super::memory;
use super::plan::{Planned, Request};
use super::price::price;
use super::timing::{Brief, Subject};

/// Predictions that a training kept of the images that it watched, or that were made before all at once.
pub(super) struct Watched<'a>(pub &'a [usize]);

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
    let (backbone, input_px) = planned.network();
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
        temperature: None,
        thresholds: String::new(),
        select_s: 0.0,
        fit_s: 0.0,
        gap: None,
        peak_mib: None,
        parameters: None,
        multiply_adds: None,
        file_bytes: None,
        image_mib: None,
        joules: None,
        threads: resources.threads,
        device: planned.device.name().into(),
        network: String::new(),
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

fn attempt(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    row: RunRow,
    detailed: bool,
) -> Result<RunRecord> {
    memory::reset_peak();
    let mut chosen = choose(planned, dataset, resources)?;
    let optimistic = planned.arm.training().is_some_and(|training| training.keep == Keep::BestReported);
    let watched = chosen.features.training().filter(|_| optimistic).map(|training| best_epoch(dataset, training));
    let (judged, without_keypoints) = match watched.transpose()? {
        Some((epoch, judged)) => {
            chosen.selected.curves.choose(epoch, planned);
            (judged, None)
        }
        None => {
            let fitted = chosen.fitted(resources);
            (dataset.splits.test.evaluate(&fitted)?, fitted.without_keypoints.get())
        }
    };
    let peak_mib = memory::peak_mib();

    // predictions that a training kept have no scores
    let calibrated = detailed && !optimistic;
    let calibration = if calibrated { calibrate(&chosen, planned, dataset, resources)? } else { None };
    let temperature = calibration.as_ref().map(|calibration| calibration.temperature);
    let price = if detailed { price(&chosen, planned, dataset, resources, temperature)? } else { Default::default() };
    let images = dataset.splits.test.images();
    // trainings of another length, as an experiment compares them, give a network that is as fast
    let Brief { rows: timings, joules, image_mib } = if detailed && row.form.is_empty() {
        Subject { features: &*chosen.features, classifier: &chosen.fit.classifier, resources, images }.brief()?
    } else {
        Brief::default()
    };
    let run = RunRow {
        n: judged.len(),
        without_keypoints,
        dimension: chosen.features.dimension(),
        chosen: chosen.settings(planned),
        val_accuracy: chosen.correct_on_val().map(|correct| correct as f64 / dataset.splits.val.len() as f64),
        temperature,
        thresholds: calibration.as_ref().map(Calibration::thresholds).unwrap_or_default(),
        select_s: chosen.selected.seconds,
        fit_s: chosen.fit.seconds,
        gap: chosen.fit.classifier.gap(),
        peak_mib,
        parameters: price.parameters,
        multiply_adds: price.multiply_adds,
        file_bytes: price.file_bytes,
        image_mib,
        joules,
        device: ran_on(&*chosen.features, resources)?,
        network: chosen.features.network().map_or_else(String::new, |network| network.described(resources.input)),
        ..row
    };
    let scores = |judged: &Evaluated| match &judged.prediction.scores {
        scores if detailed => format_scores(scores, judged.truth, temperature),
        _ => String::new(),
    };
    let selected = chosen.selected;
    let details = Details {
        predictions: prediction_rows(&judged, dataset, &planned.run_id, scores),
        timings: timings.into_iter().map(|t| TimingRow { run_id: planned.run_id.clone(), ..t }).collect(),
        selection: selection_rows(&selected, dataset.splits.val.len(), &planned.run_id),
        steps: selected.curves.steps,
        epochs: selected.curves.epochs,
        learning: Vec::new(),
    };
    Ok(RunRecord { run, details })
}

fn prediction_rows(
    judged: &[Evaluated],
    dataset: &Dataset,
    run_id: &str,
    scores: impl Fn(&Evaluated) -> String,
) -> Vec<PredictionRow> {
    let name = |class: usize| dataset.splits.classes[class].clone();
    let row = |judged: &Evaluated| PredictionRow {
        run_id: run_id.into(),
        image: judged.image.id.clone(),
        truth: name(judged.truth),
        predicted: name(judged.prediction.class),
        scores: scores(judged),
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
