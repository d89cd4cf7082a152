//! Where pixels go into a graph and where features come out: read off a file that somebody else made.

mod adapted;
mod head;
mod normalised;
mod pixels;
mod pooled;

use super::{Dimension, GraphProto, Makers, ValueInfoProto};
use crate::deep::network::FEATURES;
use crate::names;
pub use adapted::Adapted;
use head::Head;
pub use normalised::normalised_by;
use pixels::Pixels;
pub use pooled::{Shape, pooled, to_pool};

/// Numbers that a feature vector may have.
pub const LONGEST: usize = 1 << 20;

/// The input and the output of a feature extractor, and what its input is tied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// N x 3 x height x width.
    pub input: String,
    /// N x dimension, or N x dimension x 1 x 1.
    pub output: String,
    /// What the last linear layer gives, N x classes, where the features are what that works on.
    pub logits: Option<String>,
    /// The number of images of every run, where the graph fixes it.
    pub batch: Option<usize>,
    /// The side of the input in pixels, where the graph fixes it.
    pub side: Option<usize>,
}

/// What is taken for features in a file, and how they are got out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub ports: Ports,
    /// Length of a vector; `None` where only a run tells.
    pub dimension: Option<usize>,
    /// Nodes and an output that the graph lacks; empty where the features are one of its outputs.
    pub lacking: GraphProto,
    /// What the features are, in words.
    pub taken: String,
}

impl Ports {
    /// Ports of a graph whose batch and sides are free.
    pub fn free(input: &str, output: &str) -> Ports {
        Ports { input: input.into(), output: output.into(), logits: None, batch: None, side: None }
    }

    /// Finds the only input of N x 3 x height x width, and as features the value that is named, else the output called
    /// `features`, else the only output that may be a vector an image. Where such an only output, which nobody named, comes
    /// out of a linear layer, the file is a classifier, and that layer's input is the features. Where the features are
    /// pooled of something, that is found in their place.
    ///
    /// # Errors
    /// Says what was expected, which inputs or outputs the file has, and what to do.
    pub fn of(graph: &GraphProto, wanted: Option<&str>, pools: bool) -> Result<Found, String> {
        let makers = Makers::of(graph);
        let Pixels { input, batch, side } = Pixels::of(graph)?;
        let ports = |output: &str, logits| Ports { input: input.clone(), output: output.into(), logits, batch, side };
        let found = match wanted {
            Some(name) if !graph.output.iter().any(|output| output.name == name) => inner(graph, &makers, name, pools)?,
            Some(name) => {
                let output = named(graph, name, pools)?;
                Taken {
                    dimension: dimension(output),
                    ..Taken::output(name, format!("its output `{name}`, as is stated"))
                }
            }
            None if pools => {
                let output = only_poolable(graph)?;
                Taken::output(output, format!("its output `{output}`"))
            }
            None => unnamed(graph, &makers)?,
        };
        if let Some(long) = found.dimension.filter(|dimension| !(1..=LONGEST).contains(dimension)) {
            return Err(format!("`{}` has {long} numbers an image; from 1 to {LONGEST} can be features", found.output));
        }
        let ports = ports(&found.output, found.logits);
        Ok(Found { ports, dimension: found.dimension, lacking: found.lacking, taken: found.taken })
    }
}

/// What is taken for features.
struct Taken {
    output: String,
    logits: Option<String>,
    dimension: Option<usize>,
    lacking: GraphProto,
    taken: String,
}

impl Taken {
    fn output(name: &str, taken: String) -> Taken {
        Taken { output: name.into(), logits: None, dimension: None, lacking: GraphProto::default(), taken }
    }
}

/// The output of this name, which must be able to hold vectors.
fn named<'g>(graph: &'g GraphProto, name: &str, pools: bool) -> Result<&'g ValueInfoProto, String> {
    let all: Vec<_> = graph.output.iter().collect();
    let called = all.iter().copied().find(|output| output.name == name && (pools || may_be_vectors(output)));
    called.ok_or_else(|| {
        format!("output `{name}` must be N x dimension, 32-bit float; the file has {}{}", listed(&all), remedy(&all))
    })
}

/// What may be done where some of these values are maps or tokens.
fn remedy(values: &[&ValueInfoProto]) -> String {
    let ranks: Vec<usize> = values.iter().filter_map(|value| Some(value.float_shape()?.len())).collect();
    let stated = [3, 4].into_iter().find(|rank| ranks.contains(rank)).and_then(to_pool);
    stated.map_or_else(String::new, |words| format!(": {words}, and with `output` of which"))
}

/// The only output that is a map or tokens.
fn only_poolable(graph: &GraphProto) -> Result<&str, String> {
    let poolable = |output: &&ValueInfoProto| matches!(output.float_shape().map(|shape| shape.len()), Some(3 | 4));
    match graph.output.iter().filter(poolable).collect::<Vec<_>>()[..] {
        [only] => Ok(&only.name),
        _ => Err(format!(
            "pooling is stated, and which of its values is a map or tokens is not: name it as `output` beside it. The file has {}",
            listed(&graph.output.iter().collect::<Vec<_>>())
        )),
    }
}

/// A value within the graph that is named as the features.
fn inner(graph: &GraphProto, makers: &Makers, name: &str, pools: bool) -> Result<Taken, String> {
    if makers.node(name).is_none() {
        let outputs: Vec<_> = graph.output.iter().collect();
        let inner = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
        let suggestion = names::suggestion(name, outputs.iter().map(|output| output.name.as_str()).chain(inner));
        return Err(format!("output `{name}` is not there{suggestion}; the file has {}", listed(&outputs)));
    }
    let known = graph.value_info.iter().find(|value| value.name == name);
    if let Some(value) = known.filter(|value| !pools && value.has_shape() && !may_be_vectors(value)) {
        let remedy = remedy(&[value]);
        return Err(format!("output `{name}` must be N x dimension, 32-bit float; the file has {value}{remedy}"));
    }
    let lacking = GraphProto { output: vec![ValueInfoProto::unshaped(name)], ..Default::default() };
    let taken = format!("its inner value `{name}`, as is stated");
    Ok(Taken { dimension: known.and_then(dimension), lacking, ..Taken::output(name, taken) })
}

/// The features of a file of which nothing is stated.
fn unnamed(graph: &GraphProto, makers: &Makers) -> Result<Taken, String> {
    if graph.output.iter().any(|output| output.name == FEATURES) {
        let dimension = dimension(named(graph, FEATURES, false)?);
        return Ok(Taken { dimension, ..Taken::output(FEATURES, format!("its output `{FEATURES}`")) });
    }
    let output = only_output(graph)?;
    let Some(head) = Head::of(makers, &output.name) else {
        let dimension = dimension(output);
        let doubt = match dimension.filter(|dimension| head::USUAL_CLASSES.contains(dimension)) {
            Some(classes) => format!(
                "; its {classes} values look like scores of classes: name an inner value as `output` in a TOML file beside it \
                 if they are"
            ),
            None => String::new(),
        };
        let taken = format!("no linear head was found: its own output `{}` is taken{doubt}", output.name);
        return Ok(Taken { dimension, ..Taken::output(&output.name, taken) });
    };
    let (node, features) = head.features(makers);
    let sides = [Dimension::Name("batch".into()), Dimension::Size(head.depth as i64)];
    let pixel = [Dimension::Size(1), Dimension::Size(1)];
    let sides = if head.is_map { [sides, pixel].concat() } else { sides.to_vec() };
    let lacking = GraphProto { node, output: vec![ValueInfoProto::float(&features, &sides)], ..Default::default() };
    let taken = head.taken();
    Ok(Taken { output: features, logits: head.logits, dimension: Some(head.depth), lacking, taken })
}

/// The only output that may hold a vector an image.
fn only_output(graph: &GraphProto) -> Result<&ValueInfoProto, String> {
    let all: Vec<_> = graph.output.iter().collect();
    let stated: Vec<_> = all.iter().copied().filter(|output| dimension(output).is_some()).collect();
    let possible: Vec<_> = all.iter().copied().filter(|output| may_be_vectors(output)).collect();
    match if stated.is_empty() { &possible[..] } else { &stated[..] } {
        [only] => Ok(only),
        [] => Err(format!(
            "an output of N x dimension (32-bit float) is expected; the file has {}{}; or export it with the pooled vector of \
             an image as an output, or name a value that is one as `output` there",
            listed(&all),
            remedy(&all)
        )),
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

/// Can it be a vector an image, as far as the file tells?
fn may_be_vectors(value: &ValueInfoProto) -> bool {
    match value.float_shape().as_deref() {
        Some([_, _]) => true,
        Some([_, _, Some(1), Some(1)] | [_, None, None, None]) => true,
        Some(_) => false,
        None => !value.has_shape() && value.may_be_float(),
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
    use crate::deep::settings::{Element, Layout};

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
        let found = |graph: &GraphProto, wanted: Option<&str>| {
            let found = Ports::of(graph, wanted, false).unwrap();
            (found.ports, found.dimension)
        };
        let two = graph(&[image], &[("map", &[1, 512, 7, 7]), ("pooled", &[1, 512, 1, 1])]);
        assert_eq!(found(&two, None), (fixed, Some(512)));
        let free: (&str, &[i64]) = ("x", &[0, 3, 0, 0]);
        let graph = graph(&[free], &[("logits", &[0, 1000]), ("features", &[0, 64])]);
        assert_eq!(found(&graph, None), (Ports::free("x", "features"), Some(64)));
        assert_eq!(found(&graph, Some("logits")), (Ports::free("x", "logits"), Some(1000)));
    }

    #[test]
    fn the_features_of_a_classifier_are_what_its_last_layer_works_on() {
        let classifier = |product: &str, bias: bool, softmax: bool| {
            let mut graph = Graph::new("classifier");
            let free = |name: &str| Dimension::Name(name.into());
            graph.input("x", &[free("n"), Dimension::Size(3), free("h"), free("w")]);
            graph.node_to("Flatten", &["x"], &[], &["flat"]);
            let shape = if product == "Gemm" { [5, 12] } else { [12, 5] };
            graph.initializer(TensorProto::float("w", Tensor::new(&shape, vec![0.0; 60])));
            graph.initializer(TensorProto::float("b", Tensor::new(&[5], vec![0.0; 5])));
            let turned = [("transB", Attribute::Int(1))];
            let y = graph.node(product, &["flat", "w"], if product == "Gemm" { &turned } else { &[] });
            let y = if bias { graph.node("Add", &[&y, "b"], &[]) } else { y };
            let output = if softmax { graph.node("Softmax", &[&y], &[]) } else { y.clone() };
            graph.output(&output, &[free("n"), Dimension::Size(5)]);
            (graph.model().graph.unwrap(), y, output)
        };
        for (product, bias, softmax) in [("Gemm", false, false), ("MatMul", true, true), ("MatMul", false, true)] {
            let (graph, logits, output) = classifier(product, bias, softmax);
            let found = Ports::of(&graph, None, false).unwrap();
            assert_eq!(found.ports, Ports { logits: Some(logits), ..Ports::free("x", "flat") });
            assert_eq!(found.dimension, Some(12));
            let expected = format!("input of its last linear layer, node `{}_1` ({product})", product.to_lowercase());
            assert!(
                found.taken.starts_with(&expected) && found.taken.contains("the 5 values that this gives are cut off")
            );
            let keeps = format!("`output = \"{output}\"` in a TOML file beside it keeps it");
            assert_eq!(found.taken.contains(&keeps), !bias && !softmax, "it may be a projection");
            let named = Ports::of(&graph, Some(&output), false).unwrap();
            assert_eq!((named.ports.logits, named.dimension), (None, Some(5)), "what is named is taken as it is");
            assert_eq!(named.ports.output, output);
            let inner = Ports::of(&graph, Some("flat"), false).unwrap();
            assert_eq!((inner.dimension, inner.taken.as_str()), (None, "its inner value `flat`, as is stated"));
        }
    }

    #[test]
    fn two_heads_on_the_same_features_are_averaged() {
        let distilled = |of: [&str; 2]| {
            let mut graph = Graph::new("distilled");
            let free = |name: &str| Dimension::Name(name.into());
            graph.input("x", &[free("n"), Dimension::Size(3), free("h"), free("w")]);
            graph.node_to("Flatten", &["x"], &[], &["flat"]);
            graph.node_to("Relu", &["flat"], &[], &["other"]);
            graph.initializer(TensorProto::float("w", Tensor::new(&[12, 5], vec![0.0; 60])));
            graph.initializer(TensorProto::float("two", Tensor::new(&[1], vec![2.0])));
            let heads = of.map(|input| graph.node("Gemm", &[input, "w"], &[]));
            let sum = graph.node("Add", &[&heads[0], &heads[1]], &[]);
            let mean = graph.node("Div", &[&sum, "two"], &[]);
            graph.output(&mean, &[free("n"), Dimension::Size(5)]);
            Ports::of(&graph.model().graph.unwrap(), None, false).unwrap()
        };
        let found = distilled(["flat", "flat"]);
        assert_eq!((found.ports.output.as_str(), found.dimension), ("flat", Some(12)));
        assert!(distilled(["flat", "other"]).taken.starts_with("no linear head was found"), "of two tokens");
    }

    #[test]
    fn what_does_not_fit_is_said_with_what_the_file_has() {
        let image: (&str, &[i64]) = ("image", &[0, 3, 0, 0]);
        let y: [(&str, &[i64]); 1] = [("y", &[0, 8])];
        let told = |graph: &GraphProto| Ports::of(graph, None, false).unwrap_err();
        let weights = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, &[8, 8][..]));
        let left_out = told(&graph(&[&[image][..], &weights].concat(), &y));
        assert!(left_out.contains("the file has 9, `h` among them: they are weights that were left out"), "{left_out}");
        let one = "one input of N x 3 x height x width (32-bit float) is expected; the file has";
        for (input, expected) in [
            (&[0, 1, 0, 0][..], "`x` (n x 1 x n x n): its input has another number of channels"),
            (&[0, 3, 3, 3], "`x` (n x 3 x 3 x 3): its sides are fixed at 3 px, and must be from 32 to 1024"),
            (&[0, 3, 0, 2048], "`x` (n x 3 x n x 2048): its sides are fixed at 2048 px"),
            (&[4096, 3, 0, 0], "`x` (4096 x 3 x n x n): it fixes 4096 images a run"),
            (&[0, 3, 64], "`x` (n x 3 x 64): export it with images as its input"),
        ] {
            let told = told(&graph(&[("x", input)], &y));
            assert!(told.starts_with(&format!("{one} {expected}")), "{told}");
        }
        let told_of_two = told(&graph(&[image, ("size", &[2])], &y));
        assert!(
            told_of_two.starts_with(&format!("{one} `image` (n x 3 x n x n), `size` (2): export the part that takes"))
        );
        let oblong = told(&graph(&[("x", &[0, 3, 224, 192])], &y));
        assert!(oblong.starts_with("a square input is expected; the file has `x` (n x 3 x 224 x 192): export it for"));
        let mut integers = graph(&[image], &y);
        integers.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 7;
        assert!(told(&integers).contains("export it with an input of 32-bit or 16-bit floats or of bytes"));
        let map = told(&graph(&[image], &[("map", &[0, 8, 7, 7])]));
        assert!(map.starts_with(
            "an output of N x dimension (32-bit float) is expected; the file has `map` (n x 8 x 7 x 7): state \
                 `pooling = \"mean\"` or \"gem\" in a TOML file"
        ));
        assert_eq!(
            told(&graph(&[image], &[("a", &[0, 8]), ("b", &[0, 9])])),
            "several outputs could be the features; name one as `output` in a TOML file beside it. The file has \
             `a` (n x 8), `b` (n x 9)"
        );
        let several = graph(&[image], &[("pool", &[0, 8]), ("map", &[0, 8, 7, 7])]);
        assert_eq!(
            Ports::of(&several, Some("pol"), false).unwrap_err(),
            "output `pol` is not there, did you mean `pool`?; the file has `pool` (n x 8), `map` (n x 8 x 7 x 7)"
        );
        assert_eq!(
            Ports::of(&several, Some("map"), false).unwrap_err(),
            "output `map` must be N x dimension, 32-bit float; the file has `pool` (n x 8), `map` (n x 8 x 7 x 7): state \
             `pooling = \"mean\"` or \"gem\" in a TOML file beside it to make a vector of a map, and with `output` of which"
        );
        let huge = told(&graph(&[image], &[("y", &[0, 1 << 40, 1, 1])]));
        assert_eq!(huge, "`y` has 1099511627776 numbers an image; from 1 to 1048576 can be features");
        let free = Ports::of(&graph(&[("x", &[0, 0, 0, 0])], &[("y", &[0, 0])]), None, false).unwrap();
        assert_eq!((free.ports, free.dimension), (Ports::free("x", "y"), None), "a run tells");
        let doubtful = Ports::of(&graph(&[image], &[("y", &[0, 1000])]), None, false).unwrap();
        assert!(
            doubtful.taken.starts_with("no linear head was found: its own output `y` is taken; its 1000 values look")
        );
    }

    #[test]
    fn what_is_pooled_is_the_only_map_unless_it_is_named() {
        let image: (&str, &[i64]) = ("image", &[0, 3, 0, 0]);
        let both = graph(&[image], &[("pool", &[0, 8]), ("tokens", &[0, 0, 8])]);
        assert_eq!(Ports::of(&both, None, true).unwrap().ports.output, "tokens");
        assert_eq!(Ports::of(&both, Some("pool"), true).unwrap().ports.output, "pool", "its sides are looked at later");
        let two = graph(&[image], &[("a", &[0, 0, 8]), ("b", &[0, 8, 7, 7])]);
        assert!(Ports::of(&two, None, true).unwrap_err().contains("name it as `output` beside it. The file has `a`"));
        let tokens = Ports::of(&graph(&[image], &[("t", &[0, 0, 8])]), None, false).unwrap_err();
        assert!(tokens.contains("state `pooling = \"cls\"`, \"mean\" or \"gem\""), "{tokens}");
    }

    #[test]
    fn channels_that_are_brought_to_the_front_came_last() {
        let mut graph = Graph::new("keras");
        graph.input("x", &["n", "a", "b", "c"].map(|name| Dimension::Name(name.into())));
        let half = graph.floats(Tensor::new(&[], vec![0.5]));
        let x = graph.node("Mul", &["x", &half], &[]);
        graph.node_to("Transpose", &[&x], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))], &["y"]);
        graph.output("y", &[Dimension::Name("n".into()), Dimension::Size(8)]);
        let mut graph = graph.model().graph.unwrap();
        let adapted = graph.fed_plainly(None, None).unwrap();
        assert_eq!((adapted.words().as_str(), graph.node[0].op_type.as_str()), (", channels last", "Transpose"));
        assert_eq!(graph.input[0].to_string(), "`x (N x 3 x height x width)` (n x 3 x a x b)");
        assert_eq!(Ports::of(&graph, None, false).unwrap().ports.input, graph.input[0].name);
        let again = graph.clone().fed_plainly(None, None);
        assert_eq!(again, Ok(Adapted::default()));
        let told = graph.fed_plainly(None, Some(Element::U8)).unwrap_err();
        assert!(told.starts_with("type = \"u8\" is stated, and its input is `x (N x 3"), "{told}");
        assert!(graph.fed_plainly(Some(Layout::Nhwc), None).is_ok(), "a last side that is free may be 3");
    }

    #[test]
    fn arithmetic_on_pixels_is_noticed() {
        let normalised = |constant: &[usize], operator: &str, inputs: [&str; 2]| {
            let mut graph = Graph::new("normalised");
            graph.initializer(TensorProto::float("c", Tensor::new(constant, vec![0.5; constant.iter().product()])));
            graph.node_to("Shape", &["x"], &[], &["s"]);
            graph.node_to("Identity", &["x"], &[], &["same"]);
            graph.node_to(operator, &inputs, &[], &["y"]);
            normalised_by(&graph.model().graph.unwrap(), "x")
        };
        let expected = |words: &str| Some(format!("its node `y` ({words})"));
        assert_eq!(normalised(&[3, 1, 1], "Sub", ["same", "c"]), expected("subtracts [0.5, 0.5, 0.5]"));
        assert_eq!(normalised(&[], "Div", ["same", "c"]), expected("divides by [0.5]"));
        assert_eq!(normalised(&[1, 3, 8, 8], "Add", ["c", "same"]), expected("adds `c`"));
        assert_eq!(normalised(&[16, 3, 8, 8], "Conv", ["same", "c"]), None);
        assert_eq!(normalised(&[1], "Mul", ["s", "c"]), None, "not the pixels");
    }
}
