//! From the standard operators of a network with constant weights to ours.

use std::collections::{HashMap, HashSet};

use super::nodes::{Nodes, attribute, ints};
use super::{fold, layout, operator};
use crate::deep::onnx::{Attribute, DOMAIN, FLOAT, NodeProto, TensorProto, ValueInfoProto};

/// `adds` tells that a standard sum of two maps has maps of one shape: in a training step such sums are ours already, and the
/// others repeat a map.
pub fn lift(nodes: &mut Nodes, constants: &mut HashMap<String, TensorProto>, inputs: &[ValueInfoProto], adds: bool) {
    let mut maps: HashSet<String> = inputs
        .iter()
        .filter(|value| value.float_shape().is_some_and(|shape| shape.len() == 4))
        .map(|value| value.name.clone())
        .collect();
    let grouped = |place: &usize| {
        nodes.get(*place).is_some_and(|node| node.is_standard("Conv") && node.int("group").unwrap_or(1) > 1)
    };
    // ours are not known to be faster there
    if nodes.places().iter().any(grouped) {
        return;
    }
    for place in nodes.places() {
        let Some(node) = nodes.get(place) else { continue };
        let lifted = conv(node, constants)
            .or_else(|| max_pool(node, &maps))
            .or_else(|| global_average_pool(node, &maps, constants));
        match lifted {
            Some(node) => {
                nodes.take(place);
                maps.extend(layout::maps_of(&node).map(str::to_owned));
                nodes.put_at(place, node);
            }
            None if node.domain == DOMAIN => {
                let made: Vec<String> = layout::maps_of(node).map(str::to_owned).collect();
                maps.extend(made);
            }
            None if layout::is_pointwise(node, &maps, constants) || makes_a_map(node, &maps) => {
                maps.extend(node.output.first().cloned());
            }
            None => {}
        }
    }
    let (none, summands) = (HashSet::new(), &maps);
    for place in nodes.places() {
        if nodes.get(place).is_some_and(|node| node.is_own(operator::CONV)) {
            fold::fold(nodes, place, constants, if adds { summands } else { &none });
        }
    }
    for place in nodes.places() {
        if let Some(norm) = nodes.get(place).and_then(|node| fixed_norm(node, constants, &maps)) {
            nodes.take(place);
            nodes.put_at(place, norm);
        }
    }
}

/// A batch norm that no convolution could take, as of networks that normalise before they convolve.
fn fixed_norm(node: &NodeProto, constants: &HashMap<String, TensorProto>, maps: &HashSet<String>) -> Option<NodeProto> {
    let constant = |name: &String| constants.get(name).is_some_and(|tensor| tensor.data_type == FLOAT);
    let (x, statistics) = node.input.split_first()?;
    let fits =
        node.is_standard("BatchNormalization") && maps.contains(x) && node.int("training_mode").unwrap_or(0) == 0;
    if !(fits && statistics.len() == 4 && statistics.iter().all(constant)) {
        return None;
    }
    let epsilon = [("epsilon", Attribute::Float(attribute(node, "epsilon").and_then(|e| e.f).unwrap_or(1e-5)))];
    Some(NodeProto::own(operator::FIXED_NORM, &names(node), &epsilon, &[&node.output[0]]))
}

/// Standard operators that make a map of a map.
const OF_MAPS: [&str; 6] = ["AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "Dropout", "MaxPool"];

fn makes_a_map(node: &NodeProto, maps: &HashSet<String>) -> bool {
    OF_MAPS.iter().any(|operator| node.is_standard(operator)) && node.input.first().is_some_and(|x| maps.contains(x))
}

/// A list of integers of this length; the default where it is not stated.
fn listed<const N: usize>(node: &NodeProto, name: &str, default: i64) -> Option<[i64; N]> {
    ints(node, name).map_or(Some([default; N]), |list| list.try_into().ok())
}

/// A node's window; `None` where it is not a plain one of two sides.
fn window(node: &NodeProto, kernel: [i64; 2]) -> Option<Vec<(&'static str, Attribute)>> {
    let word = attribute(node, "auto_pad").and_then(|word| word.s.as_deref()).unwrap_or(b"NOTSET");
    let pads = match word {
        b"NOTSET" => listed(node, "pads", 0)?,
        b"VALID" => [0; 4],
        _ => return None,
    };
    let strides: [i64; 2] = listed(node, "strides", 1)?;
    let dilations: [i64; 2] = listed(node, "dilations", 1)?;
    let positive = strides.iter().chain(&dilations).chain(&kernel).all(|&v| v > 0) && pads.iter().all(|&v| v >= 0);
    let list = |list: &[i64]| Attribute::Ints(list.to_vec());
    let stated = [("kernel_shape", &kernel[..]), ("strides", &strides), ("pads", &pads), ("dilations", &dilations)];
    positive.then(|| stated.map(|(name, of)| (name, list(of))).to_vec())
}

fn names(node: &NodeProto) -> Vec<&str> {
    node.input.iter().map(String::as_str).collect()
}

/// A convolution of maps with constant weights.
fn conv(node: &NodeProto, constants: &HashMap<String, TensorProto>) -> Option<NodeProto> {
    let constant = |place: usize| {
        let tensor = constants.get(node.input.get(place)?)?;
        (tensor.data_type == FLOAT).then_some(tensor)
    };
    if !node.is_standard("Conv") {
        return None;
    }
    let &[_, _, height, width] = &constant(1)?.dims[..] else { return None };
    if node.input.get(2).is_some_and(|bias| !bias.is_empty()) {
        constant(2)?;
    }
    let mut attributes = window(node, [height, width])?;
    attributes.push(("group", Attribute::Int(node.int("group").unwrap_or(1))));
    Some(NodeProto::own(operator::CONV, &names(node), &attributes, &[&node.output[0]]))
}

fn max_pool(node: &NodeProto, maps: &HashSet<String>) -> Option<NodeProto> {
    let plain = node.int("ceil_mode").unwrap_or(0) == 0 && node.int("storage_order").unwrap_or(0) == 0;
    let alone = node.output.iter().filter(|name| !name.is_empty()).count() == 1;
    if !(node.is_standard("MaxPool") && plain && alone && maps.contains(node.input.first()?)) {
        return None;
    }
    let kernel: [i64; 2] = ints(node, "kernel_shape")?.try_into().ok()?;
    let pads: [i64; 4] = listed(node, "pads", 0)?;
    if (0..4).any(|side| pads[side] >= kernel[side % 2]) || listed(node, "dilations", 1)? != [1, 1] {
        return None;
    }
    let attributes = window(node, kernel)?;
    Some(NodeProto::own(operator::MAX_POOL, &names(node), &attributes, &[&node.output[0]]))
}

/// A global average pool, or a mean over both spatial axes.
fn global_average_pool(
    node: &NodeProto,
    maps: &HashSet<String>,
    constants: &HashMap<String, TensorProto>,
) -> Option<NodeProto> {
    if !maps.contains(node.input.first()?) {
        return None;
    }
    let keepdims = if node.is_standard("GlobalAveragePool") {
        1
    } else if node.is_standard("ReduceMean") {
        let constant = node.input.get(1).and_then(|name| constants.get(name)?.integers());
        let axes = constant.or_else(|| ints(node, "axes").map(<[i64]>::to_vec))?;
        let mut axes: Vec<i64> = axes.iter().map(|&axis| if axis < 0 { axis + 4 } else { axis }).collect();
        axes.sort_unstable();
        if axes != [2, 3] {
            return None;
        }
        node.int("keepdims").unwrap_or(1)
    } else {
        return None;
    };
    let keepdims = [("keepdims", Attribute::Int(keepdims))];
    Some(NodeProto::own(operator::GLOBAL_AVERAGE_POOL, &[&node.input[0]], &keepdims, &[&node.output[0]]))
}
