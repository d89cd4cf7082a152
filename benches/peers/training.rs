//! Training, for `make peers`: single steps on batches that are ready, and whole trainings of an arm.
//! The networks start from numbers that the Python side reads from a file, so that both do the same steps.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use featbench::dataset::Dataset;
use featbench::deep::Tensor;
use featbench::deep::backbone::EMBEDDED;
use featbench::deep::network::resnet::{Block, ResNet};
use featbench::deep::network::{FEATURES, INPUT, LOGITS};
use featbench::deep::onnx::{ModelProto, TensorProto};
use featbench::deep::session::Device;
use featbench::deep::weights::Weights;
use featbench::features::{Choice, FoundBackbone, Kind, Lessons, Resources};
use featbench::finetune::gradient::BatchNorm;
use featbench::finetune::head::Head;
use featbench::finetune::optimiser::{Optimiser, Sgd};
use featbench::finetune::parameters;
use featbench::finetune::schedule::Rates;
use featbench::finetune::step::{Batch, Recipe, Training, with_weights};
use featbench::measure::memory;
use featbench::protocol::arm::Arm;
use featbench::stage::cache::Cache;
use ndarray::ArrayView2;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{read_floats, write_floats};

/// For graphs that do not depend on it.
const SIDE: usize = 224;
/// Length of the feature vector of both networks.
const DIMENSION: usize = 512;

/// The embedded backbone with the head of the arms, or a ResNet-18 of random numbers with one layer behind it.
pub fn network(name: &str, classes: usize, backbone: &FoundBackbone) -> Result<ModelProto> {
    let head = Head::random(classes, DIMENSION, 0);
    if name == EMBEDDED {
        let backbone = backbone.as_ref().map_err(|reason| anyhow::anyhow!("{reason}"))?;
        return Ok(head.with_norm(true).append(ModelProto::read(&backbone.model(SIDE)?)?, FEATURES));
    }
    ensure!(name == "resnet18", "no network is called {name}");
    let network = ResNet::new(Block::Basic, &[2; 4], None).network();
    let zeros = |shape: &[usize]| Tensor::new(shape, vec![0.0; shape.iter().product()]);
    let zeros = network.parameters.iter().map(|(name, shape)| (name.clone(), zeros(shape))).collect();
    let model = network.with(zeros)?;
    let numbers = parameters::random(&model, 0);
    Ok(head.append(with_weights(&model, numbers), FEATURES))
}

/// Everything that a training may change, written one after the other; the answer has names and shapes.
pub fn weights(model: &ModelProto, out: &Path) -> Result<Value> {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    write(tensors.filter_map(|tensor| Some((tensor.name.clone(), TensorProto::tensor(tensor)?))), out)
}

fn write(tensors: impl Iterator<Item = (String, Tensor)>, out: &Path) -> Result<Value> {
    let (mut written, mut all) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors {
        all.extend(tensor.data);
        written.push((name, tensor.shape));
    }
    write_floats(out, ArrayView2::from_shape((1, all.len()), &all)?)?;
    Ok(json!({ "tensors": written }))
}

/// Steps of SGD on one batch of images, all layers learning.
#[derive(Deserialize)]
pub struct Steps {
    network: String,
    classes: usize,
    side: usize,
    /// File of the images, normalised, and the class of each.
    images: PathBuf,
    labels: Vec<usize>,
    /// How many of the images each step sees, from the first on.
    sizes: Vec<usize>,
    learning_rate: f64,
    momentum: f64,
}

impl Steps {
    /// Seconds and loss of each step, and the largest memory so far, from before the network was there.
    pub fn take(&self, backbone: &FoundBackbone, threads: usize) -> Result<Value> {
        let reset = memory::reset_peak();
        let (mut seconds, mut losses, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
        self.each(backbone, threads, |_, time, loss| {
            seconds.push(time);
            losses.push(loss);
            peaks.push(reset.then(memory::peak_mib).flatten());
            Ok(())
        })?;
        Ok(json!({ "seconds": seconds, "losses": losses, "peaks_mib": peaks }))
    }

    /// The gradients of the last step, which must be the first: what it leaves as velocity, which began at 0, is the
    /// gradient to the last bit.
    pub fn gradients(&self, backbone: &FoundBackbone, threads: usize, out: &Path) -> Result<Value> {
        ensure!(self.sizes.len() == 1, "gradients are those of one step");
        let mut state = Weights::new();
        self.each(backbone, threads, |training, _, _| {
            state = training.state()?;
            Ok(())
        })?;
        let velocity = |(name, tensor): (String, Tensor)| Some((name.strip_prefix("velocity:")?.to_owned(), tensor));
        write(state.into_iter().filter_map(velocity), out)
    }

    /// Takes the steps; `seen` is told each one's seconds and loss.
    fn each(
        &self,
        backbone: &FoundBackbone,
        threads: usize,
        mut seen: impl FnMut(&Training, f64, f32) -> Result<()>,
    ) -> Result<()> {
        let model = network(&self.network, self.classes, backbone)?;
        let optimiser = Optimiser::Sgd(Sgd::default());
        let recipe = Recipe {
            model: &model,
            input: INPUT,
            image: &[3, self.side, self.side],
            logits: LOGITS,
            learns: &|_| true,
            batch_norm: &|_| BatchNorm::Train,
            optimiser: &optimiser,
            share: &|_| 1.0,
        };
        let mut training = Training::new(recipe, Device::cpu(), threads);
        let one = 3 * self.side * self.side;
        let images = read_floats(&self.images, one)?;
        let images = images.as_slice().context("rows lie one after the other")?;
        let mut targets = vec![0.0; self.labels.len() * self.classes];
        self.labels.iter().enumerate().for_each(|(i, label)| targets[i * self.classes + label] = 1.0);
        let rates = Rates { learning_rate: self.learning_rate, momentum: self.momentum };
        for &size in &self.sizes {
            training.graph(size)?;
            let batch = Batch { images: &images[..size * one], targets: &targets[..size * self.classes], masks: &[] };
            let start = Instant::now();
            let outcome = training.step(batch, rates)?;
            seen(&training, start.elapsed().as_secs_f64(), outcome.loss)?;
        }
        Ok(())
    }
}

/// A training of this arm for so many epochs on the training images, with an empty cache in `cache`: seconds of each
/// epoch, and how many of the views it classified correctly.
pub fn train(arm: &str, epochs: usize, dataset: &Dataset, resources: Resources, cache: &Path) -> Result<Value> {
    let cache = Cache::open(cache.to_owned(), true);
    let resources = Resources { cache: &cache, ..resources };
    let arm = Arm::select(&[arm.to_owned()])?.remove(0);
    let mut settings = arm.training().context("this arm's network is trained")?.clone();
    settings.epochs = epochs;
    let splits = &dataset.splits;
    let lessons = Lessons { train: &splits.train, val: None, reported: &[], classes: splits.classes.len() };
    let trained = Box::new(settings).fit(&Choice::only(), &resources, &lessons)?;
    let log = &trained.training().context("it was trained")?.log;
    let epochs = log.epochs.iter().map(|epoch| json!([epoch.train_s, epoch.train_images, epoch.train_correct]));
    Ok(json!({ "epochs": epochs.collect::<Vec<_>>() }))
}
