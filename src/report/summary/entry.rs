//! One arm over its seeds: what a line of the tables and a row of the pictures show.

use crate::record::{Family, RunRow, Status};
use crate::stats::classification;
use crate::stats::intervals::Interval;
use crate::stats::outcome::{Judged, Outcome};

use super::super::metrics::METRICS;
use super::run::{Run, Times};
use super::{Aim, mean};

/// The protocol under which the reported images choose the epoch, as `runs.csv` has it.
const OPTIMISTIC: &str = "published";

/// One arm with one backbone on native images or on one canvas, over its seeds.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The arm's name, with what tells it from the other variants of the same arm.
    pub label: String,
    /// The run that stands for the others: the first that is `ok`, or the first.
    pub row: &'a RunRow,
    /// Indices of its runs, by seed.
    pub runs: Vec<usize>,
    /// `None` where no seed has a prediction.
    pub scores: Option<Scores>,
    pub times: Times,
    /// Where it stands against the floors of its column; `None` for floors and where there is none.
    pub against_floor: Option<AgainstFloor>,
}

/// Figures over the seeds of an entry.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Seeds with predictions.
    pub seeds: usize,
    /// Judged images of one run (the first seed's).
    pub n: usize,
    pub accuracy: Spread,
    /// 95 % interval of the accuracy: how far the choice of images and, from three seeds on, of seeds carries.
    pub interval: Interval,
    /// Means over seeds, in the order of the list of metrics; `None` where no seed has a value.
    pub metrics: [Option<f64>; METRICS.len()],
    /// Of those metrics that have one.
    pub intervals: [Option<Interval>; METRICS.len()],
    pub val_accuracy: Option<f64>,
    pub fit_s: f64,
    pub select_s: f64,
    pub peak_mib: Option<f64>,
    /// One a class, in label order.
    pub classes: Vec<ClassScores>,
}

/// Mean over seeds, with the extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

/// Means over seeds of one class; `None` where undefined in every seed (nothing there, nothing predicted).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassScores {
    pub n: usize,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
}

/// The comparison with that floor of the same column against which the arm does worst, judged together with all others.
#[derive(Debug, Clone)]
pub struct AgainstFloor {
    pub floor: String,
    pub judged: Judged,
}

impl AgainstFloor {
    /// The lower, the worse for the arm.
    pub fn standing(outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Worse => 0,
            Outcome::Equivalent => 1,
            Outcome::Undecided => 2,
            Outcome::Better => 3,
        }
    }
}

impl<'a> Entry<'a> {
    pub(super) fn new(label: String, indices: Vec<usize>, runs: &[Run<'a>], classes: usize) -> Entry<'a> {
        let ok: Vec<&Run> = indices.iter().map(|&i| &runs[i]).filter(|r| r.confusion.is_some()).collect();
        let first = indices.iter().find(|&&i| runs[i].row.status == Status::Ok).unwrap_or(&indices[0]);
        let mut times = Times::default();
        ok.iter().for_each(|run| times.add(&run.times));
        let row = runs[*first].row;
        Entry { label, row, runs: indices, scores: Scores::over(&ok, classes), times, against_floor: None }
    }

    /// Its name in files and links: `sift-bovw-svm-native`.
    pub fn slug(&self) -> String {
        let text = format!("{} {}", self.label, self.row.canvas);
        let letters: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
        letters.split_whitespace().collect::<Vec<_>>().join("-")
    }

    /// Mean accuracy, where there is one.
    pub fn accuracy(&self) -> Option<f64> {
        self.scores.as_ref().map(|s| s.accuracy.mean)
    }

    /// Mean of the metric by which arms are compared.
    pub fn score(&self, aim: Aim) -> Option<f64> {
        self.score_of(aim.metric())
    }

    /// Mean of the metric at this place of the list.
    pub fn score_of(&self, metric: usize) -> Option<f64> {
        self.scores.as_ref()?.metrics[metric]
    }

    /// On the selection images, mean over the seeds.
    pub fn val_accuracy(&self) -> Option<f64> {
        self.scores.as_ref()?.val_accuracy
    }

    pub fn is_of(&self, family: Family) -> bool {
        self.row.family == family.name()
    }

    pub fn is_floor(&self) -> bool {
        self.is_of(Family::Floor)
    }

    /// Was its epoch the best on the reported images? Its accuracy is optimistic then.
    pub fn chosen_by_reported_images(&self) -> bool {
        self.row.protocol == OPTIMISTIC
    }

    /// Backbone and input of a network, or nothing.
    pub fn network(&self) -> String {
        match (self.row.backbone.as_str(), self.row.input_px) {
            ("", _) => String::new(),
            (backbone, None) => backbone.to_owned(),
            (backbone, Some(px)) => format!("{backbone}, {px} px"),
        }
    }
}

impl Scores {
    fn over(runs: &[&Run], classes: usize) -> Option<Scores> {
        let confusions: Vec<_> = runs.iter().filter_map(|r| r.confusion.as_ref()).collect();
        let n = runs.first()?.judged.len();
        let accuracy = Spread::of(confusions.iter().filter_map(|c| c.accuracy()))?;
        let intervals: [Option<Interval>; METRICS.len()] =
            std::array::from_fn(|i| METRICS[i].interval.and_then(|interval| interval(runs)));
        let of_seeds: Vec<Vec<classification::ClassScores>> =
            confusions.iter().map(|c| c.per_class().collect()).collect();
        let class = |class: usize| ClassScores {
            n: of_seeds[0][class].support as usize,
            precision: mean(of_seeds.iter().filter_map(|scores| scores[class].precision)),
            recall: mean(of_seeds.iter().filter_map(|scores| scores[class].recall)),
            f1: mean(of_seeds.iter().filter_map(|scores| scores[class].f1)),
        };
        Some(Scores {
            seeds: runs.len(),
            n,
            accuracy,
            interval: intervals[0]?,
            intervals,
            metrics: std::array::from_fn(|i| mean(runs.iter().filter_map(|run| (METRICS[i].of)(run)))),
            val_accuracy: mean(runs.iter().filter_map(|r| r.row.val_accuracy)),
            fit_s: mean(runs.iter().map(|r| r.row.fit_s))?,
            select_s: mean(runs.iter().map(|r| r.row.select_s))?,
            peak_mib: runs.iter().filter_map(|r| r.row.peak_mib).reduce(f64::max),
            classes: (0..classes).map(class).collect(),
        })
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Spread> {
        Some(Spread {
            mean: mean(values.clone())?,
            min: values.clone().reduce(f64::min)?,
            max: values.reduce(f64::max)?,
        })
    }
}
