//! HardSigmoid and HardSwish: a ramp from 0 to 1, alone and as a gate.

use super::mul::product;
use super::unary::{Point, function};
use super::{Node, Tape, Value};
use crate::deep::onnx::{Attribute, Graph};

pub fn sigmoid(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    Ok(ramp(tape, node.input(0)?, node.float("alpha", 0.2), node.float("beta", 0.5)))
}

pub fn swish(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let gate = ramp(tape, x, 1.0 / 6.0, 0.5);
    product(tape, x, &gate)
}

fn ramp(tape: &mut Tape, x: &Value, alpha: f32, beta: f32) -> Value {
    let settings = [("alpha", Attribute::Float(alpha)), ("beta", Attribute::Float(beta))];
    let backward = move |g: &mut Graph, at: Point| {
        let (zero, one) = (g.number(0.0), g.number(1.0));
        let (above, below) = (g.two("Greater", at.y, &zero), g.two("Less", at.y, &one));
        let inside = g.two("And", &above, &below);
        let mask = g.mask(&inside);
        let slope = g.times(&mask, f64::from(alpha));
        g.two("Mul", at.dy, &slope)
    };
    function(tape, x, |g, x| g.node("HardSigmoid", &[x], &settings), backward)
}
