//! `featbench fetch`: gets a registered data set from its public repository; no other command downloads anything.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;
use indicatif::HumanBytes;

use crate::dataset::download::{Event, Fetched, fetch_registered, transfer};
use crate::dataset::registry::{Registered, registered};
use crate::measure::progress::{Bar, Progress};

use super::Outcome;

const EXAMPLES: &str = "\
Examples:
  featbench fetch hymenoptera                            where every command finds it
  featbench fetch mini-natural-images --data-dir ~/images
  featbench fetch hymenoptera --url http://mirror/hymenoptera.tar.gz

Every file is checked against the manifest. Killed in the middle, the same command goes on where it stopped, if the \
server can.";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Data set to get
    #[arg(value_parser = PossibleValuesParser::new(registered().iter().map(|set| set.name)))]
    dataset: String,
    /// Folder to put it into [default: $XDG_DATA_HOME/featbench/datasets, below ~/.local/share]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Take the archive (.tar.gz) from here instead of its public repository, for example from a mirror
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let set = registered().iter().find(|set| set.name == args.dataset).context("this data set is not registered")?;
    let mut shown = Shown { progress: Progress::on_terminal(), bar: None, set };
    let fetched = fetch_registered(set, args.data_dir.as_deref(), args.url.as_deref(), &mut |event| shown.see(event))?;
    drop(shown);
    let (state, folder) = match fetched {
        Fetched::Already(folder) => ("is there already", folder),
        Fetched::Now(folder) => ("is there now", folder),
    };
    println!("{} {state}, every file as the manifest says: {}", set.name, folder.display());
    Ok(Outcome::Complete)
}

/// What a user sees of a fetch under way.
struct Shown<'a> {
    progress: Progress,
    bar: Option<Bar>,
    set: &'a Registered,
}

impl Shown<'_> {
    fn see(&mut self, event: Event) {
        match event {
            Event::Transfer(transfer::Event::Begun { kept, dropped, total }) => {
                if kept > 0 {
                    self.progress.say(&format!("{}: going on after {}", self.set.name, HumanBytes(kept)));
                } else if dropped > 0 {
                    let dropped = HumanBytes(dropped);
                    self.progress.say(&format!("{}: {dropped} can't be continued, starting again", self.set.name));
                }
                self.bar = Some(self.progress.bytes("fetch", kept, total));
            }
            Event::Transfer(transfer::Event::Received(bytes)) => self.step(bytes as usize),
            Event::Unpacking => self.bar = Some(self.progress.bar("unpack", self.set.manifest.len())),
            Event::File => self.step(1),
        }
    }

    fn step(&self, by: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(by);
        }
    }
}
