//! How time and memory of each stage grow with the number of images: drawn ones of 32 classes on a canvas of 64 pixels,
//! a network's input of 64. Minutes long, so only by name: `cargo bench --bench growth`, or with sizes of one's own
//! behind it, `-- 1000 2000`. Every size is measured in a process of its own with an empty cache, and what
//! `reports/benchmarks/growth.csv` holds already is not measured again: delete the file, or some of its lines.

mod records;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use featbench::classify::rows::blocks;
use featbench::classify::{Candidate, Labelled};
use featbench::dataset::{Dataset, ImageFile, Refit};
use featbench::deep::backbone::Backbone;
use featbench::deep::session::Device;
use featbench::features::VectorsOf;
use featbench::features::{Choice, Features, FoundBackbone, Lessons, Resources};
use featbench::image::Canvas;
use featbench::measure::{memory, near_duplicates};
use featbench::protocol::arm::Arm;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;
use records::{file, read, write};
use serde::{Deserialize, Serialize};

const TABLE: &str = "growth.csv";
const SIZES: [usize; 4] = [2_500, 5_000, 10_000, 20_000];
const ARMS: [&str; 6] =
    ["majority", "metadata-1nn", "thumbnail-1nn", "sift-bovw-svm", "resnet-frozen-svm", "resnet-frozen-softmax"];
/// Stages of the data set, which belong to no arm.
const OPEN: &str = "open";
const NEAR_DUPLICATES: &str = "near-duplicates";
const CLASSES: usize = 32;
/// Side of the canvas and of the network's input.
const SIDE: u32 = 64;
/// Below so many seconds at the largest size a stage's exponent says nothing.
const SHORT: f64 = 0.2;
/// Set in the process that measures one size.
const ALONE: &str = "FEATBENCH_GROWTH_SIZE";

/// A line of `growth.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    /// As asked for.
    size: usize,
    /// As drawn: as many of each class.
    images: usize,
    /// Empty where the stage belongs to the data set.
    arm: String,
    stage: String,
    seconds: f64,
    /// Largest resident memory during the stage; empty where the system does not tell.
    peak_mib: Option<f64>,
    threads: usize,
}

fn main() -> Result<()> {
    if let Ok(size) = env::var(ALONE) {
        return Measured::new(size.parse()?)?.all();
    }
    let asked: Vec<usize> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    for size in if asked.is_empty() { SIZES.to_vec() } else { asked } {
        let status = Command::new(env::current_exe()?).env(ALONE, size.to_string()).status()?;
        ensure!(status.success(), "{size} images: {status}");
    }
    let rows = read(TABLE)?;
    fs::write(file("growth.md"), page(&rows)?).context("growth.md can't be written")?;
    println!("{}", file("growth.md").display());
    Ok(())
}

/// One size, and what is known of it.
struct Measured {
    size: usize,
    images: usize,
    rows: Vec<Row>,
}

impl Measured {
    fn new(size: usize) -> Result<Measured> {
        Ok(Measured { size, images: 0, rows: read(TABLE)? })
    }

    fn has(&self, arm: &str, stage: Option<&str>) -> bool {
        let same = |row: &&Row| row.size == self.size && row.arm == arm;
        self.rows.iter().filter(same).any(|row| stage.is_none_or(|stage| row.stage == stage))
    }

    fn all(mut self) -> Result<()> {
        let whole = [OPEN, NEAR_DUPLICATES].iter().all(|stage| self.has("", Some(stage)));
        if whole && ARMS.iter().all(|arm| self.has(arm, None)) {
            return Ok(());
        }
        let of_class = |share: f64| (self.size as f64 * share / CLASSES as f64).round() as usize;
        let [train, val, test] = [0.5, 0.125, 0.375].map(of_class);
        let settings = format!("procedural,classes={CLASSES},train={train},val={val},test={test}");
        let mut open = Stage::new();
        let dataset = open.run(|| Ok(Dataset::open(&settings, None, 0)?))?;
        self.images = dataset.manifest.len();
        let backbone: FoundBackbone =
            Backbone::open("resnet18-cntk", &[]).map(Arc::new).map_err(|error| error.to_string());
        let folder = tempfile::tempdir()?;
        let cache = Cache::open(folder.path().into(), false);
        let native = Resources {
            cache: &cache,
            threads: rayon::current_num_threads(),
            canvas: None,
            progress: &Progress::Hidden,
            device: Device::cpu(),
            input: SIDE,
            backbone: Some(&backbone),
            seed: 0,
        };
        if !self.has("", Some(OPEN)) {
            self.note("", [(OPEN, open)])?;
        }
        if !self.has("", Some(NEAR_DUPLICATES)) {
            let mut stage = Stage::new();
            stage.run(|| near_duplicates::add(dataset.record(&[]), &dataset, &native))?;
            self.note("", [(NEAR_DUPLICATES, stage)])?;
        }
        for name in ARMS {
            if self.has(name, None) {
                continue;
            }
            let arm = Arm::select(&[name.to_owned()])?.pop().context("one arm")?;
            let canvas = arm.needs().pixels.then(|| Canvas { side: SIDE, reduce: dataset.reduce(SIDE) });
            let stages = measure(&arm, &dataset, &Resources { canvas, ..native })?;
            self.note(name, stages)?;
        }
        Ok(())
    }

    /// Writes the stages of one arm, or of none, at once: an arm is measured whole or again.
    fn note<const N: usize>(&mut self, arm: &str, stages: [(&str, Stage); N]) -> Result<()> {
        for (name, Stage { seconds, peak_mib }) in stages {
            eprintln!("{} images, {arm} {name}: {seconds:.2} s, {:.0} MiB", self.images, peak_mib.unwrap_or(f64::NAN));
            let threads = rayon::current_num_threads();
            let (size, images) = (self.size, self.images);
            self.rows.push(Row { size, images, arm: arm.into(), stage: name.into(), seconds, peak_mib, threads });
        }
        write(TABLE, &self.rows)
    }
}

/// Time and memory of a stage, which may be worked on several times.
struct Stage {
    seconds: f64,
    peak_mib: Option<f64>,
}

impl Stage {
    fn new() -> Stage {
        Stage { seconds: 0.0, peak_mib: None }
    }

    fn run<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let counts = memory::reset_peak();
        let start = Instant::now();
        let result = work()?;
        self.seconds += start.elapsed().as_secs_f64();
        self.peak_mib = memory::peak_mib().filter(|_| counts).map(|peak| peak.max(self.peak_mib.unwrap_or(0.0)));
        Ok(result)
    }
}

/// An arm from its images to its predictions, as `featbench measure` does it; vectors are in the cache once they are
/// extracted.
fn measure(arm: &Arm, dataset: &Dataset, resources: &Resources) -> Result<[(&'static str, Stage); 4]> {
    let [mut extract, mut select, mut fit, mut predict] = [(); 4].map(|()| Stage::new());
    let (train, val, test) = (&dataset.splits.train, &dataset.splits.val, dataset.splits.test.images());
    let classes = dataset.splits.classes.len();
    let kind = arm.features.kind();
    let lessons = Lessons { train, val: Some(val), reported: test, classes };
    let mut best: Option<(usize, Choice, Candidate)> = None;
    for choice in kind.candidates() {
        let features = extract.run(|| {
            let features = kind.fit(&choice, resources, &lessons)?;
            read_all(&*features, resources, [train.images(), val.images()])?;
            Ok(features)
        })?;
        let (x, val_x) = (
            VectorsOf::new(&*features, resources, train.images()),
            VectorsOf::new(&*features, resources, val.images()),
        );
        let tried = select.run(|| {
            let val = Labelled { x: &val_x, y: val.labels() };
            Ok(arm.classifier.try_all(Labelled { x: &x, y: train.labels() }, val, classes)?)
        })?;
        for (candidate, correct) in tried {
            if best.as_ref().is_none_or(|(most, ..)| correct > *most) {
                best = Some((correct, choice.clone(), candidate));
            }
        }
    }
    let (_, choice, candidate) = best.context("an arm has a candidate")?;
    let train = if dataset.refit == Refit::Train { train.clone() } else { train.with(val) };
    let features = extract.run(|| {
        let features = kind.fit(&choice, resources, &Lessons { train: &train, ..lessons })?;
        read_all(&*features, resources, [train.images(), test])?;
        Ok(features)
    })?;
    let x = VectorsOf::new(&*features, resources, train.images());
    let classifier = fit.run(|| Ok(candidate.fit(Labelled { x: &x, y: train.labels() }, classes)?))?;
    let x = VectorsOf::new(&*features, resources, test);
    predict.run(|| {
        blocks(&x)
            .try_for_each(|block| block.map(|(_, block)| drop(classifier.scores(block.view()))).map_err(Into::into))
    })?;
    Ok([("extract", extract), ("select", select), ("fit", fit), ("predict", predict)])
}

/// Goes through the vectors of images once, so that they are in the cache.
fn read_all<const N: usize>(
    features: &dyn Features,
    resources: &Resources,
    parts: [&[Arc<ImageFile>]; N],
) -> Result<()> {
    for part in parts {
        part.chunks(1024).try_for_each(|block| features.vectors(resources, block).map(drop))?;
    }
    Ok(())
}

/// The table: a line a stage, its seconds at every size, by which power of the number of images they grow from the
/// smallest to the largest, and the largest memory.
fn page(rows: &[Row]) -> Result<String> {
    let sizes: BTreeSet<usize> = rows.iter().map(|row| row.size).collect();
    let heads = |head: &str| sizes.iter().map(|size| format!(" {head}{size} |")).collect::<String>();
    let mut page = String::from("# Growth\n\n");
    let threads: BTreeSet<usize> = rows.iter().map(|row| row.threads).collect();
    writeln!(
        page,
        "Drawn images of {CLASSES} classes on a canvas of {SIDE} pixels, network input {SIDE}, threads: {}. Measured by \
         `cargo bench --bench growth`; every number is in `growth.csv`.\n\n\
         The exponent is that of the number of images by which the seconds grow from the first size to the last; stages \
         that take less than {SHORT} s at the last have none. Vectors are read from the cache in *select*, *fit* and \
         *predict*.\n",
        threads.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    )?;
    writeln!(page, "| arm | stage |{} exponent |{}", heads("s at "), heads("MiB at "))?;
    writeln!(page, "|---|---|{}---:|{0}", "---:|".repeat(sizes.len()))?;
    let mut seen = BTreeSet::new();
    let stages = rows.iter().filter(|row| seen.insert((&row.arm, &row.stage)));
    for Row { arm, stage, .. } in stages {
        let at = |size: &usize| rows.iter().find(|row| (row.size, &row.arm, &row.stage) == (*size, arm, stage));
        let found: Vec<Option<&Row>> = sizes.iter().map(at).collect();
        let seconds: String = found.iter().map(|row| cell(row.map(|row| row.seconds), 2)).collect();
        let mib: String = found.iter().map(|row| cell(row.and_then(|row| row.peak_mib), 0)).collect();
        let name = if arm.is_empty() { "–".into() } else { format!("`{arm}`") };
        writeln!(page, "| {name} | {stage} |{seconds} {} |{mib}", exponent(&found))?;
    }
    Ok(page)
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or(" – |".into(), |value| format!(" {value:.digits$} |"))
}

fn exponent(rows: &[Option<&Row>]) -> String {
    match rows {
        [Some(first), .., Some(last)] if last.seconds >= SHORT => {
            let images = last.images as f64 / first.images as f64;
            format!("{:.2}", (last.seconds / first.seconds).ln() / images.ln())
        }
        _ => "–".into(),
    }
}
