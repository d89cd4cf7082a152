//! One image after the other on one thread, from decoded pixels to class, by an arm that `featbench export` wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use featbench::classify::{Classifier, decide};
use featbench::deep::session::Device;
use featbench::features::{Encoded, Features, Resources};
use featbench::measure::portable::{Portable, image_of};
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;
use featbench::stage::stopwatch::Stopwatch;
use serde::Deserialize;
use serde_json::{Value, json};

/// An exported arm, and the image files that it is to be timed on.
#[derive(Deserialize)]
pub struct Exported {
    model: PathBuf,
    images: Vec<PathBuf>,
}

/// What makes a vector of an image, and a class where there is a classifier.
pub struct Model<'a> {
    pub features: &'a dyn Features,
    pub classifier: Option<&'a Classifier>,
}

impl Exported {
    /// Seconds of each image, and their classes.
    pub fn time(&self) -> Result<Value> {
        let bytes = fs::read(&self.model).with_context(|| self.model.display().to_string())?;
        let arm = Portable::read(&bytes)?;
        let model = Model { features: &*arm.features, classifier: Some(&arm.classifier) };
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let (mut seconds, mut classes) = (Vec::new(), Vec::new());
        for image in &self.images {
            let (times, scores) = one_thread.install(|| times(&model, image, 1))?;
            seconds.push(times[0] / 1e3);
            let best = (0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
            classes.push(arm.labels.get(best).context("one score a class")?.clone());
        }
        Ok(json!({ "seconds": seconds, "classes": classes }))
    }
}

/// Milliseconds of each run on one picture, from decoded pixels on, after one that is not timed; and its scores, or its
/// vector where there is no classifier.
pub fn times(model: &Model, picture: &Path, runs: usize) -> Result<(Vec<f64>, Vec<f32>)> {
    let cache = Cache::open(PathBuf::new(), false);
    let (progress, device) = (&Progress::Hidden, Device::cpu());
    let (canvas, backbone) = (None, None);
    let resources = Resources { cache: &cache, threads: 1, canvas, progress, device, input: 0, backbone, seed: 0 };
    let bytes = fs::read(picture).with_context(|| picture.display().to_string())?;
    let image = image_of(picture, &bytes)?;
    let mut encoded = Encoded::new(&image, bytes);
    let mut worker = model.features.worker(&resources, 1)?;
    ensure!(worker.decode_ahead(&mut encoded)?, "it looks at pixels");
    let images = [encoded];
    let mut run = || -> Result<Vec<f32>> {
        let vectors = worker.vectors(&images, &mut Stopwatch::start())?;
        let Some(classifier) = model.classifier else { return Ok(vectors.into_raw_vec_and_offset().0) };
        let scores = classifier.scores(vectors.view());
        ensure!(decide(&scores).len() == 1, "one class an image");
        Ok(scores.into_iter().collect())
    };
    let first = run()?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let (time, again) = milliseconds(&mut run);
        ensure!(again? == first, "{}: another run gives other numbers", picture.display());
        times.push(time);
    }
    Ok((times, first))
}

pub fn milliseconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64() * 1e3, done)
}
