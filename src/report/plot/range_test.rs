//! Range tests of learning rates: losses of every seed along a logarithmic axis, above them what each rule suggests and
//! below them what brief trainings at single rates reached.

use anyhow::Result;

use crate::record::Family;
use crate::report::format::percent;
use crate::report::summary::mean;
use crate::report::templates;

use super::figure::{CURVES, Figure, MARGIN};
use super::scale::{Scale, log_ticks, round_ticks};

const WIDTH: f64 = 860.0;
/// Left and right end of all axes.
const AXIS: (f64, f64) = (MARGIN + 100.0, WIDTH - MARGIN - 190.0);
/// Heights of the curves and of the grid, and of the line of one rule.
const CURVES_HEIGHT: f64 = 220.0;
const GRID_HEIGHT: f64 = 120.0;
const LINE: f64 = 19.0;

/// The range tests of one training, one a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTest {
    pub title: String,
    /// Whose loss it is: `training loss`.
    pub loss: &'static str,
    pub curves: Vec<Vec<Sample>>,
    pub suggestions: Vec<Suggested>,
    /// Empty where nothing was trained beside it.
    pub grid: Vec<Trained>,
    /// Of each training of the grid.
    pub epochs: usize,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub learning_rate: f64,
    pub loss: f64,
    pub smoothed: f64,
}

/// What one rule suggests: the middle of the seeds and their range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suggested {
    pub name: &'static str,
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

/// Brief trainings at one learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub learning_rate: f64,
    /// Fractions of val, of the seeds that did not diverge.
    pub accuracies: Vec<f64>,
    pub diverged: usize,
}

/// One picture of all of them, one under the other, as a file of its own.
///
/// # Errors
/// None that a user can cause.
pub fn svg(tests: &[RangeTest]) -> Result<String> {
    templates::svg(&figure(tests))
}

fn figure(tests: &[RangeTest]) -> Figure {
    let description = "Loss while the learning rate rises from step to step. Grey: single steps; blue: smoothed; one \
                       line a seed; what is above the frame is cut off. Above it what each rule suggests: the middle \
                       of the seeds and their range.";
    let grid = " Below it the val accuracy after brief trainings at single rates.";
    let description = if tests.iter().any(|test| !test.grid.is_empty()) {
        format!("{description}{grid}")
    } else {
        description.to_owned()
    };
    let (mut figure, top) = Figure::new("range-test", WIDTH, "Learning rate range test", &description);
    figure.style = CURVES;
    figure.height = tests.iter().fold(top, |top, test| test.draw(&mut figure, top)) + MARGIN;
    figure
}

impl RangeTest {
    /// Draws it from `top` on; gives where it ends.
    fn draw(&self, figure: &mut Figure, top: f64) -> f64 {
        let x = self.axis();
        figure.text(MARGIN, top + 16.0, &self.title, "strong");
        let first = top + 24.0;
        let curves = first + LINE * self.suggestions.len() as f64 + 22.0;
        for (i, suggested) in self.suggestions.iter().enumerate() {
            suggested.draw(figure, &x, first + LINE * (i as f64 + 0.5), curves + CURVES_HEIGHT);
        }
        self.losses(figure, &x, (curves, curves + CURVES_HEIGHT));
        let mut bottom = curves + CURVES_HEIGHT;
        if !self.grid.is_empty() {
            let grid = bottom + 52.0;
            self.trainings(figure, &x, (grid, grid + GRID_HEIGHT));
            bottom = grid + GRID_HEIGHT;
        }
        figure.text((AXIS.0 + AXIS.1) / 2.0, bottom + 34.0, "learning rate", "muted small middle");
        bottom + 48.0
    }

    /// Logarithms of all rates that are shown.
    fn axis(&self) -> Scale {
        let swept = self.curves.iter().flatten().map(|sample| sample.learning_rate);
        let trained = self.grid.iter().map(|at| at.learning_rate);
        let range = |(low, high): (f64, f64), rate: f64| (low.min(rate), high.max(rate));
        let (low, high) = swept.chain(trained).fold((f64::INFINITY, 0.0), range);
        Scale { values: (low.log10(), high.log10() + 1e-6), pixels: AXIS }
    }

    fn losses(&self, figure: &mut Figure, x: &Scale, (top, bottom): (f64, f64)) {
        // what lies before the fall is what matters; behind it a loss may be as large as it likes
        let firsts = self.curves.iter().filter_map(|curve| curve.first()).map(|sample| sample.smoothed);
        let high = firsts.filter(|loss| loss.is_finite()).fold(0.0, f64::max) * 1.6;
        let high = if high > 0.0 { high } else { 1.0 };
        let y = Scale { values: (0.0, high), pixels: (bottom, top) };
        frame(figure, x, (top, bottom), self.loss);
        for tick in round_ticks(high, 0.01) {
            figure.line((AXIS.0, y.at(tick)), (AXIS.1, y.at(tick)), "grid");
            figure.text(AXIS.0 - 8.0, y.at(tick) + 4.0, &tick.to_string(), "muted small end");
        }
        let mut draw = |class: &str, loss: fn(&Sample) -> f64| {
            for curve in &self.curves {
                let finite = curve.iter().filter(|sample| loss(sample).is_finite());
                let place = |sample: &Sample| (x.at(sample.learning_rate.log10()), y.at(loss(sample).min(high)));
                figure.path(&finite.map(place).collect::<Vec<_>>(), &format!("curve {class}"));
            }
        };
        draw("train thin", |sample| sample.loss);
        draw("val thick", |sample| sample.smoothed);
    }

    fn trainings(&self, figure: &mut Figure, x: &Scale, (top, bottom): (f64, f64)) {
        let lowest = self.grid.iter().flat_map(|at| &at.accuracies).copied().fold(1.0, f64::min);
        let y = Scale::of_accuracies(lowest, (bottom, top));
        frame(figure, x, (top, bottom), &format!("val accuracy after {} epochs, %", self.epochs));
        for tick in y.accuracy_ticks() {
            figure.line((AXIS.0, y.at(tick)), (AXIS.1, y.at(tick)), "grid");
            figure.text(AXIS.0 - 8.0, y.at(tick) + 4.0, percent(tick).trim_end_matches(".0"), "muted small end");
        }
        let middle = |at: &Trained| Some((x.at(at.learning_rate.log10()), mean(at.accuracies.iter().copied())?));
        let points: Vec<(f64, f64)> = self.grid.iter().filter_map(middle).map(|(x, m)| (x, y.at(m))).collect();
        figure.path(&points, "curve val thick");
        for at in &self.grid {
            let x = x.at(at.learning_rate.log10());
            let rate = rate(at.learning_rate);
            for &accuracy in &at.accuracies {
                figure.marker(x, y.at(accuracy), Family::Deep.name(), true, format!("{rate}: {} %", percent(accuracy)));
            }
            if at.diverged > 0 {
                figure.text(x, top - 8.0, &format!("{} diverged", at.diverged), "muted small middle");
            }
        }
    }
}

/// Upright lines at round rates with their numbers below.
fn frame(figure: &mut Figure, x: &Scale, (top, bottom): (f64, f64), heading: &str) {
    for tick in log_ticks(10f64.powf(x.values.0), 10f64.powf(x.values.1)) {
        let x = x.at(tick.log10());
        figure.line((x, top), (x, bottom), "grid");
        figure.text(x, bottom + 16.0, &format!("{tick:.0e}"), "muted small middle");
    }
    figure.text(AXIS.0, top - 8.0, heading, "muted small");
}

/// `1.4e-3`
fn rate(value: f64) -> String {
    format!("{value:.1e}")
}

impl Suggested {
    fn draw(&self, figure: &mut Figure, x: &Scale, y: f64, bottom: f64) {
        let at = |rate: f64| x.at(rate.log10());
        let range = format!("{} to {}", rate(self.low), rate(self.high));
        figure.line((at(self.middle), y), (at(self.middle), bottom), "floor-line");
        figure.interval((at(self.low), at(self.high)), y, Family::Deep.name());
        figure.marker(at(self.middle), y, Family::Deep.name(), false, format!("{}: {}", self.name, rate(self.middle)));
        figure.text(MARGIN, y + 4.0, self.name, "");
        figure.text(AXIS.1 + 70.0, y + 4.0, &rate(self.middle), "end strong");
        if self.low < self.high {
            figure.text(WIDTH - MARGIN, y + 4.0, &range, "muted small end");
        }
    }
}
