//! Risk against coverage: what an arm is right on when it answers only the images on which it is surest.

use crate::report::format::{counted, percent};
use crate::report::summary::{Entry, Run, Summary};
use crate::report::sure;
use crate::stats::calibration::{Answer, Selective};
use crate::stats::intervals::Interval;

use super::figure::{CURVES, Figure, MARGIN, text_width};
use super::reliability::shown;
use super::scale::Scale;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
/// Points of a curve.
const POINTS: usize = 50;
/// Of these every so many has its interval drawn.
const EVERY: usize = 10;

/// An arm that answers some share of the images.
struct Point {
    coverage: f64,
    accuracy: f64,
    interval: Interval,
}

pub fn figure(summary: &Summary) -> Option<Figure> {
    let curves: Vec<(&Entry, Vec<Point>)> = shown(summary)
        .into_iter()
        .map(|(entry, run)| (entry, points(run)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let lowest = curves.iter().flat_map(|(_, points)| points).map(|point| point.interval.low).reduce(f64::min)?;
    let description = format!(
        "Right answers, %, against the share of the {} that is answered, the surest first, %; bars: 95 % intervals. Markers: \
         where the threshold lies that was chosen on the selection images. First seed.",
        counted(summary.reported_images(), "reported image")
    );
    let title = format!("{}: risk against coverage", summary.records.dataset.title);
    let (mut figure, top) = Figure::new("coverage", WIDTH, &title, &description);
    let (top, left, right) = (top + 26.0, MARGIN + 34.0, WIDTH - MARGIN - 190.0);
    let bottom = top + HEIGHT;
    let across = Scale { values: (0.0, 1.0), pixels: (left, right) };
    let up = Scale::of_accuracies(lowest, (bottom, top));
    axes(&mut figure, &across, &up);
    let mut taken: Vec<f64> = Vec::new();
    for (entry, points) in &curves {
        curve(&mut figure, entry, points, &across, &up);
        let last = points.last().map_or(bottom, |point| up.at(point.accuracy));
        // names stand below each other where curves end together
        let y = taken.iter().fold(last, |y, other| if (y - other).abs() < 16.0 { other + 16.0 } else { y });
        taken.push(y);
        figure.line((right, last), (right + 8.0, y), "leader");
        figure.text(right + 12.0, y + 4.5, &entry.label, "");
    }
    for (entry, run) in shown(summary) {
        mark(&mut figure, entry, run, &across, &up);
    }
    figure.style = CURVES;
    figure.width =
        figure.width.max(right + 24.0 + curves.iter().map(|(e, _)| text_width(&e.label, 13.0)).fold(0.0, f64::max));
    figure.text(MARGIN, top - 10.0, "right, %", "muted small");
    figure.text((left + right) / 2.0, bottom + 36.0, "answered, %", "muted small middle");
    figure.height = bottom + 40.0 + MARGIN;
    Some(figure)
}

/// At equal steps of coverage; equally sure images are answered together.
fn points(run: &Run) -> Vec<Point> {
    let Some(calibrated) = &run.calibrated else { return Vec::new() };
    let mut sorted: Vec<Answer> = calibrated.answers.clone();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let at = |step: usize| {
        let last = sorted.get((step * sorted.len()).div_ceil(POINTS).checked_sub(1)?)?;
        let found = Selective::of(&sorted, last.confidence);
        Some(Point { coverage: found.coverage()?, accuracy: found.accuracy()?, interval: found.accuracy_interval() })
    };
    let mut points: Vec<Point> = (1..=POINTS).filter_map(at).collect();
    points.dedup_by(|a, b| a.coverage == b.coverage);
    points
}

fn axes(figure: &mut Figure, across: &Scale, up: &Scale) {
    let ((left, right), (bottom, top)) = (across.pixels, up.pixels);
    for tick in up.accuracy_ticks() {
        figure.line((left, up.at(tick)), (right, up.at(tick)), "grid");
        figure.text(left - 8.0, up.at(tick) + 4.0, percent(tick).trim_end_matches(".0"), "muted small end");
    }
    for tick in across.accuracy_ticks() {
        figure.line((across.at(tick), top), (across.at(tick), bottom), "grid");
        figure.text(across.at(tick), bottom + 17.0, percent(tick).trim_end_matches(".0"), "muted small middle");
    }
}

fn curve(figure: &mut Figure, entry: &Entry, points: &[Point], across: &Scale, up: &Scale) {
    let family = &entry.row.family;
    let line: Vec<(f64, f64)> = points.iter().map(|p| (across.at(p.coverage), up.at(p.accuracy))).collect();
    figure.path(&line, &format!("curve thick {family}"));
    for point in points.iter().rev().step_by(EVERY) {
        let x = across.at(point.coverage);
        figure.line((x, up.at(point.interval.low)), (x, up.at(point.interval.high)), &format!("interval {family}"));
    }
}

/// The threshold of the selection images.
fn mark(figure: &mut Figure, entry: &Entry, run: &Run, across: &Scale, up: &Scale) {
    let found = sure::threshold_of(run).and_then(|from| Some(Selective::of(&run.calibrated.as_ref()?.answers, from)));
    let Some((coverage, accuracy)) = found.and_then(|found| Some((found.coverage()?, found.accuracy()?))) else {
        return;
    };
    let title = format!("{}: answers {} %, right on {} % of them", entry.label, percent(coverage), percent(accuracy));
    figure.marker(across.at(coverage), up.at(accuracy), &entry.row.family, false, title);
}
