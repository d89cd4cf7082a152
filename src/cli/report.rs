//! `featbench report`: measures what is not recorded yet, then renders; `--from` only renders, and with `--check` only
//! compares.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{ArgGroup, Args as ClapArgs};

use crate::dataset::Dataset;
use crate::record::files::replace;
use crate::record::{Records, Store};
use crate::report::{self, Question};

use super::learning::LearningCurve;
use super::options::{Options, open};
use super::question::Asked;
use super::repeats::Repeats;
use super::shard::Share;
use super::thumbnails::thumbnails;
use super::{Outcome, measure};

const EXAMPLES: &str = "\
Examples:
  featbench report                                   the default data set, native images
  featbench report --seeds 0,1,2 --canvas native --canvas 96
  featbench report --dataset photos --arms metadata-1nn,sift-bovw-svm,resnet-frozen-svm
  featbench report --budget 10ms --margin 0.5        the cheapest arm that is good enough within 10 ms an image
  featbench report --target 95                       how many training images would 95 % take?
  featbench report --dataset photos --repeats 10     ten draws of its splits, with an interval over them
  featbench report --dataset scans --labels scans.csv --group 'patient[0-9]+'
  featbench report --from reports                    render again what is recorded below reports/
  featbench report --thumbnails                      with the listed images in the page
  featbench report --check --from reports            are the reports there what their records give?";

/// Every option that says what to measure and how; a group would hold those of flattened structs only.
const MEASURING: [&str; 23] = [
    "dataset",
    "arms",
    "form",
    "data_dir",
    "labels",
    "group",
    "repeats",
    "precision",
    "curve",
    "backbone",
    "model_dir",
    "device",
    "kernels",
    "threads",
    "memory",
    "input",
    "seeds",
    "canvas",
    "refit",
    "out",
    "shard",
    "fresh",
    "dry_run",
];

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("rendered").args(["from", "readme"]))]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    repeats: Repeats,
    #[command(flatten)]
    share: Share,
    #[command(flatten)]
    curve: LearningCurve,
    #[command(flatten)]
    asked: Asked,
    /// Measure nothing: render every data set recorded in or below this folder, in place
    #[arg(long, value_name = "FOLDER", conflicts_with_all = MEASURING)]
    from: Option<PathBuf>,
    /// Measure nothing: write the results in a text again, between its marks, from the records that its templates name
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING, conflicts_with_all = ["from", "thumbnails"], hide = true)]
    readme: Option<PathBuf>,
    /// Write nothing: exit 1 unless the files below --from are, byte for byte, what their records give
    #[arg(long, requires = "rendered", conflicts_with_all = ["metric", "margin", "budget", "target"])]
    check: bool,
    /// Show the listed images in the page (errors, near-duplicates, labels that look wrong); such a page is as public as they are
    #[arg(long, conflicts_with = "check")]
    thumbnails: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if let Some(readme) = &args.readme {
        return splice(readme, args.check);
    }
    let question = args.asked.question();
    if let Some(from) = &args.from {
        let folders = if from.is_dir() { Records::find(from)? } else { Vec::new() };
        if folders.is_empty() {
            bail!("no records (runs.csv) in or below {}: name the --out folder of an earlier run", from.display());
        }
        if args.check {
            return each(&folders, check);
        }
        return each(&folders, |folder| render(folder, args.thumbnails, None, &question).map(|()| Outcome::Complete));
    }
    let Some(measured) =
        measure::measure(&args.options, &args.repeats, args.share.shard, Some((&args.curve, &question)))?
    else {
        return Ok(Outcome::Complete);
    };
    measured
        .folders
        .iter()
        .try_for_each(|(dataset, folder)| render(folder, args.thumbnails, Some(dataset), &question))?;
    Ok(measured.outcome)
}

/// Writes the views of one folder of records and shows the short one. Thumbnails are of `dataset`, or else of the
/// registered data set that the records name.
pub(super) fn render(
    folder: &Path,
    with_thumbnails: bool,
    dataset: Option<&Dataset>,
    question: &Question,
) -> Result<()> {
    Store::merge(folder)?;
    let records = Records::read(folder)?;
    report::write(&records, folder, question)?;
    if with_thumbnails {
        let thumbnails = match dataset {
            Some(dataset) => thumbnails(&records, dataset)?,
            None => thumbnails(&records, &registered(&records.dataset.name)?)?,
        };
        report::write_page(&records, folder, &thumbnails, question)?;
    }
    print!("{}", report::terminal(&records, terminal_width(), colour(), question)?);
    println!("\n{}", folder.join("report.md").display());
    Ok(())
}

fn registered(name: &str) -> Result<Dataset> {
    open(name, None).with_context(|| {
        format!(
            "--thumbnails needs the images of {name}: name their folder in FEATBENCH_DATA, or use --dataset in the place of --from"
        )
    })
}

/// Writes the results in a text again, or says whether they are what the records give.
fn splice(path: &Path, check: bool) -> Result<Outcome> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let root = path.parent().unwrap_or(Path::new(""));
    let spliced = report::spliced(&text, root).with_context(|| path.display().to_string())?;
    if spliced == text {
        println!("{}: its results are what the records give", path.display());
        return Ok(Outcome::Complete);
    }
    if check {
        let line = text.lines().zip(spliced.lines()).take_while(|(is, should)| is == should).count() + 1;
        let remedy = "change its template and not the text, then `featbench report --readme` writes it again";
        println!("{}: line {line} is not what the records give; {remedy}", path.display());
        return Ok(Outcome::Partial);
    }
    replace(path, spliced.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(Outcome::Complete)
}

/// Does the same for every folder. One that can't be read is said and does not keep the others from it.
fn each(folders: &[PathBuf], with: impl Fn(&Path) -> Result<Outcome>) -> Result<Outcome> {
    let mut outcome = Outcome::Complete;
    let mut failed = 0;
    for folder in folders {
        match with(folder) {
            Ok(ended) => outcome = outcome.and(ended),
            Err(error) if folders.len() == 1 => return Err(error),
            Err(error) => {
                eprintln!("error: {}: {error:#}", folder.display());
                failed += 1;
            }
        }
    }
    ensure!(failed < folders.len(), "none of these {failed} folders could be read");
    Ok(if failed > 0 { Outcome::Partial } else { outcome })
}

/// Says whether the report of a folder is what its records give.
fn check(folder: &Path) -> Result<Outcome> {
    let differences = report::check(&Records::read(folder)?, folder)?;
    differences.iter().for_each(|difference| println!("{difference}"));
    if differences.is_empty() {
        println!("{}: the report is what its records give", folder.display());
        return Ok(Outcome::Complete);
    }
    println!("{}: differs; `featbench report --from` renders it again", folder.display());
    Ok(Outcome::Partial)
}

/// Are colours wanted on standard output?
pub(super) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub(super) fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.unwrap_or(120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendering_takes_no_option_that_measures() {
        let command = Args::augment_args(clap::Command::new("report"));
        let from = command.get_arguments().find(|argument| argument.get_id() == "from").expect("it is an option");
        let mut refused: Vec<&str> =
            command.get_arg_conflicts_with(from).iter().map(|argument| argument.get_id().as_str()).collect();
        refused.sort();
        let others = command.get_arguments().map(|argument| argument.get_id().as_str());
        let mut others: Vec<&str> = others
            .filter(|id| {
                !["from", "readme", "check", "thumbnails", "metric", "margin", "budget", "target"].contains(id)
            })
            .collect();
        others.sort();
        assert_eq!(refused, others);
    }
}
