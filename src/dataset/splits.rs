//! The wall between the splits: three types, so that labels of the reported images can't be read by mistake.
//! `Split<Train>` and `Split<Val>` show their labels; those of `Split<Test>` leave this file only together with
//! the predictions of a fitted arm, in [`Split::evaluate`].

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::DatasetError;
use super::file;
use super::manifest::{Manifest, Part, Row, hex_sha256};
use super::procedural::Drawing;
use crate::image::degrade::{Clarity, degrade};
use crate::image::encode::encode_bmp;
use crate::image::{DecodeError, decode_rgb};

/// Images that arms are fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Train;
/// Images that choose hyper-parameters.
#[derive(Debug, Clone, Copy)]
pub struct Val;
/// Images that accuracy is reported on, once an arm is fitted.
#[derive(Debug, Clone, Copy)]
pub struct Test;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// The program draws it.
    Drawn(Drawing),
    /// Another image, less clear.
    Degraded { of: Arc<ImageFile>, clarity: Clarity },
}

/// Says where the image of a row comes from, and how many bytes it has.
pub(super) type SourceOf<'a> = dyn Fn(&Row) -> Result<(Source, u64), DatasetError> + 'a;

/// One image: where it comes from, and what is known of it without its label.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFile {
    /// Path inside the data set, with `/`; the image's name in every record.
    pub id: String,
    pub source: Source,
    /// SHA-256 of the file, or of the pixels that are drawn; lower-case hex.
    pub sha256: String,
    /// Pixels, as the file stores them (EXIF orientation ignored).
    pub width: u32,
    pub height: u32,
    /// Bytes of the file, or of the pixels that are drawn.
    pub bytes: u64,
}

impl ImageFile {
    /// The file, or the name of what is drawn: for messages.
    pub fn place(&self) -> String {
        match &self.source {
            Source::File(path) => path.display().to_string(),
            Source::Drawn(_) => self.id.clone(),
            Source::Degraded { of, .. } => of.place(),
        }
    }

    /// The bytes of the image file; what is drawn comes as BMP.
    ///
    /// # Errors
    /// A file that can't be read or decoded, one that is another than the manifest says (results are kept under the
    /// manifest's hash), or a drawing that is; the message names it.
    pub fn read(&self) -> Result<Vec<u8>, DatasetError> {
        match &self.source {
            Source::File(path) => {
                let bytes = file::read(path, self.bytes).map_err(|error| DatasetError::io(path, error))?;
                let found = hex_sha256(&bytes);
                if found == self.sha256 {
                    return Ok(bytes);
                }
                Err(DatasetError::Changed { path: path.clone(), expected: short(&self.sha256), found: short(&found) })
            }
            Source::Drawn(drawing) => {
                let picture = drawing.picture();
                if hex_sha256(&picture.data) == self.sha256 {
                    Ok(encode_bmp(picture))
                } else {
                    Err(DatasetError::Drawing(self.id.clone()))
                }
            }
            Source::Degraded { of, clarity } => {
                let unreadable =
                    |error: DecodeError| DatasetError::io(Path::new(&of.place()), io::Error::other(error.to_string()));
                let picture = decode_rgb(&of.read()?).map_err(unreadable)?;
                // other noise on every image, the same every time
                let seed = u32::from_str_radix(self.sha256.get(..8).unwrap_or_default(), 16).unwrap_or_default();
                Ok(encode_bmp(&degrade(&picture, clarity, seed)))
            }
        }
    }
}

/// The beginning of a SHA-256, for a message.
fn short(sha256: &str) -> String {
    format!("SHA-256 {}…", sha256.get(..12).unwrap_or(sha256))
}

/// The images of one part of a data set, with labels that only the right reader gets.
#[derive(Clone)]
pub struct Split<Part> {
    images: Vec<Arc<ImageFile>>,
    labels: Vec<usize>,
    part: PhantomData<Part>,
}

/// What a fitted arm says of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Index of the predicted class.
    pub class: usize,
    /// One score a class, larger is likelier; empty where the arm has none.
    pub scores: Vec<f32>,
}

/// A prediction beside the truth: the raw material of every accuracy.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    pub image: Arc<ImageFile>,
    pub truth: usize,
    pub prediction: Prediction,
}

/// An arm that has been fitted and can only predict.
pub trait FittedArm {
    /// One prediction an image, in the order of `images`.
    fn predict(&self, images: &[Arc<ImageFile>]) -> anyhow::Result<Vec<Prediction>>;
}

/// The number of images only: labels don't leave by way of a log either.
impl<Part> Debug for Split<Part> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Split({} images)", self.len())
    }
}

impl<Part> Split<Part> {
    fn new(images: Vec<Arc<ImageFile>>, labels: Vec<usize>) -> Self {
        assert_eq!(images.len(), labels.len(), "one label an image");
        Self { images, labels, part: PhantomData }
    }

    pub fn images(&self) -> &[Arc<ImageFile>] {
        &self.images
    }

    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl Split<Train> {
    /// Class index of each image.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Train and val together, for the final fit of a protocol that allows it.
    pub fn with(&self, val: &Split<Val>) -> Split<Train> {
        Split::new(
            self.images.iter().chain(&val.images).cloned().collect(),
            self.labels.iter().chain(&val.labels).copied().collect(),
        )
    }
}

impl Split<Val> {
    /// Class index of each image.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

impl Split<Test> {
    /// The final evaluation, and the only reader of these labels: a fitted arm predicts every image, then the
    /// predictions are joined with the truth.
    ///
    /// Labels of the reported images can't be had in another way:
    /// ```compile_fail
    /// fn peek(test: &featbench::dataset::Split<featbench::dataset::Test>) -> &[usize] { test.labels() }
    /// ```
    /// while those of the training images can:
    /// ```
    /// fn read(train: &featbench::dataset::Split<featbench::dataset::Train>) -> &[usize] { train.labels() }
    /// ```
    pub fn evaluate(&self, arm: &dyn FittedArm) -> anyhow::Result<Vec<Evaluated>> {
        let predictions = arm.predict(&self.images)?;
        anyhow::ensure!(
            predictions.len() == self.images.len(),
            "{} predictions for {} images",
            predictions.len(),
            self.images.len()
        );
        let judged = self.images.iter().zip(&self.labels).zip(predictions);
        Ok(judged.map(|((image, &truth), prediction)| Evaluated { image: image.clone(), truth, prediction }).collect())
    }
}

/// A data set as the arms see it: classes in label order and three parts.
#[derive(Debug, Clone)]
pub struct Splits {
    /// Name of each class, in the order of the label index (sorted by name).
    pub classes: Vec<String>,
    pub train: Split<Train>,
    pub val: Split<Val>,
    pub test: Split<Test>,
}

impl Splits {
    /// The images with a role, in the manifest's order; each comes from where `source` says.
    pub(super) fn of(manifest: &Manifest, source: &SourceOf) -> Result<Splits, DatasetError> {
        let classes = manifest.classes();
        Ok(Splits {
            train: split_of(manifest, Part::Train, &classes, source)?,
            val: split_of(manifest, Part::Val, &classes, source)?,
            test: split_of(manifest, Part::Test, &classes, source)?,
            classes,
        })
    }
}

/// The file of a row, and its bytes.
pub(super) fn file_in(folder: &Path, row: &Row) -> Result<(Source, u64), DatasetError> {
    let path = folder.join(&row.path);
    let bytes = std::fs::metadata(&path).map_err(|error| DatasetError::io(&path, error))?.len();
    Ok((Source::File(path), bytes))
}

fn split_of<P>(
    manifest: &Manifest,
    role: Part,
    classes: &[String],
    source: &SourceOf,
) -> Result<Split<P>, DatasetError> {
    let image = |row: &Row| -> Result<_, DatasetError> {
        let (source, bytes) = source(row)?;
        let Row { path: id, sha256, width, height, .. } = row.clone();
        Ok(Arc::new(ImageFile { id, source, sha256, width, height, bytes }))
    };
    let images = manifest.with_role(role).map(image).collect::<Result<_, _>>()?;
    let label = |row: &Row| classes.binary_search(&row.label).expect("the classes are those of the same rows");
    Ok(Split::new(images, manifest.with_role(role).map(label).collect()))
}
