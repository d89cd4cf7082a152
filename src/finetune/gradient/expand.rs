//! Expand and Tile: the gradient is summed up along what was repeated.

use super::broadcast::{broadcast, summed};
use super::reshape::reshaped;
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let stated = node.list(1, "shape").ok_or("a constant shape is expected")?;
    let sides =
        stated.iter().map(|&side| usize::try_from(side).ok().filter(|&side| side > 0)).collect::<Option<Vec<_>>>();
    let shape = sides.and_then(|sides| broadcast(&x.shape, &sides));
    let shape = shape.ok_or_else(|| format!("{:?} can't be repeated to {stated:?}", x.shape))?;
    Ok(repeated(tape, x, shape))
}

/// The whole tensor so many times along each axis: as many as one at a side of its own before the axis.
pub fn tile(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let stated = node.list(1, "repeats").ok_or("constant repeats are expected")?;
    let times = stated.iter().map(|&times| usize::try_from(times).ok().filter(|&times| times > 0));
    let times = times.collect::<Option<Vec<_>>>().filter(|times| times.len() == x.shape.len());
    let times = times.ok_or_else(|| format!("repeats = {stated:?} don't fit {:?}", x.shape))?;
    let sides = || times.iter().zip(&x.shape);
    let apart = reshaped(tape, x, x.shape.iter().flat_map(|&side| [1, side]).collect());
    let many = repeated(tape, &apart, sides().flat_map(|(&times, &side)| [times, side]).collect());
    Ok(reshaped(tape, &many, sides().map(|(times, side)| times * side).collect()))
}

fn repeated(tape: &mut Tape, x: &Value, shape: Vec<usize>) -> Value {
    if shape == x.shape {
        return x.clone();
    }
    let y = tape.graph.expand(&x.name, &shape);
    let (x, output) = (x.clone(), shape.clone());
    tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| summed(g, dy, &x.shape, &output));
    })
}
