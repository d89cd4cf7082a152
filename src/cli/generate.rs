//! `featbench generate`: the drawn images as an ordinary folder, for any other tool.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use rayon::prelude::*;

use crate::dataset::{Source, procedural};
use crate::image::encode::encode_png;
use crate::record::files::replace;
use crate::stage::progress::Progress;

use super::Outcome;
use super::options::open;

const EXAMPLES: &str = "\
Examples:
  featbench generate --out drawn
  featbench generate procedural,classes=16,train=64 --out sixteen
  featbench generate procedural,clutter=0,occlusion=0,seed=7 --out bare

Settings, each with its default:
  classes=8  2 to 32: the first of the families             train=96 val=64 test=200   images of each class
  clutter=0.5  0 to 1: 10 parts of nothing on average at 1  occlusion=0.3  0 to 1: 4 parts before the object at 1
  pose=0.5  0 to 1: at 1 turned by up to 90 degrees, down to 60 % of the size, tilted, anywhere
  lighting=0.5  0 to 1: at 1 half as bright to half as bright again, sloping and tinted
  blur=0.5  standard deviation in pixels                    noise=0.02  standard deviation, as a share of full scale
  contrast=1  0 to 1: what remains of the differences       jpeg=0  0 to 1: traces of JPEG, quality 95 down to 5
  seed=0  which images of all that could be drawn";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// `procedural`, with settings or without
    #[arg(default_value = procedural::NAME, value_name = "procedural[,NAME=VALUE,...]")]
    dataset: String,
    /// Folder to write SPLIT/CLASS/FILE.png into; what is there already stays
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let dataset = open(&args.dataset, None)?;
    let splits = &dataset.splits;
    let images: Vec<_> = splits.train.images().iter().chain(splits.val.images()).chain(splits.test.images()).collect();
    let bar = Progress::on_stderr().bar("generate", images.len());
    images.par_iter().try_for_each(|image| {
        let Source::Drawn(drawing) = &image.source else {
            bail!("{} is not drawn: generate takes procedural, with settings or without", args.dataset)
        };
        let path = args.out.join(&image.id);
        if !path.exists() {
            let png = encode_png(drawing.picture());
            replace(&path, &png).with_context(|| format!("can't write {}", path.display()))?;
        }
        bar.inc(1);
        Ok(())
    })?;
    println!("{} images in {}", images.len(), args.out.display());
    Ok(Outcome::Complete)
}
