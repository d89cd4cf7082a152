//! What follows on a convolution becomes part of it: a batch norm with constant statistics changes its weights, and a sum
//! with another map and a ReLU are done while its output is at hand.

use std::collections::{HashMap, HashSet};

use super::nodes::{Nodes, attribute};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, NodeProto, TensorProto};

/// Folds as much as there is into the convolution at `place`, whose weights are constant.
pub fn fold(nodes: &mut Nodes, place: usize, constants: &mut HashMap<String, TensorProto>, maps: &HashSet<String>) {
    let Some(mut conv) = nodes.take(place) else { return };
    while let Some((next, user)) = nodes.only_user(&conv.output[0]).filter(|_| nodes.uses(&conv.output[0]) == 1) {
        let folded = if user.is_standard("BatchNormalization") {
            normalised(&conv, user, constants)
        } else if user.is_standard("Add") {
            added(&conv, user, maps)
        } else if user.is_standard("Relu") {
            Some(rectified(&conv))
        } else {
            None
        };
        let Some(folded) = folded else { break };
        let output = user.output[0].clone();
        conv = NodeProto { output: vec![output.clone()], name: output, ..folded };
        nodes.take(next);
        if attribute(&conv, "relu").is_some() {
            break;
        }
    }
    nodes.put_at(place, conv);
}

fn rectified(conv: &NodeProto) -> NodeProto {
    conv.clone().with("relu", Attribute::Int(1))
}

/// With the other summand as what is to be added.
fn added(conv: &NodeProto, sum: &NodeProto, maps: &HashSet<String>) -> Option<NodeProto> {
    let other = sum.input.iter().find(|name| **name != conv.output[0]).filter(|name| maps.contains(*name))?;
    if conv.input.len() > 3 {
        return None;
    }
    let mut input = conv.input.clone();
    input.resize(3, String::new());
    input.push(other.clone());
    Some(NodeProto { input, ..conv.clone() })
}

/// With the weights and the bias that give what the batch norm makes of the output.
pub fn normalised(
    conv: &NodeProto,
    norm: &NodeProto,
    constants: &mut HashMap<String, TensorProto>,
) -> Option<NodeProto> {
    if conv.input.len() > 3 || norm.int("training_mode").unwrap_or(0) != 0 {
        return None;
    }
    let tensor = |name: &String| constants.get(name)?.tensor();
    let epsilon = f64::from(attribute(norm, "epsilon").and_then(|epsilon| epsilon.f).unwrap_or(1e-5));
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|place| norm.input.get(place).and_then(tensor));
    let (scale, shift, mean, variance) = (scale?.data, shift?.data, mean?.data, variance?.data);
    let mut weights = tensor(&conv.input[1])?;
    let channels = weights.shape[0];
    if [&scale, &shift, &mean, &variance].iter().any(|numbers| numbers.len() != channels) {
        return None;
    }
    let mut bias = match conv.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => tensor(name)?.data,
        None => vec![0.0; channels],
    };
    let each = weights.data.len() / channels.max(1);
    for (channel, weights) in weights.data.chunks_exact_mut(each.max(1)).enumerate() {
        let factor = f64::from(scale[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
        weights.iter_mut().for_each(|w| *w = (f64::from(*w) * factor) as f32);
        let centred = f64::from(bias[channel]) - f64::from(mean[channel]);
        bias[channel] = (centred * factor + f64::from(shift[channel])) as f32;
    }
    let names = ["weights", "bias"].map(|what| format!("{} ({what})", norm.output[0]));
    let bias = Tensor::new(&[channels], bias);
    for (name, tensor) in names.iter().zip([weights, bias]) {
        constants.insert(name.clone(), TensorProto::float(name, tensor));
    }
    let [weights, bias] = names;
    Some(NodeProto { input: vec![conv.input[0].clone(), weights, bias], ..conv.clone() })
}
