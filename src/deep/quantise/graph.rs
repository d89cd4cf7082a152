//! Which values of a graph are rounded to 8 bits, and the graph that does it. Batch norms become part of the convolutions
//! before them; a ReLU becomes part of the range that its input is rounded to.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::deep::Tensor;
use crate::deep::kernels::fold::normalised;
use crate::deep::kernels::nodes::{Nodes, used};
use crate::deep::onnx::{Attribute, FLOAT, GraphProto, INT8, INT32, NodeProto, TensorProto, UINT8};

/// Of a value's numbers; 0 lies within.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    pub least: f32,
    pub most: f32,
}

impl Range {
    /// What a step of 256 is, and which one is 0.
    fn steps(self) -> (f32, u8) {
        let (least, most) = (self.least.min(0.0), self.most.max(0.0));
        let scale = if most > least { (most - least) / 255.0 } else { 1.0 };
        (scale, (-least / scale).round().clamp(0.0, 255.0) as u8)
    }
}

type Constants = HashMap<String, TensorProto>;

fn constants(graph: &GraphProto) -> Constants {
    graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.clone())).collect()
}

/// The graph with its batch norms folded into the convolutions before them.
pub fn folded(graph: GraphProto) -> GraphProto {
    let mut known = constants(&graph);
    let GraphProto { node, input, output, name, .. } = graph;
    let mut nodes = Nodes::of(node, output.iter().map(|value| value.name.clone()));
    for place in nodes.places() {
        let Some(conv) = nodes.get(place).filter(|node| node.is_standard("Conv")) else { continue };
        let Some((next, norm)) = nodes.only_user(&conv.output[0]) else { continue };
        if !norm.is_standard("BatchNormalization") || norm.input[0] != conv.output[0] {
            continue;
        }
        if let Some(conv) = normalised(conv, norm, &mut known) {
            let value = norm.output[0].clone();
            nodes.take(next);
            nodes.take(place);
            nodes.put_at(place, NodeProto { output: vec![value.clone()], name: value, ..conv });
        }
    }
    let node = nodes.in_order();
    let initializer = used(known, &node, &output);
    GraphProto { node, initializer, input, output, name, value_info: Vec::new() }
}

/// Does this node become one of integers?
fn is_whole(node: &NodeProto, constants: &Constants) -> bool {
    let constant = |place: usize| node.input.get(place).and_then(|name| constants.get(name));
    let bias =
        node.input.get(2).is_none_or(String::is_empty) || constant(2).is_some_and(|bias| bias.data_type == FLOAT);
    node.is_standard("Conv")
        && bias
        && constant(1).is_some_and(|weights| weights.data_type == FLOAT && weights.dims.len() == 4)
}

/// How much of a graph's weights are in the convolutions that become integers.
pub fn share_of_convolutions(graph: &GraphProto) -> f64 {
    let known = constants(graph);
    let size = |tensor: &TensorProto| tensor.count().unwrap_or(0);
    let convs = graph.node.iter().filter(|node| is_whole(node, &known));
    let within: usize = convs.filter_map(|node| known.get(&node.input[1])).map(size).sum();
    within as f64 / graph.initializer.iter().map(size).sum::<usize>().max(1) as f64
}

/// The values that are rounded: what convolutions take and give, sums and largest values of such, each behind its ReLU
/// where it has one.
pub fn rounded_values(graph: &GraphProto) -> Vec<String> {
    let known = constants(graph);
    let mut rounded: Vec<&String> = Vec::new();
    for node in &graph.node {
        let whole = is_whole(node, &known);
        let of_rounded = (node.is_standard("Add") || node.is_standard("MaxPool"))
            && node.input.iter().all(|name| rounded.contains(&name));
        let taken = node.input.first().filter(|_| whole);
        let last = || bounded(graph, &known, &node.output[0]).unwrap_or(&node.output[0]);
        for value in taken.into_iter().chain((whole || of_rounded).then(last)) {
            if !rounded.contains(&value) {
                rounded.push(value);
            }
        }
    }
    rounded.into_iter().cloned().collect()
}

/// What a ReLU, or a clip from 0, makes of a value that nothing else uses.
fn bounded<'g>(graph: &'g GraphProto, constants: &Constants, value: &str) -> Option<&'g String> {
    let mut users = graph.node.iter().filter(|node| node.uses().any(|name| name == value));
    let user = users.next().filter(|_| !graph.output.iter().any(|output| output.name == value))?;
    let zero =
        |name: &String| constants.get(name).and_then(TensorProto::tensor).is_some_and(|bound| bound.data == [0.0]);
    let clip = user.is_standard("Clip") && user.input.get(1).is_some_and(zero);
    ((clip || user.is_standard("Relu")) && users.next().is_none()).then_some(&user.output[0])
}

/// The graph with each value of `ranges` rounded, and what convolutions weigh in 8 bits a channel.
pub fn quantised(graph: GraphProto, ranges: &BTreeMap<String, Range>) -> GraphProto {
    let known = constants(&graph);
    let mut made = Made { nodes: Vec::new(), constants: Vec::new() };
    // a ReLU whose output is rounded from 0 on is done by that
    let cut: HashMap<&str, &str> = graph
        .node
        .iter()
        .filter_map(|node| {
            Some((node.output.first()?.as_str(), bounded(&graph, &known, node.output.first()?)?.as_str()))
        })
        .filter(|(_, last)| ranges.get(*last).is_some_and(|range| range.steps().1 == 0))
        .collect();
    // a largest value is one of those that it is the largest of, in their steps
    let mut steps: HashMap<&str, (f32, u8)> =
        ranges.iter().map(|(name, range)| (name.as_str(), range.steps())).collect();
    for node in graph.node.iter().filter(|node| node.is_standard("MaxPool")) {
        if let (Some(&of), true) = (steps.get(node.input[0].as_str()), steps.contains_key(node.output[0].as_str())) {
            steps.insert(&node.output[0], of);
        }
    }
    for input in graph.input.iter().filter(|input| steps.contains_key(input.name.as_str())) {
        made.round(&input.name, steps[input.name.as_str()]);
    }
    for node in &graph.node {
        let done = |input: &String| cut.get(input.as_str()) == Some(&node.output[0].as_str());
        if node.input.first().is_some_and(done) {
            continue;
        }
        let mut node = node.clone();
        if is_whole(&node, &known)
            && let Some(&(scale, _)) = steps.get(node.input[0].as_str())
        {
            made.weights(&mut node, &known, scale);
        }
        if let Some(last) = cut.get(node.output[0].as_str()) {
            node.output[0] = (*last).to_owned();
        }
        for name in node.input.iter_mut().filter(|name| steps.contains_key(name.as_str())) {
            *name = rounded(name);
        }
        let outputs = node.output.clone();
        made.nodes.push(node);
        for output in outputs.iter().filter(|output| steps.contains_key(output.as_str())) {
            made.round(output, steps[output.as_str()]);
        }
    }
    let used: HashSet<String> = made.nodes.iter().flat_map(NodeProto::uses).map(|name| name.to_owned()).collect();
    let initializer = graph.initializer.into_iter().chain(made.constants).filter(|tensor| used.contains(&tensor.name));
    GraphProto { node: made.nodes, initializer: initializer.collect(), value_info: Vec::new(), ..graph }
}

/// What a rounded value is called.
fn rounded(value: &str) -> String {
    format!("{value} (rounded)")
}

/// A graph under construction.
struct Made {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Made {
    fn constant(&mut self, name: String, data_type: i32, dims: Vec<i64>, raw_data: Vec<u8>) -> String {
        self.constants.push(TensorProto { name: name.clone(), data_type, dims, raw_data, ..Default::default() });
        name
    }

    /// Rounds a value for all that use it.
    fn round(&mut self, value: &str, (scale, zero): (f32, u8)) {
        let scale = self.constant(format!("{value} (scale)"), FLOAT, Vec::new(), scale.to_le_bytes().to_vec());
        let zero = self.constant(format!("{value} (zero)"), UINT8, Vec::new(), vec![zero]);
        let (whole, rounded) = (format!("{value} (integers)"), rounded(value));
        self.nodes.push(NodeProto::new("QuantizeLinear", &[value, &scale, &zero], &[], &[&whole]));
        self.nodes.push(NodeProto::new("DequantizeLinear", &[&whole, &scale, &zero], &[], &[&rounded]));
    }

    /// A convolution's weights in 127 steps to each side of 0, a channel at a time, and its bias in steps of the products
    /// with an input in steps of `scale`.
    fn weights(&mut self, conv: &mut NodeProto, known: &Constants, scale: f32) {
        let Some(weights) = known.get(&conv.input[1]).and_then(TensorProto::tensor) else { return };
        let Tensor { shape, data } = weights;
        let each = shape[1..].iter().product::<usize>().max(1);
        let largest = |channel: &[f32]| channel.iter().fold(0f32, |most, weight| most.max(weight.abs()));
        let steps: Vec<f32> =
            data.chunks_exact(each).map(largest).map(|most| if most > 0.0 { most / 127.0 } else { 1.0 }).collect();
        let channels = data.chunks_exact(each).zip(&steps);
        let whole =
            channels.flat_map(|(channel, step)| channel.iter().map(move |w| (w / step).round() as i8 as u8)).collect();
        let dims: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let name = conv.output[0].clone();
        conv.input[1] = self.channels(&format!("{name} (rounded weights)"), INT8, dims, whole, &steps);
        let Some(bias) = conv.input.get(2).and_then(|bias| known.get(bias)).and_then(TensorProto::tensor) else {
            return;
        };
        let steps: Vec<f32> = steps.iter().map(|step| step * scale).collect();
        let in_steps = |(bias, step): (&f32, &f32)| (f64::from(*bias) / f64::from(*step)).round() as i32;
        let whole = bias.data.iter().zip(&steps).map(in_steps).flat_map(i32::to_le_bytes).collect();
        conv.input[2] =
            self.channels(&format!("{name} (rounded bias)"), INT32, vec![bias.data.len() as i64], whole, &steps);
    }

    /// A constant whose first side has a step each, as floats.
    fn channels(&mut self, name: &str, data_type: i32, dims: Vec<i64>, whole: Vec<u8>, steps: &[f32]) -> String {
        let size = if data_type == INT32 { 4 } else { 1 };
        let (count, zeros) = (vec![steps.len() as i64], vec![0; steps.len() * size]);
        let whole = self.constant(format!("{name} (integers)"), data_type, dims, whole);
        let scale = steps.iter().flat_map(|step| step.to_le_bytes()).collect();
        let scale = self.constant(format!("{name} (scale)"), FLOAT, count.clone(), scale);
        let zero = self.constant(format!("{name} (zero)"), data_type, count, zeros);
        self.nodes.push(NodeProto::new(
            "DequantizeLinear",
            &[&whole, &scale, &zero],
            &[("axis", Attribute::Int(0))],
            &[name],
        ));
        name.to_owned()
    }
}
