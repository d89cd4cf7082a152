//! Concat and Split, which undo each other: the gradient of the one is what the other does.

use super::{Node, Tape, Value};
use crate::deep::onnx::Attribute;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let parts: Vec<Value> = (0..node.inputs.len()).map(|place| node.input(place).cloned()).collect::<Result<_, _>>()?;
    let mut shape = node.input(0)?.shape.clone();
    let axis = node.axis("axis", 0, shape.len())?;
    shape[axis] = parts.iter().map(|part| part.shape.get(axis).copied().unwrap_or(0)).sum();
    let fits = |part: &Value| {
        part.shape.len() == shape.len() && (0..shape.len()).all(|side| side == axis || part.shape[side] == shape[side])
    };
    if let Some(part) = parts.iter().find(|part| !fits(part)) {
        let batch = "the network was exported for one number of images; export it with a free one (dynamic_shapes, or \
                     dynamic_axes with dynamo=False)";
        let remedy = if part.shape.first() == Some(&1) { format!(": {batch}") } else { String::new() };
        return Err(format!("{:?} and {:?} don't fit along axis {axis}{remedy}", parts[0].shape, part.shape));
    }
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let along = [("axis", Attribute::Int(axis as i64))];
    let y = tape.graph.node("Concat", &names, &along);
    let learns = parts.iter().any(|part| part.learns);
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        let g = &mut tape.graph;
        let sizes: Vec<i64> = parts.iter().map(|part| part.shape[axis] as i64).collect();
        let gradients: Vec<String> = parts.iter().map(|_| g.fresh("part")).collect();
        let (sizes, outputs) = (g.ints(&sizes), gradients.iter().map(String::as_str).collect::<Vec<_>>());
        g.node_to("Split", &[dy, &sizes], &along, &outputs);
        for (part, gradient) in parts.iter().zip(gradients) {
            tape.add_gradient(part, |_| gradient);
        }
    }))
}

/// Parts of stated sizes, or of one size, of which the last may be smaller.
pub fn split(tape: &mut Tape, node: &Node) -> Result<Vec<Value>, String> {
    let x = node.input(0)?.clone();
    let axis = node.axis("axis", 0, x.shape.len())?;
    let (side, count) = (x.shape[axis], node.proto.output.len());
    let each = side.div_ceil(count);
    let equal = || (0..count).map(|part| side.saturating_sub(part * each).min(each) as i64).collect();
    let sizes: Vec<i64> = node.list(1, "split").unwrap_or_else(equal);
    if sizes.len() != count || sizes.iter().any(|&size| size < 1) || sizes.iter().sum::<i64>() != side as i64 {
        return Err(format!("{side} numbers can't be split into {sizes:?}"));
    }
    let along = [("axis", Attribute::Int(axis as i64))];
    let g = &mut tape.graph;
    let names: Vec<String> = (0..count).map(|_| g.fresh("split")).collect();
    let (list, outputs) = (g.ints(&sizes), names.iter().map(String::as_str).collect::<Vec<_>>());
    g.node_to("Split", &[&x.name, &list], &along, &outputs);
    let of_size = |&size: &i64| {
        let mut shape = x.shape.clone();
        shape[axis] = size as usize;
        shape
    };
    let outputs: Vec<(String, Vec<usize>)> = names.into_iter().zip(sizes.iter().map(of_size)).collect();
    let shapes: Vec<Vec<usize>> = outputs.iter().map(|(_, shape)| shape.clone()).collect();
    Ok(tape.record_several(outputs, x.learns, move |tape, gradients| {
        tape.add_gradient(&x, |g| {
            // a part that nothing depends on has the gradient 0
            let part =
                |(gradient, shape): (&Option<String>, &Vec<usize>)| gradient.clone().unwrap_or_else(|| g.zeros(shape));
            let parts: Vec<String> = gradients.iter().zip(&shapes).map(part).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            g.node("Concat", &parts, &along)
        });
    }))
}
