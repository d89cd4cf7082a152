//! Timing: an own loop around the fitted arm, with a warm-up and every sample kept. The vectors that the loop makes
//! are compared with the ones that the accuracy was measured on before a single time is believed.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ndarray::Array2;

use crate::classify::rows::Rows;
use crate::classify::{Classifier, decide};
use crate::dataset::ImageFile;
use crate::deep::extract::BATCH;
use crate::features::{Encoded, Features, Resources, Worker, read};
use crate::record::TimingRow;
use crate::stage::parallel;
use crate::stage::stopwatch::{Stage, Stopwatch};

use super::energy::Meter;
use super::memory;
use crate::features::VectorsOf;

/// Images of the single-image scenario in a run's own record.
const SINGLE: usize = 40;
/// Images of the offline scenario there.
const OFFLINE: usize = 128;
/// Calls before the first sample.
const WARM_UP: usize = 3;

/// Batches of a long timing.
const BATCHES: usize = 20;
/// Images of the offline scenario of a long timing, and how often it is repeated.
const LONG_OFFLINE: usize = 256;
const REPEATS: usize = 3;

/// Largest difference from the recorded vector, relative to the largest value: batches of other sizes may sum in
/// another order.
const TOLERANCE: f32 = 1e-3;

/// What is timed, and on what. Reading files is outside every time.
pub struct Subject<'a> {
    pub features: &'a dyn Features,
    pub classifier: &'a Classifier,
    pub resources: &'a Resources<'a>,
    /// Images of the reported split; evenly spaced ones of them are used.
    pub images: &'a [Arc<ImageFile>],
}

/// What every run records of time, memory and energy.
#[derive(Default)]
pub struct Brief {
    pub rows: Vec<TimingRow>,
    /// For an image of the offline scenario; `None` where the machine does not tell.
    pub joules: Option<f64>,
    /// What the largest image takes beyond what was there before, MiB; `None` where the system does not tell.
    pub image_mib: Option<f64>,
}

/// One image on its way from encoded bytes to class.
struct Single {
    stages: Stopwatch,
    /// The network once more on the same input, and nothing else.
    network: Option<Duration>,
}

/// Warm workers, one a thread.
struct Crew {
    idle: Mutex<Vec<Box<dyn Worker>>>,
    threads: usize,
    /// Images that one worker takes at a time.
    share: usize,
}

/// A worker of a crew, who goes back when the work is done.
struct Lent<'a> {
    crew: &'a Crew,
    worker: Option<Box<dyn Worker>>,
}

/// At most `count` of 0..n, evenly spaced.
fn spread(n: usize, count: usize) -> Vec<usize> {
    let count = count.min(n);
    (0..count).map(|i| i * n / count).collect()
}

/// At most `images`, so that every worker has whole shares to do, if there are enough.
fn whole_rounds(images: usize, crew: &Crew) -> usize {
    let round = crew.share * crew.threads;
    if images < round { images } else { images - images % round }
}

fn row(scenario: &str, stage: &str, sample: usize, images: usize, time: Duration) -> TimingRow {
    let milliseconds = time.as_nanos() as f64 / 1e6;
    TimingRow { run_id: String::new(), scenario: scenario.into(), stage: stage.into(), sample, images, milliseconds }
}

impl Subject<'_> {
    /// What every run records. `single`: one image at a time on one thread, `extract` from encoded bytes to vector and
    /// `classify` from vector to class. `offline`: all images on all threads, from encoded bytes to class.
    pub fn brief(&self) -> Result<Brief> {
        let image_mib = self.memory_of_one()?;
        let mut rows = Vec::new();
        for (sample, Single { stages, .. }) in self.single(SINGLE, false)?.iter().enumerate() {
            let classify = stages.of(Stage::Classify).unwrap_or_default();
            rows.push(row("single", "extract", sample, 1, stages.total() - classify));
            rows.push(row("single", "classify", sample, 1, classify));
        }
        let (crew, encoded) = (self.crew(self.features.batch())?, self.read(OFFLINE)?);
        let meter = Meter::start();
        rows.push(row("offline", "total", 0, encoded.len(), self.whole(&crew, &encoded)?));
        let joules = meter.and_then(|meter| meter.joules()).map(|joules| joules / encoded.len().max(1) as f64);
        Ok(Brief { rows, joules, image_mib })
    }

    /// Peak memory of the image with the most pixels, from encoded bytes to class on one thread, with a detector or session
    /// that is made for it; less what the program had before, which is what it was fitted with too.
    fn memory_of_one(&self) -> Result<Option<f64>> {
        let largest = self.images.iter().max_by_key(|image| u64::from(image.width) * u64::from(image.height));
        let (Some(largest), true) = (largest, memory::reset_peak()) else { return Ok(None) };
        let before = memory::resident_mib();
        rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| -> Result<()> {
            let encoded = read(std::slice::from_ref(largest))?;
            let mut worker = self.features.worker(self.resources, 1)?;
            let vector = worker.vectors(&encoded, &mut Stopwatch::start())?;
            ensure!(decide(&self.classifier.scores(vector.view())).len() == 1, "one class an image");
            Ok(())
        })?;
        let taken = |(peak, before): (f64, f64)| (peak - before).max(0.0);
        Ok(memory::peak_mib().zip(before).map(taken))
    }

    /// `single` on `images` images stage by stage, `batch`, and `offline` several times; with a network, each also as
    /// the network alone on inputs that are ready.
    pub fn long(&self, images: usize) -> Result<Vec<TimingRow>> {
        let mut rows = Vec::new();
        for (sample, single) in self.single(images, true)?.iter().enumerate() {
            rows.extend(single.rows(sample));
        }
        rows.extend(self.batches(images.div_ceil(BATCH).min(BATCHES))?);
        let crew = self.crew(self.features.batch())?;
        let encoded = self.read(whole_rounds(images.min(LONG_OFFLINE).min(self.images.len()), &crew))?;
        for sample in 0..REPEATS {
            rows.push(row("offline", "total", sample, encoded.len(), self.whole(&crew, &encoded)?));
            if let Some((images, time)) = self.networks(&crew, encoded.len())? {
                rows.push(row("offline", "network", sample, images, time));
            }
        }
        Ok(rows)
    }

    fn single(&self, count: usize, with_network: bool) -> Result<Vec<Single>> {
        let chosen = spread(self.images.len(), count);
        let mut worker = self.features.worker(self.resources, 1)?;
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let mut one = |&i: &usize| self.one(&mut *worker, i, with_network);
        one_thread.install(|| {
            chosen.iter().take(WARM_UP).try_for_each(|i| one(i).map(drop))?;
            chosen.iter().map(one).collect()
        })
    }

    fn one(&self, worker: &mut dyn Worker, i: usize, with_network: bool) -> Result<Single> {
        let encoded = read(&self.images[i..=i])?;
        let mut stages = Stopwatch::start();
        let vector = worker.vectors(&encoded, &mut stages)?;
        let class = decide(&self.classifier.scores(vector.view()));
        stages.lap(Stage::Classify);
        ensure!(class.len() == 1, "one class an image");
        self.check(&vector, i..i + 1)?;
        let start = Instant::now();
        let ran = if with_network { worker.network_alone(1).transpose()? } else { None };
        Ok(Single { stages, network: ran.map(|()| start.elapsed()) })
    }

    /// Batches one after the other, each spread over all threads: `total` from encoded bytes to class, `decoded` from
    /// pixels to class.
    fn batches(&self, count: usize) -> Result<Vec<TimingRow>> {
        let crew = self.crew(BATCH.div_ceil(self.resources.threads))?;
        let mut rows = Vec::new();
        for (sample, batch) in spread(self.images.len(), count * BATCH).chunks(BATCH).enumerate() {
            let images: Vec<_> = batch.iter().map(|&i| self.images[i].clone()).collect();
            let mut encoded = read(&images)?;
            rows.push(row("batch", "total", sample, encoded.len(), self.whole(&crew, &encoded)?));
            let decoder = crew.lend()?;
            let ahead =
                encoded.iter_mut().map(|image| decoder.get().decode_ahead(image)).collect::<Result<Vec<_>>>()?;
            drop(decoder);
            if ahead.contains(&true) {
                rows.push(row("batch", "decoded", sample, encoded.len(), self.whole(&crew, &encoded)?));
            }
            if let Some((images, time)) = self.networks(&crew, encoded.len())? {
                rows.push(row("batch", "network", sample, images, time));
            }
        }
        Ok(rows)
    }

    /// From encoded bytes, or from pixels that were decoded ahead, to class on all threads.
    fn whole(&self, crew: &Crew, encoded: &[Encoded]) -> Result<Duration> {
        let shares: Vec<&[Encoded]> = encoded.chunks(crew.share).collect();
        let start = Instant::now();
        parallel::in_chunks(
            shares.len(),
            crew.threads,
            || crew.lend(),
            |worker, i| {
                let vectors = worker.get_mut().vectors(shares[i], &mut Stopwatch::start())?;
                Ok(decide(&self.classifier.scores(vectors.view())))
            },
        )?;
        Ok(start.elapsed())
    }

    /// The network alone on the inputs that a crew has ready, and on how many images; `None` where there is none.
    fn networks(&self, crew: &Crew, images: usize) -> Result<Option<(usize, Duration)>> {
        let shares = images.div_ceil(crew.share);
        let start = Instant::now();
        let ran = parallel::in_chunks(
            shares,
            crew.threads,
            || crew.lend(),
            |worker, _| worker.get_mut().network_alone(crew.share).transpose(),
        )?;
        Ok(ran.iter().all(Option::is_some).then(|| (shares * crew.share, start.elapsed())))
    }

    /// Workers for shares of this many images, each of which has given the right vectors for the first images.
    fn crew(&self, share: usize) -> Result<Crew> {
        let first = share.min(self.images.len());
        let encoded = read(&self.images[..first])?;
        let mut workers = Vec::new();
        for _ in 0..self.resources.threads.min(self.images.len().div_ceil(share)) {
            let mut worker = self.features.worker(self.resources, share)?;
            let vectors = worker.vectors(&encoded, &mut Stopwatch::start())?;
            self.check(&vectors, 0..first)?;
            workers.push(worker);
        }
        let threads = workers.len();
        Ok(Crew { idle: Mutex::new(workers), threads, share })
    }

    /// Evenly spaced images.
    fn read(&self, count: usize) -> Result<Vec<Encoded<'_>>> {
        let images = spread(self.images.len(), count);
        let read = images.into_iter().map(|i| Ok(read(&self.images[i..=i])?.remove(0)));
        read.collect()
    }

    /// The vectors are those that the accuracy was measured on.
    fn check(&self, vectors: &Array2<f32>, images: Range<usize>) -> Result<()> {
        let known = VectorsOf::new(self.features, self.resources, self.images).block(images.clone())?;
        for ((i, vector), known) in images.zip(vectors.outer_iter()).zip(known.outer_iter()) {
            let largest = known.iter().fold(0f32, |m, v| m.max(v.abs()));
            let apart = vector.iter().zip(known).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            ensure!(
                apart <= TOLERANCE * largest,
                "{}: the timed vector differs from the recorded one by {apart} of {largest}",
                self.images[i].id
            );
        }
        Ok(())
    }
}

impl Single {
    /// Its stages, their sum (`total`), the sum without decoding (`decoded`), and the network alone.
    fn rows(&self, sample: usize) -> Vec<TimingRow> {
        let mut times: Vec<(&str, Duration)> =
            Stage::ALL.iter().filter_map(|&stage| Some((stage.name(), self.stages.of(stage)?))).collect();
        times.push(("total", self.stages.total()));
        times.extend(self.stages.of(Stage::Decode).map(|decode| ("decoded", self.stages.total() - decode)));
        times.extend(self.network.map(|network| ("network", network)));
        times.into_iter().map(|(stage, time)| row("single", stage, sample, 1, time)).collect()
    }
}

impl Crew {
    fn lend(&self) -> Result<Lent<'_>> {
        let worker = self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
        Ok(Lent { crew: self, worker: Some(worker.context("one warm worker a thread")?) })
    }
}

impl Lent<'_> {
    fn get(&self) -> &dyn Worker {
        self.worker.as_deref().expect("it is here until it goes back")
    }

    fn get_mut(&mut self) -> &mut dyn Worker {
        self.worker.as_deref_mut().expect("it is here until it goes back")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.crew.idle.lock().unwrap_or_else(|e| e.into_inner()).extend(self.worker.take());
    }
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
