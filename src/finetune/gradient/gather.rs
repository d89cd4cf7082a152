//! Gather and GatherND with constant places: a class token, the parts of queries, keys and values, a table of relative positions.

use super::reshape::reshaped;
use super::slice::part;
use super::{Node, Tape, Value};
use crate::deep::onnx::Attribute;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.axis("axis", 0, x.shape.len())?;
    let places = node.integers(1).ok_or("constant places are expected")?;
    let at = node.places(&places.numbers, x.shape[axis])?;
    let shape = [&x.shape[..axis], &places.shape, &x.shape[axis + 1..]].concat();
    gathered(tape, x, axis, &at, shape)
}

/// GatherND: each place is a list of places along the first axes, which become one.
pub fn of_several_axes(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    node.require("batch_dims", 0)?;
    let x = node.input(0)?;
    let places = node.integers(1).ok_or("constant places are expected")?;
    let Some((&axes, outer)) = places.shape.split_last().filter(|&(&axes, _)| (1..=x.shape.len()).contains(&axes))
    else {
        return Err(format!("places of {:?} don't fit {:?}", places.shape, x.shape));
    };
    let (first, rest) = x.shape.split_at(axes);
    let mut at = Vec::with_capacity(places.numbers.len() / axes);
    for place in places.numbers.chunks_exact(axes) {
        let along = place.iter().zip(first).map(|(&at, &side)| Ok((node.places(&[at], side)?[0], side)));
        let along: Vec<(usize, usize)> = along.collect::<Result<_, String>>()?;
        at.push(along.into_iter().fold(0, |all, (at, side)| all * side + at));
    }
    let flat = reshaped(tape, x, [&[first.iter().product()], rest].concat());
    gathered(tape, &flat, 0, &at, [outer, rest].concat())
}

fn gathered(tape: &mut Tape, x: &Value, axis: usize, at: &[usize], shape: Vec<usize>) -> Result<Value, String> {
    let rises = at.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let y = match at.first() {
        Some(&first) if rises => part(tape, x, axis, first, at.len()),
        Some(_) => scattered(tape, x, axis, at),
        None => return Err("no place is stated".into()),
    };
    Ok(reshaped(tape, &y, shape))
}

/// A list of places in any order, also some of them several times.
fn scattered(tape: &mut Tape, x: &Value, axis: usize, at: &[usize]) -> Value {
    let at: Vec<i64> = at.iter().map(|&at| at as i64).collect();
    let along = ("axis", Attribute::Int(axis as i64));
    let places = tape.graph.ints(&at);
    let y = tape.graph.node("Gather", &[&x.name, &places], std::slice::from_ref(&along));
    let mut shape = x.shape.clone();
    shape[axis] = at.len();
    let x = x.clone();
    tape.record(y, shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let mut lying = vec![1; shape.len()];
            lying[axis] = at.len();
            let lying = g.reshape(&places, &lying);
            let (everywhere, zeros) = (g.expand(&lying, &shape), g.zeros(&x.shape));
            let sum = [along, ("reduction", Attribute::Text("add".into()))];
            g.node("ScatterElements", &[&zeros, &everywhere, dy], &sum)
        });
    })
}
