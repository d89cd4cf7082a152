//! Does a network normalise its images itself? Pixels that are normalised before would be normalised twice.

use crate::deep::onnx::{GraphProto, Makers, NodeProto};

/// What a network does to its pixels before anything else, in words, where that is arithmetic with constants: one number,
/// one a channel, or one a pixel.
pub fn normalised_by(graph: &GraphProto, input: &str) -> Option<String> {
    let makers = Makers::of(graph);
    let mut value = input;
    // nodes are in the order in which they are computed, so that one pass follows the value
    for node in &graph.node {
        let Some(place) = node.input.iter().position(|name| name == value) else { continue };
        match node.op_type.as_str() {
            "Cast" | "Identity" | "Transpose" | "Round" => value = node.output.first()?,
            "Shape" | "Size" => {}
            "Sub" | "Add" | "Mul" | "Div" => {
                let numbers = of_channels(&makers, node.input.get(1 - place)?)?;
                return Some(format!("its node `{}` ({} {numbers})", node.called(), words(node)));
            }
            _ => return None,
        }
    }
    None
}

/// The numbers of such a constant, as a text.
fn of_channels(makers: &Makers, name: &str) -> Option<String> {
    let weight = makers.weight(name)?;
    let few = matches!(weight.count(), Some(1 | 3));
    let of_pixels = matches!(weight.dims[..], [.., 3, _, _] | [.., 3]);
    let numbers = if few { weight.tensor.tensor() } else { None };
    let text = numbers.map_or_else(|| format!("`{}`", weight.tensor.name), |numbers| format!("{:?}", numbers.data));
    (few || of_pixels).then_some(text)
}

fn words(node: &NodeProto) -> &str {
    match node.op_type.as_str() {
        "Sub" => "subtracts",
        "Add" => "adds",
        "Mul" => "multiplies by",
        _ => "divides by",
    }
}
