//! Pow with a constant exponent.

use super::unary::function;
use super::{Node, Tape, Value};
use crate::deep::onnx::Graph;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let Some(&[exponent]) = node.numbers(1).as_deref() else {
        return Err("an exponent of one constant number is expected".into());
    };
    if exponent == 2.0 {
        return super::mul::product(tape, x, x);
    }
    let y = |g: &mut Graph, x: &str| power(g, x, exponent);
    Ok(function(tape, x, y, move |g, at| {
        let lower = power(g, at.x, exponent - 1.0);
        let slope = g.times(&lower, exponent);
        g.two("Mul", at.dy, &slope)
    }))
}

fn power(g: &mut Graph, x: &str, exponent: f64) -> String {
    let exponent = g.number(exponent);
    g.two("Pow", x, &exponent)
}
