//! The last linear layer of a classifier, found by walking back from its output: what it works on is the features.

use crate::deep::onnx::{Attribute, FLOAT, Makers, NodeProto};

/// Numbers of classes of the usual classifiers: ImageNet, with a background, all of it, and CIFAR's.
pub const USUAL_CLASSES: [usize; 5] = [1000, 1001, 21_841, 21_843, 100];

/// A linear layer of a graph.
#[derive(Debug)]
pub struct Head {
    /// Its node and the operator of that.
    pub node: String,
    pub operator: String,
    /// The value that it works on, how that becomes 32-bit floats, is it a map, and how many values an image it has.
    pub input: String,
    conversion: Conversion,
    pub is_map: bool,
    pub depth: usize,
    /// How many values it gives.
    pub width: usize,
    /// These, where they are 32-bit floats.
    pub logits: Option<String>,
    /// Is nothing added to them, as in a projection into a space of its own?
    unbiased: bool,
}

/// How the layer's input becomes 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
enum Conversion {
    /// It is.
    Nothing,
    /// It has another floating type.
    Widen,
    /// It is quantised, with this scale and zero point.
    Dequantise([String; 2]),
}

impl Head {
    /// The head that `output` comes out of, by way of activations, averages, and of what only changes type or shape.
    pub fn of(makers: &Makers, output: &str) -> Option<Head> {
        let mut way = Way { output: output.to_owned(), logits: output.to_owned(), ..Default::default() };
        loop {
            let node = makers.node(&way.output)?;
            let behind = match node.op_type.as_str() {
                "Softmax" | "LogSoftmax" | "Sigmoid" | "HardSigmoid" | "QLinearSoftmax" | "QLinearSigmoid" => {
                    way.activated = true;
                    way.logits = input(node, 0).to_owned();
                    0
                }
                "Identity" | "Dropout" | "Cast" | "QuantizeLinear" | "DequantizeLinear" | "Reshape" | "Flatten"
                | "Squeeze" | "Unsqueeze" => 0,
                "GlobalAveragePool"
                | "AveragePool"
                | "ReduceMean"
                | "QLinearGlobalAveragePool"
                | "QLinearAveragePool" => {
                    way.averaged = true;
                    0
                }
                "Relu" | "Clip" => {
                    way.rectified = true;
                    0
                }
                "Mul" | "Div" => scaled(makers, node)?,
                "Add" => {
                    way.biased = true;
                    let bias = constant_of(makers, node, [0, 1]);
                    bias.map(|constant| 1 - constant).or_else(|| of_two_heads(makers, node))?
                }
                // two quantised values, each with scale and zero point
                "QLinearAdd" => constant_of(makers, node, [0, 3]).map(|constant| 3 - constant)?,
                "Gemm" | "MatMul" | "QLinearMatMul" | "QGemm" => return way.linear(makers, node),
                "Conv" | "QLinearConv" => return way.convolution(makers, node),
                _ => return None,
            };
            way.output = input(node, behind).to_owned();
        }
    }
}

/// The first of two linear layers of one value that are added up: a distilled network's classes, by two heads.
fn of_two_heads(makers: &Makers, sum: &NodeProto) -> Option<usize> {
    let works_on =
        |place| makers.node(input(sum, place)).filter(|node| node.op_type == "Gemm").map(|node| input(node, 0));
    (works_on(0)? == works_on(1)?).then_some(0)
}

/// How far the walk is, and what it came by.
#[derive(Default)]
struct Way {
    output: String,
    /// The value nearest to the file's output with no activation behind it.
    logits: String,
    activated: bool,
    biased: bool,
    averaged: bool,
    rectified: bool,
}

impl Way {
    fn linear(self, makers: &Makers, node: &NodeProto) -> Option<Head> {
        // a layer with a rectifier behind it is a hidden one, and one that is averaged sees patches
        if self.rectified || self.averaged || node.int("transA") == Some(1) {
            return None;
        }
        let quantised = matches!(node.op_type.as_str(), "QLinearMatMul" | "QGemm");
        let weight = makers.weight(input(node, if quantised { 3 } else { 1 }))?;
        let &[first, second] = &weight.dims[..] else { return None };
        let (depth, width) = if node.int("transB") == Some(1) { (second, first) } else { (first, second) };
        self.head(makers, node, quantised, (depth, width), weight.data_type)
    }

    /// A convolution of single pixels is a head where it is told from the last layer of a body: scores come out, or as many
    /// values as usual classifiers have classes, or fewer than go in, and not just averaged.
    fn convolution(self, makers: &Makers, node: &NodeProto) -> Option<Head> {
        let quantised = node.op_type == "QLinearConv";
        let weight = makers.weight(input(node, if quantised { 3 } else { 1 }))?;
        let &[width, depth, 1, 1] = &weight.dims[..] else { return None };
        let classes = usize::try_from(width).is_ok_and(|width| USUAL_CLASSES.contains(&width));
        let narrows = width < depth && (self.rectified || !self.averaged);
        if node.int("group").is_some_and(|groups| groups != 1) || !(self.activated || classes || narrows) {
            return None;
        }
        let head = self.head(makers, node, quantised, (depth, width), weight.data_type)?;
        Some(Head { is_map: true, ..head })
    }

    fn head(
        self,
        makers: &Makers,
        node: &NodeProto,
        quantised: bool,
        (depth, width): (i64, i64),
        data_type: i32,
    ) -> Option<Head> {
        let features = input(node, 0);
        makers.node(features)?;
        let conversion = match (quantised, data_type) {
            (true, _) => Conversion::Dequantise([1, 2].map(|place| input(node, place).to_owned())),
            (false, FLOAT) => Conversion::Nothing,
            (false, _) => Conversion::Widen,
        };
        // behind an activation a value of another type may lie; the file's own output is of 32-bit floats
        let plain = matches!(conversion, Conversion::Nothing) || !self.activated;
        Some(Head {
            node: node.called().to_owned(),
            operator: node.op_type.clone(),
            input: features.to_owned(),
            conversion,
            is_map: false,
            depth: depth.try_into().ok()?,
            width: width.try_into().ok()?,
            unbiased: !self.biased && node.input.len() < 3 && !self.activated,
            logits: plain.then_some(self.logits),
        })
    }
}

impl Head {
    /// The nodes that make features of its input, and what these are called.
    pub fn features(&self, makers: &Makers) -> (Vec<NodeProto>, String) {
        let (mut nodes, mut value) = (Vec::new(), self.input.clone());
        let mut add = |operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)], what: &str| {
            let mut output = format!("{value} ({what})");
            while makers.node(&output).is_some() {
                output.push('\'');
            }
            let inputs: Vec<&str> = [value.as_str()].into_iter().chain(inputs.iter().copied()).collect();
            nodes.push(NodeProto::new(operator, &inputs, attributes, &[&output]));
            value = output;
        };
        match &self.conversion {
            Conversion::Nothing => {}
            Conversion::Widen => add("Cast", &[], &[("to", Attribute::Int(FLOAT.into()))], "32-bit float"),
            Conversion::Dequantise([scale, zero]) => add("DequantizeLinear", &[scale, zero], &[], "32-bit float"),
        }
        if self.is_map {
            add("GlobalAveragePool", &[], &[], "average");
        }
        (nodes, value)
    }

    /// What of the layer is taken, in words.
    pub fn taken(&self) -> String {
        let converted = match self.conversion {
            Conversion::Nothing => "",
            Conversion::Widen => ", widened to 32-bit float",
            Conversion::Dequantise(_) => ", brought back from its quantised form",
        };
        let averaged = if self.is_map { ", averaged over its pixels" } else { "" };
        let classes = USUAL_CLASSES.contains(&self.width);
        let projection = match self.logits.as_ref().filter(|_| self.unbiased && !classes) {
            Some(logits) => format!(
                " (where they are a projection and no scores of classes, as of a CLIP, `output = \"{logits}\"` in a TOML file \
                 beside it keeps it)"
            ),
            None => String::new(),
        };
        format!(
            "input of its last linear layer{converted}{averaged}, node `{}` ({}); the {} values that this gives are cut \
             off{projection}",
            self.node, self.operator, self.width
        )
    }
}

fn input(node: &NodeProto, place: usize) -> &str {
    node.input.get(place).map_or("", String::as_str)
}

/// At which of two places a node has a constant.
fn constant_of(makers: &Makers, node: &NodeProto, places: [usize; 2]) -> Option<usize> {
    places.into_iter().find(|&place| makers.weight(input(node, place)).is_some())
}

/// The place of the other factor, where one is a single number.
fn scaled(makers: &Makers, node: &NodeProto) -> Option<usize> {
    let single = |place: usize| makers.weight(input(node, place)).is_some_and(|weight| weight.count() == Some(1));
    // a constant is divided by nothing that is an image's
    let places = if node.op_type == "Div" { &[1][..] } else { &[1, 0] };
    places.iter().find(|&&place| single(place)).map(|&place| 1 - place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::onnx::{FLOAT16, Graph, GraphProto, TensorProto};

    /// Constants of these shapes, a first value `f`, and nodes: operator, inputs, attributes, output.
    type Step<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, Attribute)], &'a str);

    fn graph(constants: &[(&str, &[usize])], steps: &[Step]) -> GraphProto {
        let mut graph = Graph::new("head");
        for (name, shape) in constants {
            graph.initializer(TensorProto::float(name, Tensor::new(shape, vec![0.5; shape.iter().product()])));
        }
        graph.node_to("Relu", &["x"], &[], &["f"]);
        steps.iter().for_each(|(op, inputs, attributes, output)| graph.node_to(op, inputs, attributes, &[output]));
        graph.model().graph.unwrap()
    }

    /// Input, values an image, values that come out, logits, and the operators that make features of the input.
    type Told = Option<(String, usize, usize, Option<String>, Vec<String>)>;

    fn found(graph: &GraphProto) -> Told {
        let makers = Makers::of(graph);
        let head = Head::of(&makers, "y")?;
        let operators = head.features(&makers).0.into_iter().map(|node| node.op_type).collect();
        Some((head.input, head.depth, head.width, head.logits, operators))
    }

    fn expected(logits: Option<&str>, operators: &[&str]) -> Told {
        let operators = operators.iter().map(|name| name.to_string()).collect();
        Some(("f".into(), 8, 5, logits.map(str::to_owned), operators))
    }

    #[test]
    fn a_linear_head_is_found_behind_what_exporters_put_around_it() {
        let turned = [("transB", Attribute::Int(1))];
        let plain: &[(&str, &[usize])] = &[("w", &[8, 5]), ("t", &[5, 8]), ("b", &[5]), ("one", &[]), ("scale", &[1])];
        let cases: [&[Step]; 6] = [
            &[("Gemm", &["f", "t", "b"], &turned, "l"), ("Sigmoid", &["l"], &[], "y")],
            &[("Transpose", &["t"], &[], "w2"), ("MatMul", &["f", "w2"], &[], "l"), ("Softmax", &["l"], &[], "y")],
            &[("MatMul", &["f", "w"], &[], "m"), ("Add", &["b", "m"], &[], "l"), ("LogSoftmax", &["l"], &[], "y")],
            &[("MatMul", &["f", "w"], &[], "m"), ("Div", &["m", "one"], &[], "l"), ("Softmax", &["l"], &[], "y")],
            &[
                ("DequantizeLinear", &["w", "scale"], &[], "dw"),
                ("Gemm", &["f", "dw"], &[], "g"),
                ("QuantizeLinear", &["g", "scale"], &[], "q"),
                ("DequantizeLinear", &["q", "scale"], &[], "l"),
                ("Softmax", &["l"], &[], "y"),
            ],
            &[("Gemm", &["f", "w"], &[], "g"), ("Squeeze", &["g"], &[], "l"), ("Softmax", &["l"], &[], "y")],
        ];
        for steps in cases {
            assert_eq!(found(&graph(plain, steps)), expected(Some("l"), &[]), "{steps:?}");
        }
    }

    #[test]
    fn half_precision_and_quantised_values_become_floats() {
        let mut half = graph(&[("w", &[8, 5])], &[("MatMul", &["f", "w"], &[], "m"), ("Cast", &["m"], &[], "y")]);
        half.initializer[0].data_type = FLOAT16;
        assert_eq!(found(&half), expected(Some("y"), &["Cast"]));
        let constants: &[(&str, &[usize])] = &[("w", &[8, 5]), ("s", &[]), ("z", &[])];
        let product: Step = ("QLinearMatMul", &["f", "s", "z", "w", "s", "z", "s", "z"], &[], "q");
        let quantised = graph(constants, &[product, ("DequantizeLinear", &["q", "s", "z"], &[], "y")]);
        assert_eq!(found(&quantised), expected(Some("y"), &["DequantizeLinear"]));
        let behind = [product, ("DequantizeLinear", &["q", "s"], &[], "l"), ("Softmax", &["l"], &[], "y")];
        assert_eq!(
            found(&graph(constants, &behind)),
            expected(None, &["DequantizeLinear"]),
            "of what type is not known"
        );
    }

    #[test]
    fn a_convolution_is_a_head_where_it_is_no_layer_of_a_body() {
        let tail: [Step; 2] = [("GlobalAveragePool", &["r"], &[], "p"), ("Flatten", &["p"], &[], "y")];
        let behind = |width: usize, steps: &[Step]| found(&graph(&[("w", &[width, 8, 1, 1])], steps));
        let conv: Step = ("Conv", &["f", "w"], &[], "c");
        let squeezenet = [conv, ("Relu", &["c"], &[], "r"), tail[0], tail[1]];
        assert_eq!(behind(5, &squeezenet), expected(Some("y"), &["GlobalAveragePool"]));
        assert!(behind(1000, &squeezenet).is_some() && behind(1280, &squeezenet).is_none(), "MobileNet's last layer");
        assert_eq!(behind(5, &[("Conv", &["f", "w"], &[], "r"), tail[0], tail[1]]), None, "a narrow layer of a body");
        assert!(behind(5, &[conv, ("Flatten", &["c"], &[], "y")]).is_some(), "behind the average");
    }

    #[test]
    fn what_is_no_head_is_left_alone() {
        let constants: &[(&str, &[usize])] = &[("w", &[8, 5]), ("v", &[5])];
        let product: Step = ("MatMul", &["f", "w"], &[], "m");
        for last in [
            ("Relu", &["m"][..]),
            ("Tanh", &["m"]),
            ("Mul", &["m", "v"]),
            ("Add", &["m", "f"]),
            ("ReduceMean", &["m"]),
            ("Div", &["v", "m"]),
        ] {
            assert_eq!(found(&graph(constants, &[product, (last.0, last.1, &[], "y")])), None, "{last:?}");
        }
        assert_eq!(found(&graph(constants, &[("MatMul", &["x", "w"], &[], "y")])), None, "the pixels are no features");
    }
}
