//! Reliability: of images on which an arm is as sure, how many are right. Probabilities that hold lie on the diagonal.

use crate::record::Family;
use crate::report::format::{counted, percent};
use crate::report::metrics::METRICS;
use crate::report::summary::{Entry, Run, Summary, strongest};
use crate::report::verdict;
use crate::stats::calibration::{BINS, Bin, bins};
use crate::stats::intervals::{Interval, Level, clopper_pearson};

use super::figure::{Figure, MARGIN};
use super::scale::Scale;

const WIDTH: f64 = 860.0;
/// Side of a panel's square.
const SIDE: f64 = 212.0;
const GAP: f64 = 62.0;

/// The arm that is to be taken, and of each family the best on the selection images: those with probabilities.
pub(super) fn shown<'s, 'a>(summary: &'s Summary<'a>) -> Vec<(&'s Entry<'a>, &'s Run<'a>)> {
    let column = summary.first_column().map_or(&[][..], |column| &column.entries);
    let of_family = |family: Family| {
        let fair = |&i: &usize| {
            let entry = &summary.entries[i];
            entry.is_of(family) && entry.scores.is_some() && !entry.chosen_by_reported_images()
        };
        strongest(&summary.entries, column.iter().copied().filter(fair))
    };
    let wanted = [verdict::taken(summary), of_family(Family::Handcrafted), of_family(Family::Deep)];
    let mut places: Vec<usize> = wanted.into_iter().flatten().collect();
    places.sort_unstable();
    places.dedup();
    let with_run = |i: usize| {
        let entry = &summary.entries[i];
        let runs = entry.runs.iter().map(|&run| &summary.runs[run]);
        Some((entry, runs.into_iter().find(|run| run.calibrated.is_some())?))
    };
    places.into_iter().filter_map(with_run).collect()
}

pub fn figure(summary: &Summary) -> Option<Figure> {
    let shown = shown(summary);
    let images = shown.first()?.1.judged.len();
    let description = format!(
        "Right answers, %, against the mean probability of the predicted class, %: {BINS} bins of as many of the {} each, with \
         95 % intervals. Below the diagonal an arm is surer than it should be. First seed.",
        counted(images, "reported image")
    );
    let title = format!("{}: do the probabilities hold?", summary.records.dataset.title);
    let (mut figure, top) = Figure::new("reliability", WIDTH, &title, &description);
    for (i, (entry, run)) in shown.iter().enumerate() {
        let left = MARGIN + 30.0 + i as f64 * (SIDE + GAP);
        panel(&mut figure, (left, top + 34.0), entry, run);
    }
    figure.height = top + 34.0 + SIDE + 40.0 + MARGIN;
    Some(figure)
}

fn panel(figure: &mut Figure, (left, top): (f64, f64), entry: &Entry, run: &Run) {
    let Some(calibrated) = &run.calibrated else { return };
    let (bottom, right) = (top + SIDE, left + SIDE);
    let bins = bins(&calibrated.answers, BINS);
    let lowest = bins.iter().map(|bin| bin.confidence.min(interval(bin).low)).fold(1.0, f64::min);
    let across = Scale::of_accuracies(lowest, (left, right));
    let up = Scale { pixels: (bottom, top), ..across };
    for tick in across.accuracy_ticks() {
        let text = percent(tick);
        let text = text.trim_end_matches(".0");
        figure.line((across.at(tick), top), (across.at(tick), bottom), "grid");
        figure.line((left, up.at(tick)), (right, up.at(tick)), "grid");
        figure.text(across.at(tick), bottom + 17.0, text, "muted small middle");
        figure.text(left - 8.0, up.at(tick) + 4.0, text, "muted small end");
    }
    figure.line((left, bottom), (right, top), "floor-line");
    let error = METRICS.iter().find(|metric| metric.name == "ece").and_then(|metric| (metric.of)(run));
    let family = &entry.row.family;
    figure.text(left, top - 24.0, &entry.label, "strong");
    let error = error.map_or_else(String::new, |error| format!("calibration error {} %", percent(error)));
    figure.text(left, top - 8.0, &error, "muted small");
    for bin in &bins {
        let (x, bounds) = (across.at(bin.confidence), interval(bin));
        figure.line((x, up.at(bounds.low)), (x, up.at(bounds.high)), &format!("interval {family}"));
    }
    for bin in &bins {
        let title = format!(
            "{}: {} % right at a mean probability of {} %",
            counted(bin.images as usize, "image"),
            percent(bin.right),
            percent(bin.confidence)
        );
        figure.marker(across.at(bin.confidence), up.at(bin.right), family, false, title);
    }
    figure.text((left + right) / 2.0, bottom + 34.0, "probability, %", "muted small middle");
}

fn interval(bin: &Bin) -> Interval {
    clopper_pearson((bin.right * bin.images).round() as u64, bin.images as u64, Level::PERCENT_95)
}
