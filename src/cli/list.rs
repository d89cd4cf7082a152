//! `featbench list`: what there is, whether it is ready, and if not what to do.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::dataset;
use crate::deep::backbone::{self, Backbone};
use crate::deep::session::Runtime;
use crate::names::{printable, printable_lines};
use crate::protocol::arm::Arm;

use super::Outcome;
use super::options::INPUT;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  featbench list\n  featbench list --data-dir ~/images --model-dir ~/models")]
pub(super) struct Args {
    /// Folder to look for the registered data sets in
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Folder with networks; repeatable
    #[arg(long, value_name = "FOLDER")]
    model_dir: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    println!("Data sets (--dataset), or any folder with SPLIT/CLASS/FILE or CLASS/FILE");
    let mut lines = Vec::new();
    for listed in dataset::list(args.data_dir.as_deref()) {
        lines.push(match listed.state {
            Ok(found) => line(listed.name, true, &format!("{}; {}", listed.title, found.place())),
            Err(error) => line(listed.name, false, &format!("{}; {error}", listed.title)),
        });
    }
    print(lines);
    println!("\nArms (--arms), or a TOML file of your own");
    let runtime = Runtime::get();
    let mut lines = Vec::new();
    for arm in Arm::embedded()? {
        let name = if arm.default { format!("{}*", arm.name) } else { arm.name.clone() };
        lines.push(match &runtime {
            Err(error) if arm.needs().network => line(&name, false, &format!("{}; {error}", arm.title)),
            _ => line(&name, true, &arm.title),
        });
    }
    print(lines);
    println!("  * runs when no arms are named");
    println!("\nBackbones (--backbone)");
    let folders = backbone::model_folders(&args.model_dir);
    let mut lines = Vec::new();
    for name in backbone::names(&folders) {
        lines.push(match Backbone::open(&name, &folders) {
            Ok(found) => {
                let input = found.input.map(|side| format!(", input {side} px")).unwrap_or_default();
                let stages = found.stages();
                let ends = stages.first().zip(stages.last());
                let cuts = ends.map(|(first, last)| format!("; {name}@{first} to @{last}: cut there"));
                let about = match found.is_as_registered() {
                    true => format!("{} features{input}", found.dimension),
                    false => found.described(found.input.unwrap_or(INPUT)),
                };
                line(&name, true, &format!("{about}{}", cuts.unwrap_or_default()))
            }
            Err(error) => line(&name, false, &error.to_string()),
        });
    }
    print(lines);
    Ok(Outcome::Complete)
}

/// A name, whether it is ready, and what there is to say of it.
type Line = (String, &'static str, String);

fn line(name: &str, ready: bool, text: &str) -> Line {
    (printable(name), if ready { "ready" } else { "-" }, printable_lines(text))
}

/// In columns, as wide as the longest name needs.
fn print(lines: Vec<Line>) {
    let width = lines.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default().max(20);
    for (name, state, text) in lines {
        let text = text.replace('\n', &format!("\n{}", " ".repeat(width + 11)));
        println!("  {name:width$} {state:5}  {text}");
    }
}
