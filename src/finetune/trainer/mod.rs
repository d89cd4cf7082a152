//! A training from its first step to its last: shuffled mini-batches of random views, a step after the other, and after
//! every epoch a look at val. The next mini-batches are prepared on another thread while a step runs.
//!
//! Everything random follows from seed, epoch and place ([`super::random`]), and a checkpoint holds the rest, so that
//! neither threads nor interruptions change a bit of the result.

mod batches;
mod ground;
mod judge;
mod range_test;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::gradient::{BatchNorm, Mask};
use super::rates::Shares;
use super::schedule::{Length, Rates, ScheduleError};
use super::settings::{LearningRate, Settings};
use super::step::{Recipe, Training};
use crate::deep::network::LOGITS;
use crate::deep::onnx::ModelProto;
use crate::deep::session::Device;
use crate::deep::weights::Weights;
use crate::image::Rgb;
use crate::image::preparation::Preparation;

use batches::{Batches, Prepared};
use ground::Ground;
use judge::Judge;
pub use range_test::range_test;

/// Raised whenever the same training may end with other weights.
pub const VERSION: u32 = 3;

/// Mini-batches that are prepared ahead.
const AHEAD: usize = 2;

/// Where images come from.
pub trait Pictures: Sync {
    fn count(&self) -> usize;
    /// The picture of image `i`, counted from 0.
    fn picture(&self, i: usize) -> Result<Rgb>;
}

/// Images with the class index of each.
#[derive(Clone, Copy)]
pub struct Examples<'a> {
    pub pictures: &'a dyn Pictures,
    pub labels: &'a [usize],
}

/// What is to be trained, on what, and how.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub settings: &'a Settings,
    /// A network with a head: output [`LOGITS`].
    pub model: &'a ModelProto,
    /// Its input, the side of that in pixels, and how pictures are prepared for it.
    pub input: &'a str,
    pub side: u32,
    pub preparation: Preparation,
    pub classes: usize,
    pub train: Examples<'a>,
    /// Judged after every epoch, never learnt from.
    pub val: Option<Examples<'a>>,
    /// Predicted after every epoch: images whose labels a training never sees.
    pub watched: Option<&'a dyn Pictures>,
    pub device: Device,
    pub threads: usize,
    pub seed: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepLog {
    pub rates: Rates,
    /// The mini-batch's mean cross-entropy before the update.
    pub loss: f32,
}

/// One epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    pub steps: usize,
    /// Mean over its images, each as its step saw it.
    pub train_loss: f64,
    /// Training images that were classified correctly, as their steps saw them, before the update.
    pub train_correct: usize,
    pub train_images: usize,
    /// Images of val that the network classifies correctly after the epoch; `None` without val.
    pub val_correct: Option<usize>,
    /// The class that it sees in each watched image; empty where none are watched.
    pub watched: Vec<usize>,
    pub train_s: f64,
    /// Of the look at val and at what is watched.
    pub val_s: f64,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    pub steps: Vec<StepLog>,
    pub epochs: Vec<EpochLog>,
}

/// The weights after the first of the epochs that were best on val.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 0.
    pub epoch: usize,
    pub correct: usize,
    pub weights: Weights,
}

/// Everything that the rest of a training depends on, after a whole epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    state: Weights,
    log: Log,
    best: Option<Best>,
}

/// A finished training. Weights are those that changed, by the network's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    pub last: Weights,
    pub best: Option<Best>,
    pub log: Log,
}

/// Who looks on.
pub trait Observer {
    /// The graph of a step is there; `nodes` tells which of its nodes whose kernels compute.
    fn prepared(&mut self, _nodes: &str) {}
    /// A step with so many images was taken.
    fn stepped(&mut self, _images: usize) {}
    /// An epoch is over; an error ends the training.
    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()>;
}

impl Log {
    /// Seconds of all steps, preparation of mini-batches included where a step had to wait for it.
    pub fn train_s(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.train_s).sum()
    }
}

impl Checkpoint {
    /// Training images that were seen up to here.
    pub fn images(&self) -> usize {
        self.log.epochs.iter().map(|epoch| epoch.train_images).sum()
    }
}

/// A training that can't go on, or whose end is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{sign}: the training has diverged at a learning rate of {rate:.2e}, take a lower lr")]
pub struct Diverged {
    sign: Sign,
    /// The largest up to there.
    rate: f64,
}

/// What tells it. Steps and epochs are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
enum Sign {
    #[error("the loss of step {step} is {loss}")]
    Step { step: usize, loss: f32 },
    #[error(
        "the mean loss of the last epoch is {loss:.3e}, more than {GROWTH} times what it was at the beginning, {start:.3}"
    )]
    Epoch { loss: f64, start: f64 },
    #[error("after epoch {epoch} weights are no finite numbers (NaN or infinite)")]
    Weights { epoch: usize },
    #[error("after epoch {epoch} the network's scores are no finite numbers (NaN or infinite)")]
    Scores { epoch: usize },
}

/// A training has diverged where the last epoch's mean loss is so many times the first step's, or the one of equal
/// probabilities where that is larger.
const GROWTH: f64 = 10.0;

impl Task<'_> {
    /// The rates of every step whose largest learning rate this is.
    pub fn plan(&self, lr: f64) -> Result<Vec<Rates>, ScheduleError> {
        let steps_per_epoch = batches::sizes(self.train.labels.len(), self.settings.batch).len();
        self.settings.schedule.plan(lr, Length { epochs: self.settings.epochs, steps_per_epoch })
    }

    /// Training images that all epochs see.
    pub fn images(&self) -> usize {
        let sizes = batches::sizes(self.train.labels.len(), self.settings.batch);
        sizes.iter().sum::<usize>() * self.settings.epochs
    }
}

/// Trains, from the beginning or from a checkpoint of the same task.
///
/// # Errors
/// Settings that do not fit the network or the data, a picture that can't be read, a loss, a weight or a score that is not
/// a number or a loss that has grown ([`Diverged`]), or what `observer` says.
pub fn train(task: &Task, from: Option<Checkpoint>, observer: &mut dyn Observer) -> Result<Trained> {
    let settings = task.settings;
    let LearningRate::Given(lr) = settings.lr else { bail!("lr = \"auto\" must be settled before the training") };
    let plan = task.plan(lr)?;
    let steps_per_epoch = plan.len() / settings.epochs;
    let ground = Ground::of(task)?;
    let val = task
        .val
        .map(|val| Ok::<_, anyhow::Error>((Judge::new(task, &ground, val.pictures)?, val.labels)))
        .transpose()?;
    let watched = task.watched.map(|watched| Judge::new(task, &ground, watched)).transpose()?;
    let (state, log, best) = from.map_or((None, Log::default(), None), |from| (Some(from.state), from.log, from.best));
    let state = state.map(|state| (state, log.steps.len() as u64));
    prepare(task, &ground, state, |training, batches| {
        let first = log.epochs.len();
        observer.prepared(&training.nodes()?);
        let mut course = Course { task, training, plan, val, watched, log, best, observer };
        ahead(&batches, first..settings.epochs, |prepared| course.run(prepared, steps_per_epoch))?;
        course.check_loss()?;
        Ok(Trained { last: course.training.weights()?, best: course.best, log: course.log })
    })
}

/// How many nodes of the task's steps whose kernels compute, as [`Session::shares`](crate::deep::session::Session::shares)
/// says it: also where a training comes from a cache.
///
/// # Errors
/// A network that can't be trained.
pub fn shares(task: &Task) -> Result<String> {
    prepare(task, &Ground::of(task)?, None, |training, _| Ok(training.shares()?))
}

/// Hands `act` a training at its beginning, or where it had this state after so many steps, with its mini-batches.
fn prepare<T>(
    task: &Task,
    ground: &Ground,
    state: Option<(Weights, u64)>,
    act: impl FnOnce(Training, Batches) -> Result<T>,
) -> Result<T> {
    let settings = task.settings;
    let learning = &ground.learning;
    let learns = |name: &str| learning.learns(name);
    let shares = Shares::of(task.model, settings);
    let batch_norm = |scale: &str| if learning.follows_batch(scale) { BatchNorm::Train } else { BatchNorm::Frozen };
    let recipe = Recipe {
        model: &ground.model,
        input: &ground.input,
        image: &ground.shape,
        logits: LOGITS,
        learns: &learns,
        batch_norm: &batch_norm,
        optimiser: &settings.optimiser,
        share: &|name| shares.share(name),
    };
    let mut training = Training::new(recipe, task.device, task.threads);
    if let Some((state, steps)) = state {
        training = training.resume(state, steps);
    }
    let images = batches::sizes(task.train.labels.len(), settings.batch).into_iter().next();
    let images = images.ok_or_else(|| anyhow!("there are no images to train on"))?;
    let of_one = |mask: &Mask| mask.shape.iter().product::<usize>() / images;
    let masks = training.graph(images)?.masks.iter().map(of_one).collect();
    act(training, Batches { task, ground, masks })
}

/// Prepares the mini-batches of some epochs on another thread, and hands `act` the receiving end.
fn ahead<T>(
    batches: &Batches,
    epochs: Range<usize>,
    act: impl FnOnce(&Receiver<Result<Prepared>>) -> Result<T>,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            let mut all = epochs.flat_map(|epoch| batches.of_epoch(epoch)).map(|batch| batches.prepare(&batch));
            // the receiver is gone where the training has ended early
            let _ = all.try_for_each(|batch| sender.send(batch));
        });
        let done = act(&receiver);
        drop(receiver);
        done
    })
}

/// The next mini-batch, when it is ready.
fn next(batches: &Receiver<Result<Prepared>>) -> Result<Prepared> {
    batches.recv().map_err(|_| anyhow!("the thread that prepares mini-batches has ended"))?
}

/// A training on its way.
struct Course<'a> {
    task: &'a Task<'a>,
    training: Training<'a>,
    plan: Vec<Rates>,
    val: Option<(Judge<'a>, &'a [usize])>,
    watched: Option<Judge<'a>>,
    log: Log,
    best: Option<Best>,
    observer: &'a mut dyn Observer,
}

impl Course<'_> {
    fn run(&mut self, batches: &Receiver<Result<Prepared>>, steps: usize) -> Result<()> {
        while self.log.epochs.len() < self.task.settings.epochs && !self.stalled() {
            let mut epoch = self.epoch(batches, steps)?;
            let number = self.log.epochs.len() + 1;
            let start = Instant::now();
            let state = self.training.state()?;
            if state.values().flat_map(|tensor| &tensor.data).any(|number| !number.is_finite()) {
                bail!(self.diverged(Sign::Weights { epoch: number }));
            }
            epoch.val_correct = self.look_at_val()?;
            if let Some(watched) = &self.watched {
                let classes = watched.classes(self.training.weights()?)?;
                epoch.watched = classes.ok_or_else(|| self.diverged(Sign::Scores { epoch: number }))?;
            }
            epoch.val_s = start.elapsed().as_secs_f64();
            self.log.epochs.push(epoch);
            self.observer.keep(&Checkpoint { state, log: self.log.clone(), best: self.best.clone() })?;
        }
        Ok(())
    }

    fn diverged(&self, sign: Sign) -> Diverged {
        let rates = self.log.steps.iter().map(|step| step.rates.learning_rate);
        Diverged { sign, rate: rates.fold(0.0, f64::max) }
    }

    /// Has the loss grown beyond what a training can mean?
    fn check_loss(&self) -> Result<()> {
        let (Some(first), Some(last)) = (self.log.steps.first(), self.log.epochs.last()) else { return Ok(()) };
        let start = f64::from(first.loss).max((self.task.classes as f64).ln());
        if last.train_loss > GROWTH * start {
            bail!(self.diverged(Sign::Epoch { loss: last.train_loss, start }));
        }
        Ok(())
    }

    /// Has val not become better for as long as the settings wait?
    fn stalled(&self) -> bool {
        let (Some(patience), Some(best)) = (self.task.settings.patience, &self.best) else { return false };
        self.log.epochs.len() > best.epoch + patience
    }

    fn epoch(&mut self, batches: &Receiver<Result<Prepared>>, steps: usize) -> Result<EpochLog> {
        let start = Instant::now();
        let (mut loss, mut correct, mut images) = (0.0, 0, 0);
        for _ in 0..steps {
            let prepared = next(batches)?;
            let (number, n) = (self.log.steps.len(), prepared.labels.len());
            let rates = self.plan[number];
            let outcome = self.training.step(prepared.batch(), rates)?;
            if !outcome.loss.is_finite() {
                let sign = Sign::Step { step: number + 1, loss: outcome.loss };
                bail!(Diverged { sign, rate: rates.learning_rate });
            }
            loss += f64::from(outcome.loss) * n as f64;
            correct += judge::correct(judge::largest(&outcome.logits, self.task.classes), &prepared.labels);
            images += n;
            self.log.steps.push(StepLog { rates, loss: outcome.loss });
            self.observer.stepped(n);
        }
        Ok(EpochLog {
            steps,
            train_loss: loss / images as f64,
            train_correct: correct,
            train_images: images,
            val_correct: None,
            watched: Vec::new(),
            train_s: start.elapsed().as_secs_f64(),
            val_s: 0.0,
        })
    }

    fn look_at_val(&mut self) -> Result<Option<usize>> {
        let Some((judge, labels)) = &self.val else { return Ok(None) };
        let weights = self.training.weights()?;
        let epoch = self.log.epochs.len() + 1;
        let classes = judge.classes(weights.clone())?.ok_or_else(|| self.diverged(Sign::Scores { epoch }))?;
        let correct = judge::correct(classes.into_iter(), labels);
        if self.best.as_ref().is_none_or(|best| correct > best.correct) {
            self.best = Some(Best { epoch: self.log.epochs.len(), correct, weights });
        }
        Ok(Some(correct))
    }
}
