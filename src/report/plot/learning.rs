//! Learning curves: accuracy against the number of training images, measured and, beyond all that there are, expected,
//! with the band that the expectation has; and where a cheaper arm meets a dearer one.

use std::sync::LazyLock;

use crate::record::Family;
use crate::report::format::{count, percent};
use crate::report::learning::arms::{Learnt, TIMES, pairs};

use super::coloured;
use super::figure::{Figure, MARGIN, text_width};
use super::scale::{Scale, log_ticks};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 330.0;
/// Room for the numbers of the axis.
const LEFT: f64 = 40.0;
/// Side of a measured point.
const POINT: f64 = 7.0;
/// Steps of a line from the smallest size to the last forecast.
const STEPS: usize = 64;

static STYLE: LazyLock<String> = LazyLock::new(|| {
    coloured(&[include_str!("../templates/sweep.css"), include_str!("../templates/learning.css")].concat())
});

/// The picture's frame: logarithms of images, and accuracies.
struct Frame {
    x: Scale,
    y: Scale,
    smallest: f64,
    most: f64,
}

impl Frame {
    fn at(&self, images: f64, accuracy: f64) -> (f64, f64) {
        (self.x.at(images.ln()), self.y.at(accuracy))
    }

    /// Numbers of images, equal ratios apart.
    fn between(&self, from: f64, to: f64) -> impl DoubleEndedIterator<Item = f64> + Clone + use<> {
        (0..=STEPS).map(move |step| from * (to / from).powf(step as f64 / STEPS as f64))
    }
}

pub fn figure(title: &str, metric: &str, arms: &[Learnt], level: f64) -> Figure {
    let description = format!(
        "{} on the reported images, %, against training images (logarithmic). Points: means over draws, with the smallest and the \
         largest; lines: the power law through them, dashed beyond the images that there are; bands: 95 % intervals of what is \
         expected. A ring: where a cheaper arm is expected to meet what a dearer one has now.",
        crate::report::format::capitalised(metric)
    );
    let heading = format!("{title}: would more images help?");
    let (mut figure, top) = Figure::new("learning", WIDTH, &heading, &description);
    figure.style = &STYLE;
    let top = legend(&mut figure, arms, top + 14.0) + 16.0;
    let frame = frame(arms, top);
    axes(&mut figure, &frame, arms, top);
    for i in 0..arms.len() {
        band(&mut figure, &frame, arms, i, level);
    }
    for i in 0..arms.len() {
        line(&mut figure, &frame, arms, i);
    }
    rings(&mut figure, &frame, arms, level);
    figure.height = top + HEIGHT + 44.0 + MARGIN;
    figure
}

fn frame(arms: &[Learnt], top: f64) -> Frame {
    let points = || arms.iter().flat_map(|arm| &arm.curve.points);
    let smallest = points().map(|point| point.images as f64).fold(f64::INFINITY, f64::min);
    let largest = arms.iter().map(|arm| arm.curve.largest()).fold(1.0, f64::max);
    let lowest = points().map(|point| point.low).fold(1.0, f64::min);
    let most = TIMES[1] * largest;
    let x = Scale { values: (smallest.ln(), most.ln()), pixels: (MARGIN + LEFT, WIDTH - MARGIN - 6.0) };
    Frame { x, y: Scale::of_accuracies(lowest, (top + HEIGHT, top)), smallest, most }
}

/// One sample a line.
fn legend(figure: &mut Figure, arms: &[Learnt], y: f64) -> f64 {
    let mut x = MARGIN;
    for (i, arm) in arms.iter().enumerate() {
        figure.path(&[(x, y - 4.0), (x + 24.0, y - 4.0)], &look("line", arms, i));
        figure.text(x + 30.0, y, &arm.entry.label, "small");
        x += 30.0 + text_width(&arm.entry.label, 12.0) + 18.0;
    }
    y
}

/// As in a sweep: warm colours for handcrafted arms, cold ones for deep ones.
fn look(kind: &str, arms: &[Learnt], i: usize) -> String {
    let family = &arms[i].entry.row.family;
    let place = arms[..i].iter().filter(|other| other.entry.row.family == *family).count();
    let (first, looks) = Family::of(family).unwrap_or(Family::Floor).looks();
    format!("{kind} look-{}", first + place % looks)
}

fn axes(figure: &mut Figure, frame: &Frame, arms: &[Learnt], top: f64) {
    let (left, right) = frame.x.pixels;
    for tick in frame.y.accuracy_ticks() {
        let y = frame.y.at(tick);
        figure.line((left, y), (right, y), "grid");
        figure.text(left - 6.0, y + 4.0, percent(tick).trim_end_matches(".0"), "muted small end");
    }
    let bottom = top + HEIGHT;
    let now = arms.iter().map(|arm| arm.curve.largest()).fold(1.0, f64::max);
    for tick in log_ticks(frame.smallest, frame.most) {
        figure.text(frame.x.at(tick.ln()), bottom + 17.0, &count(tick as usize), "muted small middle");
    }
    for (times, text) in [(1.0, count(now as usize)), (TIMES[0], "twice".into()), (TIMES[1], "four times".into())] {
        let x = frame.x.at((times * now).ln());
        figure.line((x, top), (x, bottom), if times == 1.0 { "floor-line" } else { "grid" });
        let anchor = if times == TIMES[1] { "end" } else { "middle" };
        figure.text(x, bottom + 34.0, &text, &format!("small {anchor}"));
    }
    figure.text(left, bottom + 34.0, "training images", "muted small");
}

/// There along the upper bounds, back along the lower ones.
fn band(figure: &mut Figure, frame: &Frame, arms: &[Learnt], i: usize, level: f64) {
    let curve = &arms[i].curve;
    let beyond = frame.between(curve.largest(), TIMES[1] * curve.largest());
    let low = frame.y.values.0;
    let there = beyond.clone().map(|images| (images, curve.at(images, level).high));
    let back = beyond.rev().map(|images| (images, curve.at(images, level).low));
    let band: Vec<(f64, f64)> = there.chain(back).map(|(images, value)| frame.at(images, value.max(low))).collect();
    figure.path(&band, &look("band", arms, i));
}

fn line(figure: &mut Figure, frame: &Frame, arms: &[Learnt], i: usize) {
    let curve = &arms[i].curve;
    let low = frame.y.values.0;
    let place = |images: f64| frame.at(images, (1.0 - curve.law.error(images)).max(low));
    for point in &curve.points {
        let images = point.images as f64;
        figure.path(&[frame.at(images, point.low), frame.at(images, point.high)], &look("line whisker", arms, i));
    }
    let measured: Vec<(f64, f64)> = frame.between(frame.smallest, curve.largest()).map(place).collect();
    figure.path(&measured, &look("line", arms, i));
    let beyond = frame.between(curve.largest(), TIMES[1] * curve.largest());
    figure.path(&beyond.map(place).collect::<Vec<_>>(), &look("line beyond", arms, i));
    for point in &curve.points {
        let (x, y) = frame.at(point.images as f64, point.accuracy);
        let title = format!("{}: {} images, {} %", arms[i].entry.label, count(point.images), percent(point.accuracy));
        figure.rect((x - POINT / 2.0, y - POINT / 2.0), (POINT, POINT), 1.0, &look("band point", arms, i), title);
    }
}

/// Where a cheaper arm meets a dearer one, and the level at which it does; only where that lies within the picture.
fn rings(figure: &mut Figure, frame: &Frame, arms: &[Learnt], level: f64) {
    for (cheaper, dearer) in pairs(arms) {
        let met = cheaper.curve.meets(&dearer.curve, level).images.filter(|images| *images <= frame.most);
        let Some(images) = met else { continue };
        let there = 1.0 - dearer.curve.law.error(dearer.curve.largest());
        figure.path(&[frame.at(dearer.curve.largest(), there), frame.at(images, there)], "leader beyond");
        let (x, y) = frame.at(images, there);
        figure.marker(x, y, &cheaper.entry.row.family, true, format!("about {} images", count(images as usize)));
    }
}
