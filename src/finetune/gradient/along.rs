//! Resize and Pad with pixels of the picture itself: what comes out along an axis are sums of what goes in. The runtime
//! says which, by what it makes of a unit matrix; the gradient is multiplied with the same matrix.

use super::{Node, Tape, Value, sides};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Graph};
use crate::deep::session::evaluate;

pub fn resize(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let stretches = node.text("keep_aspect_ratio_policy").is_none_or(|policy| policy == "stretch");
    if node.inputs.len() < 3 || node.ints("axes").is_some() || !stretches {
        return Err("a Resize of opset 11 or later with a scale or size for every side is expected".into());
    }
    if node.text("coordinate_transformation_mode") == Some("tf_crop_and_resize") {
        return Err("coordinate_transformation_mode = tf_crop_and_resize can't be trained".into());
    }
    let texts = ["mode", "coordinate_transformation_mode", "nearest_mode"];
    let texts = texts.into_iter().filter_map(|name| Some((name, Attribute::Text(node.text(name)?.into()))));
    let numbers = ["antialias", "exclude_outside"].map(|name| (name, Attribute::Int(node.int(name, 0))));
    let cubic = ("cubic_coeff_a", Attribute::Float(node.float("cubic_coeff_a", -0.75)));
    let attributes: Vec<(&str, Attribute)> = texts.chain(numbers).chain([cubic]).collect();
    let scales: Vec<f32> = node.numbers(2).unwrap_or_default().into_iter().map(|scale| scale as f32).collect();
    let shape: Vec<usize> = match node.integers(3) {
        Some(sizes) => sizes.numbers.iter().map(|&size| size.max(0) as usize).collect(),
        None => x.shape.iter().zip(&scales).map(|(&side, scale)| (side as f32 * scale) as usize).collect(),
    };
    if shape.len() != x.shape.len() || shape.contains(&0) {
        return Err(format!("{:?} needs a constant scale or size for every side", x.shape));
    }
    // by scales where they are stated: they need not lead to whole pixels
    let resized = move |g: &mut Graph, x: &str, shape: &[usize], scales: Vec<f32>| {
        let scales = (scales.len() == shape.len()).then(|| g.floats(Tensor::new(&[shape.len()], scales)));
        let sizes: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let sizes = if scales.is_none() { g.ints(&sizes) } else { String::new() };
        g.node("Resize", &[x, "", &scales.unwrap_or_default(), &sizes], &attributes)
    };
    let y = resized(&mut tape.graph, &x.name, &shape, scales.clone());
    recorded(tape, x, y, shape, |g, unit, axis, [side, count]| {
        let scales = scales.get(axis).map_or(vec![], |&scale| vec![1.0, 1.0, scale, 1.0]);
        resized(g, unit, &[1, 1, count, side], scales)
    })
}

/// Pad with what lies at the edge, or mirrored; `pads` has a number for every side before and behind.
pub fn pad(tape: &mut Tape, x: &Value, mode: &str, pads: &[i64], shape: Vec<usize>) -> Result<Value, String> {
    if pads.iter().any(|&pad| pad < 0) {
        return Err(format!("pads = {pads:?} with mode = {mode} can't be trained; at least 0 are expected"));
    }
    let mode = [("mode", Attribute::Text(mode.into()))];
    let list = tape.graph.ints(pads);
    let y = tape.graph.node("Pad", &[&x.name, &list], &mode);
    let rank = x.shape.len();
    recorded(tape, x, y, shape, |g, unit, axis, _| {
        let list = g.ints(&[0, 0, pads[axis], 0, 0, 0, pads[rank + axis], 0]);
        g.node("Pad", &[unit, &list], &mode)
    })
}

/// `along` writes what is done along an axis to the rows of a picture (1 x 1 x side x side), which become so many.
fn recorded(
    tape: &mut Tape,
    x: &Value,
    y: String,
    shape: Vec<usize>,
    along: impl Fn(&mut Graph, &str, usize, [usize; 2]) -> String,
) -> Result<Value, String> {
    let rank = shape.len();
    let mut matrices = Vec::new();
    for axis in (0..rank).filter(|&axis| x.learns && shape[axis] != x.shape[axis]) {
        if axis + 2 < rank {
            return Err(format!("of {:?} only the last two sides can change in training", x.shape));
        }
        let (side, count) = (x.shape[axis], shape[axis]);
        let mut g = Graph::new("one axis");
        let unit = (0..side * side).map(|i| f32::from(u8::from(i / side == i % side))).collect();
        let unit = g.floats(Tensor::new(&[1, 1, side, side], unit));
        let made = along(&mut g, &unit, axis, [side, count]);
        g.output(&made, &sides(&[1, 1, count, side]));
        let made = evaluate(&g.model()).map_err(|error| error.to_string())?;
        let made = made.first().and_then(|made| made.tensor()).ok_or("no numbers came out")?;
        matrices.push((axis + 1 == rank, Tensor::new(&[count, side], made.data)));
    }
    let x = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            matrices.into_iter().fold(dy.to_owned(), |dy, (is_last, matrix)| {
                let matrix = g.floats(matrix);
                if is_last {
                    return g.two("MatMul", &dy, &matrix);
                }
                let turned = g.transpose(&matrix, &[1, 0]);
                g.two("MatMul", &turned, &dy)
            })
        });
    }))
}
