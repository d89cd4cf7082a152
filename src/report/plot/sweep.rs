//! Small multiples: accuracy against the levels of one factor, a panel a factor, a line an arm, the range over seeds as
//! a band.

use std::sync::LazyLock;

use crate::record::Family;
use crate::report::format::percent;
use crate::report::summary::{mean, range};
use crate::report::sweep::curves::{Curve, Panel};

use super::coloured;
use super::figure::{Figure, MARGIN, text_width};
use super::scale::Scale;

const WIDTH: f64 = 980.0;
const COLUMNS: usize = 3;
/// Of a panel, and from one to the next, in pixels.
const HEIGHT: f64 = 170.0;
const LINE: f64 = HEIGHT + 74.0;
const LEFT: f64 = 36.0;
const BETWEEN: f64 = 52.0;

static STYLE: LazyLock<String> = LazyLock::new(|| coloured(include_str!("../templates/sweep.css")));

pub fn figure(title: &str, panels: &[Panel]) -> Figure {
    let description = "Accuracy on the reported images, %, from the level of a factor that is thought easiest to the \
                       hardest, everything else as it is. Lines: means over the seeds; bands: from the smallest to the \
                       largest.";
    let (mut figure, top) = Figure::new("sweep", WIDTH, &format!("{title}: one factor at a time"), description);
    figure.style = &STYLE;
    let mut y = legend(&mut figure, panels, top + 14.0) + 34.0;
    let width =
        (WIDTH - 2.0 * MARGIN - COLUMNS as f64 * LEFT - (COLUMNS - 1) as f64 * (BETWEEN - LEFT)) / COLUMNS as f64;
    for line in panels.chunks(COLUMNS) {
        for (i, panel) in line.iter().enumerate() {
            let left = MARGIN + LEFT + (width + BETWEEN) * i as f64;
            draw(&mut figure, panel, (left, left + width), y);
        }
        y += LINE;
    }
    figure.height = y - 30.0 + MARGIN;
    figure
}

/// One sample a line, in as many rows as they need; gives the last row's place.
fn legend(figure: &mut Figure, panels: &[Panel], top: f64) -> f64 {
    let (mut x, mut y) = (MARGIN, top);
    let curves = panels.first().map_or(&[][..], |panel| &panel.curves);
    for (i, curve) in curves.iter().enumerate() {
        let width = 30.0 + text_width(&curve.label, 12.0) + 18.0;
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 20.0);
        }
        figure.path(&[(x, y - 4.0), (x + 24.0, y - 4.0)], &look("line", curves, i));
        figure.text(x + 30.0, y, &curve.label, "small");
        x += width;
    }
    y
}

/// Greys for floors, warm colours for handcrafted arms, cold ones for deep ones: the first of each is its family's.
fn look(kind: &str, curves: &[Curve], i: usize) -> String {
    let family = &curves[i].family;
    let place = curves[..i].iter().filter(|other| other.family == *family).count();
    let (first, looks) = Family::of(family).unwrap_or(Family::Floor).looks();
    format!("{kind} look-{}", first + place % looks)
}

fn draw(figure: &mut Figure, panel: &Panel, (left, right): (f64, f64), top: f64) {
    let y = Scale { values: (0.0, 1.0), pixels: (top + HEIGHT, top) };
    figure.text(left - LEFT + 6.0, top - 12.0, &panel.factor.title, "small strong");
    for tick in y.accuracy_ticks() {
        figure.line((left, y.at(tick)), (right, y.at(tick)), "grid");
        figure.text(left - 6.0, y.at(tick) + 4.0, percent(tick).trim_end_matches(".0"), "muted small end");
    }
    let levels = panel.factor.levels.len();
    let x = Scale { values: (0.0, (levels.max(2) - 1) as f64), pixels: (left + 8.0, right - 8.0) };
    for (i, level) in panel.factor.levels.iter().enumerate() {
        figure.text(x.at(i as f64), top + HEIGHT + 17.0, &level.value.to_string(), "muted small middle");
    }
    for (i, curve) in panel.curves.iter().enumerate() {
        let band = band(curve, levels);
        if band.len() > 2 {
            let place = |&(level, value): &(usize, f64)| (x.at(level as f64), y.at(value));
            figure.path(&band.iter().map(place).collect::<Vec<_>>(), &look("band", &panel.curves, i));
        }
    }
    for (i, curve) in panel.curves.iter().enumerate() {
        let point = |level: usize| Some((x.at(level as f64), y.at(mean(curve.at(level).into_iter())?)));
        let points: Vec<(f64, f64)> = (0..levels).filter_map(point).collect();
        figure.path(&points, &look("line", &panel.curves, i));
    }
}

/// There along the largest values, back along the smallest.
fn band(curve: &Curve, levels: usize) -> Vec<(usize, f64)> {
    let measured: Vec<(usize, (f64, f64))> =
        (0..levels).filter(|&i| !curve.at(i).is_empty()).map(|i| (i, range(curve.at(i).into_iter()))).collect();
    let there = measured.iter().map(|&(i, (_, high))| (i, high));
    there.chain(measured.iter().rev().map(|&(i, (low, _))| (i, low))).collect()
}
