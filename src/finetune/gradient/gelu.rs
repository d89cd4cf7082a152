//! Gelu: x times a gate between 0 and 1, which is the normal distribution's share below x or the logistic function that
//! comes near it (Hendrycks and Gimpel 2016).

use std::f64::consts::PI;

use super::mul::product;
use super::unary::{function, slope_of_sigmoid};
use super::{Node, Tape, Value};
use crate::deep::onnx::Graph;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let gate = match node.text("approximate") {
        None | Some("none") => function(tape, x, share_below, |g, at| {
            let square = g.two("Mul", at.x, at.x);
            let exponent = g.times(&square, -0.5);
            let bell = g.node("Exp", &[&exponent], &[]);
            let density = g.times(&bell, 1.0 / (2.0 * PI).sqrt());
            g.two("Mul", at.dy, &density)
        }),
        Some("tanh") => function(tape, x, logistic, |g, at| {
            let slope = slope_of_sigmoid(g, at.y);
            let inner = polynomial(g, at.x, [SCALE, 3.0 * SCALE * CUBE]);
            let slope = g.two("Mul", &slope, &inner);
            g.two("Mul", at.dy, &slope)
        }),
        Some(word) => return Err(format!("approximate = {word} can't be trained; none or tanh is expected")),
    };
    product(tape, x, &gate)
}

fn share_below(g: &mut Graph, x: &str) -> String {
    let scaled = g.times(x, 0.5f64.sqrt());
    let erf = g.node("Erf", &[&scaled], &[]);
    let (half, halved) = (g.number(0.5), g.times(&erf, 0.5));
    g.two("Add", &halved, &half)
}

/// 2 sqrt(2 / pi), and the share of the cube: (1 + tanh(u)) / 2 is the logistic function of 2 u.
const SCALE: f64 = 1.595_769_121_605_730_7;
const CUBE: f64 = 0.044_715;

fn logistic(g: &mut Graph, x: &str) -> String {
    let factor = polynomial(g, x, [SCALE, SCALE * CUBE]);
    let exponent = g.two("Mul", x, &factor);
    g.node("Sigmoid", &[&exponent], &[])
}

/// a + b x^2
fn polynomial(g: &mut Graph, x: &str, [a, b]: [f64; 2]) -> String {
    let square = g.two("Mul", x, x);
    let (scaled, a) = (g.times(&square, b), g.number(a));
    g.two("Add", &scaled, &a)
}
