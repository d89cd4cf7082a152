//! Rewritten graphs against the standard ones, both run.

use super::*;
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Dimension, FLOAT, FLOAT16, Graph, TensorProto, ValueInfoProto};
use crate::deep::session::{Device, Input, Session};

/// Numbers from -1 to 1 that follow from their place.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729 + 31) % 10_007) as f32 / 5_003.5 - 1.0).collect()
}

/// A network under construction, its weights from their names' number.
struct Network {
    graph: Graph,
    constants: usize,
}

impl Network {
    fn new() -> Network {
        let mut graph = Graph::new("network");
        let free = |name: &str| Dimension::Name(name.into());
        graph.input("x", &[free("batch"), Dimension::Size(3), free("height"), free("width")]);
        Network { graph, constants: 0 }
    }

    fn constant(&mut self, shape: &[usize], of: impl Fn(f32) -> f32) -> String {
        self.constants += 1;
        let name = format!("weights {}", self.constants);
        let data = numbers(shape.iter().product(), self.constants).into_iter().map(of).collect();
        self.graph.initializer(TensorProto::float(&name, Tensor::new(shape, data)));
        name
    }

    fn conv(&mut self, x: &str, [output, input, kernel, stride]: [usize; 4], bias: bool) -> String {
        let scale = (2.0 / (input * kernel * kernel) as f32).sqrt();
        let w = self.constant(&[output, input, kernel, kernel], |v| v * scale);
        let bias = bias.then(|| self.constant(&[output], |v| v));
        let all = |v: usize, times: usize| Attribute::Ints(vec![v as i64; times]);
        let attributes = [("strides", all(stride, 2)), ("pads", all(kernel / 2, 4))];
        let inputs: Vec<&str> = [x, &w].into_iter().chain(bias.as_deref()).collect();
        self.graph.node("Conv", &inputs, &attributes)
    }

    fn norm(&mut self, x: &str, channels: usize) -> String {
        let signed = [0, 1, 2].map(|i| self.constant(&[channels], |v| if i == 0 { 1.0 + v / 2.0 } else { v / 4.0 }));
        let variance = self.constant(&[channels], |v| 1.5 + v);
        let [scale, bias, mean] = &signed;
        self.graph.node("BatchNormalization", &[x, scale, bias, mean, &variance], &[])
    }

    fn conv_norm(&mut self, x: &str, shape: [usize; 4]) -> String {
        let y = self.conv(x, shape, false);
        self.norm(&y, shape[0])
    }

    fn relu(&mut self, x: &str) -> String {
        self.graph.node("Relu", &[x], &[])
    }

    fn block(&mut self, x: &str, input: usize, output: usize, stride: usize) -> String {
        let y = self.conv_norm(x, [output, input, 3, stride]);
        let y = self.relu(&y);
        let y = self.conv_norm(&y, [output, output, 3, 1]);
        let shortcut = if stride > 1 { self.conv_norm(x, [output, input, 1, stride]) } else { x.to_owned() };
        let sum = self.graph.node("Add", &[&y, &shortcut], &[]);
        self.relu(&sum)
    }

    /// Runs it with both kernels on two pictures, which must give the same within 1e-5 of the largest number; returns which
    /// nodes are computed by whom.
    fn agree(self, output: &str, side: usize) -> String {
        let mut model = self.graph.model();
        model.graph.iter_mut().for_each(|graph| graph.output.push(ValueInfoProto::unshaped(output)));
        let (model, images) = (model.write(), numbers(2 * 3 * side * side, 99));
        let run = |kernels: Kernels| {
            let mut session = Session::open(&model, Device::Cpu(kernels)).unwrap();
            let x = Input { name: "x", shape: &[2, 3, side, side], data: &images };
            (session.run(&[x], &[output]).unwrap().remove(0), session.nodes().unwrap())
        };
        let ((expected, _), (found, nodes)) = (run(Kernels::OnnxRuntime), run(Kernels::Featbench));
        assert_eq!(found.shape, expected.shape);
        let largest = expected.data.iter().fold(0f32, |largest, v| largest.max(v.abs()));
        let apart = found.data.iter().zip(&expected.data).fold(0f32, |apart, (a, b)| apart.max((a - b).abs()));
        assert!(largest > 0.0 && apart <= 1e-5 * largest, "{apart} of {largest}");
        nodes
    }
}

#[test]
fn a_residual_network_is_computed_alike() {
    let mut network = Network::new();
    let y = network.conv_norm("x", [16, 3, 7, 2]);
    let y = network.relu(&y);
    let all = |v: i64, times: usize| Attribute::Ints(vec![v; times]);
    let window = [("kernel_shape", all(3, 2)), ("strides", all(2, 2)), ("pads", all(1, 4))];
    let y = network.graph.node("MaxPool", &[&y], &window);
    let y = network.block(&y, 16, 16, 1);
    let y = network.block(&y, 16, 32, 2);
    let y = network.graph.node("GlobalAveragePool", &[&y], &[]);
    network.graph.node_to("Flatten", &[&y], &[], &["features"]);
    assert_eq!(
        network.agree("features", 65),
        "featbench: ChannelsLast 1, Conv 6, GlobalAveragePool 1, MaxPool 1; onnxruntime: Flatten 1"
    );
}

#[test]
fn what_we_do_not_have_lies_between_as_it_is() {
    let mut network = Network::new();
    let y = network.conv("x", [8, 3, 3, 1], true);
    let mut y = network.graph.node("Sigmoid", &[&y], &[]);
    for _ in 0..2 {
        y = network.conv(&y, [8, 8, 3, 1], true);
    }
    let window = [("kernel_shape", Attribute::Ints(vec![2, 2])), ("strides", Attribute::Ints(vec![2, 2]))];
    let y = network.graph.node("AveragePool", &[&y], &window);
    let y = network.conv(&y, [8, 8, 3, 1], true);
    let axes = network.graph.ints(&[-1, 2]);
    let y = network.graph.node("ReduceMean", &[&y, &axes], &[("keepdims", Attribute::Int(0))]);
    let nodes = network.agree(&y, 17);
    assert!(
        nodes.starts_with("featbench: ChannelsFirst 1, ChannelsLast 2, Conv 4, GlobalAveragePool 1; onnxruntime: "),
        "{nodes}"
    );
}

#[test]
fn maps_of_16_bit_floats_are_not_ours() {
    let mut network = Network::new();
    let mut y = network.conv("x", [8, 3, 3, 1], true);
    let window = [("kernel_shape", Attribute::Ints(vec![2, 2])), ("strides", Attribute::Ints(vec![2, 2]))];
    for (operator, attributes) in [
        ("Cast", &[("to", Attribute::Int(FLOAT16.into()))][..]),
        ("Relu", &[]),
        ("MaxPool", &window),
        ("Cast", &[("to", Attribute::Int(FLOAT.into()))]),
        ("Flatten", &[]),
    ] {
        y = network.graph.node(operator, &[&y], attributes);
    }
    let mut model = network.graph.model();
    model.graph.as_mut().unwrap().output.push(ValueInfoProto::unshaped(&y));
    let nodes = rewritten(model).unwrap().graph.unwrap().node;
    let kinds: Vec<&str> = nodes.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(kinds, ["ChannelsLast", "Conv", "ChannelsFirst", "Cast", "Relu", "MaxPool", "Cast", "Flatten"]);
    assert!(!nodes[5].is_own(operator::MAX_POOL));
}

#[test]
fn a_norm_before_a_convolution_is_ours_too() {
    let mut network = Network::new();
    let y = network.conv("x", [8, 3, 3, 1], true);
    let z = network.norm(&y, 8);
    let z = network.relu(&z);
    let z = network.conv(&z, [8, 8, 3, 1], true);
    let sum = network.graph.node("Add", &[&z, &y], &[]);
    let y = network.graph.node("GlobalAveragePool", &[&sum], &[]);
    let nodes = network.agree(&y, 17);
    assert_eq!(nodes, "featbench: ChannelsLast 1, Conv 2, FixedNorm 1, GlobalAveragePool 1");
}

#[test]
fn a_network_whose_maps_would_be_turned_all_the_time_stays_as_it_is() {
    let mut network = Network::new();
    let mut y = network.conv("x", [8, 3, 3, 1], true);
    for _ in 0..4 {
        let rows = network.graph.node("Softmax", &[&y], &[("axis", Attribute::Int(1))]);
        y = network.conv(&rows, [8, 8, 3, 1], true);
    }
    let nodes = network.agree(&y, 9);
    assert!(nodes.starts_with("onnxruntime: "), "{nodes}");
}

#[test]
fn a_map_that_leaves_the_graph_lies_as_the_graph_says() {
    let mut network = Network::new();
    let y = network.conv("x", [5, 3, 3, 2], true);
    let y = network.relu(&y);
    network.agree(&y, 13);
}

#[test]
fn one_number_a_channel_is_added_to_every_pixel() {
    let mut network = Network::new();
    let y = network.conv("x", [6, 3, 3, 1], true);
    let pooled = network.graph.node("GlobalAveragePool", &["x"], &[]);
    let small = network.conv(&pooled, [6, 3, 1, 1], true);
    let sum = network.graph.node("Add", &[&y, &small], &[]);
    let y = network.relu(&sum);
    let nodes = network.agree(&y, 9);
    assert_eq!(nodes, "featbench: ChannelsFirst 1, ChannelsLast 2, Conv 2, GlobalAveragePool 1");
}

#[test]
fn truth_values_are_turned_too() {
    let mut network = Network::new();
    let y = network.conv("x", [6, 3, 3, 1], true);
    let slope = network.constant(&[6, 1, 1], |v| v);
    let zero = network.graph.floats(Tensor::new(&[], vec![0.0]));
    let below = network.graph.node("Mul", &[&y, &slope], &[]);
    let is_above = network.graph.node("Greater", &[&y, &zero], &[]);
    let y = network.graph.node("Where", &[&is_above, &y, &below], &[]);
    let nodes = network.agree(&y, 9);
    assert!(nodes.starts_with("featbench: ChannelsFirst 1, ChannelsLast 1, Conv 1; "), "{nodes}");
}

#[test]
fn what_is_not_understood_stays_as_it_is() {
    let mut network = Network::new();
    let y = network.conv("x", [5, 3, 3, 2], true);
    let mut branch = Graph::new("branch");
    branch.node_to("Relu", &[&y], &[], &["z"]);
    let mut model = network.graph.model();
    assert!(rewritten(model.clone()).is_some());
    let graph = model.graph.as_mut().unwrap();
    let mut node = NodeProto::new("If", &["x"], &[], &["y"]);
    let attribute = crate::deep::onnx::AttributeProto {
        name: "then_branch".into(),
        g: branch.model().graph.map(Box::new),
        ..Default::default()
    };
    node.attribute.push(attribute);
    graph.node.push(node);
    assert!(rewritten(model).is_none());
    assert!(rewritten(Graph::new("empty").model()).is_none());
}
