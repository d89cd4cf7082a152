//! `featbench classify`: what an exported arm takes images for.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::{file, files_below};
use crate::deep::exported::{Exported, Scores, are_scores};
use crate::deep::session::Device;
use crate::image::{Rgb, decode_rgb};
use crate::measure::portable::Portable;
use crate::names::printable;
use crate::stage::progress::Progress;
use crate::stats::calibration::probabilities;

use super::Outcome;
use super::export::{prepare, write};
use super::options::DeviceOption;

const EXAMPLES: &str = "\
Examples:
  featbench classify ants-bees.onnx bee.jpg
  featbench classify moths.featbench holiday/ --top 1 --csv
  featbench classify moths.featbench holiday/ --min-confidence 0.9 -o moths.csv
  featbench classify photos.onnx a.png b.png --json

The file is one that `featbench export` wrote; it holds labels, preprocessing and the temperature that was fitted on \
selection images. Numbers are probabilities, or of a support vector machine without a temperature (older files) margins, \
where the largest wins and above 0 is a yes. With --min-confidence an image whose best class is less probable has no \
answer: `unsure` is printed, the column `answer` is empty, the probabilities are there; the report says what such a \
threshold gives. An image that can't be read, or whose scores are no numbers, is named, the others go on, and the exit \
code is 1. No image is moved or changed.";

/// Images that are decoded and classified at a time.
const BATCH: usize = 16;

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// File that `featbench export` wrote
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Images, and folders of which every file is taken
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    images: Vec<PathBuf>,
    /// How many of the best classes are shown
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
    /// Print one JSON object an image
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, one line a class
    #[arg(long)]
    csv: bool,
    /// Answer only where the best class is at least so probable, from 0 to 1
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    min_confidence: Option<f64>,
    /// Write CSV to this file and print nothing; it is whole or not there
    #[arg(long, short, value_name = "FILE.csv", conflicts_with_all = ["json", "csv"])]
    output: Option<PathBuf>,
    /// What the network runs on; `auto` takes an NVIDIA GPU where CUDA works, else the CPU, and says so
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto", hide_possible_values = true)]
    device: DeviceOption,
}

/// One image with its best classes, the best first.
#[derive(Serialize)]
struct Found<'a> {
    image: &'a Path,
    /// The best class; `None` where it is not sure enough.
    answer: Option<String>,
    classes: Vec<Class>,
}

/// A class with its probability or its margin.
#[derive(Serialize)]
struct Class {
    label: String,
    #[serde(flatten)]
    score: Score,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Score {
    Probability(f64),
    /// Minus infinity, which JSON can't say, is `null`: the training images did not show the class.
    Margin(f32),
}

fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("{text} is no probability from 0 to 1, such as 0.9"))
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let name = || args.model.display().to_string();
    args.output.iter().try_for_each(|output| prepare(output))?;
    let bytes = std::fs::read(&args.model).with_context(|| format!("can't read {}", name()))?;
    let (device, fallback) = args.device.resolve(None, !Portable::is(&bytes))?;
    fallback.iter().for_each(|reason| eprintln!("{reason}"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut model = Model::open(&bytes, device, threads).with_context(name)?;
    drop(bytes);
    if args.min_confidence.is_some() && model.temperature().is_none() {
        bail!(
            "{}: --min-confidence needs probabilities, and its numbers are margins without a temperature: it was written by an \
             older version, or no image was left to fit one on; export the arm again",
            name()
        );
    }
    let (images, mut outcome) = listed(&args.images)?;
    if let Some(output) = args.output.as_ref().filter(|output| images.iter().any(|image| same_file(image, output))) {
        bail!("--output {} is one of the images, which stay as they are: choose another name", output.display());
    }
    let (mut printer, mut read) = (Printer::new(args)?, 0);
    // lines of what is found tell how far it is, a file does not
    let progress = if args.output.is_some() || !std::io::stdout().is_terminal() {
        Progress::on_stderr()
    } else {
        Progress::Hidden
    };
    let bar = progress.bar("classify", images.len());
    for paths in images.chunks(BATCH) {
        let found = model.scores(paths, threads).with_context(name)?;
        for (image, scores) in paths.iter().zip(found) {
            match scores.inspect(|_| read += 1).and_then(checked) {
                Ok(scores) => printer.print(&model.found(image, &scores, args))?,
                Err(error) => {
                    progress.say(&format!("{}: {error:#}", image.display()));
                    outcome = Outcome::Partial;
                }
            }
        }
        bar.inc(paths.len());
    }
    drop(bar);
    if read == 0 {
        bail!("none of the {} files could be classified", images.len());
    }
    printer.end(args)?;
    Ok(outcome)
}

fn checked(scores: Vec<f32>) -> Result<Vec<f32>> {
    ensure!(
        are_scores(&scores),
        "its scores are no finite numbers (NaN or infinite): the network is damaged or its training diverged; export it again"
    );
    Ok(scores)
}

/// Are these one file, whatever its names?
fn same_file(image: &Path, output: &Path) -> bool {
    image == output || image.canonicalize().is_ok_and(|image| output.canonicalize().is_ok_and(|output| image == output))
}

/// What `featbench export` wrote.
enum Model {
    Network(Box<Exported>),
    /// An arm without a network.
    Handcrafted(Box<Portable>),
}

impl Model {
    fn open(bytes: &[u8], device: Device, threads: usize) -> Result<Model> {
        Ok(if Portable::is(bytes) {
            Model::Handcrafted(Box::new(Portable::read(bytes)?))
        } else {
            Model::Network(Box::new(Exported::open(bytes, device, threads)?))
        })
    }

    fn labels(&self) -> &[String] {
        match self {
            Model::Network(network) => &network.description.labels,
            Model::Handcrafted(arm) => &arm.labels,
        }
    }

    /// At which softmax(scores / temperature) are probabilities: logits without one are taken as they are.
    fn temperature(&self) -> Option<f64> {
        let (temperature, scores) = match self {
            Model::Network(network) => (network.description.temperature, network.description.scores),
            Model::Handcrafted(arm) => (arm.temperature, arm.scores),
        };
        temperature.or((scores == Scores::Logits).then_some(1.0))
    }

    fn found<'a>(&self, image: &'a Path, scores: &[f32], args: &Args) -> Found<'a> {
        let name = |class: usize| self.labels().get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let best = best(scores, self.temperature(), usize::from(args.top));
        let sure = |(_, score): &&(usize, Score)| match (score, args.min_confidence) {
            (Score::Probability(p), Some(least)) => *p >= least,
            _ => true,
        };
        let answer = best.first().filter(sure).map(|(class, _)| name(*class));
        let classes = best.into_iter().map(|(class, score)| Class { label: name(class), score }).collect();
        Found { image, answer, classes }
    }

    /// The scores of each image, or why it has none.
    fn scores(&mut self, paths: &[PathBuf], threads: usize) -> Result<Vec<Result<Vec<f32>>>> {
        match self {
            Model::Network(network) => {
                let decoded: Vec<Result<Rgb>> = paths.par_iter().map(|path| picture(path)).collect();
                of_readable(decoded, |pictures| {
                    let logits = if pictures.is_empty() { Vec::new() } else { network.logits(&pictures)? };
                    Ok(logits.into_iter().map(Ok).collect())
                })
            }
            Model::Handcrafted(arm) => {
                let read = paths.iter().map(|path| Ok((path.clone(), bytes_of(path)?))).collect();
                of_readable(read, |images| arm.scores(images, threads))
            }
        }
    }
}

/// Scores of what could be read, and why the others could not, in their order.
fn of_readable<T>(
    read: Vec<Result<T>>,
    scores: impl FnOnce(Vec<T>) -> Result<Vec<Result<Vec<f32>>>>,
) -> Result<Vec<Result<Vec<f32>>>> {
    let mut readable = Vec::new();
    let read: Vec<Result<()>> = read.into_iter().map(|one| one.map(|one| readable.push(one))).collect();
    let mut scores = scores(readable)?.into_iter();
    Ok(read.into_iter().map(|one| one.and_then(|()| scores.next().context("one row of scores an image")?)).collect())
}

/// Every image that is named and every file of the folders that are; what is no file is said.
pub(super) fn listed(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Outcome)> {
    let (mut images, mut outcome) = (Vec::new(), Outcome::Complete);
    for path in paths {
        if !path.is_dir() {
            images.push(path.clone());
            continue;
        }
        let below = files_below(path)?;
        for finding in below.findings.into_iter().filter(|finding| finding.kind != "ignored") {
            eprintln!("{}: {}", path.join(finding.what).display(), finding.detail);
            outcome = Outcome::Partial;
        }
        images.extend(below.files.into_iter().map(|file| path.join(file)));
    }
    if images.is_empty() {
        bail!("no files are in {}", paths[0].display());
    }
    Ok((images, outcome))
}

pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let (_, bytes) = file::open(path).context("can't be read")?;
    Ok(bytes?)
}

fn picture(path: &Path) -> Result<Rgb> {
    Ok(decode_rgb(&bytes_of(path)?)?)
}

/// The `top` largest, the first of equal ones first: as probabilities where there is a temperature.
fn best(scores: &[f32], temperature: Option<f64>, top: usize) -> Vec<(usize, Score)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let probabilities = temperature.map(|temperature| probabilities(scores, temperature));
    let score = |class: usize| match &probabilities {
        Some(probabilities) => Score::Probability(probabilities[class]),
        None => Score::Margin(scores[class]),
    };
    order.into_iter().take(top).map(|class| (class, score(class))).collect()
}

/// Prints in the form that was asked for, or keeps CSV for a file.
enum Printer {
    Text,
    Json,
    Csv(csv::Writer<std::io::Stdout>),
    File(csv::Writer<Vec<u8>>),
}

impl Printer {
    fn new(args: &Args) -> Result<Printer> {
        let mut printer = match args {
            Args { output: Some(_), .. } => Printer::File(csv::Writer::from_writer(Vec::new())),
            Args { csv: true, .. } => Printer::Csv(csv::Writer::from_writer(std::io::stdout())),
            Args { json: true, .. } => Printer::Json,
            _ => Printer::Text,
        };
        printer.record(&["image", "rank", "label", "kind", "score", "answer"])?;
        Ok(printer)
    }

    /// A line of CSV, where that is the form.
    fn record(&mut self, fields: &[&str]) -> Result<()> {
        match self {
            Printer::Csv(csv) => csv.write_record(fields)?,
            Printer::File(csv) => csv.write_record(fields)?,
            Printer::Text | Printer::Json => {}
        }
        Ok(())
    }

    fn print(&mut self, found: &Found) -> Result<()> {
        match self {
            Printer::Json => writeln!(std::io::stdout(), "{}", serde_json::to_string(found)?)?,
            Printer::Text => writeln!(std::io::stdout(), "{}", printable(&found.text()))?,
            Printer::Csv(_) | Printer::File(_) => {
                for (i, Class { label, score }) in found.classes.iter().enumerate() {
                    let (kind, number) = match score {
                        Score::Probability(p) => ("probability", p.to_string()),
                        Score::Margin(margin) => ("margin", margin.to_string()),
                    };
                    let (image, rank) = (found.image.to_string_lossy(), (i + 1).to_string());
                    let answer = found.answer.as_deref().unwrap_or_default();
                    self.record(&[&*image, &*rank, label.as_str(), kind, &*number, answer])?;
                }
            }
        }
        if let Printer::Csv(csv) = self {
            csv.flush()?;
        }
        Ok(())
    }

    /// Writes the file, where one was asked for.
    fn end(self, args: &Args) -> Result<()> {
        if let (Printer::File(csv), Some(output)) = (self, &args.output) {
            write(output, &csv.into_inner()?)?;
            eprintln!("{}", printable(&output.display().to_string()));
        }
        Ok(())
    }
}

impl Found<'_> {
    /// `bee.jpg: bee 98.1 %, ant 1.9 %`
    fn text(&self) -> String {
        let class = |Class { label, score }: &Class| match score {
            Score::Probability(p) => format!("{label} {:.1} %", 100.0 * p),
            Score::Margin(margin) => format!("{label} {margin:+.2}"),
        };
        let classes = self.classes.iter().map(class).collect::<Vec<_>>().join(", ");
        match &self.answer {
            Some(_) => format!("{}: {classes}", self.image.display()),
            None => format!("{}: unsure ({classes})", self.image.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_are_the_softmax() {
        let found = best(&[1.0, 3.0, 3.0, f32::NEG_INFINITY], Some(1.0), 4);
        assert_eq!(found.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 2, 0, 3]);
        let p = |i: usize| if let Score::Probability(p) = found[i].1 { p } else { f64::NAN };
        let expected = 1.0 / (2.0 + (-2.0f64).exp());
        assert!((p(0) - expected).abs() < 1e-12 && p(0) == p(1) && p(3) == 0.0);
        assert!(matches!(best(&[0.5, -1.0], None, 1)[..], [(0, Score::Margin(0.5))]));
        let Score::Probability(p) = best(&[1.0, -1.0], Some(0.5), 1)[0].1 else { panic!("there is a temperature") };
        assert!((p - 1.0 / (1.0 + (-4.0f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn a_confidence_is_a_probability() {
        assert_eq!((probability("0.9"), probability("1")), (Ok(0.9), Ok(1.0)));
        assert!(["90", "-0.1", "NaN", "sure"].iter().all(|text| probability(text).is_err()));
    }
}
