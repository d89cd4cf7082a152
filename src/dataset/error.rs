//! Why a data set can't be used, each time with the remedy.
//! One line for what is wrong with a folder, but for a layout that is not meant, which is drawn; two for a registered set
//! that is not on this machine.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

use crate::image::DecodeError;
use crate::names::printable;

#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A registered set that is nowhere on this machine.
    #[error("{0}")]
    NotFound(NotFound),
    #[error("no data set `{name}`{suggestion}; known are {}, and any folder", known.join(", "))]
    Unknown { name: String, suggestion: String, known: Vec<String> },
    #[error("{0}")]
    Differs(Differs),
    #[error("there is no folder {}: give one with images as SPLIT/CLASS/FILE or CLASS/FILE", shown(.0))]
    NoFolder(PathBuf),
    #[error("cannot read {}: {error}; check its permissions and the disk", shown(path))]
    Io { path: PathBuf, error: io::Error },
    #[error("{} holds no files in class folders: lay images out as SPLIT/CLASS/FILE or CLASS/FILE", shown(.0))]
    Empty(PathBuf),
    #[error("{} has a split folder but no `train`: add it, or give the folder that holds the classes", shown(.0))]
    NoTrain(PathBuf),
    #[error(
        "{} has `train` but neither `val` nor `test`: add one, or give {} for a drawn split",
        shown(.0), shown(&.0.join("train"))
    )]
    OnlyTrain(PathBuf),
    #[error("none of the {files} files in {} is a readable image ({first}): add JPEG or PNG images", shown(folder))]
    NoneReadable { folder: PathBuf, files: usize, first: String },
    #[error("{} has images of one class only, `{class}`: add a second class{others}", shown(folder))]
    OneClass { folder: PathBuf, class: String, others: String },
    /// Every class that is too small, with its number of images.
    #[error("{}", too_few(folder, classes))]
    TooFew { folder: PathBuf, classes: Vec<(String, usize)> },
    /// Class names that people would take for one, in groups.
    #[error(
        "{} has classes whose names differ only in case, blanks or what nobody sees: {}; give each class one name, in every \
         split",
        shown(folder),
        groups(alike)
    )]
    Alike { folder: PathBuf, alike: Vec<Vec<String>> },
    #[error("{0}")]
    Foreign(Box<Foreign>),
    /// A table of labels that can't be used.
    #[error("{}, line {line}: {detail}", shown(file))]
    Labels { file: PathBuf, line: u64, detail: String },
    #[error("{0}")]
    Torn(Box<Torn>),
    #[error(
        "--group '{}' matches no path in {} (the first is `{}`): write an expression that finds the group in it, as '^[^/]+/([^_]+)_' \
         finds what stands before the first _",
        printable(regex),
        shown(folder),
        printable(path)
    )]
    NoGroup { folder: PathBuf, regex: String, path: String },
    #[error("groups are stated twice, by --group and by the column `group` of --labels: leave one of them out")]
    TwoGroupings,
    /// Classes that lie in one group alone, of all groups.
    #[error("{}", few_groups(folder, *groups, alone))]
    FewGroups { folder: PathBuf, groups: usize, alone: Vec<String> },
    #[error(
        "{0} has splits and labels of its own: --labels and --group are for a folder of images; leave them out, or name the folder"
    )]
    NotAFolder(String),
    #[error(
        "{0} has splits of its own: --repeats draws those of a folder that has none (CLASS/FILE, or --labels without the \
         column `split`); leave it out"
    )]
    NotDrawn(String),
    /// The file is another one than when the command began.
    #[error(
        "{} is not the file that it was when the command began ({found}, expected {expected}): something changes the images \
         while they are measured; let it end, then run the same command again",
        shown(path)
    )]
    Changed { path: PathBuf, expected: String, found: String },
    /// It is the machine that can't decode an image.
    #[error("{}: {error}", shown(path))]
    Machine { path: PathBuf, error: DecodeError },
    #[error("{0} (as in `procedural,clutter=0.8,classes=16`)")]
    Settings(String),
    #[error(
        "{0} is not drawn as datasets/procedural.csv says: the generator was changed without raising its version and \
         writing the manifest anew"
    )]
    Drawing(String),
    #[error("no readable image is left for `{part}` in {}: add images there", shown(folder))]
    NoPart { folder: PathBuf, part: &'static str },
}

impl DatasetError {
    pub(super) fn io(path: &Path, error: io::Error) -> DatasetError {
        DatasetError::Io { path: path.to_path_buf(), error }
    }
}

/// A path for a message.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", printable(name))).collect::<Vec<_>>().join(" and ")
}

fn groups(alike: &[Vec<String>]) -> String {
    alike.iter().map(|names| quoted(names)).collect::<Vec<_>>().join(", ")
}

fn too_few(folder: &Path, classes: &[(String, usize)]) -> String {
    let counted: Vec<String> =
        classes.iter().map(|(class, images)| format!("`{}` {images}", printable(class))).collect();
    let (classes, have) = if counted.len() == 1 { ("class", "has") } else { ("classes", "have") };
    format!(
        "{} {classes} in {} {have} fewer than the 3 different readable images that a drawn split needs ({}): add images, \
         remove the {classes}, or make split folders",
        counted.len(),
        shown(folder),
        counted.join(", ")
    )
}

fn few_groups(folder: &Path, groups: usize, alone: &[String]) -> String {
    let what = match alone {
        [] => format!("the images in {} are {groups} groups, and a drawn split needs 3", shown(folder)),
        [class] => format!("the class {} in {} is one group", quoted(std::slice::from_ref(class)), shown(folder)),
        classes => format!("of the classes {} in {} each is one group", quoted(classes), shown(folder)),
    };
    format!(
        "{what}, which would stand on one side as a whole: add images of other groups, remove the class, group more finely, or \
         state the splits (SPLIT/CLASS/FILE, or a column `split`)"
    )
}

/// A group with images in two splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    pub folder: PathBuf,
    pub group: String,
    /// One of each side, paths inside the data set.
    pub images: [String; 2],
    /// Other groups of which the same is true.
    pub more: usize,
}

impl Display for Torn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.images;
        let more = if self.more > 0 { format!(" (and {} more groups)", self.more) } else { String::new() };
        write!(
            f,
            "group `{}` stands in two splits of {}{more}, with `{}` and `{}`: move its images into one, or give the folder without \
             splits for drawn ones",
            printable(&self.group),
            shown(&self.folder),
            printable(one),
            printable(other)
        )
    }
}

/// A layout that is not read: what was seen, and what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    pub folder: PathBuf,
    pub what: String,
    /// The folder, drawn.
    pub seen: Vec<String>,
    pub meant: Vec<String>,
    pub remedy: String,
}

impl Display for Foreign {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is not laid out as it is read: {}", shown(&self.folder), self.what)?;
        writeln!(f, "  seen:")?;
        self.seen.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        writeln!(f, "  meant:")?;
        self.meant.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        write!(f, "  {}", self.remedy)
    }
}

/// Where a registered set was looked for, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    pub name: String,
    /// Name of its folder.
    pub folder: String,
    /// Where its archive is.
    pub archive: String,
    pub looked_in: Vec<PathBuf>,
}

impl Display for NotFound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let NotFound { name, folder, archive, looked_in } = self;
        let places: Vec<_> = looked_in.iter().map(|place| place.display().to_string()).collect();
        let places = if places.is_empty() { "nowhere, no folder is named".into() } else { places.join(", ") };
        writeln!(f, "{name} is not on this machine (looked for a folder {folder} in: {places})")?;
        write!(
            f,
            "get it with `featbench fetch {name}`; or unpack {archive} and name the folder that holds {folder} with \
             --data-dir or in FEATBENCH_DATA"
        )
    }
}

/// A registered set whose files are not those of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    pub name: String,
    pub folder: PathBuf,
    /// Paths inside the data set.
    pub missing: Vec<String>,
    /// Paths inside the data set.
    pub changed: Vec<String>,
    /// Where the published files are.
    pub source: String,
}

impl Display for Differs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} differs from its manifest: ", self.name, self.folder.display())?;
        let missing = first_of("missing", &self.missing);
        let changed = first_of("with other bytes", &self.changed);
        let parts: Vec<_> = [missing, changed].into_iter().flatten().collect();
        write!(
            f,
            "{}; move it away and get the published files again ({}) with `featbench fetch {}`, or name another copy",
            parts.join(", "),
            self.source,
            self.name
        )
    }
}

/// `3 files missing (a, b, c)`, with the first three names.
fn first_of(what: &str, paths: &[String]) -> Option<String> {
    let dots = if paths.len() > 3 { ", …" } else { "" };
    let files = if paths.len() == 1 { "file" } else { "files" };
    let first = paths.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    (!paths.is_empty()).then(|| format!("{} {files} {what} ({first}{dots})", paths.len()))
}
