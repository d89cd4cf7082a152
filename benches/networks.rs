//! What becomes of networks as other libraries write them: opened as `--backbone` opens them, shown drawn pictures as the
//! command line shows them, held to what their library and ONNX Runtime compute in Python, and trained for three steps.
//! Hours long with the making of them, so only by name: `cargo bench --bench networks -- FOLDER...`, with folders that
//! `tests/fixtures/networks/make.py` or `tests/fixtures/state_dicts/make.py` wrote. What is there is measured and takes the place
//! of what `reports/benchmarks/networks.csv` held of it; the rest stays. `networks.md` is made of all.

mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::network::LOGITS;
use featbench::deep::onnx::ModelProto;
use featbench::deep::session::Device;
use featbench::finetune::gradient::BatchNorm;
use featbench::finetune::head::Head;
use featbench::finetune::optimiser::{Adam, Optimiser};
use featbench::finetune::schedule::Rates;
use featbench::finetune::step::{Batch, Recipe, Training};
use featbench::image::{Rgb, decode_rgb};
use records::{file, read, write};
use regex::Regex;
use serde::{Deserialize, Serialize};

const TABLE: &str = "networks.csv";
/// Side of an input in pixels that neither the network nor its files state, as `--input` has it.
const USUAL: u32 = 224;
/// Largest difference relative to the largest number at which features count as the same.
const NEAR: f32 = 1e-3;
/// Steps of AdamW with this rate on the pictures, each of a class of its own.
const STEPS: usize = 3;
const RATE: f64 = 1e-4;
const ARCHITECTURE: &str = "architecture";
/// Of networks that are built here: that those train is tested elsewhere.
const STATE_DICT: &str = "state dict";

/// What the script that made a network says of it.
#[derive(Debug, Deserialize)]
struct Expected {
    kind: String,
    exporter: String,
    /// Side of the input in pixels where it is to be asked for.
    side: Option<u32>,
    /// The library's, a row a picture; absent where the network is to be refused.
    features: Option<Vec<Vec<f32>>>,
    /// Largest difference that counts as the same, where that is not [`NEAR`]: two steps of features of 8 bits.
    within: Option<f32>,
    /// What the refusal must say: a pattern.
    #[serde(default)]
    remedy: String,
}

/// A line of `networks.csv`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    kind: String,
    name: String,
    exporter: String,
    /// Empty where it is refused, as the columns up to `difference` are.
    features: Option<usize>,
    taken: String,
    side: Option<u32>,
    preparation: String,
    /// Largest, relative to the largest number; infinite where there is another number of features.
    difference: Option<f32>,
    refusal: String,
    /// Is it what is expected: the library's features, or a refusal that says what to do?
    right: bool,
    /// Does its loss change in three steps, finite? Empty where that is not tried.
    trains: Option<bool>,
    because: String,
}

fn main() -> Result<()> {
    let folders: Vec<PathBuf> =
        env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(Into::into).collect();
    let mut rows = read(TABLE)?;
    if folders.is_empty() {
        eprintln!(
            "no folder is named: the table is made of what was measured. `python3 tests/fixtures/networks/make.py FOLDER` and \
             `python3 tests/fixtures/state_dicts/make.py FOLDER` make networks to be measured by `cargo bench --bench networks \
             -- FOLDER`"
        );
    }
    for folder in folders {
        let place = folder.join("expected.json");
        let text = fs::read(&place).with_context(|| format!("{}: make it by make.py", place.display()))?;
        let all: BTreeMap<String, Expected> = serde_json::from_slice(&text)?;
        let pictures = pictures(&folder.join("pictures"))?;
        // a network that has files beside it has a folder, which may be gone
        let flat = all.keys().all(|name| !folder.join(name).is_dir());
        for (name, expected) in &all {
            let place = if flat { folder.clone() } else { folder.join(name) };
            if !place.is_dir() {
                continue;
            }
            let row = measured(name, &place, expected, &pictures);
            eprintln!("{}", line(&row));
            rows.retain(|other| other.name != *name);
            rows.push(row);
            rows.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
            write(TABLE, &rows)?;
        }
    }
    fs::write(file("networks.md"), page(&rows)?).context("networks.md can't be written")?;
    println!("{}", file("networks.md").display());
    Ok(())
}

/// In the order of their names.
fn pictures(folder: &Path) -> Result<Vec<Rgb>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    files.iter().map(|file| Ok(decode_rgb(&fs::read(file)?)?)).collect()
}

/// What becomes of one network.
fn measured(name: &str, folder: &Path, expected: &Expected, pictures: &[Rgb]) -> Row {
    let mut row = Row {
        kind: expected.kind.clone(),
        name: name.into(),
        exporter: expected.exporter.clone(),
        ..Default::default()
    };
    match of_pictures(name, folder, expected, pictures, &mut row) {
        Ok(apart) => (row.difference, row.right) = (Some(apart), apart <= expected.within.unwrap_or(NEAR)),
        Err(error) => {
            row.refusal = format!("{error:#}").replace(&format!("{}/", folder.display()), "");
            let says = Regex::new(&expected.remedy).is_ok_and(|remedy| remedy.is_match(&row.refusal));
            row.right = expected.features.is_none() && says;
        }
    }
    row
}

/// How far its features are from the library's; notes what is said of it on the way, and whether it trains.
fn of_pictures(name: &str, folder: &Path, expected: &Expected, pictures: &[Rgb], row: &mut Row) -> Result<f32> {
    let backbone = Backbone::open(name, &[folder.to_owned()])?;
    let side = expected.side.or(backbone.input).unwrap_or(USUAL);
    let said = backbone.described(side);
    let (taken, preparation) = said.split_once(&format!("; input {side} px")).context("its input is described")?;
    let taken = taken.split_once(" features, ").map_or(taken, |(_, taken)| taken);
    (row.taken, row.preparation) = (taken.into(), preparation.trim_start_matches([',', ' ']).into());
    (row.features, row.side) = (Some(backbone.dimension), Some(side));
    let mut extractor = Extractor::new(&backbone, Device::cpu(), side as usize, pictures.len())?;
    let mut images = vec![0.0; pictures.len() * extractor.image_len()];
    for (picture, image) in pictures.iter().zip(images.chunks_exact_mut(extractor.image_len())) {
        backbone.preparation.feed(picture, side, image);
    }
    let found = extractor.features(&images)?;
    if expected.kind != STATE_DICT {
        match trained(&backbone, side as usize, &images) {
            Ok(()) => row.trains = Some(true),
            Err(error) => (row.trains, row.because) = (Some(false), format!("{error:#}")),
        }
    }
    let Some(known) = &expected.features else { bail!("it is read, and is to be refused") };
    let known = known.concat();
    let largest = known.iter().fold(0f32, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(&known).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    Ok(if found.len() == known.len() { apart / largest } else { f32::INFINITY })
}

/// Three steps of all of it behind a new layer, as an arm takes them.
fn trained(backbone: &Backbone, side: usize, images: &[f32]) -> Result<()> {
    let classes = images.len() / (3 * side * side);
    let model = ModelProto::read(&backbone.model(side)?)?;
    let model = Head::random(classes, backbone.dimension, 0).append(model, &backbone.ports.output);
    let optimiser = Optimiser::AdamW(Adam::default());
    let recipe = Recipe {
        model: &model,
        input: &backbone.ports.input,
        image: &[3, side, side],
        logits: LOGITS,
        learns: &|_| true,
        batch_norm: &|_| BatchNorm::Train,
        optimiser: &optimiser,
        share: &|_| 1.0,
    };
    let mut training = Training::new(recipe, Device::cpu(), rayon::current_num_threads());
    let targets: Vec<f32> = (0..classes * classes).map(|i| f32::from(i % (classes + 1) == 0)).collect();
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        let batch = Batch { images, targets: &targets, masks: &[] };
        losses.push(training.step(batch, Rates { learning_rate: RATE, momentum: 0.9 })?.loss);
    }
    let all = training.weights()?;
    let finite = all.values().flat_map(|tensor| &tensor.data).all(|number| number.is_finite());
    ensure!(finite && losses.iter().all(|loss| loss.is_finite()), "its numbers are not finite after {STEPS} steps");
    ensure!(losses[0] != losses[STEPS - 1], "its loss stays {}", losses[0]);
    Ok(())
}

/// What is counted of rows of one kind and exporter.
fn count(rows: &[&Row]) -> String {
    let of = |holds: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count();
    let apart = rows.iter().filter(|row| row.right).filter_map(|row| row.difference).reduce(f32::max);
    let apart = apart.map_or("–".into(), |apart| format!("{apart:.1e}"));
    let wrong: Vec<&str> = rows.iter().filter(|row| !row.right).map(|row| row.name.as_str()).collect();
    format!(
        "{} | {} | {apart} | {} | {} | {} of {} |",
        rows.len(),
        of(&|row| row.right && row.difference.is_some()),
        of(&|row| row.right && row.difference.is_none()),
        if wrong.is_empty() { "–".into() } else { wrong.join(", ") },
        of(&|row| row.trains == Some(true)),
        of(&|row| row.trains.is_some()),
    )
}

fn page(rows: &[Row]) -> Result<String> {
    let mut page = format!(
        "# Networks as other libraries write them\n\n\
         Random weights, drawn pictures; by `cargo bench --bench networks`, which says how they are made. Each is opened as \
         `--backbone` opens it and shown the pictures as the command line shows them. *Difference*: of its features from those \
         that ONNX Runtime computes in Python under the library's own preprocessing (of a state dict, the library itself), the \
         largest relative to the largest number; up to {NEAR} counts as the same, of features of 8 bits \
         two steps of 255. *Trains*: {STEPS} steps of AdamW of all its weights give finite numbers and another loss. A refusal \
         counts where it says what to do. What an exporter itself refuses has no line. What is said of each in full stands in `networks.csv`.\n\n"
    );
    writeln!(
        page,
        "| | exporter | networks | same features | largest difference | refused, with what to do | wrong | train |"
    )?;
    writeln!(page, "|---|---|---:|---:|---:|---:|---|---:|")?;
    let mut groups: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| groups.entry((&row.kind, &row.exporter)).or_default().push(row));
    for ((kind, exporter), rows) in &groups {
        writeln!(page, "| {kind} | {exporter} | {}", count(rows))?;
    }
    writeln!(page, "\n{}", architectures(rows))?;
    for kind in rows.iter().map(|row| row.kind.as_str()).collect::<BTreeSet<_>>() {
        writeln!(page, "\n## {}{}s\n", kind[..1].to_uppercase(), &kind[1..])?;
        writeln!(page, "| network | features | taken | side | preparation | difference | trains |")?;
        writeln!(page, "|---|---:|---|---:|---|---|---|")?;
        rows.iter().filter(|row| row.kind == kind).try_for_each(|row| writeln!(page, "{}", line(row)))?;
    }
    Ok(page)
}

/// An architecture trains where one of its exports does.
fn architectures(rows: &[Row]) -> String {
    let mut trains: BTreeMap<&str, bool> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == ARCHITECTURE && row.trains.is_some()) {
        let name = row.name.trim_end_matches(&row.exporter);
        *trains.entry(name).or_default() |= row.trains == Some(true);
    }
    let stubborn: Vec<&str> =
        trains.iter().filter(|(_, trains)| !**trains).map(|(name, _)| name.trim_end_matches('-')).collect();
    let but = if stubborn.is_empty() { String::new() } else { format!("; not {}", stubborn.join(", ")) };
    format!(
        "Of {} architectures that give features, {} train by one exporter or the other{but}.",
        trains.len(),
        trains.len() - stubborn.len()
    )
}

/// How pictures are resized for it, and who states that and the normalisation.
fn prepared(row: &Row) -> String {
    if row.preparation.is_empty() {
        return "–".into();
    }
    let (resizing, normalising) = row.preparation.split_once(", pixels from").unwrap_or((&row.preparation, ""));
    let source = normalising.rsplit_once('(').map_or("", |(_, source)| source.trim_end_matches(')'));
    let both = format!("{resizing}; normalisation {source}").replace("assumed: nothing states it", "assumed");
    both.replace(&format!("{}.toml", row.name), "its TOML file")
}

/// A line of the table; a long text is cut at the end of its first part.
fn line(row: &Row) -> String {
    let first = |text: &str| text.split("; ").next().unwrap_or_default().replace('|', "\\|");
    let number = |number: Option<u32>| number.map_or("–".into(), |number| number.to_string());
    let difference = match row.difference {
        Some(apart) if row.right => format!("{apart:.1e}"),
        Some(apart) => format!("**{apart:.1e}**"),
        None if row.right => format!("refused: {}", row.refusal.replace('|', "\\|")),
        None => format!("**refused: {}**", row.refusal.replace('|', "\\|")),
    };
    let trains = match row.trains {
        None => "–".into(),
        Some(true) => "yes".into(),
        Some(false) => format!("no: {}", first(&row.because)),
    };
    format!(
        "| {} | {} | {} | {} | {} | {difference} | {trains} |",
        row.name,
        number(row.features.and_then(|features| features.try_into().ok())),
        first(&row.taken),
        number(row.side),
        prepared(row),
    )
}
