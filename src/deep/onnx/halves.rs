//! A network in 16-bit floats: its weights alone, or all that it computes.

use std::collections::{HashMap, HashSet};

use half::f16;

use super::{Attribute, FLOAT, FLOAT16, GraphProto, ModelProto, NodeProto, TensorProto};

/// Operators that CUDA computes in 16-bit floats and that take and give nothing but such.
const COMPUTED: [&str; 20] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Conv",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "MatMul",
    "MaxPool",
    "Mul",
    "Relu",
    "Sigmoid",
    "Sub",
    "Transpose",
];

/// The model with its weights in 16 bits, which it widens itself: half the bytes, computed as before.
pub fn stored_in_half(mut model: ModelProto) -> ModelProto {
    let Some(graph) = model.graph.as_mut() else { return model };
    let mut widened = Vec::new();
    for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.dims.len() > 1) {
        let Some(half) = in_half(tensor) else { continue };
        let (name, stored) = (tensor.name.clone(), format!("{} (16 bits)", tensor.name));
        *tensor = TensorProto { name: stored.clone(), ..half };
        widened.push(cast(&stored, &name, FLOAT));
    }
    graph.node.splice(0..0, widened);
    model
}

/// The model as one that computes in 16-bit floats, from input to output; `None` where it has operators that may not.
pub fn computed_in_half(mut model: ModelProto) -> Option<ModelProto> {
    let graph = model.graph.take()?;
    if !graph.node.iter().all(|node| COMPUTED.iter().any(|operator| node.is_standard(operator))) {
        return None;
    }
    let GraphProto { mut node, initializer, input, output, name, .. } = graph;
    let initializer: Vec<TensorProto> =
        initializer.into_iter().map(|tensor| in_half(&tensor).unwrap_or(tensor)).collect();
    let fed: HashSet<&str> = input.iter().map(|value| value.name.as_str()).collect();
    let given: HashSet<&str> = output.iter().map(|value| value.name.as_str()).collect();
    let half = |name: &str| format!("{name} (16 bits)");
    for node in &mut node {
        let names = node.input.iter_mut().chain(&mut node.output);
        names
            .filter(|name| fed.contains(name.as_str()) || given.contains(name.as_str()))
            .for_each(|name| *name = half(name));
        node.name = node.output[0].clone();
    }
    let narrowed = input.iter().map(|value| cast(&value.name, &half(&value.name), FLOAT16));
    let widened = output.iter().map(|value| cast(&half(&value.name), &value.name, FLOAT));
    let node = narrowed.chain(node).chain(widened).collect();
    model.graph = Some(GraphProto { node, initializer, input, output, name, value_info: Vec::new() });
    Some(model)
}

/// The graph with the constants that it widens itself as constants of 32-bit floats.
pub fn widened(mut graph: GraphProto) -> GraphProto {
    let halves: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .filter(|tensor| tensor.data_type == FLOAT16 && !tensor.raw_data.is_empty())
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut wide = Vec::new();
    graph.node.retain(|node| {
        let half = node.input.first().and_then(|name| halves.get(name.as_str()));
        let Some(half) = half.filter(|_| node.is_standard("Cast") && node.int("to") == Some(FLOAT.into())) else {
            return true;
        };
        let numbers = half.raw_data.as_chunks().0.iter().flat_map(|&b| f16::from_le_bytes(b).to_f32().to_le_bytes());
        let (name, dims, raw_data) = (node.output[0].clone(), half.dims.clone(), numbers.collect());
        wide.push(TensorProto { name, dims, data_type: FLOAT, raw_data, ..Default::default() });
        false
    });
    graph.initializer.extend(wide);
    graph
}

/// A node that makes numbers of this type of a value.
pub fn cast(from: &str, to: &str, data_type: i32) -> NodeProto {
    NodeProto::new("Cast", &[from], &[("to", Attribute::Int(data_type.into()))], &[to])
}

/// `None` for a constant that is none of 32-bit floats.
fn in_half(tensor: &TensorProto) -> Option<TensorProto> {
    let numbers = tensor.tensor()?.data;
    let raw_data = numbers.into_iter().flat_map(|number| f16::from_f32(number).to_le_bytes()).collect();
    Some(TensorProto {
        data_type: FLOAT16,
        dims: tensor.dims.clone(),
        name: tensor.name.clone(),
        raw_data,
        ..Default::default()
    })
}
