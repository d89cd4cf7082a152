//! How networks were trained: loss, accuracy, learning rate and momentum along the epochs, one line of panels a training.
//! All lines share their scales but that of the learning rate.

use crate::record::{EpochRow, StepRow};
use crate::report::format::{column_name, percent, significant};
use crate::report::summary::{Course, Summary, Training, mean};

use super::figure::{CURVES, Figure, MARGIN};
use super::scale::{Scale, log_ticks, round_ticks};

const WIDTH: f64 = 860.0;
/// Of a panel, in pixels, and what lies between two of them and before the first: room for the numbers of an axis.
const HEIGHT: f64 = 116.0;
const BETWEEN: f64 = 58.0;
const LEFT: f64 = 44.0;
/// From the top of one line of panels to that of the next.
const LINE: f64 = HEIGHT + 68.0;
/// Points of a loss in an epoch, and at most in all: single steps are too noisy to be read.
const AN_EPOCH: f64 = 4.0;
const POINTS: usize = 80;
/// Points of a trace of rates: more would not be seen.
const TRACE: usize = 320;

/// `None` where no network was trained.
pub fn figure(summary: &Summary) -> Option<Figure> {
    let lines = lines(Training::all(summary));
    let scales = Scales::of(lines.iter().map(|(training, _)| training))?;
    let title = format!("{}: how the networks were trained", summary.records.dataset.title);
    let description = "Along the epochs: loss of the training images (mean cross-entropy, logarithmic, means of a few steps \
                       each); accuracy on training images as the steps saw them (grey) and on val (blue), %; learning \
                       rate and momentum of every step. Thin: single seeds; thick: their mean.";
    let (mut figure, top) = Figure::new("training", WIDTH, &title, description);
    figure.style = CURVES;
    let mut y = top + 18.0;
    for (training, entries) in &lines {
        let names = entries.iter().map(|&entry| name(summary, entry, training)).collect::<Vec<_>>().join(", ");
        let (_, peak) = training.range(|step| step.learning_rate);
        figure.text(MARGIN, y, &format!("{names}: learning rate {}", significant(peak, 2)), "strong");
        scales.draw(&mut figure, training, y + 26.0);
        y += LINE;
    }
    figure.height = y - 18.0 + MARGIN;
    Some(figure)
}

/// Each training once, with the entries that have it: several arms may use one.
fn lines(trainings: Vec<Training>) -> Vec<(Training, Vec<usize>)> {
    let mut lines: Vec<(Training, Vec<usize>)> = Vec::new();
    for training in trainings {
        match lines.iter_mut().find(|(shown, _)| shown.equals(&training)) {
            Some((_, entries)) => entries.push(training.entry),
            None => {
                let entry = training.entry;
                lines.push((training, vec![entry]));
            }
        }
    }
    lines
}

fn name(summary: &Summary, entry: usize, training: &Training) -> String {
    let entry = &summary.entries[entry];
    let canvas = match entry.row.canvas.as_str() {
        "native" => String::new(),
        canvas => format!(" on {}", column_name(canvas)),
    };
    let images = if training.images == "train" { "" } else { " (with val)" };
    format!("{}{canvas}{images}", entry.label)
}

/// What all lines share: the span of the epochs, of the losses and of the accuracies.
struct Scales {
    epochs: f64,
    losses: (f64, f64),
    lowest_accuracy: f64,
}

impl Scales {
    fn of<'t, 'a: 't>(trainings: impl Iterator<Item = &'t Training<'a>>) -> Option<Scales> {
        let courses: Vec<&Course> = trainings.flat_map(|training| &training.courses).collect();
        let epochs = courses.iter().map(|course| course.epochs.len()).max()? as f64;
        let losses = courses.iter().flat_map(|course| losses(course)).map(|(_, loss)| loss);
        let (low, high) = losses.fold((f64::INFINITY, 0.0_f64), |(low, high), loss| (low.min(loss), high.max(loss)));
        let accuracies = |epoch: &EpochRow| [Course::train_accuracy(epoch), Course::val_accuracy(epoch)];
        let accuracies = courses.iter().flat_map(|course| course.epochs).flat_map(accuracies).flatten();
        let lowest_accuracy = accuracies.fold(1.0, f64::min);
        Some(Scales { epochs, losses: (low / 1.1, high * 1.1), lowest_accuracy })
    }

    fn draw(&self, figure: &mut Figure, training: &Training, top: f64) {
        let width = (WIDTH - 2.0 * MARGIN - LEFT - 2.0 * BETWEEN) / 3.0;
        let panel = |i: usize, heading: &str| Panel {
            x: {
                let left = MARGIN + LEFT + (width + BETWEEN) * i as f64;
                Scale { values: (0.0, self.epochs), pixels: (left, left + width) }
            },
            top,
            bottom: top + HEIGHT,
            heading: heading.to_owned(),
        };
        self.loss(figure, training, &panel(0, "loss"));
        self.accuracy(figure, training, &panel(1, "accuracy, %"));
        rates(figure, training, &panel(2, "learning rate"));
    }

    fn loss(&self, figure: &mut Figure, training: &Training, panel: &Panel) {
        let y = Scale { values: (self.losses.0.log10(), self.losses.1.log10()), pixels: (panel.bottom, panel.top) };
        let ticks = log_ticks(self.losses.0, self.losses.1);
        panel.frame(figure, ticks.iter().map(|&loss| (y.at(loss.log10()), significant(loss, 1))), true);
        let place = |(at, loss): (f64, f64)| (panel.x.at(at), y.at(loss.log10()));
        let curves: Vec<Vec<(f64, f64)>> = training.courses.iter().map(losses).collect();
        panel.curves(figure, &curves, "train", place);
    }

    fn accuracy(&self, figure: &mut Figure, training: &Training, panel: &Panel) {
        let y = Scale::of_accuracies(self.lowest_accuracy, (panel.bottom, panel.top));
        let label = |tick: f64| percent(tick).trim_end_matches(".0").to_owned();
        panel.frame(figure, y.accuracy_ticks().into_iter().map(|tick| (y.at(tick), label(tick))), true);
        let place = |(at, accuracy): (f64, f64)| (panel.x.at(at), y.at(accuracy));
        let mut draw = |class: &str, accuracy: fn(&EpochRow) -> Option<f64>| {
            let point = |epoch: &EpochRow| Some((epoch.epoch as f64, accuracy(epoch)?));
            let curve = |course: &Course| course.epochs.iter().filter_map(point).collect();
            let curves: Vec<Vec<(f64, f64)>> = training.courses.iter().map(curve).collect();
            panel.curves(figure, &curves, class, place);
        };
        draw("train", Course::train_accuracy);
        draw("val", Course::val_accuracy);
    }
}

/// Learning rate and momentum, one above the other.
fn rates(figure: &mut Figure, training: &Training, panel: &Panel) {
    let (_, peak) = training.range(|step| step.learning_rate);
    let middle = panel.top + 0.56 * HEIGHT;
    let rate = Panel { bottom: middle, heading: panel.heading.clone(), ..*panel };
    let momentum = Panel { top: panel.bottom - 0.24 * HEIGHT, heading: "momentum".to_owned(), ..*panel };
    let y = |panel: &Panel, high| Scale { values: (0.0, high), pixels: (panel.bottom, panel.top) };
    let (of_rate, of_momentum) = (y(&rate, peak), y(&momentum, 1.0));
    let ticks = |y: &Scale, high: String| [(y.at(0.0), "0".to_owned()), (y.at(y.values.1), high)].into_iter();
    rate.frame(figure, ticks(&of_rate, significant(peak, 2)), false);
    momentum.frame(figure, ticks(&of_momentum, "1".to_owned()), true);
    trace(figure, training, (&panel.x, &of_rate), |step| step.learning_rate);
    trace(figure, training, (&panel.x, &of_momentum), |step| step.momentum);
}

/// A number of every step, once where all seeds have the same.
fn trace(figure: &mut Figure, training: &Training, (x, y): (&Scale, &Scale), number: fn(&StepRow) -> f64) {
    let mut drawn: Vec<Vec<(f64, f64)>> = Vec::new();
    for course in &training.courses {
        let (per_epoch, every) = (course.epochs[0].steps as f64, course.steps.len().div_ceil(TRACE));
        let last = course.steps.len() - 1;
        let shown = course.steps.iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last);
        let place = |(i, step)| (x.at((i as f64 + 0.5) / per_epoch), y.at(number(step)));
        let path: Vec<(f64, f64)> = shown.map(place).collect();
        if !drawn.contains(&path) {
            figure.path(&path, "curve rate");
            drawn.push(path);
        }
    }
}

/// A training's loss along its epochs, each point the mean of a few steps.
fn losses(course: &Course) -> Vec<(f64, f64)> {
    let per_epoch = course.epochs[0].steps as f64;
    let size = course.steps.len().div_ceil(POINTS).max((per_epoch / AN_EPOCH).ceil() as usize);
    let point = |(i, steps): (usize, &[StepRow])| {
        let loss = mean(steps.iter().map(|step| f64::from(step.loss)))?;
        // a loss of 0 has no logarithm, and none so small can be told from it
        Some(((i as f64 * size as f64 + steps.len() as f64 / 2.0) / per_epoch, loss.max(1e-4)))
    };
    course.steps.chunks(size).enumerate().filter_map(point).collect()
}

/// A place for curves.
struct Panel {
    x: Scale,
    top: f64,
    bottom: f64,
    heading: String,
}

impl Panel {
    /// Horizontal lines with their numbers, and epochs below where they are asked for.
    fn frame(&self, figure: &mut Figure, ticks: impl Iterator<Item = (f64, String)>, epochs: bool) {
        let (left, right) = self.x.pixels;
        figure.text(left, self.top - 8.0, &self.heading, "muted small");
        for (y, text) in ticks {
            figure.line((left, y), (right, y), "grid");
            figure.text(left - 6.0, y + 4.0, &text, "muted small end");
        }
        if epochs {
            figure.text(left - 10.0, self.bottom + 16.0, "epoch", "muted small end");
            for epoch in round_ticks(self.x.values.1, 1.0) {
                figure.text(self.x.at(epoch), self.bottom + 16.0, &epoch.to_string(), "muted small middle");
            }
        }
    }

    /// One thin line a seed, and their mean where there are several.
    fn curves(
        &self,
        figure: &mut Figure,
        curves: &[Vec<(f64, f64)>],
        class: &str,
        place: impl Fn((f64, f64)) -> (f64, f64),
    ) {
        let mut draw = |curve: &[(f64, f64)], width: &str| {
            if !curve.is_empty() {
                let points: Vec<(f64, f64)> = curve.iter().map(|&point| place(point)).collect();
                figure.path(&points, &format!("curve {class} {width}"));
            }
        };
        if let [only] = curves {
            return draw(only, "thick");
        }
        curves.iter().for_each(|curve| draw(curve, "thin"));
        let longest = curves.iter().max_by_key(|curve| curve.len()).map_or(&[][..], |curve| curve);
        let of_all = |i: usize| mean(curves.iter().filter_map(|curve| Some(curve.get(i)?.1)));
        let middle: Vec<(f64, f64)> =
            longest.iter().enumerate().filter_map(|(i, &(at, _))| Some((at, of_all(i)?))).collect();
        draw(&middle, "thick");
    }
}
