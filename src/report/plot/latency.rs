//! Accuracy against what an arm costs, time of a single image or size of its file: with the arms that no other beats in
//! both, and those of which it is shown that another does.

use crate::report::format::{column_name, percent, significant};
use crate::report::front::{Standing, Standings};
use crate::report::price;
use crate::report::summary::{Entry, Run, Summary};
use crate::stats::intervals::Interval;

use super::figure::{Figure, MARGIN, text_width};
use super::scale::{Scale, log_ticks};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 360.0;

struct Point<'s, 'a> {
    entry: &'s Entry<'a>,
    cost: f64,
    accuracy: f64,
    interval: Interval,
    standing: Option<Standing>,
}

/// What stands along the axis.
struct Axis {
    /// Of the picture.
    name: &'static str,
    title: &'static str,
    /// In words, for the description.
    long: &'static str,
    unit: &'static str,
    below: &'static str,
    of: fn(&Entry, &[Run]) -> Option<f64>,
    standings: fn(&Summary) -> Standings,
}

const TIME: Axis = Axis {
    name: "latency",
    title: "accuracy against time",
    long: "milliseconds an image from encoded bytes to class, one at a time on one thread (median, logarithmic)",
    unit: "ms",
    below: "ms an image",
    of: |entry, _| price::ms(entry),
    standings: Standings::by_ms,
};

const SIZE: Axis = Axis {
    name: "size",
    title: "accuracy against size",
    long: "size of the exported file, MiB (logarithmic)",
    unit: "MiB",
    below: "MiB of the exported file",
    of: price::file_mib,
    standings: Standings::by_mib,
};

pub fn figure(summary: &Summary) -> Option<Figure> {
    against(summary, &TIME)
}

/// Accuracy against the exported file's size; `None` where no size is recorded.
pub fn by_size(summary: &Summary) -> Option<Figure> {
    against(summary, &SIZE)
}

fn against(summary: &Summary, axis: &Axis) -> Option<Figure> {
    let column = summary.first_column()?;
    let standings = (axis.standings)(summary);
    let of =
        |&i: &usize| Point::of(&summary.entries[i], (axis.of)(&summary.entries[i], &summary.runs), standings.get(i));
    let mut points: Vec<Point> = column.entries.iter().filter_map(of).collect();
    points.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let (least, most) = (points.first()?.cost, points.last()?.cost);
    let title = format!("{}: {}", summary.records.dataset.title, axis.title);
    let description = format!(
        "Accuracy on {}, %, against {}. Line: the arms that no other beats in both (Pareto front), as measured. Hollow and \
         pale: shown to be worse than an arm that is not dearer (Holm's correction); all others may belong to the front.",
        column_name(&column.canvas),
        axis.long
    );
    let (mut figure, top) = Figure::new(axis.name, WIDTH, &title, &description);
    let (top, left, right) = (top + 26.0, MARGIN + 34.0, WIDTH - MARGIN);
    let bottom = top + HEIGHT;
    let lowest = points.iter().map(|p| p.interval.low).fold(1.0, f64::min);
    let accuracy = Scale::of_accuracies(lowest, (bottom, top));
    let cost = Scale { values: ((least / 1.6).log10(), (most * 1.6).log10()), pixels: (left, right) };
    axes(&mut figure, &cost, &accuracy);
    front(&mut figure, &points, &cost, &accuracy);
    let mut taken: Vec<Area> =
        points.iter().map(|p| Area::around(cost.at(p.cost.log10()), accuracy.at(p.accuracy))).collect();
    for point in &points {
        point.label(&mut figure, &cost, &accuracy, &mut taken);
    }
    for point in &points {
        point.draw(&mut figure, &cost, &accuracy, axis.unit);
    }
    figure.text(MARGIN, top - 10.0, "accuracy, %", "muted small");
    figure.text((left + right) / 2.0, bottom + 36.0, axis.below, "muted small middle");
    figure.height = bottom + 40.0 + MARGIN;
    Some(figure)
}

fn axes(figure: &mut Figure, time: &Scale, accuracy: &Scale) {
    let (bottom, top) = accuracy.pixels;
    let (left, right) = time.pixels;
    for tick in accuracy.accuracy_ticks() {
        let y = accuracy.at(tick);
        figure.line((left, y), (right, y), "grid");
        figure.text(left - 8.0, y + 4.0, percent(tick).trim_end_matches(".0"), "muted small end");
    }
    for tick in log_ticks(10f64.powf(time.values.0), 10f64.powf(time.values.1)) {
        let x = time.at(tick.log10());
        figure.line((x, top), (x, bottom), "grid");
        figure.text(x, bottom + 17.0, &significant(tick, 1), "muted small middle");
    }
}

/// Steps through the points, from the fastest, that are more accurate than every faster one.
fn front(figure: &mut Figure, points: &[Point], time: &Scale, accuracy: &Scale) {
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for point in points.iter().filter(|p| !p.entry.chosen_by_reported_images()) {
        if point.accuracy > best {
            best = point.accuracy;
            let (x, y) = (time.at(point.cost.log10()), accuracy.at(point.accuracy));
            steps.extend(steps.last().map(|&(_, before)| (x, before)));
            steps.push((x, y));
        }
    }
    steps.extend(steps.last().map(|&(_, y)| (time.pixels.1, y)));
    figure.path(&steps, "front");
}

impl<'s, 'a> Point<'s, 'a> {
    fn of(entry: &'s Entry<'a>, cost: Option<f64>, standing: Option<Standing>) -> Option<Self> {
        let scores = entry.scores.as_ref()?;
        let cost = cost.filter(|cost| *cost > 0.0)?;
        Some(Point { entry, cost, accuracy: scores.accuracy.mean, interval: scores.interval, standing })
    }

    fn draw(&self, figure: &mut Figure, time: &Scale, accuracy: &Scale, unit: &str) {
        let (x, y) = (time.at(self.cost.log10()), accuracy.at(self.accuracy));
        let (low, high) = (accuracy.at(self.interval.low), accuracy.at(self.interval.high));
        let family = &self.entry.row.family;
        let off = matches!(self.standing, Some(Standing::Off(_)));
        figure.line((x, low), (x, high), &format!("interval {family}{}", if off { " pale" } else { "" }));
        let cost = significant(self.cost, 2);
        let title = format!("{}: {} %, {cost} {unit}", self.entry.label, percent(self.accuracy));
        figure.marker(x, y, family, off, title);
    }

    /// The name beside the marker or, where that is taken, as near as there is room, with a line to it.
    fn label(&self, figure: &mut Figure, time: &Scale, accuracy: &Scale, taken: &mut Vec<Area>) {
        let (x, y) = (time.at(self.cost.log10()), accuracy.at(self.accuracy));
        let width = text_width(&self.entry.label, 13.0);
        let (left, right, top, bottom) = (time.pixels.0, time.pixels.1, accuracy.pixels.1, accuracy.pixels.0);
        let within = |a: &Area| a.left >= left && a.right <= right && a.top >= top - 12.0 && a.bottom <= bottom;
        // Beside the marker first, then lines further down and up, at the right and at the left.
        let lines = (0..20).flat_map(|line| [f64::from(line), -f64::from(line)]);
        let places = lines.flat_map(|line| [(11.0, line * 16.0 + 4.5), (-11.0 - width, line * 16.0 + 4.5)]);
        let mut areas = places.map(|(dx, dy)| Area::text(x + dx, y + dy, width)).filter(within);
        let free = areas.find(|area| !taken.iter().any(|other| area.meets(other)));
        let area = free.unwrap_or_else(|| Area::text(x + 11.0, y + 4.5, width));
        if (area.bottom - 8.5 - y).abs() > 1.0 {
            let end = if area.left > x { area.left - 2.0 } else { area.right + 2.0 };
            figure.line((x, y), (end, area.bottom - 8.5), "leader");
        }
        figure.text(area.left, area.bottom - 4.0, &self.entry.label, "halo");
        taken.push(area);
    }
}

/// A part of the picture that is taken, in pixels.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn around(x: f64, y: f64) -> Area {
        Area { left: x - 7.0, top: y - 7.0, right: x + 7.0, bottom: y + 7.0 }
    }

    /// A line of text by the left end of its baseline.
    fn text(x: f64, baseline: f64, width: f64) -> Area {
        Area { left: x, top: baseline - 11.0, right: x + width, bottom: baseline + 4.0 }
    }

    fn meets(&self, other: &Area) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}
