//! GlobalAveragePool, and ReduceMean over both spatial axes: every pixel gets the same share of the gradient.

use super::window::ints;
use super::{Node, Tape, Value};
use crate::deep::kernels::operator;
use crate::deep::onnx::Attribute;

pub fn global_average_pool(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    mean(tape, node.of_rank(4)?, true)
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.of_rank(4)?;
    let axes = node.list(1, "axes").unwrap_or_default();
    let mut from_start: Vec<i64> = axes.iter().map(|&axis| if axis < 0 { axis + 4 } else { axis }).collect();
    from_start.sort_unstable();
    if from_start != [2, 3] {
        return Err(format!("axes = {axes:?} can't be trained; both spatial axes, [2, 3], are expected"));
    }
    mean(tape, x, node.int("keepdims", 1) == 1)
}

fn mean(tape: &mut Tape, x: &Value, keep: bool) -> Result<Value, String> {
    let begin = tape.graph.begin();
    let axes = tape.graph.ints(&[2, 3]);
    let keepdims = [("keepdims", Attribute::Int(i64::from(keep)))];
    let y = tape.graph.node("ReduceMean", &[&x.name, &axes], &keepdims);
    tape.graph.as_one(begin, operator::GLOBAL_AVERAGE_POOL, &[&x.name], &keepdims, &[&y]);
    let (n, channels) = (x.shape[0], x.shape[1]);
    let shape = if keep { vec![n, channels, 1, 1] } else { vec![n, channels] };
    let input = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&input, |g| {
            let begin = g.begin();
            let share = g.times(dy, 1.0 / (input.shape[2] * input.shape[3]) as f64);
            let share = if keep { share } else { g.reshape(&share, &[n, channels, 1, 1]) };
            let sides: Vec<i64> = input.shape.iter().map(|&side| side as i64).collect();
            let shape = g.ints(&sides);
            let dx = g.two("Expand", &share, &shape);
            let sides = [("sides", ints(&input.shape[2..]))];
            g.as_one(begin, operator::GLOBAL_AVERAGE_POOL_GRADIENT, &[dy], &sides, &[&dx]);
            dx
        });
    }))
}
