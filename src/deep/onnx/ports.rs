//! Where pixels go into a graph and where features come out: read off a file that somebody else made.

use super::{GraphProto, NodeProto, ValueInfoProto};
use crate::deep::network::FEATURES;
use crate::names;

/// The input and the output of a feature extractor, and what its input is tied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// N x 3 x height x width.
    pub input: String,
    /// N x dimension, or N x dimension x 1 x 1. In a classifier, what its last linear layer works on: no output yet.
    pub output: String,
    /// What that layer gives, N x classes.
    pub logits: Option<String>,
    /// The number of images of every run, where the graph fixes it.
    pub batch: Option<usize>,
    /// The side of the input in pixels, where the graph fixes it.
    pub side: Option<usize>,
}

impl Ports {
    /// Ports of a graph whose batch and sides are free.
    pub fn free(input: &str, output: &str) -> Ports {
        Ports { input: input.into(), output: output.into(), logits: None, batch: None, side: None }
    }

    /// Finds the only input of N x 3 x height x width, and as output the one that is named, else the one called
    /// `features`, else the only one of N x dimension or N x dimension x 1 x 1; returns the dimension too. Where such an
    /// only output, which nobody named, comes out of a linear layer, the file is a classifier, and that layer's input
    /// is the features.
    ///
    /// # Errors
    /// Says what was expected and which inputs or outputs the file has.
    pub fn of(graph: &GraphProto, output: Option<&str>) -> Result<(Ports, usize), String> {
        if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.data_location == 1) {
            return Err(format!("`{}` lies in another file; export the model with its weights inside", tensor.name));
        }
        let inputs: Vec<_> = graph.fed_inputs().collect();
        let pixels = match inputs[..] {
            [only] => only.float_shape().filter(|shape| shape.len() == 4 && matches!(shape[1], None | Some(3))),
            _ => None,
        };
        let Some(pixels) = pixels else {
            let expected = "one input of N x 3 x height x width (32-bit float)";
            return Err(format!("{expected} is expected; the file has {}", listed(&inputs)));
        };
        if pixels[2] != pixels[3] && pixels[2].is_some() && pixels[3].is_some() {
            return Err(format!("a square input is expected; the file has {}", listed(&inputs)));
        }
        let named = output.is_some();
        let (output, dimension) = output_of(graph, output)?;
        let (input, batch, side) = (inputs[0].name.clone(), pixels[0], pixels[2].or(pixels[3]));
        let layer = if named || output == FEATURES { None } else { last_linear(graph, &output) };
        Ok(match layer {
            Some(Linear { input: features, depth, output }) => {
                (Ports { input, output: features, logits: Some(output), batch, side }, depth)
            }
            None => (Ports { input, output, logits: None, batch, side }, dimension),
        })
    }
}

/// A linear layer of a graph: the value that it works on and how long its rows are, and the value that it gives.
struct Linear {
    input: String,
    depth: usize,
    output: String,
}

/// The linear layer that `output` comes out of, by way of a softmax where there is one.
fn last_linear(graph: &GraphProto, output: &str) -> Option<Linear> {
    let made_by = |value: &str| graph.node.iter().find(|node| node.output.first().is_some_and(|name| name == value));
    let input = |node: &NodeProto, place: usize| node.input.get(place).map_or("", String::as_str).to_owned();
    let mut node = made_by(output)?;
    while let "Softmax" | "LogSoftmax" | "Identity" = node.op_type.as_str() {
        node = made_by(&input(node, 0))?;
    }
    let output = node.output[0].clone();
    if node.op_type == "Add" {
        node = made_by(&input(node, 0)).or_else(|| made_by(&input(node, 1)))?;
    }
    let set = |name: &str| node.attribute.iter().any(|attribute| attribute.name == name && attribute.i == Some(1));
    let depth = match node.op_type.as_str() {
        "Gemm" if !set("transA") => usize::from(set("transB")),
        "MatMul" => 0,
        _ => return None,
    };
    let (features, weight) = (input(node, 0), input(node, 1));
    let sides = graph.initializer.iter().find(|tensor| tensor.name == weight).map(|tensor| &tensor.dims[..]);
    let Some(sides @ [_, _]) = sides else { return None };
    made_by(&features)?;
    Some(Linear { input: features, depth: usize::try_from(sides[depth]).ok()?, output })
}

fn output_of(graph: &GraphProto, wanted: Option<&str>) -> Result<(String, usize), String> {
    let all: Vec<_> = graph.output.iter().collect();
    let called = |name: &str| all.iter().copied().find(|output| output.name == name);
    if let Some(name) = wanted.filter(|name| called(name).is_none()) {
        let suggestion = names::suggestion(name, all.iter().map(|output| output.name.as_str()));
        return Err(format!("output `{name}` is not there{suggestion}; the file has {}", listed(&all)));
    }
    let candidates: Vec<_> = match called(wanted.unwrap_or(FEATURES)) {
        Some(named) => vec![named],
        None => all.iter().copied().filter(|output| dimension(output).is_some()).collect(),
    };
    match candidates[..] {
        [only] => match dimension(only) {
            Some(dimension) => Ok((only.name.clone(), dimension)),
            None => Err(format!(
                "output `{}` must be N x dimension, 32-bit float; the file has {}",
                only.name,
                listed(&all)
            )),
        },
        [] => Err(format!("an output of N x dimension (32-bit float) is expected; the file has {}", listed(&all))),
        _ => Err(format!(
            "several outputs could be the features; name one as `output` in a TOML file beside it. The file has {}",
            listed(&all)
        )),
    }
}

/// The length of each image's vector, where the value is a vector an image.
fn dimension(value: &ValueInfoProto) -> Option<usize> {
    match value.float_shape()?[..] {
        [_, Some(dimension)] | [_, Some(dimension), Some(1), Some(1)] => Some(dimension),
        _ => None,
    }
}

fn listed(values: &[&ValueInfoProto]) -> String {
    if values.is_empty() {
        return "none".into();
    }
    values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::onnx::{Attribute, Dimension, Graph, TensorProto};

    /// Sides: 0 is a free one.
    fn graph(inputs: &[(&str, &[i64])], outputs: &[(&str, &[i64])]) -> GraphProto {
        let sides = |shape: &[i64]| -> Vec<Dimension> {
            let side = |&s: &i64| if s == 0 { Dimension::Name("n".into()) } else { Dimension::Size(s) };
            shape.iter().map(side).collect()
        };
        let mut graph = Graph::new("test");
        inputs.iter().for_each(|(name, shape)| graph.input(name, &sides(shape)));
        outputs.iter().for_each(|(name, shape)| graph.output(name, &sides(shape)));
        graph.model().graph.unwrap()
    }

    #[test]
    fn ports_are_found() {
        let image: (&str, &[i64]) = ("image", &[1, 3, 224, 224]);
        let fixed = Ports { batch: Some(1), side: Some(224), ..Ports::free("image", "pooled") };
        let found = Ports::of(&graph(&[image], &[("map", &[1, 512, 7, 7]), ("pooled", &[1, 512, 1, 1])]), None);
        assert_eq!(found, Ok((fixed, 512)));
        let free: (&str, &[i64]) = ("x", &[0, 3, 0, 0]);
        let graph = graph(&[free], &[("logits", &[0, 1000]), ("features", &[0, 64])]);
        assert_eq!(Ports::of(&graph, None), Ok((Ports::free("x", "features"), 64)));
        assert_eq!(Ports::of(&graph, Some("logits")), Ok((Ports::free("x", "logits"), 1000)));
    }

    #[test]
    fn the_features_of_a_classifier_are_what_its_last_layer_works_on() {
        let classifier = |product: &str, bias: bool, softmax: bool| {
            let mut graph = Graph::new("classifier");
            let sides = |count| [Dimension::Name("n".into()), Dimension::Size(count)];
            graph
                .input("x", &[Dimension::Name("n".into()), Dimension::Size(3), Dimension::Size(2), Dimension::Size(2)]);
            graph.node_to("Flatten", &["x"], &[], &["flat"]);
            let shape = if product == "Gemm" { [5, 12] } else { [12, 5] };
            graph.initializer(TensorProto::float("w", Tensor::new(&shape, vec![0.0; 60])));
            graph.initializer(TensorProto::float("b", Tensor::new(&[5], vec![0.0; 5])));
            let turned = [("transB", Attribute::Int(1))];
            let y = graph.node(product, &["flat", "w"], if product == "Gemm" { &turned } else { &[] });
            let y = if bias { graph.node("Add", &[&y, "b"], &[]) } else { y };
            let output = if softmax { graph.node("Softmax", &[&y], &[]) } else { y.clone() };
            graph.output(&output, &sides(5));
            (graph.model().graph.unwrap(), y, output)
        };
        for (product, bias, softmax) in [("Gemm", false, false), ("MatMul", true, true), ("MatMul", false, true)] {
            let (graph, logits, output) = classifier(product, bias, softmax);
            let expected = Ports { logits: Some(logits), side: Some(2), ..Ports::free("x", "flat") };
            assert_eq!(Ports::of(&graph, None), Ok((expected, 12)));
            let (named, dimension) = Ports::of(&graph, Some(&output)).unwrap();
            assert_eq!((named.output, named.logits, dimension), (output, None, 5), "what is named is taken as it is");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_what_the_file_has() {
        let image: (&str, &[i64]) = ("image", &[0, 3, 0, 0]);
        let told = |graph: &GraphProto| Ports::of(graph, None).unwrap_err();
        assert_eq!(
            told(&graph(&[("grey", &[0, 1, 0, 0])], &[("y", &[0, 8])])),
            "one input of N x 3 x height x width (32-bit float) is expected; the file has `grey` (n x 1 x n x n)"
        );
        assert_eq!(
            told(&graph(&[image, ("size", &[2])], &[("y", &[0, 8])])),
            "one input of N x 3 x height x width (32-bit float) is expected; the file has `image` (n x 3 x n x n), \
             `size` (2)"
        );
        assert_eq!(
            told(&graph(&[image], &[("map", &[0, 8, 7, 7])])),
            "an output of N x dimension (32-bit float) is expected; the file has `map` (n x 8 x 7 x 7)"
        );
        assert_eq!(
            told(&graph(&[image], &[("a", &[0, 8]), ("b", &[0, 9])])),
            "several outputs could be the features; name one as `output` in a TOML file beside it. The file has \
             `a` (n x 8), `b` (n x 9)"
        );
        let several = graph(&[image], &[("pool", &[0, 8]), ("map", &[0, 8, 7, 7])]);
        assert_eq!(
            Ports::of(&several, Some("pol")).unwrap_err(),
            "output `pol` is not there, did you mean `pool`?; the file has `pool` (n x 8), `map` (n x 8 x 7 x 7)"
        );
        assert_eq!(
            Ports::of(&several, Some("map")).unwrap_err(),
            "output `map` must be N x dimension, 32-bit float; the file has `pool` (n x 8), `map` (n x 8 x 7 x 7)"
        );
        let mut elsewhere = graph(&[image], &[("y", &[0, 8])]);
        elsewhere.initializer.push(super::super::TensorProto {
            name: "w".into(),
            data_location: 1,
            ..Default::default()
        });
        assert_eq!(told(&elsewhere), "`w` lies in another file; export the model with its weights inside");
    }
}
