//! Does the look at the pictures find what was planted? 500 copies of each kind among photographs and among drawn pictures,
//! and 5 % of the labels swapped. Minutes long, so only by name: `cargo bench --bench planted`, which writes
//! `reports/benchmarks/planted.csv` and `planted.md`; with a number of copies of each kind behind it, `-- 40`, or another
//! seed, `-- 500 9`, it is printed and not kept. Without mini-natural-images in a folder of `FEATBENCH_DATA` only drawn
//! pictures are looked at.

mod plant;

use std::collections::{HashMap, HashSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use featbench::dataset::{Dataset, ImageFile};
use featbench::deep::session::Device;
use featbench::features::Resources;
use featbench::measure::near_duplicates;
use featbench::record::Records;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;
use plant::{Image, Kind, Planting, plant};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

const EACH: usize = 500;
const SEED: u64 = 1;
const PHOTOGRAPHS: &str = "mini-natural-images";
/// As many images as the photographs.
const DRAWN: &str = "procedural,classes=16,train=85,val=22,test=120";
/// The arms that judge labels, each by itself.
const ARMS: [&str; 2] = ["resnet-frozen-svm", "handcrafted-fast"];
/// Share of the labels that are swapped.
const SWAPPED: f64 = 0.05;

/// What is found before anything is planted.
const ALREADY: &str = "near-duplicates before anything is planted";

/// A line of `planted.csv`.
#[derive(Debug, Clone, Serialize)]
struct Row {
    pictures: String,
    /// What was planted; what is found before that; `false alarms` among the images without a part in either.
    what: String,
    images: usize,
    found: usize,
}

fn main() -> Result<()> {
    let asked: Vec<u64> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let each = asked.first().map_or(EACH, |each| *each as usize);
    let seed = asked.get(1).copied().unwrap_or(SEED);
    let mut rows = Vec::new();
    for name in [DRAWN, PHOTOGRAPHS] {
        match Dataset::open(name, None, 0) {
            Ok(dataset) => rows.extend(copies(&dataset, each, seed)?),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    keep(&rows, asked.is_empty())?;
    if let Ok(dataset) = Dataset::open(PHOTOGRAPHS, None, 0) {
        rows.extend(labels(&dataset, seed)?);
        keep(&rows, asked.is_empty())?;
    }
    Ok(())
}

/// Writes what was found so far, or prints it.
fn keep(rows: &[Row], write: bool) -> Result<()> {
    let page = page(rows)?;
    if !write {
        println!("{page}");
        return Ok(());
    }
    let file = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports/benchmarks").join(name);
    let mut writer = csv::Writer::from_path(file("planted.csv"))?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.flush()?;
    fs::write(file("planted.md"), page)?;
    println!("{}", file("planted.md").display());
    Ok(())
}

fn images(files: &[Arc<ImageFile>]) -> Result<Vec<Image>> {
    let image = |file: &Arc<ImageFile>| {
        let mut parts = file.id.rsplit('/');
        let (name, class) = (parts.next().unwrap_or_default(), parts.next().context("a class has a folder")?);
        let name = if name.contains('.') { name.to_owned() } else { format!("{name}.bmp") };
        Ok(Image { class: class.to_owned(), name, bytes: file.read()? })
    };
    files.iter().map(image).collect()
}

fn learned(dataset: &Dataset) -> Result<Vec<Image>> {
    let mut all = images(dataset.splits.train.images())?;
    // a name may stand in both
    all.extend(
        images(dataset.splits.val.images())?
            .into_iter()
            .map(|image| Image { name: format!("v-{}", image.name), ..image }),
    );
    Ok(all)
}

fn copies(dataset: &Dataset, each: usize, seed: u64) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("pictures");
    let Planting { planted, clean } =
        plant(&place, &learned(dataset)?, &images(dataset.splits.test.images())?, each, seed)?;
    let dataset_with = Dataset::open(place.to_str().context("a path")?, None, 0)?;
    let cache = Cache::open(folder.path().join("cache"), false);
    let resources = Resources {
        cache: &cache,
        threads: rayon::current_num_threads(),
        canvas: None,
        progress: &Progress::Hidden,
        device: Device::cpu(),
        input: 224,
        backbone: None,
        seed: 0,
    };
    let there = near_duplicates::add(dataset.record(&[]), dataset, &resources)?.near_duplicates;
    let there: HashSet<String> = there.into_iter().filter_map(|near| names(&near.image)).collect();
    let start = Instant::now();
    let found = near_duplicates::add(dataset_with.record(&[]), &dataset_with, &resources)?.near_duplicates;
    eprintln!("{}: {} images in {:.1} s", dataset.name, dataset_with.manifest.len(), start.elapsed().as_secs_f64());
    let other: HashMap<&str, &str> = found.iter().map(|near| (near.image.as_str(), near.other.as_str())).collect();
    let row = |what: &str, images, found| Row { pictures: dataset.name.clone(), what: what.into(), images, found };
    let of_kind = |kind: Kind| {
        let planted: Vec<_> = planted.iter().filter(|planted| planted.kind == kind).collect();
        let hits = planted.iter().filter(|p| other.get(p.reported.as_str()) == Some(&p.other.as_str())).count();
        row(kind.name(), planted.len(), hits)
    };
    let is_there = |image: &str| names(image).is_some_and(|names| there.contains(&names));
    let (known, alarms): (Vec<_>, Vec<_>) =
        found.iter().filter(|near| clean.contains(&near.image)).partition(|near| is_there(&near.image));
    for near in known.iter().chain(&alarms) {
        eprintln!("  {} {} {:.1} {}", near.image, near.other, near.rmse, near.change);
    }
    let mut rows: Vec<Row> = Kind::ALL.into_iter().map(of_kind).collect();
    rows.push(row(ALREADY, dataset.splits.test.len(), there.len()));
    rows.push(row("false alarms", clean.len() - known.len(), alarms.len()));
    Ok(rows)
}

/// Class and name of an image without what its file's name ends with, whatever folder it stands in.
fn names(id: &str) -> Option<String> {
    let (rest, name) = id.rsplit_once('/')?;
    let class = rest.rsplit('/').next()?;
    Some(format!("{class}/{}", name.split('.').next()?))
}

/// Labels of images to learn from are swapped, and each arm ranks those that look wrong to it.
fn labels(dataset: &Dataset, seed: u64) -> Result<Vec<Row>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir()?;
    let mut learned: Vec<(Image, bool)> = learned(dataset)?.into_iter().map(|image| (image, false)).collect();
    let classes = &dataset.splits.classes;
    let mut order: Vec<usize> = (0..learned.len()).collect();
    order.shuffle(&mut rng);
    for &i in order.iter().take((SWAPPED * learned.len() as f64).round() as usize) {
        let (image, swapped) = &mut learned[i];
        let others: Vec<&String> = classes.iter().filter(|class| **class != image.class).collect();
        image.class = others[rng.random_range(0..others.len())].clone();
        // another name, or it might stand there already
        image.name = format!("s-{}", image.name);
        *swapped = true;
    }
    let mut wrong = HashSet::new();
    let place = folder.path().join("pictures");
    for (i, (Image { class, name, bytes }, swapped)) in learned.iter().enumerate() {
        let inside = format!("{}/{class}/{i:05}-{name}", if i % 5 == 4 { "val" } else { "train" });
        put(&place.join(&inside), bytes)?;
        wrong.extend(swapped.then_some(inside));
    }
    for Image { class, name, bytes } in images(dataset.splits.test.images())? {
        put(&place.join(format!("test/{class}/{name}")), &bytes)?;
    }
    ARMS.iter().map(|arm| ranked(folder.path(), arm, &wrong)).collect()
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    Ok(fs::write(path, bytes)?)
}

/// How many of the wrong labels are among as many that the arm ranks first.
fn ranked(folder: &Path, arm: &str, wrong: &HashSet<String>) -> Result<Row> {
    let out = folder.join(arm);
    let status = Command::new(env!("CARGO_BIN_EXE_featbench"))
        .args(["measure", "--dataset", "pictures", "--arms", arm, "--out"])
        .arg(&out)
        .current_dir(folder)
        .status()?;
    ensure!(status.success(), "{arm}: {status}");
    let audit = Records::read(&out.join("pictures"))?.audit.context("the pictures were looked at")?;
    let labels = audit.labels.context("the arm judges labels")?;
    let suspects: Vec<_> = labels.suspects.iter().filter(|suspect| suspect.role != "test").collect();
    let hits = |suspects: &[&featbench::record::SuspectRecord]| {
        suspects.iter().filter(|suspect| wrong.contains(&suspect.image)).count()
    };
    let first = suspects.len().min(wrong.len());
    eprintln!("{arm}: {} suspects, {} of them swapped", suspects.len(), hits(&suspects));
    let what = format!("swapped labels, among as many that {arm} ranks first");
    Ok(Row { pictures: PHOTOGRAPHS.into(), what, images: wrong.len(), found: hits(&suspects[..first]) })
}

fn page(rows: &[Row]) -> Result<String> {
    let mut page = String::from(
        "# Planted suspects\n\n\
         Copies of each kind planted across splits, half of them among the reported images and half among those to learn \
         from, and swapped labels, by `cargo bench --bench planted`; parameters are drawn by seed and stand in \
         `benches/planted/plant.rs`, which shares no code with the search. A copy is found where the image that it is a copy \
         of is named. Near-duplicates that are found among the reported images before anything is planted are counted apart \
         (of photographs they are frames of one turning fruit and crops of one photograph). *False alarms* are reported \
         images beside these that have no part in the planting and are called near-duplicates all the \
         same.\n\n",
    );
    writeln!(page, "| pictures | what | images | found | share, % |\n|---|---|---:|---:|---:|")?;
    for Row { pictures, what, images, found } in rows {
        let share = 100.0 * *found as f64 / (*images).max(1) as f64;
        writeln!(page, "| {pictures} | {what} | {images} | {found} | {share:.1} |")?;
    }
    Ok(page)
}
