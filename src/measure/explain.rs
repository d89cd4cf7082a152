//! A fitted arm that tells where in an image the evidence for its answer lies: for the class that wins against the one
//! that comes second.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2};

use crate::classify::Classifier;
use crate::dataset::Dataset;
use crate::deep::backbone::Backbone;
use crate::deep::exported::{Description, ExportedError};
use crate::deep::onnx::ModelProto;
use crate::deep::session::Device;
use crate::features::{Encoded, Evidence, Explainer, Features, Frozen, Resources, Worker};
use crate::finetune::head;
use crate::image::{Canvas, Rgb, decode_rgb};
use crate::stage::cache::Cache;
use crate::stage::progress::Progress;
use crate::stage::stopwatch::Stopwatch;

use super::plan::Planned;
use super::portable::{Portable, image_of};
use super::run::choose;

/// A fitted arm with a linear classifier.
pub struct Eye {
    /// As pictures show it.
    pub name: String,
    labels: Vec<String>,
    classifier: Classifier,
    /// d x classes, of vectors as features give them.
    weights: Array2<f64>,
    intercepts: Array1<f64>,
    canvas: Option<Canvas>,
    worker: Box<dyn Worker>,
    explainer: Box<dyn Explainer>,
}

/// What an arm says of one image, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The picture that the arm sees: on its canvas, where it has one.
    pub picture: Rgb,
    pub winner: String,
    pub runner_up: String,
    /// The winner's score less the other's.
    pub margin: f64,
    /// What of the margin is the same for every image.
    pub constant: f64,
    /// By member; with the constant they add up to the margin.
    pub evidence: Vec<Evidence>,
}

/// What the parts of an arm are made with.
struct Frame {
    canvas: Option<Canvas>,
    /// Side of a network's input in pixels.
    input: u32,
}

impl Eye {
    /// An arm, chosen and fitted as for its record, from the cache where it is there.
    ///
    /// # Errors
    /// A classifier that is not linear, an arm that looks at no pixels, or what keeps it from being measured.
    pub fn fitted(planned: &Planned, dataset: &Dataset, resources: &Resources) -> Result<Eye> {
        let arm = &planned.arm;
        ensure!(arm.needs().pixels, "--arms {}: it looks at no pixels, so that nothing has a place", arm.name);
        let not_linear = || format!("--arms {}: {NOT_LINEAR}", arm.name);
        ensure!(arm.classifier.may_be_linear(), not_linear());
        let chosen = choose(planned, dataset, resources)?;
        let frame = Frame { canvas: planned.canvas, input: resources.input };
        let labels = dataset.splits.classes.clone();
        Eye::of(arm.name.clone(), &*chosen.features, chosen.fit.classifier, labels, frame).with_context(not_linear)?
    }

    /// A file that `featbench export` wrote: of our own, or ONNX.
    ///
    /// # Errors
    /// A file that can't be read, or whose classifier is not linear.
    pub fn exported(path: &Path) -> Result<Eye> {
        let bytes = std::fs::read(path).context("can't be read")?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let eye = if Portable::is(&bytes) {
            let Portable { features, classifier, canvas, labels, .. } = Portable::read(&bytes)?;
            Eye::of(name, &*features, classifier, labels, Frame { canvas, input: 0 })
        } else {
            Eye::network(name, path, &bytes)?
        };
        eye.context(NOT_LINEAR)?
    }

    /// An exported network with a head.
    fn network(name: String, path: &Path, bytes: &[u8]) -> Result<Option<Result<Eye>>> {
        let model = ModelProto::read(bytes)?;
        let description = Description::read(&model)?.ok_or(ExportedError::NoDescription)?;
        ensure!(
            head::is_there(&model),
            "it has no linear layer of ours behind its features: export an arm by `featbench export --arm`"
        );
        let linear = head::linear(&model);
        let classes = linear.bias.len();
        let weights = Array2::from_shape_vec((classes, linear.weight.len() / classes.max(1)), linear.weight)?;
        let classifier = Classifier::linear(weights.t().to_owned(), linear.bias.into());
        let features = Frozen::of(Backbone::of_file(path)?)?;
        let (canvas, input) = (description.preprocessing.canvas(), description.preprocessing.crop);
        Ok(Eye::of(name, &*features, classifier, description.labels, Frame { canvas, input }))
    }

    /// `None` where the classifier is not linear.
    fn of(
        name: String,
        features: &dyn Features,
        classifier: Classifier,
        labels: Vec<String>,
        Frame { canvas, input }: Frame,
    ) -> Option<Result<Eye>> {
        let (weights, intercepts) = classifier.as_linear()?;
        // nothing is cached: an image is looked at once
        let cache = Cache::open(PathBuf::new(), false);
        let resources = Resources {
            cache: &cache,
            threads: 1,
            canvas,
            progress: &Progress::Hidden,
            device: Device::PLAIN,
            input,
            backbone: None,
            seed: 0,
        };
        let made = features.worker(&resources, 1).and_then(|worker| Ok((worker, features.explainer(&resources)?)));
        let eye =
            |(worker, explainer)| Eye { name, labels, classifier, weights, intercepts, canvas, worker, explainer };
        Some(made.map(eye))
    }

    /// What it says of an image with these bytes.
    ///
    /// # Errors
    /// An image that can't be read, or fewer than two classes that it knows.
    pub fn look(&mut self, path: &Path, bytes: &[u8]) -> Result<Look> {
        let image = image_of(path, bytes)?;
        let encoded = Encoded::new(&image, bytes.to_vec());
        let vectors = self.worker.vectors(std::slice::from_ref(&encoded), &mut Stopwatch::start())?;
        let scores: Vec<f32> = self.classifier.scores(vectors.view()).into_iter().collect();
        let mut order: Vec<usize> = (0..scores.len()).filter(|&class| scores[class].is_finite()).collect();
        // the first of equal ones comes first
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let &[winner, second, ..] = &order[..] else {
            anyhow::bail!("{}: there are no two classes with a score", path.display())
        };
        let weights = &self.weights.column(winner) - &self.weights.column(second);
        let mut constant = self.intercepts[winner] - self.intercepts[second];
        let margin = vectors.row(0).iter().zip(&weights).map(|(&v, w)| f64::from(v) * w).sum::<f64>() + constant;
        let mut evidence = self.explainer.evidence(&encoded, &weights.to_vec())?;
        // an average picture has no evidence anywhere: what it would have is the same for every image
        if let ([only], Some(centre)) = (&mut evidence[..], self.classifier.centre()) {
            let average: f64 = centre.iter().zip(&weights).map(|(&mean, w)| f64::from(mean) * w).sum();
            only.take_away(average);
            constant += average;
        }
        let whole = decode_rgb(bytes)?;
        let picture = match self.canvas {
            Some(canvas) => canvas.apply(&whole),
            None => whole,
        };
        let label = |class: usize| self.labels.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        Ok(Look { picture, winner: label(winner), runner_up: label(second), margin, constant, evidence })
    }
}

const NOT_LINEAR: &str = "its classifier is no linear function of the features (nearest neighbours, or a support vector machine with \
    an RBF kernel), so that no part of its score belongs to a place: in a copy of the arm's file leave `linear_c` and take \
    `rbf_c` and `rbf_gamma` out, and explain that, --arms FILE.toml";
