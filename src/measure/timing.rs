//! Timing: an own loop around the fitted arm, with a warm-up and every sample kept. The vectors that the loop makes
//! are compared with the ones that the accuracy was measured on before a single time is believed.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, ArrayView2};

use crate::classify::{Classifier, decide};
use crate::dataset::ImageFile;
use crate::record::TimingRow;

use super::features::{Encoded, Features, Resources, read};
use super::parallel;

/// Images of the single-image scenario.
const SINGLE: usize = 40;
/// Images of the offline scenario.
const OFFLINE: usize = 128;
/// Calls before the first sample.
const WARM_UP: usize = 3;
/// Largest difference from the recorded vector, relative to the largest value: batches of other sizes may sum in
/// another order.
const TOLERANCE: f32 = 1e-3;

/// Times a fitted arm on evenly spaced images of the reported split.
///
/// `single`: one image at a time on one thread, `extract` from encoded bytes to vector and `classify` from vector to
/// class. `offline`: all images on all threads, from encoded bytes to class. Reading files is outside both, decoding
/// inside.
pub fn time(
    features: &dyn Features,
    classifier: &Classifier,
    resources: &Resources,
    images: &[Arc<ImageFile>],
    known: ArrayView2<f32>,
) -> Result<Vec<TimingRow>> {
    let subject = Subject { features, classifier, resources, images };
    let mut rows = subject.single(known)?;
    rows.push(subject.offline()?);
    Ok(rows)
}

/// What is timed, and on what.
struct Subject<'a> {
    features: &'a dyn Features,
    classifier: &'a Classifier,
    resources: &'a Resources<'a>,
    images: &'a [Arc<ImageFile>],
}

/// At most `count` of 0..n, evenly spaced.
fn spread(n: usize, count: usize) -> Vec<usize> {
    let count = count.min(n);
    (0..count).map(|i| i * n / count).collect()
}

fn row(scenario: &str, stage: &str, sample: usize, images: usize, since: Instant) -> TimingRow {
    let milliseconds = since.elapsed().as_secs_f64() * 1e3;
    TimingRow { run_id: String::new(), scenario: scenario.into(), stage: stage.into(), sample, images, milliseconds }
}

impl Subject<'_> {
    fn single(&self, known: ArrayView2<f32>) -> Result<Vec<TimingRow>> {
        let chosen = spread(self.images.len(), SINGLE);
        let mut worker = self.features.worker(self.resources, 1)?;
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let (mut extract, mut classify) = (Vec::new(), Vec::new());
        one_thread.install(|| {
            for &i in chosen.iter().take(WARM_UP) {
                worker.vectors(&read(&self.images[i..=i])?)?;
            }
            for (sample, &i) in chosen.iter().enumerate() {
                let encoded = read(&self.images[i..=i])?;
                let start = Instant::now();
                let vector = worker.vectors(&encoded)?;
                extract.push(row("single", "extract", sample, 1, start));
                check(&vector, known.row(i), &self.images[i])?;
                let start = Instant::now();
                let class = decide(&self.classifier.scores(vector.view()));
                classify.push(row("single", "classify", sample, 1, start));
                ensure!(class.len() == 1, "one class an image");
            }
            Ok::<(), anyhow::Error>(())
        })?;
        extract.append(&mut classify);
        Ok(extract)
    }

    fn offline(&self) -> Result<TimingRow> {
        let chosen: Vec<Arc<ImageFile>> =
            spread(self.images.len(), OFFLINE).into_iter().map(|i| self.images[i].clone()).collect();
        let encoded = read(&chosen)?;
        let batches: Vec<&[Encoded]> = encoded.chunks(self.features.batch()).collect();
        let threads = self.resources.threads.min(batches.len());
        let mut workers = Vec::new();
        for _ in 0..threads {
            let mut worker = self.features.worker(self.resources, self.features.batch())?;
            worker.vectors(batches[0])?;
            workers.push(worker);
        }
        let idle = Mutex::new(workers);
        let take = || idle.lock().unwrap_or_else(|e| e.into_inner()).pop().context("one warm worker a thread");
        let start = Instant::now();
        parallel::in_chunks(batches.len(), threads, take, |worker, i| {
            Ok(decide(&self.classifier.scores(worker.vectors(batches[i])?.view())))
        })?;
        Ok(row("offline", "total", 0, encoded.len(), start))
    }
}

fn check(vector: &Array2<f32>, known: ndarray::ArrayView1<f32>, image: &ImageFile) -> Result<()> {
    let largest = known.iter().fold(0f32, |m, v| m.max(v.abs()));
    let apart = vector.row(0).iter().zip(known).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    ensure!(
        apart <= TOLERANCE * largest,
        "{}: the timed vector differs from the recorded one by {apart} of {largest}",
        image.id
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_indices_are_distinct_and_within_range() {
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert!(spread(0, 5).is_empty());
    }
}
