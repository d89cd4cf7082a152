//! The wall between the splits: three types, so that labels of the reported images can't be read by mistake.
//! `Split<Train>` and `Split<Val>` show their labels; those of `Split<Test>` leave this file only together with
//! the predictions of a fitted arm, in [`Split::evaluate`].

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

/// Images that arms are fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Train;
/// Images that choose hyper-parameters.
#[derive(Debug, Clone, Copy)]
pub struct Val;
/// Images that accuracy is reported on, once an arm is fitted.
#[derive(Debug, Clone, Copy)]
pub struct Test;

/// One image file: where it is, and what is known of it without its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Path inside the data set, with `/`; the image's name in every record.
    pub id: String,
    /// Where the file lies on this machine.
    pub path: PathBuf,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Pixels, as the file stores them (EXIF orientation ignored).
    pub width: u32,
    pub height: u32,
    /// Bytes of the file.
    pub bytes: u64,
}

/// The images of one part of a data set, with labels that only the right reader gets.
#[derive(Debug, Clone)]
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
pub struct Judged {
    pub image: Arc<ImageFile>,
    pub truth: usize,
    pub prediction: Prediction,
}

/// An arm that has been fitted and can only predict.
pub trait FittedArm {
    /// One prediction an image, in the order of `images`.
    fn predict(&self, images: &[Arc<ImageFile>]) -> anyhow::Result<Vec<Prediction>>;
}

impl<Part> Split<Part> {
    pub(super) fn new(images: Vec<Arc<ImageFile>>, labels: Vec<usize>) -> Self {
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
    pub fn evaluate(&self, arm: &dyn FittedArm) -> anyhow::Result<Vec<Judged>> {
        let predictions = arm.predict(&self.images)?;
        anyhow::ensure!(
            predictions.len() == self.images.len(),
            "{} predictions for {} images",
            predictions.len(),
            self.images.len()
        );
        let judged = self.images.iter().zip(&self.labels).zip(predictions);
        Ok(judged.map(|((image, &truth), prediction)| Judged { image: image.clone(), truth, prediction }).collect())
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
