//! `featbench cache`: where intermediate results are kept, how large they are, and a way to be rid of them.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::stage::cache::Cache;

use super::Outcome;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  featbench cache\n  featbench cache --clear")]
pub(super) struct Args {
    /// Delete every entry; results are computed anew when they are needed
    #[arg(long)]
    clear: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let cache = Cache::open(Cache::default_folder()?, false);
    let sizes = cache.sizes()?;
    println!("{}", cache.folder().display());
    for stage in &sizes {
        println!("  {:12} {:6} entries  {:8.1} MiB", stage.stage, stage.entries, mib(stage.bytes));
    }
    println!(
        "  {:12} {:6} entries  {:8.1} MiB",
        "all",
        sizes.iter().map(|s| s.entries).sum::<usize>(),
        mib(sizes.iter().map(|s| s.bytes).sum())
    );
    if args.clear {
        cache.clear()?;
        println!("cleared");
    }
    Ok(Outcome::Complete)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
