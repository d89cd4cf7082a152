//! Calibration of an arm: the temperature that turns its scores into probabilities, and from which probability on its
//! answers are right as often as wanted; both from selection images that the fit behind these scores has not seen.

use anyhow::Result;

use crate::dataset::Dataset;
use crate::features::Resources;
use crate::stats::calibration::{self, Answer};

use super::chosen::Chosen;
use super::plan::Planned;

/// Shares of the answers that are to be right.
const TARGETS: [f64; 3] = [0.9, 0.95, 0.99];
/// Thresholds are rounded down to so many parts of one, so that an equal confidence that was rounded is not below.
const PARTS: f64 = 1e6;

/// What the selection images say of the scores.
pub(super) struct Calibration {
    pub temperature: f64,
    /// By target.
    thresholds: Vec<(f64, f64)>,
}

impl Calibration {
    /// As in the column `thresholds`: `95=0.62 99=0.931`.
    pub fn thresholds(&self) -> String {
        let parts =
            self.thresholds.iter().map(|(target, threshold)| format!("{}={threshold}", (100.0 * target).round()));
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// `None` where there is no fit that has not seen the selection images, and where scores tell nothing.
///
/// # Errors
/// Those of the vectors and the fit.
pub(super) fn calibrate(
    chosen: &Chosen,
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
) -> Result<Option<Calibration>> {
    let Some(predictions) = chosen.on_val(planned, dataset, resources)? else { return Ok(None) };
    let labels = dataset.splits.val.labels();
    let rows: Vec<(Vec<f32>, usize)> =
        predictions.iter().zip(labels).map(|(prediction, &truth)| (prediction.scores.clone(), truth)).collect();
    let Some(temperature) = calibration::temperature(&rows) else { return Ok(None) };
    let answer = |((scores, truth), class): (&(Vec<f32>, usize), usize)| Answer {
        confidence: calibration::probabilities(scores, temperature)[class],
        right: *truth == class,
    };
    let answers: Vec<Answer> = rows.iter().zip(predictions.iter().map(|p| p.class)).map(answer).collect();
    let threshold = |target: f64| {
        let threshold = calibration::threshold(&answers, target)?;
        Some((target, (threshold * PARTS).floor() / PARTS))
    };
    Ok(Some(Calibration { temperature, thresholds: TARGETS.into_iter().filter_map(threshold).collect() }))
}
