//! A training step: forward, loss, backward and update as one graph that ONNX Runtime runs.
//! Parameters, what the optimiser keeps of them and the running statistics of batch norms go in and come out; images,
//! targets, dropout masks, learning rate and momentum are fed.

mod graph;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::gradient::{BatchNorm, GradientError, INPUT, Source};
use super::optimiser::Optimiser;
use super::schedule::Rates;
use crate::deep::Tensor;
use crate::deep::onnx::ModelProto;
use crate::deep::session::{Arena, Device, Input, Session, SessionError, State};
use crate::deep::weights::Weights;

pub use graph::{TrainingGraph, with_weights};

/// What is trained and how.
pub struct Recipe<'a> {
    /// A network with its weights, which are initializers (see [`Head::append`](super::head::Head::append)).
    pub model: &'a ModelProto,
    /// The network's input, and the sides of one image there.
    pub input: &'a str,
    pub image: &'a [usize],
    /// Images x classes, before softmax.
    pub logits: &'a str,
    /// Is the constant of this name trained?
    pub learns: &'a dyn Fn(&str) -> bool,
    /// Which statistics the batch norm uses whose scale has this name.
    pub batch_norm: &'a dyn Fn(&str) -> BatchNorm,
    pub optimiser: &'a Optimiser,
    /// The share of the learning rate that the parameter of this name learns with.
    pub share: &'a dyn Fn(&str) -> f64,
}

/// Why a network can't be trained, or a step can't be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Gradient(#[from] GradientError),
    #[error("the network's output `{name}` has the shape {found:?}; images x classes are expected")]
    Output { name: String, found: Vec<usize> },
    #[error("nothing is trained: no weight that the output `{0}` depends on was chosen")]
    NothingLearns(String),
    #[error("{what}: {found} numbers were given; {expected} are expected")]
    Length { what: String, found: usize, expected: usize },
    #[error("the checkpoint has no `{0}` of this network's shape; delete the cache (`featbench cache --clear`)")]
    Checkpoint(String),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// One mini-batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Images, one after the other.
    pub images: &'a [f32],
    /// Images x classes: how much each image belongs to each class, 1 in all. Label smoothing and mixup are a matter
    /// of these numbers alone.
    pub targets: &'a [f32],
    /// One for each of [`TrainingGraph::masks`].
    pub masks: &'a [Vec<f32>],
}

/// What came out of a step, as it was before the update.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The batch's mean cross-entropy.
    pub loss: f32,
    /// Images x classes.
    pub logits: Vec<f32>,
}

/// A network in training.
pub struct Training<'a> {
    recipe: Recipe<'a>,
    device: Device,
    threads: usize,
    /// A graph is made for one number of images: the last batch of an epoch may have another.
    graphs: BTreeMap<usize, (TrainingGraph, Session)>,
    /// What their sessions work in, from the first on.
    arena: Option<Arena>,
    state: Option<State>,
    /// What a checkpoint kept, until the next step goes on from there.
    restored: Option<Weights>,
    steps: u64,
}

impl<'a> Training<'a> {
    pub fn new(recipe: Recipe<'a>, device: Device, threads: usize) -> Training<'a> {
        Training {
            recipe,
            device,
            threads,
            graphs: BTreeMap::new(),
            arena: None,
            state: None,
            restored: None,
            steps: 0,
        }
    }

    /// A training that goes on where another one of the same recipe stood after `steps` steps, with its
    /// [`state`](Training::state): the same steps from there lead to the same bits.
    pub fn resume(mut self, state: Weights, steps: u64) -> Training<'a> {
        (self.restored, self.state, self.steps) = (Some(state), None, steps);
        self
    }

    /// The graph for batches of this many images, derived at the first call.
    pub fn graph(&mut self, images: usize) -> Result<&TrainingGraph, StepError> {
        Ok(&self.prepare(images)?.0)
    }

    fn prepare(&mut self, images: usize) -> Result<&mut (TrainingGraph, Session), StepError> {
        if !self.graphs.contains_key(&images) {
            let graph = TrainingGraph::derive(&self.recipe, images)?;
            let arena = match &mut self.arena {
                Some(arena) => arena,
                none => none.insert(Arena::shared()?),
            };
            let session = Session::open_in(Some(arena), graph.model.clone(), self.device, self.threads)?;
            self.graphs.insert(images, (graph, session));
        }
        let prepared = self.graphs.get_mut(&images).expect("it was just put there");
        if self.state.is_none() {
            self.state = Some(State::new(start(&prepared.0, self.restored.take())?)?);
        }
        Ok(prepared)
    }

    /// Takes one step with a batch of any number of images.
    ///
    /// # Errors
    /// A network that can't be trained, numbers that do not fill the batch, a failing node.
    pub fn step(&mut self, batch: Batch, rates: Rates) -> Result<Outcome, StepError> {
        let image: usize = self.recipe.image.iter().product();
        let images = batch.images.len() / image;
        require_length("images", batch.images.len(), images.max(1) * image)?;
        let numbers = self.recipe.optimiser.numbers(rates, self.steps + 1);
        self.prepare(images)?;
        let (Some((graph, session)), Some(state)) = (self.graphs.get_mut(&images), &mut self.state) else {
            unreachable!("both were just prepared");
        };
        let (shape, of_targets) = ([&[images], self.recipe.image].concat(), [images, graph.classes]);
        let numbers: Vec<(&str, [f32; 1])> = numbers.iter().map(|&(name, v)| (name, [v as f32])).collect();
        let mut inputs = vec![
            Input { name: INPUT, shape: &shape, data: batch.images },
            Input { name: graph::TARGETS, shape: &of_targets, data: batch.targets },
        ];
        inputs.extend(numbers.iter().map(|(name, v)| Input { name, shape: &[], data: v }));
        require_length("targets", batch.targets.len(), images * graph.classes)?;
        require_length("dropout masks", batch.masks.len(), graph.masks.len())?;
        for (mask, data) in graph.masks.iter().zip(batch.masks) {
            require_length("a dropout mask", data.len(), mask.shape.iter().product())?;
            inputs.push(Input { name: &mask.name, shape: &mask.shape, data });
        }
        let mut found = session.advance(state, &inputs, &[graph::LOSS, &graph.logits])?.into_iter();
        let (Some(loss), Some(logits)) = (found.next(), found.next()) else {
            unreachable!("two outputs were asked for");
        };
        self.steps += 1;
        Ok(Outcome { loss: loss.data[0], logits: logits.data })
    }

    /// Which nodes of a step whose kernels compute ([`Session::nodes`]); of the largest batch so far, empty before it.
    pub fn nodes(&self) -> Result<String, StepError> {
        Ok(self.graphs.values().next_back().map(|(_, session)| session.nodes()).transpose()?.unwrap_or_default())
    }

    /// The same without the operators, for records.
    pub fn shares(&self) -> Result<String, StepError> {
        Ok(self.graphs.values().next_back().map(|(_, session)| session.shares()).transpose()?.unwrap_or_default())
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Everything that a step changes, by the names of the graph's inputs: what a checkpoint keeps, with
    /// [`steps`](Training::steps). Empty before the first step.
    pub fn state(&self) -> Result<Weights, StepError> {
        let Some(state) = &self.state else { return Ok(Weights::new()) };
        Ok(state.tensors()?.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect())
    }

    /// The trained parameters and the running statistics, by the network's names. Empty before the first step.
    pub fn weights(&self) -> Result<Weights, StepError> {
        let state = self.state()?.into_iter();
        Ok(state.filter_map(|(name, tensor)| Some((graph::network_name(&name)?.to_owned(), tensor))).collect())
    }
}

/// What the first step starts from: the network's own numbers, or those of a checkpoint.
fn start(graph: &TrainingGraph, restored: Option<Weights>) -> Result<Vec<(String, String, Tensor)>, StepError> {
    let mut start = graph.start();
    if let Some(mut restored) = restored {
        for (input, _, tensor) in &mut start {
            let kept = restored.remove(input).filter(|kept| kept.shape == tensor.shape);
            *tensor = kept.ok_or_else(|| StepError::Checkpoint(input.clone()))?;
        }
    }
    Ok(start)
}

fn require_length(what: &str, found: usize, expected: usize) -> Result<(), StepError> {
    if found == expected { Ok(()) } else { Err(StepError::Length { what: what.into(), found, expected }) }
}
