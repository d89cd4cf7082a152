//! The command line: one file or folder a subcommand, and `options` that turn flags as typed into settings as meant.

mod cache;
mod classify;
mod doctor;
mod experiment;
mod explain;
mod export;
mod fetch;
mod generate;
mod learning;
mod list;
mod lr_find;
mod measure;
mod options;
mod question;
mod reading;
mod records;
mod repeats;
mod report;
mod shard;
mod show;
mod sweep;
mod thumbnails;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::measure::memory;
use crate::measure::session::Outcome;
use crate::names::printable_lines;

/// Do I need deep features for this, or will SIFT do, and how sure are you?
#[derive(Debug, Parser)]
#[command(name = "featbench", version, about, long_about = LONG, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const LONG: &str = "\
Do I need deep features for this, or will SIFT do, and how sure are you?

featbench measures handcrafted features (SIFT, ORB; bag of words; SVM) and deep ones (a ResNet through ONNX Runtime) on \
the same splits of the same images, with floors, intervals and timings beside every number.";

const EXAMPLES: &str = "\
Examples:
  featbench list                                     what there is, and what is ready
  featbench fetch hymenoptera                        get a data set that is known by name
  featbench report                                   measure what is missing, write the report
  featbench show procedural                          what the images look like, class by class
  featbench report --dataset photos --seeds 0,1,2    your folder: CLASS/FILE or SPLIT/CLASS/FILE
  featbench report --canvas native --canvas 96       also where size can't tell the class
  featbench experiment one-cycle                     is 1cycle better than step decay, and how sure is that?
  featbench report --from reports                    only render what is recorded
  featbench doctor                                   what is installed, and what to do

Exit codes: 0 all that was asked for is there; 1 some arm could not be measured, an image not read, or --check
found a difference; 2 nothing could be done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Data sets, arms and backbones, and whether each is ready
    List(list::Args),
    /// Get a registered data set from its public repository
    Fetch(fetch::Args),
    /// Run what is not recorded yet
    Measure(measure::Args),
    /// Measure what is not recorded yet, then write tables and pictures
    Report(report::Args),
    /// Time arms stage by stage: one image, batches, all images
    Time(Box<time::Args>),
    /// A contact sheet of a data set
    Show(show::Args),
    /// Write the drawn images as a folder
    Generate(generate::Args),
    /// Range test: which learning rates a training could take
    LrFind(Box<lr_find::Args>),
    /// A published experiment, measured again under several protocols and seeds
    Experiment(Box<experiment::Args>),
    /// Accuracy against one factor at a time: classes, images, clarity, clutter, pose
    Sweep(Box<sweep::Args>),
    /// Write a network, pretrained or trained here, as an ONNX file
    Export(Box<export::Args>),
    /// Classify images with an exported network
    Classify(classify::Args),
    /// Where in a picture the evidence for an answer lies, drawn over it
    Explain(Box<explain::Args>),
    /// What is installed: versions, devices, one line each with the remedy
    #[command(after_help = "Examples:\n  featbench doctor")]
    Doctor,
    /// Look after record folders: merge what was measured, delete superseded runs, convert
    Records(records::Args),
    /// Where the cache of intermediate results is and how large; --clear empties it
    Cache(cache::Args),
}

/// Runs the command that was typed; errors become one message on standard error and exit code 2.
pub fn main() -> ExitCode {
    prepare_process();
    let result = match Cli::parse().command {
        Command::List(args) => list::run(&args),
        Command::Fetch(args) => fetch::run(&args),
        Command::Measure(args) => measure::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Time(args) => time::run(*args),
        Command::Show(args) => show::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::LrFind(args) => lr_find::run(*args),
        Command::Sweep(args) => sweep::run(*args),
        Command::Experiment(args) => experiment::run(*args),
        Command::Export(args) => export::run(*args),
        Command::Classify(args) => classify::run(&args),
        Command::Explain(args) => explain::run(*args),
        Command::Doctor => doctor::run(),
        Command::Records(args) => records::run(&args),
        Command::Cache(args) => cache::run(&args),
    };
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Partial) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {}", printable_lines(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// What has to hold before anything else happens in this process.
fn prepare_process() {
    memory::keep_what_is_freed();
    // SAFETY: no other thread has been started that could read the environment, and the default action of a signal
    // runs no code of ours.
    unsafe {
        // From 1.29 on ONNX Runtime reports its use to its maker, on Linux too, and keeps an identifier on disk for it.
        // Its own switch, `with_telemetry`, acts only after the first report.
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
        // Rust ignores this signal; `featbench list | head -1` would then end in a panic rather than quietly.
        #[cfg(unix)]
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
