//! Which parameters of a network learn, and what they start from where nothing was learnt before.

use std::collections::{HashMap, HashSet};

use rand::Rng;

use super::gradient::is_weight;
use super::head;
use super::random::{Purpose, generator, normal};
use super::settings::{Layers, NormPolicy};
use crate::deep::Tensor;
use crate::deep::network::FIXED;
use crate::deep::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::deep::weights::Weights;

/// What of a network learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    parameters: HashSet<String>,
    /// Scales of the batch norms that are trained with the statistics of the batch.
    norms: HashSet<String>,
}

impl Learning {
    /// Of a network with a head. Where the layer of a batch norm does not learn, its statistics stay too.
    ///
    /// # Errors
    /// No parameter's name begins as `layers` says.
    pub fn of(model: &ModelProto, layers: &Layers, norms: NormPolicy) -> Result<Learning, String> {
        let empty = GraphProto::default();
        let graph = model.graph.as_ref().unwrap_or(&empty);
        let constants = graph.initializer.iter().map(|tensor| tensor.name.as_str());
        let constants: HashSet<&str> = constants.filter(|name| !name.starts_with(FIXED)).collect();
        let prefix = match layers {
            Layers::All => "",
            Layers::Head => head::PREFIX,
            Layers::From(prefix) => prefix,
        };
        let mut learning = Learning { parameters: HashSet::new(), norms: HashSet::new() };
        let mut reached = false;
        for node in &graph.node {
            let own = || node.input.iter().filter(|name| constants.contains(name.as_str()));
            reached |= own().any(|name| name.starts_with(prefix));
            if reached {
                learning.add(node, own(), norms);
            }
        }
        if reached { Ok(learning) } else { Err(unknown(prefix, &graph.node, &constants)) }
    }

    fn add<'a>(&mut self, node: &NodeProto, parameters: impl Iterator<Item = &'a String>, norms: NormPolicy) {
        let normalises = node.op_type == "BatchNormalization";
        let of_head = of_head(node);
        if normalises && (of_head || norms == NormPolicy::Train) {
            self.norms.extend(node.input.get(1).cloned());
        }
        if !normalises || of_head || norms != NormPolicy::Freeze {
            self.parameters.extend(parameters.cloned());
        }
    }

    /// Does the parameter of this name learn?
    pub fn learns(&self, name: &str) -> bool {
        self.parameters.contains(name)
    }

    /// Is the batch norm with the scale of this name trained with the statistics of the batch?
    pub fn follows_batch(&self, scale: &str) -> bool {
        self.norms.contains(scale)
    }
}

fn unknown(prefix: &str, nodes: &[NodeProto], constants: &HashSet<&str>) -> String {
    let mut stages: Vec<&str> = Vec::new();
    for name in nodes.iter().flat_map(|node| &node.input).filter(|name| constants.contains(name.as_str())) {
        let stage = name.split('.').next().unwrap_or(name);
        if !stages.contains(&stage) && stages.len() < 20 {
            stages.push(stage);
        }
    }
    format!("layers: no parameter's name begins with `{prefix}`; the network has {}", stages.join(", "))
}

/// Has a network convolutions with a bias, and no norm but that of its head? Exporters leave it so that fold batch
/// norms into the convolutions before them.
pub fn without_batch_norms(model: &ModelProto) -> bool {
    let nodes = || model.graph.iter().flat_map(|graph| &graph.node);
    // a network with other normalisations never had batch norms
    let normalises = |node: &NodeProto| node.op_type.ends_with("Normalization") && !of_head(node);
    nodes().any(|node| node.op_type == "Conv" && node.input.len() > 2) && !nodes().any(normalises)
}

fn of_head(node: &NodeProto) -> bool {
    node.output.iter().any(|output| output.starts_with(head::PREFIX))
}

/// Random first weights of a network, as torchvision's: normal with deviation sqrt(2 / fan out) for convolutions (He et
/// al. 2015), uniform for linear layers, 1 for scales, 0 for everything else (biases, tokens, tables of positions).
pub fn random(model: &ModelProto, seed: u64) -> Weights {
    let Some(graph) = &model.graph else { return Weights::new() };
    let tensors: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)).collect();
    let mut rng = generator(seed, Purpose::Weights, 0, 0);
    let mut weights = Weights::new();
    for node in &graph.node {
        for (place, name) in node.input.iter().enumerate() {
            let drawn = ![head::PREFIX, FIXED].iter().any(|prefix| name.starts_with(prefix));
            let is_drawn = |tensor: &&TensorProto| {
                drawn && (node.op_type == "BatchNormalization" || is_weight(node, place, tensor))
            };
            let tensor = tensors.get(name.as_str()).copied().filter(is_drawn).and_then(TensorProto::tensor);
            let Some(Tensor { shape, data }) = tensor else { continue };
            let mut draw: Box<dyn FnMut() -> f64> = match (node.op_type.as_str(), place) {
                ("BatchNormalization", 1 | 4) | ("Mul", _) => Box::new(|| 1.0),
                ("LayerNormalization" | "InstanceNormalization" | "GroupNormalization", 1) => Box::new(|| 1.0),
                ("Conv", 1) => {
                    let fan_out = shape[0] * shape[2..].iter().product::<usize>();
                    let deviation = (2.0 / fan_out as f64).sqrt();
                    let rng = &mut rng;
                    Box::new(move || deviation * normal(rng))
                }
                ("Gemm" | "MatMul", 1) => {
                    let transposed = node.attribute.iter().any(|a| a.name == "transB" && a.i == Some(1));
                    let bound = 1.0 / (shape[usize::from(transposed)] as f64).sqrt();
                    let rng = &mut rng;
                    Box::new(move || rng.random_range(-bound..bound))
                }
                // the weights of a linear layer, on their way to a product
                ("Transpose", _) if shape.len() == 2 => {
                    let bound = 1.0 / (shape[1] as f64).sqrt();
                    let rng = &mut rng;
                    Box::new(move || rng.random_range(-bound..bound))
                }
                _ => Box::new(|| 0.0),
            };
            let data = (0..data.len()).map(|_| draw() as f32).collect();
            weights.insert(name.clone(), Tensor::new(&shape, data));
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::Graph;

    #[test]
    fn what_belongs_to_the_function_neither_learns_nor_is_drawn() {
        let mut graph = Graph::new("test");
        for name in ["fixed.shares", "fc.weight"] {
            graph.initializer(TensorProto::float(name, Tensor::new(&[1, 1], vec![0.5])));
        }
        graph.node_to("MatMul", &["x", "fixed.shares"], &[], &["resampled"]);
        graph.node_to("Gemm", &["resampled", "fc.weight"], &[], &["y"]);
        let model = graph.model();
        let learning = Learning::of(&model, &Layers::All, NormPolicy::Train).unwrap();
        assert_eq!((learning.learns("fixed.shares"), learning.learns("fc.weight")), (false, true));
        assert!(random(&model, 0).keys().eq(["fc.weight"]));
    }
}
