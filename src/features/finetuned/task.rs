//! What a network is trained with, as the trainer takes it, and a training from its last checkpoint on: cached when it
//! is over and kept after every epoch until then.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::classify::logistic::Penalty;
use crate::classify::scale::Scaling;
use crate::classify::{Candidate, Labelled};
use crate::dataset::ImageFile;
use crate::deep::network::LOGITS;
use crate::deep::onnx::ModelProto;
use crate::deep::precision::Precision;
use crate::features::fitted::{Features, Lessons};
use crate::features::network::Network;
use crate::features::picture::{picture, read};
use crate::features::{Missing, Resources, hashes};
use crate::finetune::head::{self, Linear};
use crate::finetune::parameters;
use crate::finetune::schedule::Rates;
use crate::finetune::settings::{Head, Keep, LearningRate, Settings, Start};
use crate::finetune::step::with_weights;
use crate::finetune::trainer::{self, Checkpoint, Examples, Log, Observer, Pictures, Task, Trained, VERSION};
use crate::image::Rgb;
use crate::stage::cache::Key;
use crate::stage::progress::Bar;
use crate::stage::stopwatch::Stopwatch;

/// Hands `act` what is to be trained, and the key of everything that this depends on.
pub fn with_task<T>(
    settings: &Settings,
    frozen: &Network,
    resources: &Resources,
    lessons: &Lessons,
    act: impl FnOnce(&Task, &Key) -> Result<T>,
) -> Result<T> {
    let backbone = frozen.backbone();
    backbone.check_side(resources.input as usize)?;
    if backbone.precision != Precision::F32 {
        let told = "is for frozen networks, and this one is trained in f32: name it without, or leave this arm out";
        return Err(Missing(format!("`{}`: a precision {told}", backbone.name)).into());
    }
    ensure!(
        backbone.ports.output != LOGITS,
        "backbone `{}`: `{LOGITS}` is what the new head gives, and can't be the features too: give that output of the file \
         another name",
        backbone.name
    );
    let model = ModelProto::read(&backbone.model(resources.input as usize)?).context(backbone.name.clone())?;
    let mut model = head(settings, frozen, resources, lessons)?.append(model, &backbone.ports.output);
    if settings.start == Start::Random {
        model = with_weights(&model, parameters::random(&model, resources.seed));
    }
    let pictures = |images| Files { images, resources };
    let (train, val) = (pictures(lessons.train.images()), lessons.val.map(|val| pictures(val.images())));
    let val_labels = lessons.val.map(|val| val.labels());
    let watched = pictures(lessons.reported);
    let task = Task {
        settings,
        model: &model,
        input: &backbone.ports.input,
        side: resources.input,
        preparation: backbone.preparation,
        classes: lessons.classes,
        train: Examples { pictures: &train, labels: lessons.train.labels() },
        val: val.as_ref().zip(val_labels).map(|(val, labels)| Examples { pictures: val, labels }),
        watched: settings.watch.then_some(&watched as &dyn Pictures),
        device: resources.device,
        threads: resources.threads,
        seed: resources.seed,
    };
    act(&task, &identity(settings, frozen, resources, lessons)?)
}

/// Everything that a training depends on.
fn identity(settings: &Settings, frozen: &Network, resources: &Resources, lessons: &Lessons) -> Result<Key> {
    // which epoch is used afterwards changes nothing of the training
    let settings = Settings { keep: Keep::Last, ..settings.clone() };
    let val = lessons.val.map(|val| (hashes(val.images()), val.labels()));
    let watched = if settings.watch { hashes(lessons.reported) } else { Vec::new() };
    let data = (hashes(lessons.train.images()), lessons.train.labels(), val, watched, lessons.classes);
    let place = (resources.device.identity(), resources.frame(), resources.input, resources.seed);
    Key::new("train", VERSION, &(&settings, frozen.identity(), place, data))
}

/// The training from the cache, or from its last checkpoint on.
pub fn trained(task: &Task, resources: &Resources, key: &Key) -> Result<Trained> {
    if let Some(trained) = resources.cache.get(key) {
        return Ok(trained);
    }
    resumed(task, resources, key, |trained| resources.cache.put(key, &trained).map(|()| trained))
}

/// Where the checkpoint of a training lies.
pub fn checkpoint_of(training: &Key) -> Result<Key> {
    Key::new("checkpoint", VERSION, &training.hash())
}

/// Trains from the last checkpoint on; the checkpoint stays until `keep` has done what is to be done.
pub fn resumed<T>(task: &Task, resources: &Resources, key: &Key, keep: impl FnOnce(Trained) -> Result<T>) -> Result<T> {
    let place = checkpoint_of(key)?;
    let checkpoint: Option<Checkpoint> = resources.cache.get(&place);
    if parameters::without_batch_norms(task.model) {
        let rate = match task.settings.lr {
            LearningRate::Given(rate) => format!("; at a learning rate of {rate} such a network may learn nothing"),
            LearningRate::Auto => String::new(),
        };
        resources.progress.say(&format!(
            "  the network's file has convolutions with a bias and no batch norms, as exporters leave it that fold these into \
             the convolutions: it is trained as it is{rate}. Exported with \
             `torch.onnx.export(..., dynamo=False, do_constant_folding=False)` it keeps them and trains at the usual rates; \
             otherwise take a tenth of the rate",
        ));
    }
    let kept = checkpoint.as_ref().map_or(0, Checkpoint::images);
    let bar = resources.progress.bar("train", task.images()).begun_at(kept as u64);
    let mut keeper = Keeper { resources, place: &place, bar };
    let trained = trainer::train(task, checkpoint, &mut keeper)?;
    resources.progress.say(&format!("  {}", rates_of(&trained.log)));
    let kept = keep(trained)?;
    resources.cache.remove(&place);
    Ok(kept)
}

/// What a training learnt with, in a line.
fn rates_of(log: &Log) -> String {
    let range = |of: fn(&Rates) -> f64| {
        let values = log.steps.iter().map(|step| of(&step.rates));
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((_, peak), (low, high)) = (range(|rates| rates.learning_rate), range(|rates| rates.momentum));
    let momentum = if low == high { format!("{low}") } else { format!("{low:.3} to {high:.3}") };
    let sum: f64 = log.steps.iter().map(|step| step.rates.effective()).sum();
    format!(
        "{} steps: learning rate up to {peak:.1e}, momentum {momentum}, lr/(1-momentum) up to {:.1e}, {sum:.3} in all",
        log.steps.len(),
        range(|rates| rates.effective()).1
    )
}

/// Shows how far a training is, and keeps what it needs to go on.
struct Keeper<'a> {
    resources: &'a Resources<'a>,
    place: &'a Key,
    bar: Bar,
}

impl Observer for Keeper<'_> {
    fn prepared(&mut self, nodes: &str) {
        self.resources.progress.say(&format!("  nodes of a step by whose kernels compute them: {nodes}"));
    }

    fn stepped(&mut self, images: usize) {
        self.bar.inc(images);
    }

    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.resources.cache.put(self.place, checkpoint)
    }
}

/// Images from their files, as every arm sees them.
struct Files<'a> {
    images: &'a [Arc<ImageFile>],
    resources: &'a Resources<'a>,
}

impl Pictures for Files<'_> {
    fn count(&self) -> usize {
        self.images.len()
    }

    fn picture(&self, i: usize) -> Result<Rgb> {
        let encoded = read(&self.images[i..=i])?;
        Ok(picture(&encoded[0], self.resources.canvas, &mut Stopwatch::start())?.into_owned())
    }
}

fn head(settings: &Settings, frozen: &Network, resources: &Resources, lessons: &Lessons) -> Result<head::Head> {
    let random = || head::Head::random(lessons.classes, frozen.dimension(), resources.seed);
    let head = match settings.head {
        Head::Linear => random(),
        Head::BatchnormLinear => random().with_norm(true),
        Head::Probe => head::Head::given(&probe(settings.probe_alpha, frozen, resources, lessons)?),
    };
    Ok(head.with_dropout(settings.dropout > 0.0))
}

/// A logistic regression on the frozen features of the training images.
fn probe(alpha: f64, frozen: &Network, resources: &Resources, lessons: &Lessons) -> Result<Linear> {
    let x = frozen.vectors(resources, lessons.train.images())?.x;
    let candidate = Candidate::Logistic { scale: Scaling::Standardise, penalty: Penalty { alpha } };
    let train = Labelled { x: &x, y: lessons.train.labels() };
    let (weights, intercepts) =
        candidate.fit(train, lessons.classes)?.as_linear().context("a logistic regression is linear")?;
    // a class that train does not show has minus infinity, which nothing can be learnt from
    let lowest = intercepts.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::min) - 10.0;
    let bias = intercepts.iter().map(|&v| if v.is_finite() { v } else { lowest }).collect();
    Ok(Linear { weight: weights.t().iter().copied().collect(), bias })
}
