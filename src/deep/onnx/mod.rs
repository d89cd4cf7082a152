//! ONNX files: a small builder of graphs, and reading and writing the format.
//! Every network of featbench is such a graph, so that any ONNX runtime can execute it and any ONNX file can join.

mod check;
mod constants;
mod count;
mod external;
mod finite;
pub mod halves;
mod makers;
mod own;
pub mod ports;
mod proto;

use std::collections::HashSet;

use prost::Message;

use super::{Tensor, mistaken};
pub use makers::{Makers, Weight};
pub use own::{Beginning, DOMAIN, Definitions};
pub use proto::*;

/// Version of the standard operator set that graphs are written in, and the oldest file version that has it.
const OPSET: i64 = 18;
const IR_VERSION: i64 = 8;
/// The first file version in which constants need not be inputs too.
const CONSTANTS_ARE_NO_INPUTS: i64 = 4;

/// Why bytes are not an ONNX model, or not one that is run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    #[error("not an ONNX file: {0}")]
    Other(&'static str),
    #[error("not an ONNX file, or one that is cut off or damaged ({0} bytes): get it again, or export it again")]
    Damaged(usize),
    #[error("{0}")]
    Content(String),
}

/// A graph under construction. Nodes are added in the order in which they are computed.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    proto: GraphProto,
    values: usize,
    /// Definitions of our own operators.
    functions: Vec<FunctionProto>,
}

/// A typed setting of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Tensor(Box<TensorProto>),
}

impl Graph {
    pub fn new(name: &str) -> Graph {
        Graph { proto: GraphProto { name: name.into(), ..Default::default() }, values: 0, functions: Vec::new() }
    }

    /// Adds a node with one output and returns that value's name.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = self.fresh(op);
        self.node_to(op, inputs, attributes, &[&output]);
        output
    }

    /// A name that no other value has.
    pub fn fresh(&mut self, what: &str) -> String {
        self.values += 1;
        format!("{}_{}", what.to_lowercase(), self.values)
    }

    /// Adds a node whose outputs get the stated names; `""` leaves an optional input or output out.
    pub fn node_to(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)], outputs: &[&str]) {
        self.proto.node.push(NodeProto::new(op, inputs, attributes, outputs));
    }

    /// Adds a constant under its own name.
    pub fn initializer(&mut self, tensor: TensorProto) {
        self.proto.initializer.push(tensor);
    }

    /// The name of a constant with these integers: a shape, axes, starts of a slice.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(TensorProto::int64("", &[values.len()], values))
    }

    /// The name of a constant with these numbers.
    pub fn floats(&mut self, tensor: Tensor) -> String {
        self.constant(TensorProto::float("", tensor))
    }

    /// Equal constants are one.
    fn constant(&mut self, mut tensor: TensorProto) -> String {
        let content = |t: &TensorProto| (t.data_type, t.dims.clone(), t.raw_data.len());
        let same = |t: &&TensorProto| content(t) == content(&tensor) && t.raw_data == tensor.raw_data;
        if let Some(known) = self.proto.initializer.iter().find(same) {
            return known.name.clone();
        }
        tensor.name = self.fresh("constant");
        let name = tensor.name.clone();
        self.initializer(tensor);
        name
    }

    /// Declares an input of 32-bit floats.
    pub fn input(&mut self, name: &str, shape: &[Dimension]) {
        self.proto.input.push(ValueInfoProto::float(name, shape));
    }

    /// Declares the value of this name an output of 32-bit floats.
    pub fn output(&mut self, name: &str, shape: &[Dimension]) {
        self.proto.output.push(ValueInfoProto::float(name, shape));
    }

    /// The finished model.
    pub fn model(self) -> ModelProto {
        let own = !self.functions.is_empty();
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "featbench".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.proto),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: Vec::new(),
            functions: self.functions,
        };
        if own { model.with_own_operators() } else { model }
    }
}

impl ModelProto {
    /// Reads a file's bytes: a model whose graph has no cycle, whose nodes are in the order in which they can be computed,
    /// and whose constants have the numbers that their shapes say.
    ///
    /// # Errors
    /// What is wrong where they are not such a model.
    pub fn read(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
        if let Some(what) = mistaken::instead(bytes) {
            return Err(OnnxError::Other(what));
        }
        let model = ModelProto::decode(bytes).map_err(|_| OnnxError::Damaged(bytes.len()))?;
        // the operator sets stand last in the files of some exporters
        if model.graph.is_none() || model.opset_import.is_empty() {
            return Err(OnnxError::Damaged(bytes.len()));
        }
        model.checked().map_err(OnnxError::Content)
    }

    /// The same model with every constant an initializer and no input: [`GraphProto::with_plain_constants`], in a version
    /// of the format in which that is enough.
    pub fn with_plain_constants(mut self) -> ModelProto {
        self.graph = self.graph.map(GraphProto::with_plain_constants);
        self.ir_version = self.ir_version.max(CONSTANTS_ARE_NO_INPUTS);
        self
    }

    /// The version of the standard operators that its nodes are written in.
    pub fn opset(&self) -> i64 {
        let standard = |set: &&OperatorSetIdProto| set.domain.is_empty() || set.domain == "ai.onnx";
        self.opset_import.iter().find(standard).map_or(OPSET, |set| set.version)
    }

    /// The bytes of the file.
    pub fn write(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

impl NodeProto {
    /// A standard operator, named after its first output.
    pub fn new(op: &str, inputs: &[&str], attributes: &[(&str, Attribute)], outputs: &[&str]) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|name| name.to_string()).collect(),
            output: outputs.iter().map(|name| name.to_string()).collect(),
            name: outputs[0].into(),
            op_type: op.into(),
            attribute: attributes.iter().map(|(name, value)| value.named(name)).collect(),
            domain: String::new(),
            overload: String::new(),
        }
    }
}

impl GraphProto {
    /// What must be fed: old files list their constants among the inputs too, those are left out.
    pub fn fed_inputs(&self) -> impl Iterator<Item = &ValueInfoProto> {
        let constants: HashSet<&str> = self.initializer.iter().map(|constant| constant.name.as_str()).collect();
        self.input.iter().filter(move |value| !constants.contains(value.name.as_str()))
    }

    /// The names of the values that `outputs` depend on, themselves among them.
    pub fn needed<'a>(&'a self, outputs: &[&'a str]) -> HashSet<&'a str> {
        let mut needed: HashSet<&str> = outputs.iter().copied().collect();
        for node in self.node.iter().rev() {
            if node.output.iter().any(|output| needed.contains(output.as_str())) {
                needed.extend(node.uses());
            }
        }
        needed
    }

    /// The part of the graph that computes `outputs`; it has no others.
    pub fn leading_to(mut self, outputs: &[&str]) -> GraphProto {
        let needed: HashSet<String> = self.needed(outputs).into_iter().map(str::to_owned).collect();
        self.node.retain(|node| node.output.iter().any(|output| needed.contains(output)));
        self.initializer.retain(|constant| needed.contains(&constant.name));
        self.output.retain(|value| outputs.contains(&value.name.as_str()));
        self.value_info.clear();
        self
    }

    /// The part of the graph that needs `value`, which becomes its only input; outputs that are not part of it are
    /// left out.
    pub fn fed_with(mut self, value: ValueInfoProto) -> GraphProto {
        let mut made: HashSet<String> = HashSet::new();
        self.node.retain(|node| {
            let needs = node.uses().any(|name| *name == value.name || made.contains(name));
            made.extend(node.output.iter().filter(|_| needs).cloned());
            needs
        });
        let used: HashSet<&str> = self.node.iter().flat_map(NodeProto::uses).collect();
        self.initializer.retain(|constant| used.contains(constant.name.as_str()));
        self.output.retain(|output| made.contains(&output.name));
        self.input = vec![value];
        self.value_info.clear();
        self
    }

    /// Calls a value by another name; a value that has this name already gets the old one.
    pub fn rename(&mut self, from: &str, to: &str) {
        let rename = |name: &mut String| match name.as_str() {
            name if name == from => to.to_owned(),
            name if name == to => from.to_owned(),
            name => name.to_owned(),
        };
        let branches = self.node.iter_mut().flat_map(|node| &mut node.attribute);
        branches
            .flat_map(|attribute| attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs))
            .for_each(|branch| branch.rename(from, to));
        let of_nodes = self.node.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
        let ports = self.input.iter_mut().chain(&mut self.output).map(|value| &mut value.name);
        let constants = self.initializer.iter_mut().map(|tensor| &mut tensor.name);
        of_nodes.chain(ports).chain(constants).for_each(|name| *name = rename(name));
    }

    /// Lets every run choose its number of images, the first side of what goes in and comes out.
    pub fn free_batch(&mut self) {
        for value in self.input.iter_mut().chain(&mut self.output) {
            let shape = value.r#type.iter_mut().filter_map(|t| t.tensor_type.as_mut()?.shape.as_mut());
            let first = shape.filter_map(|shape| shape.dim.first_mut());
            first.for_each(|side| side.value = Some(Dimension::Name("batch".into())));
        }
    }
}

impl ValueInfoProto {
    /// A tensor of 32-bit floats.
    pub fn float(name: &str, shape: &[Dimension]) -> ValueInfoProto {
        let dim = shape.iter().map(|side| DimensionProto { value: Some(side.clone()) }).collect();
        let tensor = TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }

    /// A tensor of 32-bit floats whose sides ONNX Runtime finds out.
    pub fn unshaped(name: &str) -> ValueInfoProto {
        let tensor = TensorTypeProto { elem_type: FLOAT, shape: None };
        ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }

    /// The sides of a tensor of any type, a side of which nothing is said without a name; `None` where the file does not
    /// tell how many there are.
    pub fn sides(&self) -> Option<Vec<Dimension>> {
        let shape = self.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
        let side = |side: &DimensionProto| side.value.clone().unwrap_or(Dimension::Name(String::new()));
        Some(shape.dim.iter().map(side).collect())
    }

    /// The sides of a tensor of 32-bit floats, `None` where a side is free; `None` for any other value or where the
    /// file does not tell the rank.
    pub fn float_shape(&self) -> Option<Vec<Option<usize>>> {
        let tensor = self.r#type.as_ref()?.tensor_type.as_ref()?;
        let side = |d: &DimensionProto| match d.value {
            Some(Dimension::Size(size)) => usize::try_from(size).ok(),
            _ => None,
        };
        (tensor.elem_type == FLOAT).then_some(tensor.shape.as_ref()?.dim.iter().map(side).collect())
    }
}

/// As `name: N x 3 x 224 x 224`, for messages; free sides by their name or `?`.
impl std::fmt::Display for ValueInfoProto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensor = self.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let Some(shape) = tensor.and_then(|t| t.shape.as_ref()) else {
            return write!(f, "`{}` (shape not stated)", self.name);
        };
        let side = |d: &DimensionProto| match &d.value {
            Some(Dimension::Size(size)) => size.to_string(),
            Some(Dimension::Name(name)) if !name.is_empty() => name.clone(),
            _ => "?".into(),
        };
        let sides: Vec<String> = shape.dim.iter().map(side).collect();
        let kind = match tensor.map_or(0, |t| t.elem_type) {
            FLOAT => "",
            2 => ", 8-bit integers",
            6 => ", 32-bit integers",
            INT64 => ", 64-bit integers",
            FLOAT16 => ", 16-bit float",
            DOUBLE => ", 64-bit float",
            _ => ", not 32-bit float",
        };
        write!(f, "`{}` ({}{kind})", self.name, sides.join(" x "))
    }
}

impl TensorProto {
    /// A constant of 32-bit floats; takes the tensor so that large weights are not held twice for long.
    pub fn float(name: &str, tensor: Tensor) -> TensorProto {
        TensorProto {
            dims: tensor.shape.iter().map(|&side| side as i64).collect(),
            data_type: FLOAT,
            name: name.into(),
            raw_data: tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        }
    }

    /// 64-bit integers, in this shape.
    pub fn int64(name: &str, shape: &[usize], numbers: &[i64]) -> TensorProto {
        TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: INT64,
            name: name.into(),
            raw_data: numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        }
    }

    /// The numbers of a constant of 32-bit floats; `None` for one of another type, or one that lies in another file.
    pub fn tensor(&self) -> Option<Tensor> {
        let four = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        let data = match &self.raw_data[..] {
            [] => self.float_data.clone(),
            raw => raw.as_chunks().0.iter().map(four).collect(),
        };
        let shape: Vec<usize> = self.dims.iter().map(|&side| side.try_into().ok()).collect::<Option<_>>()?;
        let whole = self.data_type == FLOAT && self.count() == Some(data.len());
        whole.then(|| Tensor::new(&shape, data))
    }

    /// The numbers of a constant of 64-bit integers: a shape, axes.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let eight = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
        (self.data_type == INT64).then(|| match &self.raw_data[..] {
            [] => self.int64_data.clone(),
            raw => raw.as_chunks().0.iter().map(eight).collect(),
        })
    }
}

impl Attribute {
    pub(in crate::deep) fn named(&self, name: &str) -> AttributeProto {
        let mut proto = AttributeProto { name: name.into(), ..Default::default() };
        match self.clone() {
            Attribute::Int(v) => (proto.r#type, proto.i) = (ATTRIBUTE_INT, Some(v)),
            Attribute::Float(v) => (proto.r#type, proto.f) = (ATTRIBUTE_FLOAT, Some(v)),
            Attribute::Text(v) => (proto.r#type, proto.s) = (ATTRIBUTE_STRING, Some(v.into_bytes())),
            Attribute::Ints(v) => (proto.r#type, proto.ints) = (ATTRIBUTE_INTS, v),
            Attribute::Floats(v) => (proto.r#type, proto.floats) = (ATTRIBUTE_FLOATS, v),
            Attribute::Tensor(v) => (proto.r#type, proto.t) = (ATTRIBUTE_TENSOR, Some(*v)),
        }
        proto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> ModelProto {
        let mut graph = Graph::new("small");
        graph.input("x", &[Dimension::Name("batch".into()), Dimension::Size(4)]);
        let shape = graph.ints(&[-1, 2, 2]);
        assert_eq!(shape, graph.ints(&[-1, 2, 2]), "equal constants are shared");
        let cube = graph.node("Reshape", &["x", &shape], &[("allowzero", Attribute::Int(0))]);
        graph.node_to("TopK", &[&cube, &shape], &[("axis", Attribute::Int(-1))], &["y", "index"]);
        graph.output("y", &[Dimension::Name("batch".into()), Dimension::Size(2), Dimension::Name(String::new())]);
        graph.model()
    }

    #[test]
    fn a_written_model_is_read_back() {
        let model = small();
        assert_eq!(ModelProto::read(&model.write()), Ok(model));
    }

    #[test]
    fn a_stated_zero_is_written() {
        let model = ModelProto::read(&small().write()).unwrap();
        assert_eq!(model.graph.unwrap().node[0].attribute[0].i, Some(0), "shape inference asks whether it is there");
    }

    #[test]
    fn shapes_are_told_with_their_free_sides() {
        let graph = small().graph.unwrap();
        assert_eq!(graph.output[0].float_shape(), Some(vec![None, Some(2), None]));
        assert_eq!(graph.output[0].to_string(), "`y` (batch x 2 x ?)");
        assert_eq!(graph.fed_inputs().count(), 1);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(matches!(ModelProto::read(b"PK\x03\x04 not a model"), Err(OnnxError::Other(_))));
        assert!(matches!(ModelProto::read(b""), Err(OnnxError::Other(_))));
        assert_eq!(ModelProto::read(b"no model"), Err(OnnxError::Damaged(8)));
        let whole = small().write();
        for cut in 1..whole.len() {
            assert_eq!(ModelProto::read(&whole[..cut]), Err(OnnxError::Damaged(cut)));
        }
    }
}
