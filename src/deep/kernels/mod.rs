//! The graph that runs on a CPU: a rewrite of the standard one, in one place. Convolutions, batch norms, pools and
//! updates become operators of ours ([`operator`]), what follows on a convolution or a batch norm becomes part of it, and
//! maps lie channel by channel within a pixel from the first of our operators to the last.
//!
//! Two kinds of graph come here: a network as its file has it, and a training step, whose operators already are ours and
//! bring along what they mean in standard ones.

pub(in crate::deep) mod fold;
mod fuse;
mod layout;
mod lift;
pub(in crate::deep) mod nodes;
pub mod operator;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::onnx::halves::widened;
use super::onnx::{DOMAIN, Definitions, GraphProto, ModelProto, NodeProto, TensorProto};
use nodes::Nodes;

/// Raised whenever our kernels give other numbers; part of cache keys and run ids.
pub const VERSION: u32 = 1;

/// Attribute types that are not read from files: sparse tensors, and types.
const UNREAD: std::ops::RangeInclusive<i32> = 11..=14;

/// Whose kernels compute convolutions and what goes with them on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kernels {
    /// Ours, where a node is one that they compute.
    Featbench,
    /// The library's: the standard graph as it is.
    OnnxRuntime,
}

impl Kernels {
    /// As in records and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kernels::OnnxRuntime => "onnxruntime",
            Kernels::Featbench => "featbench",
        }
    }
}

/// The model with operators of ours; `None` where nothing of it can be computed by them, or it has parts that are not
/// understood here.
pub fn rewritten(mut model: ModelProto) -> Option<ModelProto> {
    let definitions = model.take_definitions();
    let graph = model.graph.take().filter(is_understood).filter(|_| model.functions.is_empty())?;
    let GraphProto { node, initializer, input, output, name, .. } = widened(graph);
    let mut constants: HashMap<String, TensorProto> =
        initializer.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut nodes = Nodes::of(node, output.iter().map(|value| value.name.clone()));
    lift::lift(&mut nodes, &mut constants, &input, definitions.is_empty());
    fuse::fuse(&mut nodes);
    let nodes = settled(nodes, definitions);
    if !nodes.iter().any(|node| node.domain == DOMAIN) {
        return None;
    }
    let node = layout::laid_out(nodes, &constants, &output);
    if turns_too_often(&node) {
        return None;
    }
    let initializer = nodes::used(constants, &node, &output);
    let graph = GraphProto { node, initializer, input, output, name, value_info: Vec::new() };
    model.opset_import.retain(|set| set.domain != DOMAIN);
    Some(ModelProto { graph: Some(graph), ..model }.with_own_operators())
}

/// Are maps turned so often between operators of ours and others that nothing is gained? A network may so far be turned
/// once every so many convolutions; a training step always is worth it.
fn turns_too_often(nodes: &[NodeProto]) -> bool {
    const CONVOLUTIONS: usize = 4;
    let count =
        |operators: &[&str]| nodes.iter().filter(|node| operators.iter().any(|operator| node.is_own(operator))).count();
    let turns = count(&[operator::CHANNELS_FIRST, operator::CHANNELS_LAST]);
    count(&[operator::CONV_WEIGHT_GRADIENT, operator::SGD, operator::ADAM]) == 0
        && turns > 3 + count(&[operator::CONV]) / CONVOLUTIONS
}

/// Operators that only are there to become part of others are standard ones again where they did not.
fn settled(nodes: Nodes, mut definitions: Definitions) -> Vec<NodeProto> {
    let settle = |node: NodeProto| match node.domain == DOMAIN && operator::maps(&node.op_type).is_none() {
        true => definitions.remove(&node.overload).unwrap_or_else(|| vec![node]),
        false => vec![NodeProto { overload: String::new(), ..node }],
    };
    nodes.in_order().into_iter().flat_map(settle).collect()
}

/// Has the graph nothing that would be lost or missed here: branches, which see values from outside, and what is not read
/// from a file?
fn is_understood(graph: &GraphProto) -> bool {
    let plain = |node: &NodeProto| {
        node.attribute.iter().all(|attribute| {
            attribute.g.is_none() && attribute.graphs.is_empty() && !UNREAD.contains(&attribute.r#type)
        })
    };
    let inputs = graph.input.iter().map(|value| value.name.as_str());
    let constants = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    let made = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let known: HashSet<&str> = inputs.chain(constants).chain(made).collect();
    graph.node.iter().all(|node| plain(node) && node.uses().all(|name| known.contains(name)))
}
