//! The part of a network that a training graph is made of.

use crate::deep::onnx::{GraphProto, ModelProto};

/// The part of a network that is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub model: &'a ModelProto,
    pub graph: &'a GraphProto,
    /// The graph's input, and the shape it is fed with: a training graph is made for one.
    pub input: &'a str,
    pub shape: &'a [usize],
    /// The value that is trained for; what it does not depend on is left out.
    pub output: &'a str,
}

impl Source<'_> {
    /// A model of the same operators without a graph.
    pub fn header(&self) -> ModelProto {
        let ModelProto { ir_version, opset_import, .. } = self.model;
        ModelProto { ir_version: *ir_version, opset_import: opset_import.clone(), ..Default::default() }
    }
}
