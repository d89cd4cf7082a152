//! What a network costs on paper: how many numbers it holds, and how many multiply-adds one image takes in its
//! convolutions and matrix products. Shapes are followed through the operators that image networks are made of; behind
//! another one they are unknown, and a product there makes the count unknown rather than too small.

use std::collections::HashMap;

use super::{GraphProto, NodeProto};

/// Shapes without the side of the batch, which is 1.
type Shape = Vec<usize>;
type Shapes<'g> = HashMap<&'g str, Shape>;

/// Operators that keep the shape of their first input.
const KEEPING: [&str; 20] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "Cast",
    "Relu",
    "Clip",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Erf",
    "Softmax",
    "BatchNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Identity",
    "Dropout",
];
/// Operators of two values, the smaller repeated.
const SPREADING: [&str; 5] = ["Add", "Sub", "Mul", "Div", "Pow"];

impl GraphProto {
    /// Numbers in the constants that lead to a value, integers such as shapes left out.
    pub fn parameters_of(&self, value: &str) -> u64 {
        let needed = self.needed(&[value]);
        let constants = self.initializer.iter().filter(|constant| needed.contains(constant.name.as_str()));
        let of_numbers = constants.filter(|constant| constant.integers().is_none());
        of_numbers.filter_map(|constant| constant.count()).map(|count| count as u64).sum()
    }

    /// Multiply-adds of one picture with three channels of `side` x `side` pixels on the way to a value, in convolutions and
    /// matrix products; `None` where the size of one is not known.
    pub fn multiply_adds_of(&self, value: &str, side: usize) -> Option<u64> {
        let needed = self.needed(&[value]);
        let input = self.fed_inputs().next()?.name.as_str();
        let mut shapes = Shapes::from([(input, vec![3, side, side])]);
        let mut sum = 0u64;
        for node in self.node.iter().filter(|node| node.output.iter().any(|output| needed.contains(output.as_str()))) {
            let (shape, products) = match node.op_type.as_str() {
                "Conv" => self.convolution(node, &shapes)?,
                "Gemm" | "MatMul" => self.product(node, &shapes)?,
                _ => match self.shape(node, &shapes) {
                    Some(shape) => (shape, 0),
                    None => continue,
                },
            };
            sum = sum.checked_add(products)?;
            shapes.extend(node.output.first().map(|output| (output.as_str(), shape)));
        }
        Some(sum)
    }

    /// Sides of a constant, also of one that is stored in fewer bits.
    fn constant(&self, name: &str) -> Option<Vec<usize>> {
        let widens = |node: &&NodeProto| matches!(node.op_type.as_str(), "Cast" | "DequantizeLinear");
        let maker = self.node.iter().filter(widens).find(|node| node.output.iter().any(|output| output == name));
        let name = maker.and_then(|node| node.input.first()).map_or(name, String::as_str);
        let constant = self.initializer.iter().find(|constant| constant.name == name)?;
        constant.dims.iter().map(|&side| side.try_into().ok()).collect()
    }

    /// Weights are outputs x inputs of a group x height x width.
    fn convolution(&self, node: &NodeProto, shapes: &Shapes) -> Option<(Shape, u64)> {
        let weights = self.constant(node.input.get(1)?)?;
        let [outputs, inputs, kernel @ ..] = &weights[..] else { return None };
        let (_, sides) = shapes.get(node.input.first()?.as_str())?.split_first()?;
        let sides = slid(node, sides, kernel)?;
        let places: usize = sides.iter().product();
        let products = outputs * inputs * kernel.iter().product::<usize>() * places;
        Some(([&weights[..1], &sides[..]].concat(), products as u64))
    }

    /// Of a row, or of every row, with a constant matrix.
    fn product(&self, node: &NodeProto, shapes: &Shapes) -> Option<(Shape, u64)> {
        let weights = self.constant(node.input.get(1)?)?;
        let [rows, columns] = weights[..] else { return None };
        let (inputs, outputs) = if node.int("transB") == Some(1) { (columns, rows) } else { (rows, columns) };
        let shape = shapes.get(node.input.first()?.as_str())?;
        let (last, before) = shape.split_last()?;
        let many: usize = before.iter().product();
        (*last == inputs).then(|| ([before, &[outputs]].concat(), (many * inputs * outputs) as u64))
    }

    fn shape(&self, node: &NodeProto, shapes: &Shapes) -> Option<Shape> {
        let of = |i: usize| shapes.get(node.input.get(i)?.as_str());
        match node.op_type.as_str() {
            op if KEEPING.contains(&op) => of(0).cloned(),
            // a constant is repeated over the picture
            op if SPREADING.contains(&op) => match (of(0), of(1)) {
                (Some(a), Some(b)) if a.len() == b.len() => Some(a.iter().zip(b).map(|(a, b)| *a.max(b)).collect()),
                (Some(known), None) => self.is_constant(node, 1).then(|| known.clone()),
                (None, Some(known)) => self.is_constant(node, 0).then(|| known.clone()),
                _ => None,
            },
            "MaxPool" | "AveragePool" => {
                let (channels, sides) = of(0)?.split_at_checked(1)?;
                let kernel: Vec<usize> = ints(node, "kernel_shape")?;
                Some([channels, &slid(node, sides, &kernel)?[..]].concat())
            }
            "GlobalAveragePool" | "GlobalMaxPool" => {
                of(0).map(|shape| [&shape[..1], &vec![1; shape.len() - 1]].concat())
            }
            "Flatten" if node.int("axis").unwrap_or(1) == 1 => of(0).map(|shape| vec![shape.iter().product()]),
            "Concat" if node.int("axis") == Some(1) => {
                let all: Vec<&Shape> = (0..node.input.len()).map(of).collect::<Option<_>>()?;
                let [first, ..] = all[..] else { return None };
                let channels = all.iter().map(|shape| shape.first()).sum::<Option<usize>>()?;
                Some([&[channels][..], &first[1..]].concat())
            }
            // over the picture, as an average pool writes it in newer files
            "ReduceMean" => {
                let shape = of(0)?;
                let kept = node.int("keepdims").unwrap_or(1) == 1;
                let sides = if kept { vec![1; shape.len() - 1] } else { Vec::new() };
                Some([&shape[..1], &sides[..]].concat())
            }
            "Reshape" | "Squeeze" => of(0).map(|shape| vec![shape.iter().product()]),
            _ => None,
        }
    }

    fn is_constant(&self, node: &NodeProto, input: usize) -> bool {
        node.input.get(input).is_some_and(|name| self.constant(name).is_some())
    }
}

fn ints(node: &NodeProto, name: &str) -> Option<Vec<usize>> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name == name)?;
    attribute.ints.iter().map(|&value| value.try_into().ok()).collect()
}

/// Sides of what a window of this kernel gives as it slides over a picture.
fn slid(node: &NodeProto, sides: &[usize], kernel: &[usize]) -> Option<Shape> {
    let or = |name: &str, value: usize, n: usize| ints(node, name).unwrap_or_else(|| vec![value; n]);
    let n = sides.len();
    let (strides, dilations, pads) = (or("strides", 1, n), or("dilations", 1, n), or("pads", 0, 2 * n));
    let auto =
        node.attribute.iter().find(|attribute| attribute.name == "auto_pad").and_then(|attribute| attribute.s.clone());
    let same = auto.is_some_and(|how| how.starts_with(b"SAME"));
    let ceil = node.int("ceil_mode") == Some(1);
    let one = |i: usize| {
        let stride = *strides.get(i)?;
        if same {
            return Some(sides[i].div_ceil(stride.max(1)));
        }
        let padded = sides[i] + pads.get(i)? + pads.get(i + n)?;
        let free = padded.checked_sub(dilations.get(i)? * (kernel.get(i)?.checked_sub(1)?) + 1)?;
        let steps = if ceil { free.div_ceil(stride.max(1)) } else { free / stride.max(1) };
        Some(steps + 1)
    };
    (0..n).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Dimension, Graph};
    use crate::deep::Tensor;

    #[test]
    fn products_are_counted_and_what_is_not_known_is_not_guessed() {
        let mut graph = Graph::new("small");
        let free =
            [Dimension::Name("n".into()), Dimension::Size(3), Dimension::Name("h".into()), Dimension::Name("w".into())];
        graph.input("x", &free);
        let weights = graph.floats(Tensor::new(&[8, 3, 3, 3], vec![0.0; 216]));
        let strides = [("strides", Attribute::Ints(vec![2, 2])), ("pads", Attribute::Ints(vec![1; 4]))];
        let maps = graph.node("Conv", &["x", &weights], &strides);
        let maps = graph.node("Relu", &[&maps], &[]);
        let mean = graph.node("GlobalAveragePool", &[&maps], &[]);
        let flat = graph.node("Flatten", &[&mean], &[]);
        let matrix = graph.floats(Tensor::new(&[5, 8], vec![0.0; 40]));
        graph.node_to("Gemm", &[&flat, &matrix], &[("transB", Attribute::Int(1))], &["y"]);
        let odd = graph.node("NonZero", &[&maps], &[]);
        graph.node_to("Conv", &[&odd, &weights], &[], &["z"]);
        let graph = graph.model().graph.unwrap();
        // 16 x 16 places of 8 x 27 products, then 5 x 8
        assert_eq!(graph.multiply_adds_of("y", 32), Some(16 * 16 * 216 + 40));
        assert_eq!((graph.parameters_of("y"), graph.parameters_of("z")), (256, 216));
        assert_eq!(graph.multiply_adds_of("z", 32), None);
    }
}
