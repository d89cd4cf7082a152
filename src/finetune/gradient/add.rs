//! Add and Sub: the gradient goes to both sides.

use super::broadcast::{fitted, summed};
use super::{Node, Tape, Value};
use crate::deep::kernels::operator;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    sum(tape, node.input(0)?, node.input(1)?)
}

pub fn sum(tape: &mut Tape, a: &Value, b: &Value) -> Result<Value, String> {
    let (a, b, shape) = (a.clone(), b.clone(), fitted(a, b)?);
    let begin = tape.graph.begin();
    let y = tape.graph.two("Add", &a.name, &b.name);
    if a.is_map() && a.shape == b.shape {
        tape.graph.as_one(begin, operator::ADD, &[&a.name, &b.name], &[], &[&y]);
    }
    let (learns, output) = (a.learns || b.learns, shape.clone());
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        for x in [&a, &b] {
            tape.add_gradient(x, |g| summed(g, dy, &x.shape, &output));
        }
    }))
}

pub fn difference(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (a, b) = (node.input(0)?.clone(), node.input(1)?.clone());
    let shape = fitted(&a, &b)?;
    let y = tape.graph.two("Sub", &a.name, &b.name);
    let (learns, output) = (a.learns || b.learns, shape.clone());
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        tape.add_gradient(&a, |g| summed(g, dy, &a.shape, &output));
        tape.add_gradient(&b, |g| {
            let sum = summed(g, dy, &b.shape, &output);
            g.node("Neg", &[&sum], &[])
        });
    }))
}
