//! One recorded run in numbers: its predictions counted, its times summarised.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};

use crate::record::{PredictionRow, Records, RunRow, Scores, Status, TimingRow};
use crate::stats::calibration::Answer;
use crate::stats::classification::Confusion;

/// One run with everything that was recorded for it.
#[derive(Debug)]
pub struct Run<'a> {
    pub row: &'a RunRow,
    /// Every judged image, in the order of the records; empty unless the run is `ok`.
    pub judged: Vec<Judged<'a>>,
    /// `None` where no image was judged.
    pub confusion: Option<Confusion>,
    pub times: Times,
    /// `None` without a temperature.
    pub calibrated: Option<Calibrated>,
}

/// Probabilities of a run, in the order of its judged images.
#[derive(Debug)]
pub struct Calibrated {
    pub answers: Vec<Answer>,
    /// Natural logarithm of the true class's probability.
    pub of_truth: Vec<f64>,
}

/// What a run said of one image.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub image: &'a str,
    /// Class indices, in label order.
    pub truth: usize,
    pub predicted: usize,
    /// Scores as they are recorded, or empty.
    pub scores: &'a str,
}

/// Samples of one run (or of several, see [`Times::add`]), in milliseconds an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Times {
    /// Encoded bytes to vector, one image at a time.
    pub extract: Vec<f64>,
    /// Vector to class, one image at a time.
    pub classify: Vec<f64>,
    /// Encoded bytes to class, one image at a time.
    pub single: Vec<f64>,
    /// Images and milliseconds of the offline scenario, bytes to class.
    pub offline: (usize, f64),
}

impl<'a> Run<'a> {
    pub fn all(records: &'a Records, classes: &[&str]) -> Result<Vec<Run<'a>>> {
        let mut predictions: HashMap<&str, Vec<&PredictionRow>> = HashMap::new();
        for row in &records.details.predictions {
            predictions.entry(&row.run_id).or_default().push(row);
        }
        let mut timings: HashMap<&str, Vec<&TimingRow>> = HashMap::new();
        for row in &records.details.timings {
            timings.entry(&row.run_id).or_default().push(row);
        }
        let of = |row: &'a RunRow| {
            let predictions = predictions.get(row.run_id.as_str()).map_or(&[][..], |rows| rows);
            let timings = timings.get(row.run_id.as_str()).map_or(&[][..], |rows| rows);
            Run::new(row, predictions, timings, classes)
        };
        records.runs.iter().map(of).collect()
    }

    fn new(
        row: &'a RunRow,
        predictions: &[&'a PredictionRow],
        timings: &[&TimingRow],
        classes: &[&str],
    ) -> Result<Run<'a>> {
        if row.status != Status::Ok {
            return Ok(Run { row, judged: Vec::new(), confusion: None, times: Times::default(), calibrated: None });
        }
        ensure!(
            predictions.len() == row.n,
            "runs.csv says that run {} ({}, {}, seed {}) has {} predictions, predictions.csv holds {}: \
             measure it again with --fresh",
            row.run_id,
            row.arm,
            row.canvas,
            row.seed,
            row.n,
            predictions.len()
        );
        let index = |name: &str| {
            classes.iter().position(|class| *class == name).with_context(|| {
                format!(
                    "predictions.csv, run {}: class {name:?} is not one of dataset.json ({})",
                    row.run_id,
                    classes.join(", ")
                )
            })
        };
        let judged = predictions.iter().map(|p| {
            Ok(Judged { image: &p.image, truth: index(&p.truth)?, predicted: index(&p.predicted)?, scores: &p.scores })
        });
        let judged: Vec<Judged> = judged.collect::<Result<_>>()?;
        let confusion =
            (!judged.is_empty()).then(|| Confusion::new(classes.len(), judged.iter().map(|j| (j.truth, j.predicted))));
        let calibrated = row.temperature.and_then(|temperature| Calibrated::of(&judged, temperature));
        Ok(Run { row, judged, confusion, times: Times::of(timings), calibrated })
    }
}

impl Run<'_> {
    /// The share that guesses get which know nothing of the images: 1 / k where all k classes have as many of them,
    /// whatever is guessed; else it depends on the guesses and is not known.
    pub fn chance(&self) -> Option<f64> {
        let images: Vec<u64> = self.confusion.as_ref()?.per_class().map(|class| class.support).collect();
        let equal = images.len() > 1 && images.iter().all(|of_class| *of_class == images[0]);
        equal.then(|| 1.0 / images.len() as f64)
    }
}

impl<'a> Run<'a> {
    /// 1 for each image that it has right, 0 for the others.
    fn rights(&self) -> HashMap<&'a str, i8> {
        self.judged.iter().map(|judged| (judged.image, i8::from(judged.right()))).collect()
    }
}

/// What several runs say of the images that all of them judged, in the order of the first: a row a run, 1 where it is
/// right and 0 where not, and the class of each image.
pub fn common(runs: &[&Run]) -> (Vec<Vec<i8>>, Vec<usize>) {
    let Some(first) = runs.first() else { return (Vec::new(), Vec::new()) };
    let listed: Vec<&str> = first.judged.iter().map(|judged| judged.image).collect();
    if runs.iter().all(|run| run.judged.iter().map(|judged| judged.image).eq(listed.iter().copied())) {
        let row = |run: &&Run| run.judged.iter().map(|judged| i8::from(judged.right())).collect();
        return (runs.iter().map(row).collect(), first.judged.iter().map(|judged| judged.truth).collect());
    }
    let by_image: Vec<HashMap<&str, i8>> = runs.iter().map(|run| run.rights()).collect();
    let in_all = |judged: &&Judged| by_image.iter().all(|run| run.contains_key(judged.image));
    let kept: Vec<&Judged> = first.judged.iter().filter(in_all).collect();
    let row = |run: &HashMap<&str, i8>| kept.iter().filter_map(|judged| run.get(judged.image).copied()).collect();
    (by_image.iter().map(row).collect(), kept.iter().map(|judged| judged.truth).collect())
}

impl Calibrated {
    /// `None` where scores of an image are missing, or none was judged.
    fn of(judged: &[Judged], temperature: f64) -> Option<Calibrated> {
        let one = |judged: &Judged| {
            let scores = Scores::parse(judged.scores)?;
            let all = scores.calibrated(temperature)?;
            let confidence = (scores.of(judged.predicted)? / temperature - all).exp().min(1.0);
            Some((Answer { confidence, right: judged.right() }, scores.of_truth(judged.truth)? / temperature - all))
        };
        let (answers, of_truth): (Vec<_>, Vec<_>) =
            judged.iter().map(one).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        (!answers.is_empty()).then_some(Calibrated { answers, of_truth })
    }
}

impl Judged<'_> {
    pub fn right(&self) -> bool {
        self.truth == self.predicted
    }

    /// Score of the predicted class minus that of the true one: how wrong an error is. `None` without scores.
    pub fn margin(&self) -> Option<f64> {
        let scores = Scores::parse(self.scores)?;
        Some(scores.of(self.predicted)? - scores.of_truth(self.truth)?)
    }
}

impl Times {
    fn of(rows: &[&TimingRow]) -> Times {
        let samples = |stage: &str| -> BTreeMap<usize, f64> {
            let of_stage = rows.iter().filter(|r| r.scenario == "single" && r.stage == stage && r.images > 0);
            of_stage.map(|r| (r.sample, r.milliseconds / r.images as f64)).collect()
        };
        let (extract, classify, total) = (samples("extract"), samples("classify"), samples("total"));
        // Where the total was not timed, it is the sum of the two stages of the same sample.
        let single = if total.is_empty() {
            extract.iter().filter_map(|(sample, ms)| Some(ms + classify.get(sample)?)).collect()
        } else {
            total.into_values().collect()
        };
        let offline = rows.iter().filter(|r| r.scenario == "offline" && r.stage == "total");
        let offline = offline.fold((0, 0.0), |(n, ms), r| (n + r.images, ms + r.milliseconds));
        Times { extract: extract.into_values().collect(), classify: classify.into_values().collect(), single, offline }
    }

    /// Pools the samples of another run of the same arm.
    pub fn add(&mut self, other: &Times) {
        self.extract.extend(&other.extract);
        self.classify.extend(&other.classify);
        self.single.extend(&other.single);
        self.offline = (self.offline.0 + other.offline.0, self.offline.1 + other.offline.1);
    }

    /// Images a second, bytes to class, all threads.
    pub fn images_per_s(&self) -> Option<f64> {
        let (images, ms) = self.offline;
        (images > 0 && ms > 0.0).then(|| images as f64 * 1000.0 / ms)
    }
}
