//! This suite's support vector machines against liblinear's, one-vs-rest with the hinge loss to the same relative
//! duality gap, on drawn vectors; and what the kernel matrix alone takes. Prints the table of reports/benchmarks/svm.md.
//!
//! `LIBLINEAR=PYTHON` names a Python that has the packages of benches/peers/requirements.txt; without it the column is
//! empty. `SUBJECTS=1,2` takes some of the subjects only.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use featbench::classify::Labelled;
use featbench::classify::kernel::Kernel;
use featbench::classify::rows::Rows;
use featbench::classify::svm::{Options, machines, matrix};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const GRID: [f64; 7] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1];
/// Relative duality gap that everybody has to reach.
const GAP: f64 = 1e-3;

struct Subject {
    n: usize,
    d: usize,
    classes: usize,
    cs: &'static [f64],
    /// How far classes lie apart, in deviations of a number.
    signal: f32,
    /// liblinear would take hours, or more memory than there is.
    peer: bool,
}

const SUBJECTS: [Subject; 4] = [
    Subject { n: 1022, d: 512, classes: 8, cs: &GRID, signal: 0.15, peer: true },
    Subject { n: 1022, d: 1024, classes: 8, cs: &GRID, signal: 0.1, peer: true },
    Subject { n: 1500, d: 66_000, classes: 15, cs: &GRID, signal: 0.02, peer: false },
    Subject { n: 100_000, d: 512, classes: 100, cs: &[0.001], signal: 0.12, peer: true },
];

fn main() -> Result<()> {
    let wanted = std::env::var("SUBJECTS").unwrap_or_else(|_| "1,2,3,4".into());
    println!(
        "| rows x numbers, classes, C | one thread, s | two, s | largest gap | matrix, one thread, s | liblinear, s |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (i, subject) in SUBJECTS.iter().enumerate() {
        if wanted.split(',').any(|one| one == (i + 1).to_string()) {
            println!("{}", line(subject)?);
        }
    }
    Ok(())
}

/// Rows around a centre a class, every number with deviation 1.
fn drawn(subject: &Subject) -> (Array2<f32>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut normal = move || (0..6).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 1.414;
    let centres = Array2::from_shape_fn((subject.classes, subject.d), |_| subject.signal * normal());
    let y: Vec<usize> = (0..subject.n).map(|i| (i * 7919 + i / 13) % subject.classes).collect();
    (Array2::from_shape_fn((subject.n, subject.d), |(i, j)| centres[(y[i], j)] + normal()), y)
}

fn line(subject: &Subject) -> Result<String> {
    let (x, y) = drawn(subject);
    let mut largest = 0.0_f64;
    let mut on = |threads| -> Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            let start = Instant::now();
            let train = Labelled { x: &x, y: &y };
            let machines = machines(Kernel::Linear, subject.cs, Options::default(), train, subject.classes)?;
            let seconds = start.elapsed().as_secs_f64();
            largest = machines.gaps.iter().copied().fold(largest, f64::max);
            Ok(seconds)
        })
    };
    let (one, two) = (on(1)?, on(2)?);
    ensure!(largest <= GAP, "a gap of {largest} was left");
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| matrix_time(&x))?;
    let peer = if subject.peer { liblinear(subject, &x, &y)? } else { String::new() };
    let Subject { n, d, classes, cs, .. } = subject;
    let cs = if cs.len() == 1 { cs[0].to_string() } else { format!("{} of them", cs.len()) };
    Ok(format!("| {n} x {d}, {classes}, {cs} | {one:.2} | {two:.2} | {largest:.1e} | {alone} | {peer} |"))
}

/// What the products of all rows with each other take, where they are made.
fn matrix_time(x: &dyn Rows) -> Result<String> {
    if !matrix::serves_a_fit(x) {
        return Ok(String::new());
    }
    let start = Instant::now();
    std::hint::black_box(matrix::products(x)?);
    Ok(format!("{:.2}", start.elapsed().as_secs_f64()))
}

/// Seconds of liblinear on the same rows.
fn liblinear(subject: &Subject, x: &Array2<f32>, y: &[usize]) -> Result<String> {
    let Ok(python) = std::env::var("LIBLINEAR") else { return Ok(String::new()) };
    let folder = std::env::temp_dir().join(format!("featbench-svm-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("rows");
    std::fs::write(path.with_extension("x"), x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    std::fs::write(path.with_extension("y"), y.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect::<Vec<u8>>())?;
    let cs = subject.cs.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/liblinear_svm.py");
    let said = Command::new(&python)
        .arg(script)
        .arg(&path)
        .args([subject.n.to_string(), subject.d.to_string(), cs, GAP.to_string()])
        .output()
        .with_context(|| format!("can't run {python}"))?;
    std::fs::remove_dir_all(&folder)?;
    ensure!(said.status.success(), "liblinear: {}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8_lossy(&said.stdout);
    Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
}
