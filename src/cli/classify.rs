//! `featbench classify`: what an exported arm takes images for.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::{file, files_below};
use crate::deep::exported::{Exported, Scores, are_scores};
use crate::deep::session::Device;
use crate::image::{Rgb, decode_rgb};
use crate::measure::portable::Portable;
use crate::names::printable;

use super::Outcome;
use super::options::DeviceOption;

const EXAMPLES: &str = "\
Examples:
  featbench classify ants-bees.onnx bee.jpg
  featbench classify moths.featbench holiday/ --top 1 --csv
  featbench classify photos.onnx a.png b.png --json

The file is one that `featbench export` wrote; it holds labels and preprocessing. Numbers are probabilities, or for a \
support vector machine margins, where the largest wins and above 0 is a yes. An image that can't be read, or whose scores \
are no numbers, is named, the others go on, and the exit code is 1.";

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
    /// What the network runs on; `auto` takes an NVIDIA GPU where CUDA works, else the CPU, and says so
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto", hide_possible_values = true)]
    device: DeviceOption,
}

/// One image with its best classes, the best first.
#[derive(Serialize)]
struct Found<'a> {
    image: &'a Path,
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

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let name = || args.model.display().to_string();
    let bytes = std::fs::read(&args.model).with_context(|| format!("can't read {}", name()))?;
    let (device, fallback) = args.device.resolve(None, !Portable::is(&bytes))?;
    fallback.iter().for_each(|reason| eprintln!("{reason}"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut model = Model::open(&bytes, device, threads).with_context(name)?;
    drop(bytes);
    let (images, mut outcome) = listed(&args.images)?;
    let (mut printer, mut read) = (Printer::new(args)?, 0);
    for paths in images.chunks(BATCH) {
        let found = model.scores(paths, threads).with_context(name)?;
        for (image, scores) in paths.iter().zip(found) {
            let scores = match scores {
                Ok(scores) => scores,
                Err(error) => {
                    eprintln!("{}: {error:#}", printable(&image.display().to_string()));
                    outcome = Outcome::Partial;
                    continue;
                }
            };
            read += 1;
            if !are_scores(&scores) {
                eprintln!(
                    "{}: its scores are no finite numbers (NaN or infinite): the network is damaged or its training diverged; \
                     export it again",
                    printable(&image.display().to_string())
                );
                outcome = Outcome::Partial;
                continue;
            }
            let classes = best(&scores, model.kind(), usize::from(args.top));
            let label = |class: usize| model.labels().get(class).cloned();
            let classes = classes
                .into_iter()
                .map(|(class, score)| Class { label: label(class).unwrap_or_else(|| format!("class {class}")), score });
            printer.print(&Found { image, classes: classes.collect() })?;
        }
    }
    if read == 0 {
        bail!("none of the {} files could be classified", images.len());
    }
    Ok(outcome)
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

    fn kind(&self) -> Scores {
        match self {
            Model::Network(network) => network.description.scores,
            Model::Handcrafted(arm) => arm.scores,
        }
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

/// The `top` largest, the first of equal ones first.
fn best(logits: &[f32], scores: Scores, top: usize) -> Vec<(usize, Score)> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let largest = f64::from(order.first().map_or(0.0, |&first| logits[first]));
    let weight = |logit: f32| (f64::from(logit) - largest).exp();
    let sum: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let score = |class: usize| match scores {
        Scores::Logits => Score::Probability(weight(logits[class]) / sum),
        Scores::Margins => Score::Margin(logits[class]),
    };
    order.into_iter().take(top).map(|class| (class, score(class))).collect()
}

/// Prints in the form that was asked for.
struct Printer {
    csv: Option<csv::Writer<std::io::Stdout>>,
    json: bool,
}

impl Printer {
    fn new(args: &Args) -> Result<Printer> {
        let mut csv = args.csv.then(|| csv::Writer::from_writer(std::io::stdout()));
        if let Some(csv) = &mut csv {
            csv.write_record(["image", "rank", "label", "kind", "score"])?;
        }
        Ok(Printer { csv, json: args.json })
    }

    fn print(&mut self, found: &Found) -> Result<()> {
        if let Some(csv) = &mut self.csv {
            for (i, Class { label, score }) in found.classes.iter().enumerate() {
                let (kind, number) = match score {
                    Score::Probability(p) => ("probability", p.to_string()),
                    Score::Margin(margin) => ("margin", margin.to_string()),
                };
                let rank = (i + 1).to_string();
                csv.write_record([&*found.image.to_string_lossy(), &rank, label, kind, &number])?;
            }
            csv.flush()?;
        } else if self.json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string(found)?)?;
        } else {
            let class = |Class { label, score }: &Class| match score {
                Score::Probability(p) => format!("{label} {:.1} %", 100.0 * p),
                Score::Margin(margin) => format!("{label} {margin:+.2}"),
            };
            let classes: Vec<String> = found.classes.iter().map(class).collect();
            let line = format!("{}: {}", found.image.display(), classes.join(", "));
            writeln!(std::io::stdout(), "{}", printable(&line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_are_the_softmax() {
        let found = best(&[1.0, 3.0, 3.0, f32::NEG_INFINITY], Scores::Logits, 4);
        assert_eq!(found.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 2, 0, 3]);
        let p = |i: usize| if let Score::Probability(p) = found[i].1 { p } else { f64::NAN };
        let expected = 1.0 / (2.0 + (-2.0f64).exp());
        assert!((p(0) - expected).abs() < 1e-12 && p(0) == p(1) && p(3) == 0.0);
        assert!(matches!(best(&[0.5, -1.0], Scores::Margins, 1)[..], [(0, Score::Margin(0.5))]));
    }
}
