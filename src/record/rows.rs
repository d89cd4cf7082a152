//! One struct a record file; the fields are its columns, in their order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Measured, all rows are there.
    Ok,
    /// An ingredient is not on this machine; `reason` says how to get it.
    Missing,
    /// It was tried and went wrong; `reason` says how.
    Failed,
}

impl Status {
    /// As in `runs.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Missing => "missing",
            Status::Failed => "failed",
        }
    }
}

/// `runs.csv`: one arm on one data set with one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Names the run in the other files: a hash of everything that its result depends on.
    pub run_id: String,
    pub dataset: String,
    pub arm: String,
    /// `floor`, `handcrafted` or `deep`.
    pub family: String,
    /// Network behind the features; empty where there is none.
    pub backbone: String,
    /// Side of the network's input in pixels; empty where there is none.
    pub input_px: Option<u32>,
    /// `native` or the side of the canvas in pixels.
    pub canvas: String,
    pub seed: u64,
    /// `reduced`, `standard` or `full`; empty where no network is trained.
    pub form: String,
    pub epochs: Option<u32>,
    /// Which epoch counts: `last`, `selected`, `published`; `last` where nothing is trained by epochs.
    pub protocol: String,
    /// What the final fit used: `train` or `train+val`.
    pub refit: String,
    pub settings_hash: String,
    /// Key into `environment.json`.
    pub environment_id: String,
    /// Published name of the reported split.
    pub split: String,
    pub status: Status,
    /// Why the status is not `ok`, with the remedy.
    pub reason: String,
    /// Reported images with a prediction.
    pub n: usize,
    /// Reported images that could not be read (they have no prediction).
    pub skipped: usize,
    /// Reported images without a single keypoint (their vector is zero); empty where no keypoints are used.
    pub without_keypoints: Option<usize>,
    /// Length of the feature vector.
    pub dimension: usize,
    /// Chosen settings, as `name=value` joined by spaces; `lr` and `range-test` where range tests found the rate.
    pub chosen: String,
    /// Accuracy of the chosen settings on the selection images, fitted on train alone.
    pub val_accuracy: Option<f64>,
    /// softmax(scores / temperature) are probabilities: fitted on the selection images' scores by a fit on train alone;
    /// empty where there are no scores, where no fit was without these images, and in older records.
    pub temperature: Option<f64>,
    /// Least probabilities from which on these shares of the selection images' answers are right, as `95=0.62 99=0.931`;
    /// a share that no answers reach has none.
    #[serde(default)]
    pub thresholds: String,
    /// Seconds for trying every candidate, feature extraction excluded.
    pub select_s: f64,
    /// Seconds for the final fit of the classifier, selection excluded.
    pub fit_s: f64,
    /// Largest relative duality gap of the final support vector machines; empty for other classifiers, and where it was
    /// not looked at.
    pub gap: Option<f64>,
    /// Peak resident memory while the arm ran, MiB; empty where the system does not tell.
    pub peak_mib: Option<f64>,
    /// Numbers that were learned: the network's and the classifier's, or the vocabulary's; empty where none are counted.
    pub parameters: Option<u64>,
    /// Multiply-adds of one image in the network and the classifier; empty where there is no network.
    pub multiply_adds: Option<u64>,
    /// Bytes of the exported file; empty for an arm that can't be exported.
    pub file_bytes: Option<u64>,
    /// What one image took at most beyond what the program had before, its detectors or session made anew, MiB; empty
    /// where the system does not tell.
    pub image_mib: Option<f64>,
    /// Of the processor, for each image of the offline scenario, everything else that ran included; empty where the machine
    /// does not tell.
    pub joules: Option<f64>,
    pub threads: usize,
    /// What the network ran on, `cpu` or `cuda`; `cpu` where there is none. Where kernels of ours computed on a CPU, how many
    /// nodes of the network each one's computed, as in `cpu (featbench 24, onnxruntime 1)`; behind `; training` those of a step.
    pub device: String,
    /// Which tensor of the network is its features and how pictures are prepared for it, each with where that is stated;
    /// empty where there is none.
    #[serde(default)]
    pub network: String,
}

impl RunRow {
    /// Columns that older records lack.
    pub(super) const LATER: [&str; 8] =
        ["temperature", "thresholds", "parameters", "multiply_adds", "file_bytes", "image_mib", "joules", "network"];

    /// Its network without the precision that its name may end in, and that: `resnet18-cntk` and `int8`, empty for f32.
    pub fn network(&self) -> (&str, &str) {
        self.backbone.rsplit_once(':').unwrap_or((&self.backbone, ""))
    }

    /// What makes a run another run rather than a newer one: dataset, arm, backbone, input, canvas (`native` first,
    /// then by size), seed, form, protocol. Runs are listed in this order within their family.
    pub fn identity(&self) -> impl Ord + '_ {
        let side = if self.canvas == "native" { 0 } else { self.canvas.parse().unwrap_or(u32::MAX) };
        let names = (&self.dataset, &self.arm, &self.backbone);
        (names, self.input_px, (side, &self.canvas), self.seed, &self.form, &self.protocol)
    }
}

/// `predictions.csv`: one image of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    pub run_id: String,
    /// Path inside the data set.
    pub image: String,
    /// Class names.
    pub truth: String,
    pub predicted: String,
    /// As [`super::format_scores`] writes them; empty where the arm has none.
    pub scores: String,
}

/// `timings.csv`: one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimingRow {
    pub run_id: String,
    /// `single` (one image at a time, one thread), `batch` or `offline` (all threads); never mixed.
    pub scenario: String,
    /// `extract` (encoded bytes to vector), `classify` (vector to class) or `total` (encoded bytes to class).
    pub stage: String,
    /// Number of the sample within run, scenario and stage, from 0.
    pub sample: usize,
    /// Images that the sample covers.
    pub images: usize,
    pub milliseconds: f64,
}

/// `selection.csv`: one candidate that was tried on the selection images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionRow {
    pub run_id: String,
    /// Order in which candidates are preferred at equal accuracy, from 0.
    pub candidate: usize,
    /// Settings, as `name=value` joined by spaces.
    pub settings: String,
    pub correct: usize,
    pub n: usize,
    pub chosen: bool,
}

/// `steps.csv`: one mini-batch of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    pub run_id: String,
    /// As in [`EpochRow`].
    pub training: String,
    /// Number of the step within its training, from 1.
    pub step: usize,
    pub learning_rate: f64,
    /// SGD's momentum, or Adam's beta1.
    pub momentum: f64,
    /// lr / (1 - momentum): how far a lasting gradient moves a weight.
    pub effective: f64,
    /// Mean cross-entropy of the mini-batch before the update.
    pub loss: f32,
}

/// `epochs.csv`: one epoch of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    pub run_id: String,
    /// Images that the training learnt from: `train`, or `train+val`.
    pub training: String,
    /// From 1.
    pub epoch: usize,
    /// Steps that were taken when it ended.
    pub steps: usize,
    /// Mean cross-entropy of its images, each as its step saw it.
    pub train_loss: f64,
    /// Training images that were classified correctly, as their steps saw them.
    pub train_correct: usize,
    pub train_n: usize,
    /// Selection images that are classified correctly after it; empty where they are trained on.
    pub val_correct: Option<usize>,
    pub val_n: usize,
    /// Seconds of its steps, and of the look at the images that it does not learn from.
    pub train_s: f64,
    pub val_s: f64,
    /// Its weights are the ones that are used, or its predictions.
    pub chosen: bool,
    /// Classes that it sees in the reported images, as indices in label order, images in the order of
    /// `predictions.csv`; joined by spaces; empty where they are not watched.
    pub reported: String,
}

/// Something to know about a data set's files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// In the order of what they do to a result: `lost` (a class or folder that could not be read), `unlearnt` and
    /// `unjudged` (a class that train or the reported split lacks), `absent` (that val lacks), `empty`, `contradiction`
    /// (same bytes, two classes), `duplicate` (same bytes in two splits), `burst` (names like frames of one video, on two
    /// sides), `wrapper`, `named`, `nested`, `joined` (how the
    /// layout was read), `dark` (12 bits in 16), `unreadable`, `rotated` (asks for an EXIF rotation, ignored), `small`
    /// (shorter side below the canvas's reduction), `unsupported`, `ignored`.
    pub kind: String,
    /// Path inside the data set, or the class.
    pub what: String,
    pub detail: String,
}

/// Images of one class in one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    pub class: String,
    pub train: usize,
    pub val: usize,
    pub test: usize,
}

/// A reported image that nearly equals an image which arms learn or choose settings from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearDuplicate {
    /// Paths inside the data set.
    pub image: String,
    pub other: String,
    /// `train`, or `val` for a selection image.
    pub other_role: String,
    /// Root mean square difference of the thumbnails, 0 to 255, once what was changed is undone.
    pub rmse: f64,
    /// `mirrored`, `cropped` or `mirrored and cropped`; empty where it is the same picture as it is.
    #[serde(default)]
    pub change: String,
}

/// `dataset.json`: what the data set was when it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRecord {
    pub name: String,
    pub title: String,
    /// Where the files come from.
    pub source: String,
    /// A sentence or two that a reader of the results must know.
    pub remarks: Vec<String>,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Published name of the split that accuracy is reported on, and of the one that selects.
    pub reported_split: String,
    pub selection_split: String,
    /// R of each canvas that runs were measured on, by its side N.
    pub canvas_reduce: BTreeMap<u32, u32>,
    /// Counts by role (train, selection, reported).
    pub counts: Vec<ClassCount>,
    pub findings: Vec<Finding>,
    /// Largest `rmse` of a near-duplicate; `None` where none were looked for.
    pub near_duplicate_rmse: Option<u32>,
    pub near_duplicates: Vec<NearDuplicate>,
    /// Version of the search for mirrored and cropped ones; 0 where only unchanged ones were looked for.
    #[serde(default)]
    pub near_duplicate_changes: u32,
    /// What was typed to read a folder in another way than by its folders alone, as ` --labels scans.csv`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reading: String,
}

impl DatasetRecord {
    /// The same with the near-duplicates that another description of it tells.
    pub fn with_near_duplicates_of(self, other: DatasetRecord) -> DatasetRecord {
        let DatasetRecord { near_duplicate_rmse, near_duplicates, near_duplicate_changes, .. } = other;
        DatasetRecord { near_duplicate_rmse, near_duplicates, near_duplicate_changes, ..self }
    }
}

/// `environment.json`: one machine and build, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub commit: String,
    /// The work tree differed from the commit.
    pub dirty: bool,
    pub featbench: String,
    pub rustc: String,
    pub profile: String,
    pub opencv: String,
    pub onnxruntime: String,
    /// Execution providers and their options.
    pub providers: Vec<String>,
    pub os: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub gpu: String,
}

/// `arms.json`: what an arm is, in words and settings, as it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmRecord {
    pub family: String,
    pub title: String,
    pub expectation: String,
    pub analysis: String,
    /// The settings, as TOML.
    pub settings: String,
}

/// `experiment.json`: the experiment that a folder of records belongs to, where it is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentRecord {
    pub name: String,
    pub title: String,
    /// `reduced`, `standard` or `full`.
    pub form: String,
    /// What was published, with its settings and figures.
    pub source: String,
    /// What the answer on top of the page answers.
    pub question: String,
    pub epochs: usize,
    pub published_epochs: usize,
    /// Views of training images that each training took.
    pub image_steps: usize,
    /// As in the column `protocol`; the answer speaks of the first.
    pub protocols: Vec<String>,
    /// Accuracies on the reported images that epochs are counted to.
    pub reach: Vec<f64>,
    pub comparisons: Vec<Comparison>,
}

/// Two arms of an experiment, and what it means to compare them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub first: String,
    pub second: String,
    pub about: String,
}

/// `sweep.json`: which data set of a folder of records is which point of a sweep, where it is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRecord {
    /// Of the data set that everything starts from.
    pub title: String,
    /// As in the column `form` of trained arms.
    pub form: String,
    /// Views of training images that every training takes, where that is the same for all.
    pub image_steps: Option<usize>,
    pub seeds: Vec<u64>,
    /// What measures it again.
    pub command: String,
    /// Which arms the sentences compare, those that are not measured too.
    #[serde(default)]
    pub comparisons: Vec<SweepComparison>,
    pub factors: Vec<FactorRecord>,
}

/// `draws.json`: the draws of a folder's splits that runs were measured on, the first one too; of `--repeats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawRecord {
    /// As in the column `dataset`.
    pub dataset: String,
    /// That drew the splits.
    pub seed: u64,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// Images of each part.
    pub train: usize,
    pub val: usize,
    pub test: usize,
}

/// Two arms along the factors of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepComparison {
    pub first: String,
    pub second: String,
    pub question: SweepQuestion,
}

/// What is asked of two arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SweepQuestion {
    /// Which of a handcrafted and a deep arm keeps less of its accuracy as a factor gets harder?
    Suffers,
    /// From how many training images on, if at all, is the second, which starts from random weights, no worse?
    Pretraining,
}

/// One factor, from the level that is thought easiest to the hardest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorRecord {
    pub name: String,
    /// In words, with its unit.
    pub title: String,
    pub levels: Vec<LevelRecord>,
}

/// One level, and the data set of each seed, as in the column `dataset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelRecord {
    pub value: f64,
    pub classes: usize,
    pub datasets: Vec<String>,
}

impl LevelRecord {
    /// The share that guesses get: every class has as many reported images.
    pub fn chance(&self) -> f64 {
        1.0 / self.classes as f64
    }
}

pub type Environments = BTreeMap<String, Environment>;
pub type ArmRecords = BTreeMap<String, ArmRecord>;
