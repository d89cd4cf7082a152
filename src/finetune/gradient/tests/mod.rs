//! Each rule alone, run by ONNX Runtime, against central differences of a naive forward pass in f64.

mod attention;
mod choices;
mod convolutions;
mod functions;
mod naive;
mod resizing;
mod shapes;

use super::*;
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, BOOL, Graph, INT64, ModelProto, TensorProto};
use crate::deep::session::{Device, Input, Session};

/// A forward pass: from the numbers of all inputs to those of the output.
type Forward<'a> = &'a dyn Fn(&[Vec<f64>]) -> Vec<f64>;

/// One node, its inputs and its attributes.
struct OneNode {
    operator: &'static str,
    attributes: Vec<(&'static str, Attribute)>,
    shapes: Vec<Vec<usize>>,
    /// How many of the inputs are learned; the others are frozen.
    learned: usize,
    /// Behind the others: shapes, axes.
    integers: Vec<TensorProto>,
    batch_norm: BatchNorm,
}

fn node(operator: &'static str, shapes: &[&[usize]]) -> OneNode {
    let shapes: Vec<Vec<usize>> = shapes.iter().map(|shape| shape.to_vec()).collect();
    let learned = shapes.len();
    OneNode { operator, attributes: vec![], shapes, learned, integers: vec![], batch_norm: BatchNorm::Train }
}

/// Numbers between -1 and 1 that differ from each other by enough for a maximum to be one.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729 + 31) % 10_007) as f32 / 5_003.5 - 1.0).collect()
}

fn widened(data: &[f32]) -> Vec<f64> {
    data.iter().map(|&v| f64::from(v)).collect()
}

/// A constant condition.
fn truths<const N: usize>(name: &str, sides: [i64; N], holds: impl IntoIterator<Item = bool>) -> TensorProto {
    let raw_data = holds.into_iter().map(u8::from).collect();
    TensorProto { name: name.into(), dims: sides.to_vec(), data_type: BOOL, raw_data, ..Default::default() }
}

impl OneNode {
    fn with(mut self, name: &'static str, value: Attribute) -> OneNode {
        self.attributes.push((name, value));
        self
    }

    fn window(self, kernel: [i64; 2], strides: [i64; 2], pads: [i64; 4]) -> OneNode {
        let list = |list: &[i64]| Attribute::Ints(list.to_vec());
        self.with("kernel_shape", list(&kernel)).with("strides", list(&strides)).with("pads", list(&pads))
    }

    fn name(place: usize) -> String {
        format!("input {place}")
    }

    fn tensors(&self) -> Vec<Tensor> {
        let tensor = |(seed, shape): (usize, &Vec<usize>)| {
            let mut data = numbers(shape.iter().product(), seed);
            if self.operator == "BatchNormalization" && seed == 4 {
                data.iter_mut().for_each(|variance| *variance += 1.5);
            }
            Tensor::new(shape, data)
        };
        self.shapes.iter().enumerate().map(tensor).collect()
    }

    /// With a constant of integers behind the other inputs.
    fn ints(self, list: &[i64]) -> OneNode {
        self.shaped_ints(&[list.len()], list)
    }

    fn shaped_ints(mut self, shape: &[usize], list: &[i64]) -> OneNode {
        let dims = shape.iter().map(|&side| side as i64).collect();
        let name = format!("integers {}", self.integers.len());
        let tensor = TensorProto { dims, data_type: INT64, int64_data: list.to_vec(), name, ..Default::default() };
        self.integers.push(tensor);
        self
    }

    /// With the first so many inputs learned.
    fn learned(mut self, learned: usize) -> OneNode {
        self.learned = learned;
        self
    }

    /// Every input is what comes out of a node, so that whatever operator gets it, it learns.
    fn network(&self) -> Network {
        let mut graph = Graph::new("one node");
        for (place, tensor) in self.tensors().into_iter().enumerate() {
            graph.initializer(TensorProto::float(&Self::name(place), tensor));
        }
        self.integers.iter().for_each(|tensor| graph.initializer(tensor.clone()));
        let inputs = (0..self.shapes.len()).map(|place| match self.inner(place) {
            true => graph.node("Identity", &[&Self::name(place)], &[]),
            false => Self::name(place),
        });
        let inputs: Vec<String> = inputs.collect();
        let integers = self.integers.iter().map(|tensor| tensor.name.as_str());
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).chain(integers).collect();
        graph.node_to(self.operator, &inputs, &self.attributes, &["y"]);
        let Self { learned, batch_norm, .. } = *self;
        Network { model: graph.model(), inputs: self.tensors(), learned, batch_norm }
    }

    /// Can no constant be learned at this place?
    fn inner(&self, place: usize) -> bool {
        place >= learnable(self.operator) && place < self.learned
    }

    fn record(&self) -> Result<Recorded, GradientError> {
        self.network().record()
    }

    /// The whole rule against `forward`, within 2e-5 of the largest number of each tensor.
    fn check(&self, masks: &[f32], forward: Forward) {
        self.network().check(&format!("{} {:?}", self.operator, self.shapes), masks, forward);
    }
}

/// A graph from constants called `input 0` and so on to `y`.
struct Network {
    model: ModelProto,
    inputs: Vec<Tensor>,
    learned: usize,
    batch_norm: BatchNorm,
}

impl Network {
    /// Of a graph that has no constants yet, which all are learned.
    fn new(mut graph: Graph, shapes: &[&[usize]]) -> Network {
        let tensor = |(seed, shape): (usize, &&[usize])| Tensor::new(shape, numbers(shape.iter().product(), seed));
        let inputs: Vec<Tensor> = shapes.iter().enumerate().map(tensor).collect();
        for (place, tensor) in inputs.iter().enumerate() {
            graph.initializer(TensorProto::float(&OneNode::name(place), tensor.clone()));
        }
        Network { model: graph.model(), learned: inputs.len(), inputs, batch_norm: BatchNorm::Train }
    }

    fn record(&self) -> Result<Recorded, GradientError> {
        let graph = self.model.graph.as_ref().unwrap();
        let source = Source { model: &self.model, graph, input: "unused", shape: &[1], output: "y" };
        record(source, &|name| (0..self.learned).any(|place| name == OneNode::name(place)), &|_| self.batch_norm)
    }

    /// Output and gradients of the learned inputs, for a loss whose gradient at the output is `dy`.
    fn run(&self, masks: &[f32]) -> (Tensor, Vec<Tensor>, Vec<f32>) {
        let Recorded { mut tape, output, parameters } = self.record().unwrap();
        let dy = numbers(output.shape.iter().product(), 17);
        tape.graph.input("dy", &sides(&output.shape));
        tape.backpropagate(&output, "dy");
        let mut inputs = vec![
            Input { name: INPUT, shape: &[1], data: &[0.0] },
            Input { name: "dy", shape: &output.shape, data: &dy },
        ];
        for parameter in parameters.iter().filter(|parameter| parameter.role != Role::Constant) {
            let Tensor { shape, data } = &parameter.tensor;
            inputs.push(Input { name: &parameter.value.name, shape, data });
        }
        let mask = tape.masks.clone();
        inputs.extend(mask.iter().map(|mask| Input { name: &mask.name, shape: &mask.shape, data: masks }));
        let learned = (0..self.learned).map(OneNode::name);
        let value = |name: String| &parameters.iter().find(|parameter| parameter.name == name).unwrap().value;
        let gradients: Vec<String> = learned.map(|name| tape.gradient(value(name)).unwrap().to_owned()).collect();
        let mut outputs = vec![output.name.as_str()];
        outputs.extend(gradients.iter().map(String::as_str));
        outputs.iter().for_each(|name| tape.graph.output(name, &[]));
        let mut model = tape.graph.model();
        // ranks are left to ONNX Runtime
        model.graph.iter_mut().flat_map(|g| &mut g.output).for_each(|output| {
            output.r#type.iter_mut().flat_map(|t| &mut t.tensor_type).for_each(|t| t.shape = None);
        });
        let mut found = Session::open_in(None, model, Device::cpu(), 1).unwrap().run(&inputs, &outputs).unwrap();
        let y = found.remove(0);
        assert_eq!(y.shape, output.shape);
        (y, found, dy)
    }

    fn check(&self, what: &str, masks: &[f32], forward: Forward) {
        let (y, gradients, dy) = self.run(masks);
        let mut inputs: Vec<Vec<f64>> = self.inputs.iter().map(|tensor| widened(&tensor.data)).collect();
        assert_close(what, &y.data, &forward(&inputs));
        let weights = widened(&dy);
        assert_eq!(gradients.len(), self.learned);
        for (place, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.shape, self.inputs[place].shape);
            let expected: Vec<f64> =
                (0..inputs[place].len()).map(|i| difference(&mut inputs, place, i, &weights, forward)).collect();
            assert_close(&format!("{what}, input {place}"), &gradient.data, &expected);
        }
    }
}

/// Of the loss, by number `i` of an input.
fn difference(inputs: &mut [Vec<f64>], place: usize, i: usize, dy: &[f64], forward: Forward) -> f64 {
    let step = 1e-5;
    let mut loss = |shift: f64| {
        let kept = inputs[place][i];
        inputs[place][i] += shift;
        let loss: f64 = forward(inputs).iter().zip(dy).map(|(y, dy)| y * dy).sum();
        inputs[place][i] = kept;
        loss
    };
    (loss(step) - loss(-step)) / (2.0 * step)
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 2e-5 * largest, "{what}: number {i} is {found}, {expected} expected");
    }
}

#[test]
fn the_last_window_of_a_pool_may_reach_beyond() {
    let ceil = |operator, shape: &[usize; 4], pads| {
        node(operator, &[shape]).window([3, 3], [2, 2], pads).with("ceil_mode", Attribute::Int(1))
    };
    let (shape, pads) = ([2, 3, 6, 7], [0; 4]);
    let reached = [0, 0, 1, 0];
    ceil("MaxPool", &shape, pads).check(&[], &|x| naive::max_pool(&x[0], shape, [3, 3], [2, 2], reached));
    let average = |x: &[Vec<f64>]| naive::average_pool(&x[0], shape, [3, 3], [2, 2], reached, false);
    ceil("AveragePool", &shape, pads).check(&[], &average);
    // a window that would begin in the padding is none
    let (shape, pads) = ([1, 2, 2, 2], [1; 4]);
    let pool = node("MaxPool", &[&shape]).window([1, 1], [3, 3], [0; 4]).with("ceil_mode", Attribute::Int(1));
    pool.check(&[], &|x| naive::max_pool(&x[0], shape, [1, 1], [3, 3], [0; 4]));
    ceil("MaxPool", &shape, pads).check(&[], &|x| naive::max_pool(&x[0], shape, [3, 3], [2, 2], [1, 1, 2, 2]));
    let refused = ceil("AveragePool", &shape, pads).with("count_include_pad", Attribute::Int(1));
    assert!(refused.record().err().unwrap().to_string().contains("ceil_mode = 1 can't be trained"));
}

#[test]
fn batch_norms_with_the_statistics_of_the_batch() {
    for shape in [vec![3, 4, 2, 3], vec![5, 4]] {
        let mut norm =
            node("BatchNormalization", &[&shape, &[4], &[4], &[4], &[4]]).with("epsilon", Attribute::Float(1e-3));
        norm.learned = 3;
        norm.check(&[], &|inputs| naive::batch_norm(&inputs[..3], None, &shape, f64::from(1e-3f32)));
    }
    let mut single = node("BatchNormalization", &[&[1, 4], &[4], &[4], &[4], &[4]]);
    single.learned = 3;
    let error = single.record().err().unwrap().to_string();
    assert!(error.contains("take a larger batch"), "{error}");
}

#[test]
fn batch_norms_with_frozen_statistics() {
    let shape = [2, 4, 2, 3];
    for learned in [1, 3] {
        let mut norm = node("BatchNormalization", &[&shape, &[4], &[4], &[4], &[4]]);
        (norm.learned, norm.batch_norm) = (learned, BatchNorm::Frozen);
        let epsilon = f64::from(1e-5f32);
        norm.check(&[], &|inputs| naive::batch_norm(&inputs[..3], Some((&inputs[3], &inputs[4])), &shape, epsilon));
    }
}

#[test]
fn activations_and_masks() {
    node("Relu", &[&[3, 7]]).check(&[], &|inputs| inputs[0].iter().map(|v| v.max(0.0)).collect());
    let clipped = |inputs: &[Vec<f64>]| inputs[0].iter().map(|v| v.clamp(-0.5, 0.25)).collect();
    let limits =
        |low, high| node("Clip", &[&[3, 7]]).with("min", Attribute::Float(low)).with("max", Attribute::Float(high));
    limits(-0.5, 0.25).check(&[], &clipped);
    let low = |inputs: &[Vec<f64>]| inputs[0].iter().map(|v| v.max(0.0)).collect();
    node("Clip", &[&[3, 7]]).with("min", Attribute::Float(0.0)).check(&[], &low);
    node("Identity", &[&[3, 7]]).check(&[], &|inputs| inputs[0].clone());
    let mask = [0.0, 2.0, 2.0, 0.0, 2.0, 0.0];
    let dropped = |inputs: &[Vec<f64>]| inputs[0].iter().zip(&mask).map(|(v, &m)| v * f64::from(m)).collect();
    node("Dropout", &[&[2, 3]]).check(&mask, &dropped);
}

#[test]
fn pools() {
    let shape = [2, 3, 7, 6];
    for (kernel, strides, pads) in
        [([3, 3], [2, 2], [1, 1, 1, 1]), ([2, 2], [2, 2], [0, 0, 0, 0]), ([3, 2], [1, 2], [1, 0, 0, 1])]
    {
        let max = node("MaxPool", &[&shape]).window(kernel, strides, pads);
        max.check(&[], &|inputs| naive::max_pool(&inputs[0], shape, kernel, strides, pads));
        for padding in [0, 1] {
            let average = node("AveragePool", &[&shape]).window(kernel, strides, pads);
            let average = average.with("count_include_pad", Attribute::Int(padding));
            average.check(&[], &|inputs| naive::average_pool(&inputs[0], shape, kernel, strides, pads, padding == 1));
        }
    }
}

#[test]
fn means_over_the_picture() {
    let shape = [2, 3, 4, 5];
    let mean = |inputs: &[Vec<f64>]| inputs[0].chunks(20).map(|map| map.iter().sum::<f64>() / 20.0).collect();
    node("GlobalAveragePool", &[&shape]).check(&[], &mean);
    let newer = node("ReduceMean", &[&shape]).with("keepdims", Attribute::Int(0)).ints(&[-1, 2]);
    newer.check(&[], &mean);
    node("ReduceMean", &[&shape]).with("axes", Attribute::Ints(vec![2, 3])).check(&[], &mean);
}

#[test]
fn products() {
    let plain = |inputs: &[Vec<f64>]| naive::linear(inputs, 3, 4, 5, false);
    node("MatMul", &[&[3, 4], &[4, 5]]).check(&[], &plain);
    node("Gemm", &[&[3, 4], &[4, 5], &[5]]).check(&[], &plain);
    let turned = node("Gemm", &[&[3, 4], &[5, 4], &[5]]).with("transB", Attribute::Int(1));
    turned.check(&[], &|inputs| naive::linear(inputs, 3, 4, 5, true));
}

#[test]
fn sums_and_shapes() {
    node("Add", &[&[2, 3], &[2, 3]]).check(&[], &|inputs| naive::add(&inputs[0], &inputs[1]));
    let repeated = |inputs: &[Vec<f64>]| naive::add(&inputs[0], &inputs[1].repeat(2));
    node("Add", &[&[2, 3], &[3]]).check(&[], &repeated);
    node("Add", &[&[2, 3], &[1, 3]]).check(&[], &repeated);
    node("Flatten", &[&[2, 3, 1, 2]]).check(&[], &|inputs| inputs[0].clone());
    let reshape = node("Reshape", &[&[2, 3, 1, 2]]).ints(&[0, -1]);
    reshape.check(&[], &|inputs| inputs[0].clone());
    let reshape = node("Reshape", &[&[2, 3, 1, 2]]).with("allowzero", Attribute::Int(1)).ints(&[-1, 6]);
    reshape.check(&[], &|inputs| inputs[0].clone());
}

/// `x.view(x.size(0), -1)` and `x.view(-1, x.size(1) * x.size(2))`, as exporters write them.
#[test]
fn shapes_that_are_computed_are_known() {
    let mut graph = Graph::new("shapes");
    graph.initializer(TensorProto::float("x", Tensor::new(&[2, 3, 4], numbers(24, 0))));
    let [zero, one, two, three, rest] = [0, 1, 2, 3, -1].map(|number| graph.ints(&[number]));
    let shape = graph.node("Shape", &["x"], &[]);
    let first = graph.node("Gather", &[&shape, &zero], &[("axis", Attribute::Int(0))]);
    let first = graph.node("Squeeze", &[&first], &[]);
    let first = graph.node("Cast", &[&first], &[("to", Attribute::Int(7))]);
    let first = graph.node("Unsqueeze", &[&first, &zero], &[]);
    let flat = graph.node("Concat", &[&first, &rest], &[("axis", Attribute::Int(0))]);
    let flat = graph.node("Reshape", &["x", &flat], &[]);
    let second = graph.node("Slice", &[&shape, &one, &two, &zero], &[]);
    let third = graph.node("Slice", &[&shape, &two, &three], &[]);
    let product = graph.node("Mul", &[&second, &third], &[]);
    let again = graph.node("Concat", &[&rest, &product], &[("axis", Attribute::Int(0))]);
    graph.node_to("Reshape", &[&flat, &again], &[], &["y"]);
    let model = graph.model();
    let graph = model.graph.as_ref().unwrap();
    let source = |output| Source { model: &model, graph, input: "unused", shape: &[1], output };
    let recorded = |output| record(source(output), &|_| true, &|_| BatchNorm::Train);
    assert_eq!(recorded("y").unwrap().output.shape, [2, 12]);
    assert_eq!(recorded(&shape).err(), Some(GradientError::NoValue(shape.clone())), "no tensor of 32-bit floats");
}

#[test]
fn a_value_that_is_used_twice_gets_both_gradients() {
    let mut graph = Graph::new("residual");
    graph.initializer(TensorProto::float("x", Tensor::new(&[2], vec![-1.0, 2.0])));
    graph.node_to("Relu", &["x"], &[], &["relu"]);
    graph.node_to("Add", &["relu", "x"], &[], &["sum"]);
    graph.node_to("Add", &["sum", "sum"], &[], &["y"]);
    let model = graph.model();
    let graph = model.graph.as_ref().unwrap();
    let source = Source { model: &model, graph, input: "unused", shape: &[1], output: "y" };
    let Recorded { mut tape, output, parameters } = record(source, &|_| true, &|_| BatchNorm::Train).unwrap();
    tape.graph.input("dy", &sides(&[2]));
    tape.backpropagate(&output, "dy");
    let gradient = tape.gradient(&parameters[0].value).unwrap().to_owned();
    tape.graph.output(&gradient, &sides(&[2]));
    let mut session = Session::open_in(None, tape.graph.model(), Device::cpu(), 1).unwrap();
    let feed = |name, shape, data| Input { name, shape, data };
    let inputs = [feed(INPUT, &[1], &[0.0]), feed("parameter:x", &[2], &[-1.0, 2.0]), feed("dy", &[2], &[1.0, 10.0])];
    assert_eq!(session.run(&inputs, &[&gradient]).unwrap()[0].data, [2.0, 40.0]);
}

#[test]
fn what_can_t_be_trained_is_named() {
    let refused = |node: OneNode| node.record().err().unwrap().to_string();
    let error = refused(node("Det", &[&[2, 3]]));
    let expected = "the network has operators that can't be trained: Det (node `y`); supported are Abs, Add, And, Attention, AveragePool, ";
    assert!(error.starts_with(expected), "{error}");
    let grouped = node("Conv", &[&[1, 4, 5, 5], &[4, 1, 3, 3]]).with("group", Attribute::Int(2));
    assert_eq!(refused(grouped), "node `y` (Conv): [1, 4, 5, 5] does not fit weights of [4, 1, 3, 3] in 2 groups");
    let dilated = node("AveragePool", &[&[1, 4, 5, 5]]).window([2, 2], [1, 1], [0; 4]);
    let dilated = dilated.with("dilations", Attribute::Ints(vec![2, 2]));
    assert_eq!(refused(dilated), "node `y` (AveragePool): dilations can't be trained; [1, 1] is expected");
    let reshape = node("Reshape", &[&[2, 3]]).ints(&[4, -1]);
    assert_eq!(refused(reshape), "node `y` (Reshape): [2, 3] can't become [4, -1]");
}
