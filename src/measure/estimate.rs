//! Rough cost of runs, for `--dry-run`: from the times that this code was seen to take on two 2.6 GHz cores.

use crate::classify::ClassifierSettings;
use crate::dataset::Dataset;

use super::plan::{Planned, Request};

/// Seconds on all threads and bytes in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    seconds: f64,
    bytes: f64,
}

impl Cost {
    /// `40 s` or `12 min`.
    pub fn time(&self) -> String {
        if self.seconds < 90.0 {
            format!("{:.0} s", self.seconds.ceil())
        } else {
            format!("{:.0} min", self.seconds / 60.0)
        }
    }

    /// Whole MiB.
    pub fn mib(&self) -> u64 {
        (self.bytes / f64::from(1 << 20)).ceil() as u64
    }
}

/// How many times longer than looking at an image learning from it takes.
const TRAINING: f64 = 4.0;

/// Cost of `runs` where nothing is cached; what two runs share is counted once.
pub fn of(runs: &[&Planned], dataset: &Dataset, request: &Request) -> Cost {
    let images = (dataset.splits.train.len() + dataset.splits.val.len() + dataset.splits.test.len()) as f64;
    let train = dataset.splits.train.len() as f64;
    let mut seen: Vec<(&str, Option<u32>)> = Vec::new();
    let mut cost = Cost::default();
    for run in runs {
        let key = (run.arm.name.as_str(), run.canvas.map(|canvas| canvas.side));
        let first = !seen.contains(&key);
        seen.push(key);
        let kind = run.arm.features.kind();
        let image = kind.cost(request.input_of(&run.arm));
        if first {
            cost.seconds += images * image.milliseconds / 1e3 / request.threads as f64;
            cost.bytes += images * image.bytes;
        }
        let candidates = kind.candidates().len() * run.arm.classifier.candidates().len();
        let fit = candidates as f64 * fit(&run.arm.classifier, train / 1000.0);
        let training = run
            .arm
            .training()
            .map_or(0.0, |training| training.epochs as f64 * train * TRAINING * image.milliseconds / 1e3);
        cost.seconds += (fit + training) / request.threads as f64 + 3.0;
    }
    cost
}

/// Seconds of one thread for a fit on so many thousand images.
fn fit(classifier: &ClassifierSettings, thousands: f64) -> f64 {
    match classifier {
        ClassifierSettings::Majority | ClassifierSettings::Head | ClassifierSettings::NearestNeighbour { .. } => 0.0,
        ClassifierSettings::Svm(_) => 1.5 * thousands.powi(2),
        ClassifierSettings::Logistic(_) => 1.0 * thousands,
    }
}
