//! Why a data set can't be used, each time with the remedy.
//! One line for everything that is wrong with a folder; two for a registered set that is not on this machine.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A registered set that is nowhere on this machine.
    #[error("{0}")]
    NotFound(NotFound),
    #[error("no data set `{name}`{suggestion}; known are {}, and any folder", known.join(", "))]
    Unknown { name: String, suggestion: String, known: Vec<String> },
    #[error("{0}")]
    Differs(Differs),
    #[error("there is no folder {}: give one with images as SPLIT/CLASS/FILE or CLASS/FILE", .0.display())]
    NoFolder(PathBuf),
    #[error("cannot read {}: {error}; check its permissions and the disk", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} holds no files in class folders: lay images out as SPLIT/CLASS/FILE or CLASS/FILE", .0.display())]
    Empty(PathBuf),
    #[error("{} has a split folder but no `train`: add it, or give the folder that holds the classes", .0.display())]
    NoTrain(PathBuf),
    #[error(
        "{} has `train` but neither `val` nor `test`: add one, or give {} for a drawn split",
        .0.display(), .0.join("train").display()
    )]
    OnlyTrain(PathBuf),
    #[error("none of the {files} files in {} is a readable image ({first}): add JPEG or PNG images", folder.display())]
    NoneReadable { folder: PathBuf, files: usize, first: String },
    #[error("{} has images of one class only, `{class}`: add a second class", folder.display())]
    OneClass { folder: PathBuf, class: String },
    #[error(
        "class `{class}` in {} has {images} different readable image(s), a drawn split needs 3: add images or remove \
         the class", folder.display()
    )]
    TooFew { folder: PathBuf, class: String, images: usize },
    #[error("{0} (as in `procedural,clutter=0.8,classes=16`)")]
    Settings(String),
    #[error(
        "{0} is not drawn as datasets/procedural.csv says: the generator was changed without raising its version and \
         writing the manifest anew"
    )]
    Drawing(String),
    #[error("no readable image is left for `{part}` in {}: add images there", folder.display())]
    NoPart { folder: PathBuf, part: &'static str },
}

impl DatasetError {
    pub(super) fn io(path: &Path, error: io::Error) -> DatasetError {
        DatasetError::Io { path: path.to_path_buf(), error }
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
