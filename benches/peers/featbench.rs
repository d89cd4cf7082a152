//! The featbench side of `make peers`: one job a line on standard input, its answer a line on standard output, both
//! JSON. Every job times itself, as the Python peers do, and files and libraries are open before the clock starts.
//!
//! `peers DATASET DATA_DIR THREADS`, where an empty DATA_DIR is none; the first answer, unasked, says what the data set
//! is.

mod one_image;
mod training;
mod vlfeat;

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use featbench::classify::kernel::Kernel;
use featbench::classify::scale::Scaling;
use featbench::classify::svm::{Options, Point};
use featbench::classify::{Candidate, Labelled, decide};
use featbench::dataset::{Dataset, DatasetError, ImageFile};
use featbench::deep::backbone::Backbone;
use featbench::deep::extract::BATCH;
use featbench::deep::session::{Device, Runtime};
use featbench::features::codebook::kmeans;
use featbench::features::descriptor::{Describe, Descriptor, Descriptors, Orb, RootSift};
use featbench::features::{
    Choice, Encoded, FeatureSettings, FoundBackbone, Frozen, Kind, Lessons, Resources, Worker, read,
};
use featbench::image::encode::encode_jpeg;
use featbench::image::{decode, decode_grey, decode_rgb};
use featbench::measure::environment::environment;
use featbench::measure::memory;
use featbench::random;
use featbench::stage::cache::Cache;
use featbench::stage::parallel;
use featbench::stage::progress::Progress;
use featbench::stage::stopwatch::{Stage, Stopwatch};
use ndarray::{Array2, ArrayView2};
use rand::seq::index;
use serde::Deserialize;
use serde_json::{Value, json};

/// Images of a task, as when measuring.
const CHUNK: usize = 32;

#[derive(Deserialize)]
#[serde(tag = "job", rename_all = "lowercase")]
enum Job {
    /// Keypoints and descriptors of every training image, as floats.
    Describe { kind: String, keypoints: u32 },
    /// The network's features of every training image, from JPEG.
    Extract { input: u32, out: PathBuf },
    /// The network alone on inputs that are ready.
    Network { input: u32, images: usize },
    /// Decoded picture to features, and the network alone, one image after the other on one thread.
    Single { input: u32, images: usize },
    /// RootSIFT descriptors drawn from the training images, not timed.
    Sample { keypoints: u32, sample: usize, out: PathBuf },
    /// A vocabulary of these descriptors.
    Kmeans { data: PathBuf, columns: usize, words: usize, seed: u64, out: PathBuf },
    /// Vectors of the training images by an arm's features, not timed.
    Vectors { features: FeatureSettings, input: u32, out: PathBuf },
    /// A linear one-vs-rest SVM of these vectors.
    Svm { data: PathBuf, columns: usize, c: f64 },
    /// The backbone as an ONNX file, not timed.
    Model { out: PathBuf },
    /// The numbers that a network to be trained starts from, not timed.
    Weights { network: String, classes: usize, out: PathBuf },
    /// Steps of training on images that are ready.
    Steps(training::Steps),
    /// The gradients of the first of such steps, not timed.
    Gradients { steps: training::Steps, out: PathBuf },
    /// What VLFeat does too, one thread.
    Vlfeat(vlfeat::Timed),
    /// Decoded pixels to class by an exported arm, one image after the other on one thread.
    Classify(one_image::Exported),
    /// A whole training of an arm.
    Train { arm: String, epochs: usize, input: u32, seed: u64, cache: PathBuf },
}

struct Side {
    dataset: Dataset,
    threads: usize,
    cache: Cache,
    backbone: FoundBackbone,
}

fn main() -> Result<()> {
    // SAFETY: no other thread has been started yet. ONNX Runtime must not report this run to its maker.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    memory::keep_what_is_freed();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, data_dir, threads] = &arguments[..] else { bail!("usage: peers DATASET DATA_DIR THREADS") };
    let threads = threads.parse().context("the number of threads")?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let side = Side {
        dataset: open(dataset, data_dir)?,
        threads,
        cache: Cache::open(Cache::default_folder()?, false),
        backbone: Backbone::open("resnet18-cntk", &[]).map(Arc::new).map_err(|error| error.to_string()),
    };
    answer(&side.describe_itself()?)?;
    for line in std::io::stdin().lock().lines() {
        answer(&side.work(serde_json::from_str(&line?)?)?)?;
    }
    Ok(())
}

fn answer(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

/// The data set, or where it is not on this machine the pictures that featbench draws.
fn open(name: &str, data_dir: &str) -> Result<Dataset> {
    let data_dir = Some(Path::new(data_dir)).filter(|folder| !folder.as_os_str().is_empty());
    match Dataset::open(name, data_dir, 0) {
        Err(DatasetError::NotFound(_)) => {
            let folder = Cache::default_folder()?.join("drawn");
            draw(&folder)?;
            Ok(Dataset::open(&folder.to_string_lossy(), None, 0)?)
        }
        opened => Ok(opened?),
    }
}

/// Drawn images as files, which Python can read too.
fn draw(folder: &Path) -> Result<()> {
    for image in Dataset::open("procedural,train=48,val=1,test=1", None, 0)?.splits.train.images() {
        let path = folder.join(image.id.trim_start_matches("train/")).with_extension("jpg");
        fs::create_dir_all(path.parent().context("an image lies in the folder of its class")?)?;
        fs::write(path, encode_jpeg(&decode_rgb(&image.read()?)?, 95))?;
    }
    Ok(())
}

impl Side {
    fn describe_itself(&self) -> Result<Value> {
        let train = &self.dataset.splits.train;
        let paths: Vec<_> = train.images().iter().map(|image| image.place()).collect();
        let runtime = Runtime::get()?.version();
        Ok(json!({
            "dataset": self.dataset.name,
            "folder": self.dataset.place(),
            "images": paths,
            "labels": train.labels(),
            "classes": self.dataset.splits.classes.len(),
            "environment": environment(decode::version(), runtime, vec![Device::cpu().provider()]),
        }))
    }

    fn images(&self) -> &[Arc<ImageFile>] {
        self.dataset.splits.train.images()
    }

    fn resources<'a>(&'a self, input: u32, progress: &'a Progress) -> Resources<'a> {
        let (cache, threads, backbone) = (&self.cache, self.threads, Some(&self.backbone));
        Resources { cache, threads, canvas: None, progress, device: Device::cpu(), input, backbone, seed: 0 }
    }

    fn work(&self, job: Job) -> Result<Value> {
        match job {
            Job::Describe { kind, keypoints } => self.describe(&kind, keypoints),
            Job::Extract { input, out } => self.extract(input, &out),
            Job::Network { input, images } => self.network(input, images),
            Job::Single { input, images } => self.single(input, images),
            Job::Sample { keypoints, sample, out } => self.sample(keypoints, sample, &out),
            Job::Kmeans { data, columns, words, seed, out } => {
                let data = read_floats(&data, columns)?;
                let mut rng = random::generator(seed, "vocabulary");
                let start = Instant::now();
                let centres = kmeans::kmeans(data.view(), words, kmeans::DEFAULT_EFFORT, &mut rng);
                let seconds = start.elapsed().as_secs_f64();
                write_floats(&out, centres.view())?;
                Ok(json!({ "seconds": seconds }))
            }
            Job::Vectors { features, input, out } => {
                let progress = Progress::Hidden;
                let resources = self.resources(input, &progress);
                let kind = features.kind();
                let fitted = kind.fit(&kind.candidates().remove(0), &resources, &self.lessons())?;
                let vectors = fitted.vectors(&resources, self.images())?.x;
                write_floats(&out, vectors.view())?;
                Ok(json!({ "columns": vectors.ncols() }))
            }
            Job::Svm { data, columns, c } => self.svm(&read_floats(&data, columns)?, c),
            Job::Model { out } => {
                fs::write(out, self.backbone.as_ref().map_err(|reason| anyhow::anyhow!("{reason}"))?.model(224)?)?;
                Ok(json!({}))
            }
            Job::Weights { network, classes, out } => {
                training::weights(&training::network(&network, classes, &self.backbone)?, &out)
            }
            Job::Steps(steps) => steps.take(&self.backbone, self.threads),
            Job::Gradients { steps, out } => steps.gradients(&self.backbone, self.threads, &out),
            Job::Vlfeat(timed) => timed.time(),
            Job::Classify(exported) => exported.time(),
            Job::Train { arm, epochs, input, seed, cache } => {
                let progress = Progress::Hidden;
                let resources = Resources { seed, ..self.resources(input, &progress) };
                training::train(&arm, epochs, &self.dataset, resources, &cache)
            }
        }
    }

    fn describe(&self, kind: &str, keypoints: u32) -> Result<Value> {
        let open = || -> Result<Box<dyn Describe>> {
            Ok(match kind {
                "sift" => RootSift { max_keypoints: keypoints }.open(None)?,
                _ => Orb { max_keypoints: keypoints }.open(None)?,
            })
        };
        let start = Instant::now();
        let counts = self.each_chunk(open, |detector, images| {
            let mut counts = Vec::new();
            for encoded in read(images)? {
                let described = detector.describe(&(&decode_grey(&encoded.bytes)?).into())?;
                // The Python peers hand on floats.
                counts.push(described.floats().len() / described.layout().floats());
            }
            Ok(counts)
        })?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(json!({ "seconds": seconds, "keypoints": counts.concat() }))
    }

    fn lessons(&self) -> Lessons<'_> {
        let splits = &self.dataset.splits;
        Lessons { train: &splits.train, val: None, reported: &[], classes: splits.classes.len() }
    }

    fn each_chunk<W, T: Send>(
        &self,
        make: impl Fn() -> Result<W> + Sync,
        work: impl Fn(&mut W, &[Arc<ImageFile>]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let chunks: Vec<_> = self.images().chunks(CHUNK).collect();
        parallel::in_chunks(chunks.len(), self.threads, make, |worker, i| work(worker, chunks[i]))
    }

    /// A network with warm workers, one a thread.
    fn workers(&self, resources: &Resources, threads: usize, batch: usize) -> Result<Mutex<Vec<Box<dyn Worker>>>> {
        let network = Frozen {}.fit(&Choice::only(), resources, &self.lessons())?;
        let encoded = read(&self.images()[..batch])?;
        let worker = |_| {
            let mut worker = network.worker(resources, batch)?;
            worker.vectors(&encoded, &mut Stopwatch::start())?;
            Ok(worker)
        };
        Ok(Mutex::new((0..threads).map(worker).collect::<Result<_>>()?))
    }

    fn extract(&self, input: u32, out: &Path) -> Result<Value> {
        let progress = Progress::Hidden;
        let workers = self.workers(&self.resources(input, &progress), self.threads, BATCH)?;
        let start = Instant::now();
        let chunks = self
            .each_chunk(|| take(&workers), |worker, images| worker.vectors(&read(images)?, &mut Stopwatch::start()))?;
        let seconds = start.elapsed().as_secs_f64();
        let views: Vec<_> = chunks.iter().map(Array2::view).collect();
        write_floats(out, ndarray::concatenate(ndarray::Axis(0), &views)?.view())?;
        Ok(json!({ "seconds": seconds }))
    }

    fn network(&self, input: u32, images: usize) -> Result<Value> {
        let progress = Progress::Hidden;
        let workers = self.workers(&self.resources(input, &progress), self.threads, BATCH)?;
        let start = Instant::now();
        parallel::in_chunks(
            images / BATCH,
            self.threads,
            || take(&workers),
            |worker, _| worker.network_alone(BATCH).context("this is a network")?,
        )?;
        Ok(json!({ "seconds": start.elapsed().as_secs_f64() }))
    }

    fn single(&self, input: u32, images: usize) -> Result<Value> {
        let progress = Progress::Hidden;
        let resources = self.resources(input, &progress);
        let mut worker = take(&self.workers(&resources, 1, 1)?)?;
        let (mut whole, mut alone) = (Vec::new(), Vec::new());
        for i in (0..images).map(|i| i * self.images().len() / images) {
            let mut encoded: Vec<Encoded> = read(&self.images()[i..=i])?;
            worker.decode_ahead(&mut encoded[0])?;
            let mut watch = Stopwatch::start();
            worker.vectors(&encoded, &mut watch)?;
            whole.push(watch.total().as_secs_f64());
            ensure!(watch.of(Stage::Infer).is_some(), "a network infers");
            let start = Instant::now();
            worker.network_alone(1).context("this is a network")??;
            alone.push(start.elapsed().as_secs_f64());
        }
        Ok(json!({ "whole": whole, "alone": alone }))
    }

    fn sample(&self, keypoints: u32, sample: usize, out: &Path) -> Result<Value> {
        let chunks = self.each_chunk(
            || Ok(RootSift { max_keypoints: keypoints }.open(None)?),
            |detector, images| {
                let grey = |encoded: &Encoded| Ok(detector.describe(&(&decode_grey(&encoded.bytes)?).into())?);
                read(images)?.iter().map(grey).collect::<Result<Vec<Descriptors>>>()
            },
        )?;
        let described: Vec<f32> = chunks.iter().flatten().flat_map(|image| image.floats().into_owned()).collect();
        let all = ArrayView2::from_shape((described.len() / 128, 128), &described)?;
        let mut rng = random::generator(0, "vocabulary");
        let drawn = index::sample(&mut rng, all.nrows(), sample.min(all.nrows())).into_vec();
        write_floats(out, all.select(ndarray::Axis(0), &drawn).view())?;
        Ok(json!({ "rows": drawn.len(), "columns": 128 }))
    }

    fn svm(&self, x: &Array2<f32>, c: f64) -> Result<Value> {
        let y = self.dataset.splits.train.labels();
        let candidate = Candidate::svm(Scaling::None, Point { kernel: Kernel::Linear, c }, Options::default());
        let start = Instant::now();
        let fitted = candidate.fit(Labelled { x, y }, self.dataset.splits.classes.len())?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(json!({ "seconds": seconds, "predicted": decide(&fitted.scores(x.view())) }))
    }
}

fn take(workers: &Mutex<Vec<Box<dyn Worker>>>) -> Result<Box<dyn Worker>> {
    workers.lock().unwrap_or_else(|e| e.into_inner()).pop().context("one warm worker a thread")
}

/// 32-bit floats in the machine's order, row by row, as NumPy's `fromfile` reads them.
fn read_floats(path: &Path, columns: usize) -> Result<Array2<f32>> {
    let bytes = fs::read(path)?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
    Ok(Array2::from_shape_vec((values.len() / columns, columns), values)?)
}

fn write_floats(path: &Path, rows: ArrayView2<f32>) -> Result<()> {
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}
