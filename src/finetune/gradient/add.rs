//! Add: the gradient goes to both sides; where one was repeated to fit the other, its gradient is summed up again.

use super::{Node, Tape, Value};
use crate::deep::kernels::operator;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (a, b) = (node.input(0)?.clone(), node.input(1)?.clone());
    let shape = broadcast(&a.shape, &b.shape).ok_or_else(|| format!("{:?} and {:?} don't fit", a.shape, b.shape))?;
    let begin = tape.graph.begin();
    let y = tape.graph.two("Add", &a.name, &b.name);
    if a.is_map() && a.shape == b.shape {
        tape.graph.as_one(begin, operator::ADD, &[&a.name, &b.name], &[], &[&y]);
    }
    let (learns, output) = (a.learns || b.learns, shape.clone());
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        for x in [&a, &b] {
            tape.add_gradient(x, |g| {
                let axes = repeated(&x.shape, &output);
                if axes.is_empty() {
                    return dy.to_owned();
                }
                let sum = g.reduce("ReduceSum", dy, &axes);
                g.reshape(&sum, &x.shape)
            });
        }
    }))
}

/// The shape of the sum: sides are aligned at the end, 1 fits everything.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let sides = (0..rank).map(|axis| match (side(a, axis), side(b, axis)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    });
    sides.collect()
}

/// The axes of `output` along which a tensor of `shape` was repeated.
fn repeated(shape: &[usize], output: &[usize]) -> Vec<i64> {
    let missing = output.len() - shape.len();
    let is_repeated = |&axis: &usize| axis < missing || (shape[axis - missing] == 1 && output[axis] > 1);
    (0..output.len()).filter(is_repeated).map(|axis| axis as i64).collect()
}
