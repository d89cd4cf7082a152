//! `featbench explain`: where in a picture the evidence for an answer lies, of one arm or of several side by side.

mod page;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;

use crate::dataset::Refit;
use crate::image::encode::encode_png;
use crate::measure::explain::{Eye, Look};
use crate::measure::plan::{Planned, plan};
use crate::measure::session::Session;
use crate::names::printable;
use crate::record::files::replace;

use super::Outcome;
use super::classify::{bytes_of, listed};
use super::options::{CanvasOption, Job, Options, Recording, Setup, refit};

const EXAMPLES: &str = "\
Examples:
  featbench explain photos.featbench holiday.jpg -o why.png
  featbench explain ants-bees.onnx bees/ -o why/
  featbench explain --arms handcrafted-best,resnet-frozen-svm --dataset hymenoptera a.jpg -o a.png
  featbench explain handcrafted.featbench network.onnx bee.jpg -o both.png

An answer is explained against the class that comes second: the margin is the winner's score less the other's. Each \
local descriptor's part of it is drawn where the descriptor lies, of a network each cell's of its last map: red for the \
class that wins, blue for the second. Several arms look at the same photograph, one map beside the other.

Parts are exact for counted words (a word's part is divided equally among its descriptors) and for the average of a \
network's map (a class activation map). Of Fisher vectors and VLAD they are linearised, and add up to the margin all \
the same. What centring takes away is taken from all places alike: the map of an average picture is empty. What has no \
place is a number: the intercepts, and members that see the picture as a whole.

MODEL is a file of `featbench export`; without one, arms are chosen and fitted as `featbench measure` does it, from its \
cache where it is there. The classifier must be linear: a linear SVM, a softmax or a trained head.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files that `featbench export` wrote (.featbench or .onnx), then images, and folders of which every file is taken
    #[arg(required = true, value_name = "MODEL|IMAGE|FOLDER")]
    paths: Vec<PathBuf>,
    /// Picture to write, NAME.png, or a folder for several
    #[arg(long, short, value_name = "FILE.png|FOLDER")]
    output: PathBuf,
    /// Arms that are explained: names or TOML files
    #[arg(long, value_delimiter = ',', value_name = "NAME,...|FILE.toml", requires = "dataset")]
    arms: Vec<String>,
    /// Data set that the arms are fitted on: a name that `featbench list` shows, or a folder
    #[arg(long, value_name = "NAME|FOLDER", requires = "arms")]
    dataset: Option<String>,
    #[command(flatten)]
    setup: Setup,
    /// Side of the network's input in pixels [default: what its file states, else 224]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024), requires = "arms")]
    input: Option<u32>,
    /// Seed of the arms' runs
    #[arg(long, default_value_t = 0, value_name = "N", requires = "arms")]
    seed: u64,
    /// Frame of the images: as they are, or on a square canvas of N pixels
    #[arg(long, default_value = "native", value_name = "native|N", requires = "arms")]
    canvas: CanvasOption,
    /// Images of the final fit [default: train, with val where val was drawn from train]
    #[arg(long, value_name = "train|train+val", value_parser = refit, requires = "arms")]
    refit: Option<Refit>,
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let (models, paths): (Vec<PathBuf>, Vec<PathBuf>) = args.paths.iter().cloned().partition(|path| is_model(path));
    ensure!(!paths.is_empty(), "name an image, or a folder with images, behind the model");
    ensure!(
        !models.is_empty() || !args.arms.is_empty(),
        "name what is to be explained: a file of `featbench export` (.featbench or .onnx) before the images, or --arms and \
         --dataset"
    );
    let (images, mut outcome) = listed(&paths)?;
    let output = Output::of(&args.output, images.len())?;
    let mut eyes = Vec::new();
    for model in &models {
        eyes.push(Eye::exported(model).with_context(|| model.display().to_string())?);
    }
    if !args.arms.is_empty() {
        eyes.extend(fitted(args)?);
    }
    let mut drawn = 0;
    for image in &images {
        match explain(&mut eyes, image) {
            Ok(looks) => {
                let path = output.path(image);
                let page = encode_png(&page::page(&shown(image), &looks));
                replace(&path, &page)
                    .with_context(|| format!("can't write {}: choose another --output", path.display()))?;
                looks.iter().try_for_each(|(name, look)| tell(name, look, image))?;
                writeln!(std::io::stdout(), "{}", printable(&path.display().to_string()))?;
                drawn += 1;
            }
            Err(error) => {
                eprintln!("{}: {error:#}", printable(&image.display().to_string()));
                outcome = Outcome::Partial;
            }
        }
    }
    ensure!(drawn > 0, "none of the {} files could be explained", images.len());
    Ok(outcome)
}

/// Is it a file of `featbench export`, by its name?
fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "featbench" || extension == "onnx")
}

/// The arms that are named, fitted on the data set.
fn fitted(args: Args) -> Result<Vec<Eye>> {
    let options = args.options();
    let Job { datasets, request } = options.job_with_one_backbone()?;
    let session = Session::open(&request, options.recording.fresh)?;
    let dataset = datasets.first().context("an arm is fitted on a data set")?;
    let one = |planned: &Planned| {
        session.progress.say(&format!("{}: {}", dataset.name, planned.title()));
        Eye::fitted(planned, dataset, &session.resources(planned))
    };
    plan(&request, dataset)?.iter().map(one).collect()
}

fn explain(eyes: &mut [Eye], image: &Path) -> Result<Vec<(String, Look)>> {
    let bytes = bytes_of(image)?;
    eyes.iter_mut().map(|eye| Ok((eye.name.clone(), eye.look(image, &bytes)?))).collect()
}

/// One line: the answer, and what it is made of.
fn tell(name: &str, look: &Look, image: &Path) -> Result<()> {
    let Look { winner, runner_up, margin, .. } = look;
    let sum = page::sum(look);
    let line = format!("{}: {name}: {winner}, {} over {runner_up} = {sum}", image.display(), page::signed(*margin));
    Ok(writeln!(std::io::stdout(), "{}", printable(&line))?)
}

fn shown(image: &Path) -> String {
    image.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where pictures go.
enum Output {
    File(PathBuf),
    Folder(PathBuf),
}

impl Output {
    /// Says what is wrong with it before arms are fitted for hours.
    fn of(path: &Path, images: usize) -> Result<Output> {
        let file = path.extension().is_some_and(|extension| extension == "png") && !path.is_dir();
        if file && images > 1 {
            bail!("--output {}: one file for {images} images; name a folder", path.display());
        }
        if !file && path.extension().is_some() && !path.is_dir() {
            bail!("--output {}: pictures are PNG files: name FILE.png, or a folder", path.display());
        }
        let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = if file { parent } else { path };
        fs::create_dir_all(folder).with_context(|| format!("can't write into {}", folder.display()))?;
        Ok(if file { Output::File(path.to_owned()) } else { Output::Folder(path.to_owned()) })
    }

    fn path(&self, image: &Path) -> PathBuf {
        match self {
            Output::File(path) => path.clone(),
            // two images of one name in different formats stay apart
            Output::Folder(folder) => folder.join(format!("{}.png", shown(image))),
        }
    }
}

impl Args {
    /// As for measuring these runs.
    fn options(self) -> Options {
        let recording = Recording { out: "featbench-report".into(), fresh: false, dry_run: false };
        Options {
            dataset: self.dataset.into_iter().collect(),
            arms: self.arms,
            input: self.input,
            seeds: vec![self.seed],
            canvas: vec![self.canvas],
            refit: self.refit,
            ..Options::of(self.setup, recording)
        }
    }
}
