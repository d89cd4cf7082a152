//! Expand: the gradient is summed up along what was repeated.

use super::broadcast::{broadcast, summed};
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let stated = node.list(1, "shape").ok_or("a constant shape is expected")?;
    let sides =
        stated.iter().map(|&side| usize::try_from(side).ok().filter(|&side| side > 0)).collect::<Option<Vec<_>>>();
    let shape = sides.and_then(|sides| broadcast(&x.shape, &sides));
    let shape = shape.ok_or_else(|| format!("{:?} can't be repeated to {stated:?}", x.shape))?;
    if shape == x.shape {
        return Ok(x.clone());
    }
    let y = tape.graph.expand(&x.name, &shape);
    let (x, output) = (x.clone(), shape.clone());
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| summed(g, dy, &x.shape, &output));
    }))
}
