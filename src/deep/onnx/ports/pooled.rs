//! A vector made of a map or of tokens, where its owner states how.

use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::deep::settings::Pooling;

/// The first operator set whose `ReduceMean` takes its axes as an input.
const AXES_ARE_AN_INPUT: i64 = 18;

/// The least value that a generalised mean sees, and its exponent.
const GEM: (f32, f32) = (1e-6, 3.0);

/// What is pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// N x channels x height x width, or channels last.
    Map { channels_last: bool },
    /// N x tokens x channels.
    Tokens,
}

impl Shape {
    /// By how many sides it has.
    ///
    /// # Errors
    /// It has another number of sides, or nothing of it can be pooled so.
    pub fn of(value: &str, sides: usize, channels_last: bool, pooling: Pooling) -> Result<Shape, String> {
        match (sides, pooling) {
            (4, Pooling::Cls) => Err(format!(
                "pooling = \"cls\" takes the first token, and `{value}` is a map: state \"mean\" or \"gem\""
            )),
            (4, _) => Ok(Shape::Map { channels_last }),
            (3, _) => Ok(Shape::Tokens),
            _ => Err(format!("`{value}` has {sides} sides: pooling is for tokens (3) and maps (4); leave it out")),
        }
    }

    /// Which side tells how long a vector is.
    pub fn channels(self) -> usize {
        match self {
            Shape::Map { channels_last: false } => 1,
            Shape::Map { channels_last: true } => 3,
            Shape::Tokens => 2,
        }
    }
}

/// What its owner may state of a value with so many sides; `None` where nothing can be pooled.
pub fn to_pool(sides: usize) -> Option<&'static str> {
    match sides {
        3 => Some("state `pooling = \"cls\"`, \"mean\" or \"gem\" in a TOML file beside it to make a vector of tokens"),
        4 => Some("state `pooling = \"mean\"` or \"gem\" in a TOML file beside it to make a vector of a map"),
        _ => None,
    }
}

/// The nodes, and the name of the vector that they give.
pub fn pooled(value: &str, shape: Shape, pooling: Pooling, opset: i64) -> (GraphProto, String) {
    let mut nodes = Nodes { graph: GraphProto::default(), value: value.to_owned(), origin: value.to_owned() };
    if shape == (Shape::Map { channels_last: true }) {
        nodes.add("Transpose", &[], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))], "channels first");
    }
    let average = |nodes: &mut Nodes| match shape {
        Shape::Map { .. } => nodes.add("GlobalAveragePool", &[], &[], "average"),
        Shape::Tokens => {
            let keep = ("keepdims", Attribute::Int(0));
            if opset < AXES_ARE_AN_INPUT {
                nodes.add("ReduceMean", &[], &[("axes", Attribute::Ints(vec![1])), keep], "average");
            } else {
                let axes = nodes.integer("axes", &[1], 1);
                nodes.add("ReduceMean", &[&axes], &[keep], "average");
            }
        }
    };
    match pooling {
        Pooling::Mean => average(&mut nodes),
        Pooling::Cls => {
            let first = nodes.integer("first", &[], 0);
            nodes.add("Gather", &[&first], &[("axis", Attribute::Int(1))], "first token");
        }
        Pooling::Gem => {
            let (least, exponent) = GEM;
            let numbers = [("least", least), ("exponent", exponent), ("root", 1.0 / exponent)];
            let [least, exponent, root] = numbers.map(|(what, number)| nodes.number(what, number));
            nodes.add("Max", &[&least], &[], "at least");
            nodes.add("Pow", &[&exponent], &[], "raised");
            average(&mut nodes);
            nodes.add("Pow", &[&root], &[], "root");
        }
    }
    let Nodes { mut graph, value, .. } = nodes;
    graph.output.push(ValueInfoProto::unshaped(&value));
    (graph, value)
}

/// Nodes one behind the other.
struct Nodes {
    graph: GraphProto,
    value: String,
    origin: String,
}

impl Nodes {
    fn add(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)], what: &str) {
        let output = format!("{} ({what})", self.value);
        let inputs: Vec<&str> = [self.value.as_str()].into_iter().chain(inputs.iter().copied()).collect();
        self.graph.node.push(NodeProto::new(operator, &inputs, attributes, &[&output]));
        self.value = output;
    }

    fn number(&mut self, what: &str, number: f32) -> String {
        self.constant(TensorProto::float(&format!("{} ({what})", self.origin), Tensor::new(&[], vec![number])))
    }

    fn integer(&mut self, what: &str, shape: &[usize], integer: i64) -> String {
        self.constant(TensorProto::int64(&format!("{} ({what})", self.origin), shape, &[integer]))
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.graph.initializer.push(tensor);
        name
    }
}
