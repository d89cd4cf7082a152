//! Opening a data set by its name or its folder, checked and ready for the arms.
//! Whatever it was, the result is the same: three splits behind the wall, a manifest, and what a reader must know.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::DatasetError;
use super::findings::{self, finding};
use super::folder;
use super::manifest::{Manifest, Part, Row};
use super::procedural::{self, Knobs};
use super::reading::Reading;
use super::registry::{self, Registered};
use super::splits::{ImageFile, Source, SourceOf, Splits, file_in};
use crate::image::{self, DecodeError, Inspected};
use crate::names;
use crate::record::{DatasetRecord, Finding};

/// What the final fit of an arm uses, when settings have been chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refit {
    /// `splits.train` alone.
    Train,
    /// `splits.train` with `splits.val`.
    TrainAndVal,
}

impl Display for Refit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refit::Train => "train",
            Refit::TrainAndVal => "train+val",
        })
    }
}

/// A data set whose files are here and were checked.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Registered name, or the folder's.
    pub name: String,
    pub title: String,
    /// Where the files come from.
    pub source: String,
    /// Where they lie on this machine; `None` where the program draws them.
    pub folder: Option<PathBuf>,
    /// What a reader of the results must know.
    pub remarks: Vec<String>,
    pub splits: Splits,
    /// What the final fit uses unless the user says otherwise: with val where val was drawn from the published train.
    pub refit: Refit,
    pub manifest: Manifest,
    pub findings: Vec<Finding>,
    /// Files that the manifest of a registered set does not list; they are ignored.
    pub additional: usize,
    /// R of the canvas, by its side.
    pub(super) pinned: BTreeMap<String, u32>,
    /// Its three splits were drawn here, by a seed.
    pub(super) drawn: bool,
    /// What was typed to read a folder in another way than by its folders alone; empty else.
    pub(super) reading: String,
}

/// One line of `featbench list`.
#[derive(Debug)]
pub struct Listed {
    pub name: &'static str,
    pub title: &'static str,
    /// The data set if it is ready, or what to do.
    pub state: Result<Dataset, DatasetError>,
}

/// Every data set with a name, and whether it is ready (all files of the registered ones are read for this).
pub fn list(data_dir: Option<&Path>) -> Vec<Listed> {
    let folders = registry::search_folders(data_dir);
    let listed = |set: &'static Registered| Listed {
        name: set.name,
        title: &set.description.title,
        state: Dataset::registered(set, &folders),
    };
    let drawn = Listed { name: procedural::NAME, title: procedural::TITLE, state: Dataset::procedural("") };
    registry::registered().iter().map(listed).chain([drawn]).collect()
}

impl Dataset {
    /// Opens a registered data set by its name, the drawn one with its settings (`procedural,classes=16`), or else any
    /// folder of images; `seed` draws the splits that a folder lacks. A folder that has such a name is meant by
    /// `./NAME`.
    ///
    /// # Errors
    /// See [`DatasetError`]; every message says what to do.
    pub fn open(name_or_folder: &str, data_dir: Option<&Path>, seed: u64) -> Result<Dataset, DatasetError> {
        Dataset::open_as(name_or_folder, data_dir, &Reading::drawn(seed))
    }

    /// The same, where a folder may be read in another way than by its folders alone.
    ///
    /// # Errors
    /// As [`Dataset::open`]; [`DatasetError::NotAFolder`] where something is asked of a named data set that only a folder
    /// can do.
    pub fn open_as(name_or_folder: &str, data_dir: Option<&Path>, reading: &Reading) -> Result<Dataset, DatasetError> {
        let named = registry::registered().iter().any(|set| set.name == name_or_folder);
        if reading.is_special() && (named || procedural::settings(name_or_folder).is_some()) {
            return Err(DatasetError::NotAFolder(name_or_folder.to_owned()));
        }
        if let Some(set) = registry::registered().iter().find(|set| set.name == name_or_folder) {
            return Dataset::registered(set, &registry::search_folders(data_dir));
        }
        if let Some(settings) = procedural::settings(name_or_folder) {
            return Dataset::procedural(settings);
        }
        let folder = Path::new(name_or_folder);
        if !folder.exists() && folder.components().count() == 1 && !name_or_folder.contains('.') {
            return Err(unknown(name_or_folder));
        }
        Dataset::folder(folder, reading, image::inspect)
    }

    /// A registered set in the first of `folders` that has it, checked against its manifest.
    fn registered(set: &Registered, folders: &[PathBuf]) -> Result<Dataset, DatasetError> {
        let folder = set.locate(folders)?;
        let checked = set.check(&folder, image::header)?;
        let described = Described {
            name: set.name.into(),
            title: set.description.title.clone(),
            source: set.source(),
            remarks: set.description.remarks.clone(),
            pinned: set.description.canvas_reduce.clone(),
        };
        let mut dataset = Dataset::in_folder(described, &folder, set.manifest.clone(), checked.findings)?;
        dataset.additional = checked.additional;
        Ok(dataset)
    }

    /// The images that the program draws, with these settings.
    fn procedural(settings: &str) -> Result<Dataset, DatasetError> {
        let knobs = Knobs::parse(settings).map_err(DatasetError::Settings)?;
        let described = Described {
            name: procedural::name(&knobs),
            title: procedural::TITLE.into(),
            source: procedural::source(),
            remarks: procedural::remarks(),
            pinned: BTreeMap::new(),
        };
        let drawings = procedural::drawings(&knobs);
        let source_of = |row: &Row| Ok((Source::Drawn(drawings[&row.path].clone()), procedural::BYTES));
        Dataset::new(described, None, procedural::manifest(&knobs, &drawings), Vec::new(), &source_of)
    }

    /// Any folder, laid out as `SPLIT/CLASS/FILE` or `CLASS/FILE`, or with a table of labels.
    fn folder(
        folder: &Path,
        reading: &Reading,
        inspect: impl Fn(&[u8]) -> Result<Inspected, DecodeError> + Sync,
    ) -> Result<Dataset, DatasetError> {
        let scan = folder::scan(folder, reading, inspect)?;
        let whole = fs::canonicalize(folder).map_err(|error| DatasetError::io(folder, error))?;
        let name = whole.file_name().map_or("images".into(), |name| name.to_string_lossy().into_owned());
        let described = Described {
            title: name.clone(),
            name,
            source: source(folder, reading),
            remarks: about_groups(&scan.manifest, reading).into_iter().collect(),
            pinned: BTreeMap::new(),
        };
        let dataset = Dataset::in_folder(described, folder, scan.manifest, scan.findings)?;
        Ok(Dataset { drawn: scan.drawn, reading: reading.typed(), ..dataset })
    }

    fn in_folder(
        described: Described,
        folder: &Path,
        manifest: Manifest,
        findings: Vec<Finding>,
    ) -> Result<Dataset, DatasetError> {
        Dataset::new(described, Some(folder.to_owned()), manifest, findings, &|row| file_in(folder, row))
    }

    fn new(
        described: Described,
        folder: Option<PathBuf>,
        manifest: Manifest,
        mut findings: Vec<Finding>,
        source_of: &SourceOf,
    ) -> Result<Dataset, DatasetError> {
        findings.extend(findings::of_manifest(&manifest));
        findings::order(&mut findings);
        let Described { name, title, source, remarks, pinned } = described;
        let splits = Splits::of(&manifest, source_of)?;
        let refit = if val_is_drawn_from_train(&manifest) { Refit::TrainAndVal } else { Refit::Train };
        Ok(Dataset {
            name,
            title,
            source,
            folder,
            remarks,
            splits,
            refit,
            manifest,
            findings,
            additional: 0,
            pinned,
            drawn: false,
            reading: String::new(),
        })
    }

    /// Where its images are, in words: the folder, or who draws them.
    pub fn place(&self) -> String {
        self.folder.as_ref().map_or_else(|| self.source.clone(), |folder| folder.display().to_string())
    }

    /// Published name of the split that accuracy is reported on.
    pub fn reported_split(&self) -> &'static str {
        self.manifest.published(Part::Test).name()
    }

    /// Published name of the split that selects, or `a fifth of train`.
    pub fn selection_split(&self) -> &'static str {
        if val_is_drawn_from_train(&self.manifest) { "a fifth of train" } else { Part::Val.name() }
    }

    /// Files of the reported split that are no readable images.
    pub fn unreadable_reported(&self) -> usize {
        let reported = self.manifest.published(Part::Test);
        self.manifest.rows.iter().filter(|row| row.role.is_none() && row.split == Some(reported)).count()
    }

    /// A few images of each class for people to look at, with the class: at most so many of train, val and the reported
    /// split, evenly from first to last.
    pub fn samples(&self, of_each: [usize; 3]) -> Vec<(String, [Vec<Arc<ImageFile>>; 3])> {
        let Splits { classes, train, val, test } = &self.splits;
        let images = [train.images(), val.images(), test.images()];
        let of_class = |class: &String| {
            let some = |part: usize| {
                let rows = self.manifest.with_role(Part::ALL[part]).zip(images[part]);
                let all: Vec<&Arc<ImageFile>> =
                    rows.filter(|(row, _)| row.label == *class).map(|(_, image)| image).collect();
                let count = of_each[part].min(all.len());
                (0..count).map(|i| all[i * all.len() / count].clone()).collect()
            };
            (class.clone(), [0, 1, 2].map(some))
        };
        classes.iter().map(of_class).collect()
    }

    /// Writes the manifest as `FOLDER/manifest.csv`, so that records name the exact files behind them.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn write_manifest(&self, folder: &Path) -> Result<(), DatasetError> {
        let path = folder.join("manifest.csv");
        self.manifest.write(&path).map_err(|error| DatasetError::io(&path, error))
    }

    /// R of a canvas with this side: pinned by the registry, or else the side itself or the 0.5th percentile of the
    /// images' shorter sides (down to a multiple of 8, at least 32), whichever is less.
    pub fn reduce(&self, side: u32) -> u32 {
        self.pinned.get(&side.to_string()).copied().unwrap_or_else(|| reduction(side, self.shorter_sides()))
    }

    /// What the data set was when it was measured; `canvases` are the sides of the canvases in use. Near-duplicates
    /// are not looked for here.
    pub fn record(&self, canvases: &[u32]) -> DatasetRecord {
        let canvas_reduce: BTreeMap<u32, u32> = canvases.iter().map(|&side| (side, self.reduce(side))).collect();
        let mut found = self.findings.clone();
        found.extend(canvas_reduce.keys().filter_map(|&side| self.small(side)));
        findings::order(&mut found);
        DatasetRecord {
            name: self.name.clone(),
            title: self.title.clone(),
            source: self.source.clone(),
            remarks: self.remarks.clone(),
            manifest_sha256: self.manifest.sha256(),
            reported_split: self.reported_split().into(),
            selection_split: self.selection_split().into(),
            canvas_reduce,
            counts: findings::class_counts(&self.manifest),
            findings: found,
            near_duplicate_rmse: None,
            near_duplicates: Vec::new(),
            near_duplicate_changes: 0,
            reading: self.reading.clone(),
        }
    }

    /// How many images have to be enlarged for the canvas.
    fn small(&self, side: u32) -> Option<Finding> {
        let reduce = self.reduce(side);
        let sides = self.shorter_sides();
        let small = sides.iter().filter(|&&shorter| shorter < reduce).count();
        let detail =
            format!("{small} of {} images have a shorter side below {reduce} pixels and are enlarged", sides.len());
        (small > 0).then(|| finding("small", &format!("canvas {side}"), &detail))
    }

    fn shorter_sides(&self) -> Vec<u32> {
        self.manifest.used().map(|row| row.width.min(row.height)).collect()
    }
}

/// The rule of [`Dataset::reduce`]: where images are small, the larger ones lose detail rather than the smaller ones
/// being blurred.
fn reduction(side: u32, mut shorter_sides: Vec<u32>) -> u32 {
    shorter_sides.sort_unstable();
    let at = shorter_sides.len().saturating_sub(1) / 200;
    let percentile = shorter_sides.get(at).copied().unwrap_or(side);
    side.min((percentile / 8 * 8).max(32))
}

/// Where images and labels come from, in words.
fn source(folder: &Path, reading: &Reading) -> String {
    let labels = reading.labels.as_ref().map_or(String::new(), |table| format!(", labels of {}", table.display()));
    format!("the folder {}{labels}", folder.display())
}

/// What grouped what, and how much of it.
fn about_groups(manifest: &Manifest, reading: &Reading) -> Option<String> {
    let (groups, used) = (manifest.groups(), manifest.used().count());
    let alone = manifest.used().filter(|row| row.group.is_none()).count();
    let by = match &reading.grouping {
        Some(grouping) => format!("--group '{}'", names::printable(grouping.as_str())),
        None => "the column `group`".to_owned(),
    };
    let rest = if alone > 0 { format!(", {alone} belong to none") } else { String::new() };
    (groups > 0).then(|| {
        format!("The {used} images are {groups} groups by {by}{rest}; images of one group never stand on two sides of a split.")
    })
}

/// What is said of a data set beside its files.
struct Described {
    name: String,
    title: String,
    source: String,
    remarks: Vec<String>,
    pinned: BTreeMap<String, u32>,
}

fn val_is_drawn_from_train(manifest: &Manifest) -> bool {
    manifest.published(Part::Val) == Part::Train
}

fn unknown(name: &str) -> DatasetError {
    let known = registry::registered().iter().map(|set| set.name).chain([procedural::NAME]);
    let suggestion = names::suggestion(name, known.clone());
    DatasetError::Unknown { name: name.into(), suggestion, known: known.map(String::from).collect() }
}

#[cfg(test)]
mod tests;
