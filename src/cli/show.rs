//! `featbench show`: a contact sheet of a data set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use rayon::prelude::*;

use crate::image::contact_sheet::{Group, Row, contact_sheet};
use crate::image::{Rgb, decode_rgb, encode};
use crate::record::files::replace;

use super::Outcome;
use super::reading::ReadingOptions;

const EXAMPLES: &str = "\
Examples:
  featbench show procedural
  featbench show procedural,clutter=1,noise=0.1 --out hard.png
  featbench show photos/ --out photos.jpg --columns 5,1,3";

/// In percent, as libjpeg counts.
const QUALITY: i32 = 90;

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A name that `featbench list` shows, or a folder with SPLIT/CLASS/FILE or CLASS/FILE
    #[arg(value_name = "NAME|FOLDER")]
    dataset: String,
    /// File to write, .png or .jpg
    #[arg(short, long, default_value = "contact-sheet.png", value_name = "FILE")]
    out: PathBuf,
    /// Images of each class from train, val and test
    #[arg(long, default_value = "6,2,4", value_name = "TRAIN,VAL,TEST", value_parser = columns)]
    columns: [usize; 3],
    /// Folder to look for the registered data sets in (also: the folders of FEATBENCH_DATA)
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingOptions,
}

fn columns(text: &str) -> Result<[usize; 3], String> {
    let numbers: Vec<usize> = text.split(',').filter_map(|n| n.parse().ok()).collect();
    let numbers = <[usize; 3]>::try_from(numbers).ok();
    let fits = |numbers: &[usize; 3]| (1..=60).contains(&numbers.iter().sum::<usize>());
    numbers.filter(fits).ok_or_else(|| "three numbers, as in 6,2,4, from 1 to 60 together".into())
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let encode: fn(&Rgb) -> Vec<u8> = match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("png") => encode::encode_png,
        Some("jpg" | "jpeg") => |picture| encode::encode_jpeg(picture, QUALITY),
        _ => bail!("--out {}: a contact sheet is a .png or a .jpg file", args.out.display()),
    };
    let dataset = args.reading.open(&args.dataset, args.data_dir.as_deref())?;
    let samples = dataset.samples(args.columns);
    let name = |split: &str, columns| Group { name: split.into(), columns };
    let splits = ["train", dataset.selection_split(), dataset.reported_split()];
    let groups: Vec<Group> = splits.iter().zip(args.columns).map(|(split, columns)| name(split, columns)).collect();
    let row = |(class, images): (String, [Vec<_>; 3])| {
        let groups = images.map(|images| {
            let picture = |image: &std::sync::Arc<crate::dataset::ImageFile>| {
                decode_rgb(&image.read()?).with_context(|| image.place())
            };
            images.iter().map(picture).collect::<Result<Vec<_>>>()
        });
        Ok(Row { name: class, groups: groups.into_iter().collect::<Result<_>>()? })
    };
    let rows: Vec<Row> = samples.into_par_iter().map(row).collect::<Result<_>>()?;
    write(&args.out, &encode(&contact_sheet(&groups, &rows)))?;
    println!("{}", args.out.display());
    Ok(Outcome::Complete)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).with_context(|| format!("can't write {}", path.display()))
}
