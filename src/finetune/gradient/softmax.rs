//! Softmax and LogSoftmax along one axis.

use super::{Node, Tape, Value};
use crate::deep::onnx::{Attribute, Graph};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.axis("axis", -1, x.shape.len())?;
    Ok(shares(tape, x, axis))
}

pub fn shares(tape: &mut Tape, x: &Value, axis: usize) -> Value {
    along(tape, "Softmax", x, axis, |g, [y, dy], axis| {
        let product = g.two("Mul", dy, y);
        let sum = g.reduce_along("ReduceSum", &product, &[axis]);
        let excess = g.two("Sub", dy, &sum);
        g.two("Mul", y, &excess)
    })
}

pub fn logarithm(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.axis("axis", -1, x.shape.len())?;
    Ok(along(tape, "LogSoftmax", x, axis, |g, [y, dy], axis| {
        let (sum, share) = (g.reduce_along("ReduceSum", dy, &[axis]), g.node("Exp", &[y], &[]));
        let part = g.two("Mul", &share, &sum);
        g.two("Sub", dy, &part)
    }))
}

fn along(
    tape: &mut Tape,
    operator: &str,
    x: &Value,
    axis: usize,
    backward: fn(&mut Graph, [&str; 2], i64) -> String,
) -> Value {
    let (x, axis) = (x.clone(), axis as i64);
    let y = tape.graph.node(operator, &[&x.name], &[("axis", Attribute::Int(axis))]);
    let output = y.clone();
    tape.record(y, x.shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| backward(g, [&output, dy], axis));
    })
}
