//! How maps lie in memory: channel by channel within a pixel behind our operators, row by row within a channel elsewhere.
//! Operators that look at single numbers take either; in front of all others maps are turned.

use std::collections::{HashMap, HashSet};

use super::operator;
use crate::deep::onnx::{Attribute, DOMAIN, FLOAT, NodeProto, TensorProto, ValueInfoProto};

/// Standard operators that compute each number from those at its place alone.
const POINTWISE: [&str; 37] = [
    "Abs",
    "Add",
    "And",
    "Cast",
    "Clip",
    "Cos",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Pow",
    "Reciprocal",
    "Relu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "Where",
];

/// Those among them whose outputs are truth values.
const TRUTHS: [&str; 6] = ["And", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not"];

/// The outputs of an operator of ours that are maps.
pub fn maps_of(node: &NodeProto) -> impl Iterator<Item = &str> {
    let maps = operator::maps(&node.op_type).map_or(&[][..], |maps| maps.outputs);
    maps.iter().filter_map(|&place| node.output.get(place)).map(String::as_str).filter(|name| !name.is_empty())
}

/// Is it an operator on single numbers, of maps and numbers that are the same everywhere? What it gives is a map of ours then: in
/// front of numbers of another type, which our operators do not take, maps are turned.
pub fn is_pointwise(node: &NodeProto, maps: &HashSet<String>, constants: &HashMap<String, TensorProto>) -> bool {
    let single = |name: &&str| constants.get(*name).is_some_and(|tensor| tensor.count() == Some(1));
    let standard = POINTWISE.iter().any(|operator| node.is_standard(operator));
    standard
        && (node.op_type != "Cast" || node.int("to") == Some(FLOAT.into()))
        && node.uses().any(|name| maps.contains(name))
        && node.uses().all(|name| maps.contains(name) || single(&name))
}

/// Puts in what turns maps; nodes come in the order in which they are computed.
pub fn laid_out(
    nodes: Vec<NodeProto>,
    constants: &HashMap<String, TensorProto>,
    outputs: &[ValueInfoProto],
) -> Vec<NodeProto> {
    let mut layout = Layout {
        last: HashSet::new(),
        truths: HashSet::new(),
        turned: HashMap::new(),
        nodes: Vec::with_capacity(nodes.len()),
    };
    for mut node in nodes {
        if node.domain == DOMAIN {
            let places = operator::maps(&node.op_type).map_or(&[][..], |maps| maps.inputs);
            for (place, name) in node.input.iter_mut().enumerate().filter(|(_, name)| !name.is_empty()) {
                *name = if places.contains(&place) { layout.channels_last(name) } else { layout.channels_first(name) };
            }
            layout.last.extend(maps_of(&node).map(str::to_owned));
        } else if is_pointwise(&node, &layout.last, constants) {
            layout.last.extend(node.output.iter().cloned());
            if TRUTHS.contains(&node.op_type.as_str()) {
                layout.truths.extend(node.output.iter().cloned());
            }
        } else {
            node.input.iter_mut().for_each(|name| *name = layout.channels_first(name));
        }
        layout.nodes.push(node);
    }
    outputs.iter().for_each(|output| layout.leaves(&output.name));
    layout.nodes
}

struct Layout {
    /// Values that lie channel by channel within a pixel.
    last: HashSet<String>,
    /// Those of them that are truth values, which our operators do not take.
    truths: HashSet<String>,
    /// By value: the same in the other layout.
    turned: HashMap<String, String>,
    nodes: Vec<NodeProto>,
}

impl Layout {
    fn channels_last(&mut self, name: &str) -> String {
        if self.last.contains(name) { name.to_owned() } else { self.turn(name, operator::CHANNELS_LAST) }
    }

    fn channels_first(&mut self, name: &str) -> String {
        if self.last.contains(name) { self.turn(name, operator::CHANNELS_FIRST) } else { name.to_owned() }
    }

    fn turn(&mut self, name: &str, which: &str) -> String {
        if let Some(known) = self.turned.get(name) {
            return known.clone();
        }
        let turned = format!("{name} ({which})");
        self.nodes.push(match self.truths.contains(name) {
            true => NodeProto::new("Transpose", &[name], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))], &[&turned]),
            false => NodeProto::own(which, &[name], &[], &[&turned]),
        });
        self.turned.insert(name.to_owned(), turned.clone());
        turned
    }

    /// An output of the graph lies as the graph says.
    fn leaves(&mut self, name: &str) {
        if !self.last.contains(name) {
            return;
        }
        let inner = format!("{name} (as it is made)");
        for node in &mut self.nodes {
            let ports = node.input.iter_mut().chain(&mut node.output);
            ports.filter(|port| *port == name).for_each(|port| port.clone_from(&inner));
        }
        let turned = NodeProto::own(operator::CHANNELS_FIRST, &[&inner], &[], &[name]);
        self.nodes.push(NodeProto { name: format!("{name} (turned)"), ..turned });
    }
}
