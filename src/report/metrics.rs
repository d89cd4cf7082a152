//! The metrics: how good the predictions of one run are. A new one is one line of [`METRICS`], which `summary.csv`, the
//! tables and the note below them go through.

use crate::stats::calibration;
use crate::stats::classification::Confusion;
use crate::stats::intervals::Interval;
use crate::stats::share;

use super::format::{capitalised, list, percent};
use super::summary::question::Aim;
use super::summary::run::{Calibrated, Run, common};

/// Of every interval of the report.
pub const LEVEL: f64 = 0.95;

/// Of the runs of an arm, one a seed; `None` without images.
type IntervalOf = fn(&[&Run]) -> Option<Interval>;

/// One number of a run's predictions; of an arm a report shows the mean over its seeds.
pub struct Metric {
    /// Its column in `summary.csv`.
    pub name: &'static str,
    /// In words, as the note has it.
    pub title: &'static str,
    /// Stands behind the title of a column.
    unit: &'static str,
    /// `None` where it is not defined.
    pub of: fn(&Run) -> Option<f64>,
    higher_is_better: bool,
    pub print: fn(f64) -> String,
    /// How far the choice of images and seeds carries, of the runs of an arm, one a seed; `None` where none is known.
    pub interval: Option<IntervalOf>,
}

/// In the order of the columns; arms are listed by the first.
pub const METRICS: [Metric; 5] = [
    Metric {
        interval: Some(|runs| interval(runs, Aim::Accuracy)),
        ..share("accuracy", "accuracy", |run| of(run, Confusion::accuracy))
    },
    Metric {
        interval: Some(|runs| interval(runs, Aim::MeanClass)),
        ..share("mean_class_accuracy", "mean class accuracy", |run| of(run, Confusion::mean_class_accuracy))
    },
    share("macro_f1", "macro F1", |run| of(run, Confusion::macro_f1)),
    Metric {
        higher_is_better: false,
        ..share("ece", "expected calibration error", |run| sure(run, |p| calibration::expected_error(&p.answers)))
    },
    Metric {
        higher_is_better: false,
        unit: "",
        print: |loss| format!("{loss:.3}"),
        ..share("log_loss", "log loss", |run| sure(run, |p| calibration::log_loss(p.of_truth.iter().copied())))
    },
];

/// A share of 1, printed in percent; the higher the better.
const fn share(name: &'static str, title: &'static str, of: fn(&Run) -> Option<f64>) -> Metric {
    Metric { name, title, unit: ", %", of, higher_is_better: true, print: percent, interval: None }
}

fn of(run: &Run, metric: fn(&Confusion) -> Option<f64>) -> Option<f64> {
    run.confusion.as_ref().and_then(metric)
}

/// Of calibrated probabilities, where there are some.
fn sure(run: &Run, metric: fn(&Calibrated) -> Option<f64>) -> Option<f64> {
    run.calibrated.as_ref().and_then(metric)
}

fn interval(runs: &[&Run], aim: Aim) -> Option<Interval> {
    let (right, classes) = common(runs);
    (!classes.is_empty()).then(|| share::interval(&right, &aim.weights(classes), LEVEL))
}

impl Metric {
    /// Its column in a table; of numbers.
    pub fn column(&self) -> String {
        format!("#{}{}", self.title, self.unit)
    }
}

/// What the numbers of a table are, in sentences; of metrics that some arm `has`, by their place in the list.
pub fn note(has: impl Fn(usize) -> bool) -> String {
    let known: Vec<&Metric> = METRICS.iter().enumerate().filter(|(place, _)| has(*place)).map(|(_, m)| m).collect();
    let titles = |metrics: &[&Metric]| metrics.iter().map(|metric| metric.title.to_owned()).collect::<Vec<_>>();
    let lower: Vec<&Metric> = known.iter().copied().filter(|metric| !metric.higher_is_better).collect();
    match (&known[..], &lower[..]) {
        ([], _) => String::new(),
        (_, []) => format!("{} are means over seeds, the higher the better.", capitalised(&list(&titles(&known)))),
        (_, lower) => format!(
            "{} are means over seeds, the higher the better, but for {}, where lower is better.",
            capitalised(&list(&titles(&known))),
            list(&titles(lower))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_what_arms_are_compared_by_has_an_interval() {
        let names: std::collections::BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(Aim::ALL.iter().all(|aim| METRICS[aim.metric()].interval.is_some()));
    }
}
