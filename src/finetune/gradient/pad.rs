//! Pad: with a constant number the gradient loses the padding.

use super::{Node, Tape, Value, along};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let stated = node.list(1, "pads").ok_or("constant pads are expected")?;
    let axes = node.list(3, "axes").unwrap_or_else(|| (0..rank as i64).collect());
    let axes = node.places(&axes, rank)?;
    if stated.len() != 2 * axes.len() {
        return Err(format!("pads = {stated:?} don't fit the axes {axes:?}"));
    }
    let mut pads = vec![0; 2 * rank];
    for (i, &axis) in axes.iter().enumerate() {
        (pads[axis], pads[rank + axis]) = (stated[i], stated[axes.len() + i]);
    }
    if pads.iter().all(|&pad| pad == 0) {
        return Ok(x.clone());
    }
    let sides = (0..rank).map(|axis| usize::try_from(x.shape[axis] as i64 + pads[axis] + pads[rank + axis]).ok());
    let shape = sides.collect::<Option<Vec<_>>>().filter(|shape| !shape.contains(&0));
    let shape = shape.ok_or_else(|| format!("nothing is left of {:?} behind pads of {stated:?}", x.shape))?;
    if let Some(mode) = node.text("mode").filter(|&mode| mode != "constant") {
        return along::pad(tape, x, mode, &pads, shape);
    }
    let around = tape.graph.ints(&pads);
    let number = node.optional(2).map(|number| number.name.as_str());
    let inputs: Vec<&str> = [x.name.as_str(), &around].into_iter().chain(number).collect();
    let y = tape.graph.node("Pad", &inputs, &[]);
    let x = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let back: Vec<i64> = pads.iter().map(|pad| -pad).collect();
            let back = g.ints(&back);
            g.two("Pad", dy, &back)
        });
    }))
}
