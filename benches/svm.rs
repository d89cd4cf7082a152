//! What each way to make linfa's support vector machines faster does to their time and accuracy, on real features:
//! those of mini-natural-images' train, judged on val. Test is never read. Prints a table; skips without the data.

use std::time::Instant;

use anyhow::{Context, Result};
use featbench::classify::kernel::{Kernel, Precision};
use featbench::classify::scale::Scaling;
use featbench::classify::svm::{OneVsRest, Point, Solver, count_correct_of};
use featbench::classify::{Labelled, decide};
use featbench::dataset::{Dataset, DatasetError};
use featbench::deep::backbone::Backbone;
use featbench::deep::session::Device;
use featbench::features::{Lessons, Resources};
use featbench::protocol::arm::Arm;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_svm::Svm;
use ndarray::{Array1, Array2, Axis, concatenate};

const DATASET: &str = "mini-natural-images";
/// Fits of each variant; the fastest counts.
const REPEATS: usize = 3;

/// Vectors of train and val with their classes.
struct Subject {
    title: &'static str,
    x: Array2<f32>,
    y: Vec<usize>,
    val_x: Array2<f32>,
    val_y: Vec<usize>,
    point: Point,
}

impl Subject {
    fn train(&self) -> Labelled<'_> {
        Labelled { x: &self.x, y: &self.y }
    }

    fn correct(&self, scores: Array2<f32>) -> usize {
        decide(&scores).iter().zip(&self.val_y).filter(|(predicted, truth)| predicted == truth).count()
    }
}

fn main() -> Result<()> {
    let dataset = match Dataset::open(DATASET, None, 0) {
        Ok(dataset) => dataset,
        Err(error @ DatasetError::NotFound(_)) => {
            eprintln!("skipped: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    println!("| features, machine | variant | fit, s | of the first | val, % |");
    println!("|---|---|---:|---:|---:|");
    for subject in subjects(&dataset)? {
        table(&subject)?;
    }
    Ok(())
}

/// The frozen features and SIFT's words, each with points that their arms chose on val.
fn subjects(dataset: &Dataset) -> Result<Vec<Subject>> {
    let (linear, rbf) = (Kernel::Linear, Kernel::Rbf { gamma: 0.5 });
    let frozen = vectors(dataset, "resnet-frozen-svm", "")?;
    let sift = vectors(dataset, "sift-bovw-svm", "vocabulary=k-means words=500")?;
    let both = [0, 1].map(|i| concatenate(Axis(1), &[frozen[i].view(), sift[i].view()]).expect("the same images"));
    let subject = |title, [x, val_x]: [Array2<f32>; 2], scale: Scaling, kernel, c| {
        let scale = scale.fit(&x).expect("finite vectors");
        let (x, val_x) = (scale.apply(x.view()).into_owned(), scale.apply(val_x.view()).into_owned());
        let (y, val_y) = (dataset.splits.train.labels().to_vec(), dataset.splits.val.labels().to_vec());
        Subject { title, x, y, val_x, val_y, point: Point { kernel, c } }
    };
    Ok(vec![
        subject("frozen ResNet, linear", frozen, Scaling::Standardise, linear, 0.001),
        subject("SIFT words, linear", sift.clone(), Scaling::None, linear, 10.0),
        subject("SIFT words, RBF", sift, Scaling::None, rbf, 10.0),
        subject("both side by side, linear", both, Scaling::Standardise, linear, 0.001),
    ])
}

/// Vectors of train and of val by an arm's features, from featbench's cache where they are there.
fn vectors(dataset: &Dataset, arm: &str, candidate: &str) -> Result<[Array2<f32>; 2]> {
    let arm = Arm::select(&[arm.to_owned()])?.pop().context("one arm")?;
    let backbone = Backbone::open("resnet18-cntk", &[]).map(std::sync::Arc::new).map_err(|error| error.to_string());
    let cache = Cache::open(Cache::default_folder()?, false);
    let resources = Resources {
        cache: &cache,
        threads: rayon::current_num_threads(),
        canvas: None,
        progress: &Progress::on_stderr(),
        device: Device::Cpu,
        input: 224,
        backbone: Some(&backbone),
        seed: 0,
    };
    let (train, val) = (dataset.splits.train.images(), dataset.splits.val.images());
    let lessons =
        Lessons { train: &dataset.splits.train, val: None, reported: &[], classes: dataset.splits.classes.len() };
    let kind = arm.features.kind();
    let choice = kind.candidates().into_iter().find(|choice| choice.describe() == candidate).context("a candidate")?;
    let fitted = kind.fit(&choice, &resources, &lessons)?;
    Ok([fitted.vectors(&resources, train)?.x, fitted.vectors(&resources, val)?.x])
}

fn table(subject: &Subject) -> Result<()> {
    let solver = Solver { chunking: false, ..Solver::default() };
    let ranked = |rank| Solver { precision: Precision { rank, residual: 1e-3 }, ..solver };
    let mut lines: Vec<(String, f64, usize)> = Vec::new();
    if subject.point.kernel == Kernel::Linear {
        for (name, tolerance) in [("linfa: f64, tolerance 1e-7", 1e-7), ("tolerance 1e-3", 1e-3)] {
            let (seconds, scores) = timed(|| linfa(subject, tolerance, f64::from))?;
            lines.push((name.into(), seconds, subject.correct(scores.mapv(|v| v as f32))));
        }
        let (seconds, scores) = timed(|| linfa(subject, 1e-3_f32, |v| v))?;
        lines.push(("f32".into(), seconds, subject.correct(scores)));
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let fit = |solver| {
        let fitted = OneVsRest::fit_by(solver, subject.point, subject.train(), 8)?;
        Ok(fitted.scores(subject.val_x.view()))
    };
    let (seconds, scores) = one.install(|| timed(|| fit(solver)))?;
    lines.push(("featbench's vectors, one thread".into(), seconds, subject.correct(scores)));
    let variants = [
        ("classes in parallel", solver),
        ("rank 512", ranked(512)),
        ("rank 256", ranked(256)),
        ("rank 128", ranked(128)),
        ("chunking (the default)", Solver::default()),
        ("chunking, tolerance 1e-2", Solver { tolerance: 1e-2, ..Solver::default() }),
    ];
    for (name, solver) in variants {
        let (seconds, scores) = timed(|| fit(solver))?;
        lines.push((name.into(), seconds, subject.correct(scores)));
    }
    let points: Vec<Point> =
        [0.1, 0.3, 1.0, 3.0, 10.0].map(|c| Point { c: c * subject.point.c, ..subject.point }).into();
    let val = Labelled { x: &subject.val_x, y: &subject.val_y };
    let grid = || Ok(count_correct_of(&points, subject.train(), val, 8)?);
    let (alone, counts) = one.install(|| timed(grid))?;
    lines.push(("grid of 5, one thread".into(), alone, counts[3]));
    let (seconds, counts) = timed(grid)?;
    lines.push(("grid of 5, all threads".into(), seconds, counts[3]));
    for (name, seconds, correct) in &lines {
        let share = 100.0 * *correct as f64 / subject.val_y.len() as f64;
        println!("| {} | {name} | {seconds:.2} | {:.2} | {share:.1} |", subject.title, seconds / lines[0].1);
    }
    Ok(())
}

/// The shortest of a few runs, in seconds, and what it gave.
fn timed<T>(run: impl Fn() -> Result<T>) -> Result<(f64, T)> {
    let mut best: Option<(f64, T)> = None;
    for _ in 0..REPEATS {
        let start = Instant::now();
        let result = run()?;
        let seconds = start.elapsed().as_secs_f64();
        if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            best = Some((seconds, result));
        }
    }
    best.context("at least one run")
}

/// linfa-svm as its documentation uses it, one class after the other on the vectors as they are; margins on val.
fn linfa<F: linfa::Float>(subject: &Subject, tolerance: F, cast: impl Fn(f32) -> F) -> Result<Array2<F>> {
    let (x, val) = (subject.x.mapv(&cast), subject.val_x.mapv(&cast));
    let c = cast(subject.point.c as f32);
    let mut margins = Array2::zeros((val.nrows(), 8));
    for class in 0..8 {
        let target: Array1<bool> = subject.y.iter().map(|&label| label == class).collect();
        let params = Svm::<F, bool>::params().pos_neg_weights(c, c).eps(tolerance).linear_kernel();
        let machine = params.fit(&DatasetBase::new(x.view(), target.view()))?;
        for (row, margin) in val.outer_iter().zip(margins.column_mut(class)) {
            *margin = machine.weighted_sum(&row) - machine.rho;
        }
    }
    Ok(margins)
}
