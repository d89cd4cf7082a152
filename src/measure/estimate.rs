//! Rough cost of runs, for `--dry-run`: from the times that this code was seen to take on two 2.6 GHz cores.

use std::sync::Arc;

use crate::budget::{self, Size};
use crate::classify::ClassifierSettings;
use crate::dataset::{Dataset, ImageFile};
use crate::image::decode;
use crate::names::printable;

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

    /// Of both.
    pub fn and(self, other: Cost) -> Cost {
        Cost { seconds: self.seconds + other.seconds, bytes: self.bytes + other.bytes }
    }

    /// Whole MiB.
    pub fn mib(&self) -> u64 {
        (self.bytes / f64::from(1 << 20)).ceil() as u64
    }
}

/// How many times longer than looking at an image learning from it takes.
const TRAINING: f64 = 4.0;

/// Cost of `runs` where nothing is cached; what two runs share is counted once.
pub fn of(runs: &[Planned], dataset: &Dataset, request: &Request) -> Cost {
    let images = (dataset.splits.train.len() + dataset.splits.val.len() + dataset.splits.test.len()) as f64;
    let train = dataset.splits.train.len() as f64;
    let mut seen = Vec::new();
    let mut cost = Cost::default();
    for run in runs {
        let key = (run.arm.name.as_str(), run.canvas.map(|canvas| canvas.side), run.network());
        let first = !seen.contains(&key);
        seen.push(key);
        let kind = run.arm.features.kind();
        let image = kind.cost(run.input().unwrap_or_default());
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

/// What pictures may take of memory while `runs` are measured, in a line; and one for each arm that can't describe the
/// largest of them. Pictures wait for each other where they would take more than the budget.
pub fn memory(runs: &[Planned], dataset: &Dataset, request: &Request) -> Vec<String> {
    let Some(largest) = largest(dataset) else { return Vec::new() };
    let limit = budget::of_process().limit();
    let pixels = f64::from(largest.width) * f64::from(largest.height);
    let (mut most, mut short) = (0, Vec::new());
    for run in runs.iter().filter(|run| run.arm.needs().pixels) {
        let of_canvas = run.canvas.map(|canvas| f64::from(canvas.side).powi(2));
        let described =
            of_canvas.unwrap_or(pixels) * run.arm.features.kind().cost(run.input().unwrap_or_default()).bytes_a_pixel;
        let needed = described.max(pixels * decode::BYTES_A_PIXEL as f64) as u64;
        most = most.max(needed.min(limit));
        if needed > limit {
            short.push(format!(
                "  {} needs {} for it: allow more with --memory, or measure on a --canvas",
                run.arm.name,
                Size(needed)
            ));
        }
    }
    if most == 0 {
        return Vec::new();
    }
    let image = format!("{} of {} x {}", printable(&largest.id), largest.width, largest.height);
    let together = most.saturating_mul(request.threads as u64).min(limit);
    let line =
        format!("  up to {} of memory for pictures ({} allowed; the largest is {image})", Size(together), Size(limit));
    short.dedup();
    [line].into_iter().chain(short).collect()
}

/// What fits may take of memory at most, in a line; none where no fit takes any.
pub fn memory_of_fits(runs: &[Planned], dataset: &Dataset) -> Option<String> {
    let rows = dataset.splits.train.len() + dataset.splits.val.len();
    let most = runs.iter().map(|run| run.arm.classifier.memory(rows)).max().filter(|bytes| *bytes > 0)?;
    Some(format!("  up to {} of memory for a fit, less where vectors are short", Size(most)))
}

fn largest(dataset: &Dataset) -> Option<&Arc<ImageFile>> {
    let splits = &dataset.splits;
    let all = splits.train.images().iter().chain(splits.val.images()).chain(splits.test.images());
    all.max_by_key(|image| u64::from(image.width) * u64::from(image.height))
}

/// Seconds of one thread for a fit on so many thousand images.
fn fit(classifier: &ClassifierSettings, thousands: f64) -> f64 {
    match classifier {
        ClassifierSettings::Majority | ClassifierSettings::Head | ClassifierSettings::NearestNeighbour { .. } => 0.0,
        // on one matrix up to some thousand rows, then row by row
        ClassifierSettings::Svm(_) => 0.1 * thousands * thousands.min(6.0),
        ClassifierSettings::Logistic(_) => 1.0 * thousands,
    }
}
