//! What is known of a network when it is read: its constants, and what nodes make of constants and of shapes alone.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::integers::{self, Integers};
use super::learnable;
use super::source::Source;
use crate::deep::onnx::{FLOAT, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::deep::session::evaluate;

/// Numbers at and below this hide what they are added to, in a mask of an attention.
const HIDDEN: f32 = -99.0;

/// Can this constant be a parameter? What is added or multiplied may also be a number of the function (a single one) or
/// what an attention must not see.
pub fn is_weight(node: &NodeProto, place: usize, tensor: &TensorProto) -> bool {
    if place >= learnable(&node.op_type) || tensor.data_type != FLOAT {
        return false;
    }
    let hides = || tensor.tensor().is_some_and(|tensor| tensor.data.iter().any(|&number| number <= HIDDEN));
    let single = tensor.dims.iter().product::<i64>() == 1;
    match node.op_type.as_str() {
        "Conv" | "Gemm" | "MatMul" | "BatchNormalization" | "LayerNormalization" | "GroupNormalization" => true,
        "Add" | "Mul" | "Attention" => !single && !hides(),
        _ => !single,
    }
}

pub struct Constants<'a> {
    source: Source<'a>,
    tensors: HashMap<Cow<'a, str>, Cow<'a, TensorProto>>,
    learns: &'a dyn Fn(&str) -> bool,
    /// Values that follow from constants and shapes.
    fixed: HashSet<&'a str>,
}

impl<'a> Constants<'a> {
    pub fn of(source: Source<'a>, learns: &'a dyn Fn(&str) -> bool) -> Constants<'a> {
        let tensors = source.graph.initializer.iter();
        let tensors = tensors.map(|tensor| (Cow::Borrowed(tensor.name.as_str()), Cow::Borrowed(tensor))).collect();
        let mut constants = Constants { source, tensors, learns, fixed: HashSet::new() };
        for node in &source.graph.node {
            if constants.follows(node) {
                constants.fixed.extend(node.output.iter().map(String::as_str));
            }
        }
        constants
    }

    /// Does the node compute with constants and shapes alone?
    fn follows(&self, node: &NodeProto) -> bool {
        let known = |(place, name): (usize, &String)| match self.tensors.contains_key(name.as_str()) {
            true => !self.learns(node, place),
            false => name.is_empty() || self.fixed.contains(name.as_str()),
        };
        let drawn = ["Dropout", "Random", "Bernoulli", "Multinomial"];
        let is_drawn = drawn.iter().any(|prefix| node.op_type.starts_with(prefix));
        node.op_type == "Shape" || (!is_drawn && node.input.iter().enumerate().all(known))
    }

    pub fn is_fixed(&self, node: &NodeProto) -> bool {
        node.output.first().is_some_and(|output| self.fixed.contains(output.as_str()))
    }

    /// Is the input at this place a constant that learns?
    pub fn learns(&self, node: &NodeProto, place: usize) -> bool {
        let name = &node.input[place];
        // a layer that standardises another's weights has a bias for form's sake
        let of_weights = place == 2 && node.op_type == "BatchNormalization" && self.computes_statistics(node);
        (self.learns)(name) && !of_weights && self.get(name).is_some_and(|tensor| is_weight(node, place, tensor))
    }

    /// Are the statistics of a batch norm computed, as where it standardises weights?
    pub fn computes_statistics(&self, norm: &NodeProto) -> bool {
        norm.input.get(3).is_some_and(|mean| self.get(mean).is_none())
    }

    pub fn get(&self, name: &str) -> Option<&TensorProto> {
        self.tensors.get(name).map(Cow::as_ref)
    }

    /// Computes what a node makes of constants; `shape` is that of its first input, where that is known.
    pub fn follow(&mut self, node: &NodeProto, shape: Option<&[usize]>) -> Result<(), String> {
        let integers = match (node.op_type.as_str(), shape) {
            ("Shape", Some(sides)) => Some(integers::shape(node, sides)),
            _ => {
                let inputs = node.input.iter().map(|name| Integers::of(self.get(name)?)).collect::<Option<Vec<_>>>();
                inputs.and_then(|inputs| integers::evaluate(node, &inputs))
            }
        };
        let made = match integers {
            Some(integers) => vec![integers.tensor(&node.output[0])],
            None => self.run(node)?,
        };
        self.tensors.extend(made.into_iter().map(|tensor| (tensor.name.clone().into(), Cow::Owned(tensor))));
        Ok(())
    }

    /// What ONNX Runtime makes of it.
    fn run(&self, node: &NodeProto) -> Result<Vec<TensorProto>, String> {
        let inputs = node.input.iter().filter(|name| !name.is_empty());
        let mut initializer: Vec<TensorProto> = Vec::new();
        for name in inputs {
            let tensor = self.get(name).ok_or_else(|| format!("`{name}` is not known"))?;
            if initializer.iter().all(|known| known.name != *name) {
                initializer.push(TensorProto { name: name.clone(), ..tensor.clone() });
            }
        }
        let outputs = node.output.iter().filter(|name| !name.is_empty());
        let output = outputs.map(|name| ValueInfoProto { name: name.clone(), r#type: None }).collect();
        let graph =
            GraphProto { node: vec![node.clone()], initializer, output, name: "one node".into(), ..Default::default() };
        let model = ModelProto { graph: Some(graph), ..self.source.header() };
        evaluate(&model).map_err(|error| error.to_string())
    }
}
