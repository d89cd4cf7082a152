//! Deriving the graph of a training step from the graph of a network.

use std::collections::HashMap;

use super::{Recipe, Source, StepError};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, ModelProto, TensorProto};
use crate::deep::weights::Weights;
use crate::finetune::gradient::{Mask, Recorded, Role, Tape, Value, record, sides};
use crate::finetune::schedule::Rates;

pub const TARGETS: &str = "targets";
pub const LOSS: &str = "loss";

/// Prefix of a parameter's input in the graph.
const PARAMETER: &str = "parameter:";

/// The graph of a step for batches of one size.
pub struct TrainingGraph {
    pub model: ModelProto,
    pub classes: usize,
    /// Name of the output with the logits.
    pub logits: String,
    pub masks: Vec<Mask>,
    /// What a step changes: its input, its output and what it starts from.
    changing: Vec<(String, String, Tensor)>,
}

impl TrainingGraph {
    /// Derives the graph for batches of `images` images.
    ///
    /// # Errors
    /// The first node that can't be trained, logits that are none, nothing to train.
    pub fn derive(recipe: &Recipe, images: usize) -> Result<TrainingGraph, StepError> {
        let empty = Default::default();
        let shape = [&[images], recipe.image].concat();
        let source = Source {
            model: recipe.model,
            graph: recipe.model.graph.as_ref().unwrap_or(&empty),
            input: recipe.input,
            shape: &shape,
            output: recipe.logits,
        };
        let Recorded { mut tape, output, parameters } = record(source, recipe.learns, recipe.batch_norm)?;
        let [n, classes] = output.shape[..] else {
            return Err(StepError::Output { name: recipe.logits.into(), found: output.shape });
        };
        if !output.learns {
            return Err(StepError::NothingLearns(recipe.logits.into()));
        }
        let gradient = cross_entropy(&mut tape, &output, n, classes);
        tape.backpropagate(&output, &gradient);
        let mut changing = Vec::new();
        for parameter in parameters {
            let name = &parameter.value.name;
            match parameter.role {
                Role::Constant => {}
                Role::Learns => changing.extend(update(&mut tape, recipe, &parameter.value, parameter.tensor)),
                Role::Statistic => {
                    let statistic = tape.statistics.iter().find(|statistic| statistic.value == *name);
                    let updated = statistic.expect("a statistic in training is updated").updated.clone();
                    tape.graph.output(&updated, &sides(&parameter.tensor.shape));
                    changing.push((name.clone(), updated, parameter.tensor));
                }
            }
        }
        let any = Rates { learning_rate: 0.0, momentum: 0.0 };
        recipe.optimiser.numbers(any, 1).iter().for_each(|(name, _)| tape.graph.input(name, &[]));
        tape.graph.output(LOSS, &[]);
        tape.graph.output(&output.name, &sides(&output.shape));
        let masks = std::mem::take(&mut tape.masks);
        let mut model = tape.graph.model();
        name_alike(&mut model, &mut changing);
        Ok(TrainingGraph { masks, model, classes, logits: output.name, changing })
    }

    /// Everything that a step changes, as it is before the first: input, output, numbers.
    pub fn start(&self) -> Vec<(String, String, Tensor)> {
        self.changing.clone()
    }
}

/// Adds the mean cross-entropy of softmax against soft targets as [`LOSS`] and returns the name of its gradient.
fn cross_entropy(tape: &mut Tape, logits: &Value, n: usize, classes: usize) -> String {
    let g = &mut tape.graph;
    g.input(TARGETS, &sides(&[n, classes]));
    let axis = [("axis", Attribute::Int(1))];
    let log_p = g.node("LogSoftmax", &[&logits.name], &axis);
    let product = g.two("Mul", &log_p, TARGETS);
    let sum = g.reduce("ReduceSum", &product, &[0, 1]);
    let factor = g.number(-1.0 / n as f64);
    g.node_to("Mul", &[&sum, &factor], &[], &[LOSS]);
    let p = g.node("Exp", &[&log_p], &[]);
    let excess = g.two("Sub", &p, TARGETS);
    g.times(&excess, 1.0 / n as f64)
}

/// Adds the optimiser's update of one parameter; returns what changes.
fn update(tape: &mut Tape, recipe: &Recipe, value: &Value, tensor: Tensor) -> Vec<(String, String, Tensor)> {
    let gradient = tape.gradient(value).map(str::to_owned);
    let gradient = gradient.expect("the output depends on every parameter that was recorded");
    let shape = sides(&value.shape);
    let bare = value.name.trim_start_matches(PARAMETER);
    let kept: Vec<String> = recipe.optimiser.kept().iter().map(|what| format!("{what}:{bare}")).collect();
    kept.iter().for_each(|name| tape.graph.input(name, &shape));
    let share = (recipe.share)(bare);
    let updated = recipe.optimiser.update(&mut tape.graph, &value.name, &gradient, &kept, share);
    let zeros = Tensor::new(&value.shape, vec![0.0; tensor.data.len()]);
    let mut changing = vec![(value.name.clone(), updated.parameter, tensor)];
    changing.extend(kept.into_iter().zip(updated.kept).map(|(input, output)| (input, output, zeros.clone())));
    changing.iter().for_each(|(_, output, _)| tape.graph.output(output, &shape));
    changing
}

/// Names the outputs after the inputs that they replace, so that graphs for batches of any size share one state.
fn name_alike(model: &mut ModelProto, changing: &mut [(String, String, Tensor)]) {
    let new: HashMap<String, String> =
        changing.iter().map(|(input, output, _)| (output.clone(), format!("new {input}"))).collect();
    let rename = |name: &mut String| new.get(name).into_iter().for_each(|renamed| name.clone_from(renamed));
    changing.iter_mut().for_each(|(_, output, _)| rename(output));
    let within = model.functions.iter_mut().flat_map(|function| {
        let ports = function.input.iter_mut().chain(&mut function.output);
        function.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output)).chain(ports)
    });
    within.for_each(rename);
    if let Some(graph) = &mut model.graph {
        graph.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output)).for_each(rename);
        graph.output.iter_mut().for_each(|value| rename(&mut value.name));
    }
}

/// What the network calls the parameter behind this input, where it is one.
pub fn network_name(input: &str) -> Option<&str> {
    input.strip_prefix(PARAMETER)
}

/// The same network with other weights: those that `weights` names are replaced.
pub fn with_weights(model: &ModelProto, weights: Weights) -> ModelProto {
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        graph.initializer.retain(|tensor| !weights.contains_key(&tensor.name));
        graph.initializer.extend(weights.into_iter().map(|(name, tensor)| TensorProto::float(&name, tensor)));
    }
    model
}
