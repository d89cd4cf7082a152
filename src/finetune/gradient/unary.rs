//! Smooth functions of single numbers: the gradient is multiplied with the function's slope.

use std::f64::consts::PI;

use super::{Node, Tape, Value};
use crate::deep::onnx::{Attribute, Graph};

/// Names of a function's argument, its value and the value's gradient.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    pub x: &'a str,
    pub y: &'a str,
    pub dy: &'a str,
}

/// Writes the gradient of the argument.
type Slope = fn(&mut Graph, Point) -> String;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    of(tape, &node.proto.op_type, node.input(0)?)
}

/// The function that a standard operator is.
pub fn of(tape: &mut Tape, operator: &str, x: &Value) -> Result<Value, String> {
    let slope: Slope = match operator {
        "Abs" => |g, at| {
            let sign = g.node("Sign", &[at.x], &[]);
            g.two("Mul", at.dy, &sign)
        },
        "Cos" => |g, at| {
            let sine = g.node("Sin", &[at.x], &[]);
            let product = g.two("Mul", at.dy, &sine);
            g.node("Neg", &[&product], &[])
        },
        // 2 / sqrt(pi) exp(-x^2)
        "Erf" => |g, at| {
            let square = g.two("Mul", at.x, at.x);
            let exponent = g.node("Neg", &[&square], &[]);
            let bell = g.node("Exp", &[&exponent], &[]);
            let scaled = g.times(&bell, 2.0 / PI.sqrt());
            g.two("Mul", at.dy, &scaled)
        },
        "Exp" => |g, at| g.two("Mul", at.dy, at.y),
        "Log" => |g, at| g.two("Div", at.dy, at.x),
        "Neg" => |g, at| g.node("Neg", &[at.dy], &[]),
        "Reciprocal" => |g, at| {
            let square = g.two("Mul", at.y, at.y);
            let product = g.two("Mul", at.dy, &square);
            g.node("Neg", &[&product], &[])
        },
        "Sigmoid" => sigmoid,
        "Sin" => |g, at| {
            let cosine = g.node("Cos", &[at.x], &[]);
            g.two("Mul", at.dy, &cosine)
        },
        "Softplus" => |g, at| {
            let slope = g.node("Sigmoid", &[at.x], &[]);
            g.two("Mul", at.dy, &slope)
        },
        "Sqrt" => |g, at| {
            let half = g.times(at.dy, 0.5);
            g.two("Div", &half, at.y)
        },
        "Tanh" => |g, at| {
            let square = g.two("Mul", at.y, at.y);
            let one = g.number(1.0);
            let slope = g.two("Sub", &one, &square);
            g.two("Mul", at.dy, &slope)
        },
        other => return Err(format!("{other} has no slope")),
    };
    Ok(function(tape, x, |g, x| g.node(operator, &[x], &[]), slope))
}

fn sigmoid(g: &mut Graph, at: Point) -> String {
    let slope = slope_of_sigmoid(g, at.y);
    g.two("Mul", at.dy, &slope)
}

/// y (1 - y)
pub fn slope_of_sigmoid(g: &mut Graph, y: &str) -> String {
    let square = g.two("Mul", y, y);
    g.two("Sub", y, &square)
}

/// Swish, also called SiLU: x sigmoid(alpha x).
pub fn swish(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (x, alpha) = (node.input(0)?, f64::from(node.float("alpha", 1.0)));
    let forward = move |g: &mut Graph, x: &str| {
        let scaled = g.times(x, alpha);
        g.node("Sigmoid", &[&scaled], &[])
    };
    let gate = function(tape, x, forward, move |g, at| {
        let slope = sigmoid(g, at);
        g.times(&slope, alpha)
    });
    super::mul::product(tape, x, &gate)
}

/// Below 0 an exponential that ends at -alpha.
pub fn elu(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let alpha = node.float("alpha", 1.0);
    let forward = |g: &mut Graph, x: &str| g.node("Elu", &[x], &[("alpha", Attribute::Float(alpha))]);
    Ok(function(tape, node.input(0)?, forward, move |g, at| {
        let (zero, one, alpha) = (g.number(0.0), g.number(1.0), g.number(alpha.into()));
        let (is_above, below) = (g.two("Greater", at.x, &zero), g.two("Add", at.y, &alpha));
        let slope = g.node("Where", &[&is_above, &one, &below], &[]);
        g.two("Mul", at.dy, &slope)
    }))
}

/// x tanh(softplus(x))
pub fn mish(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let above = of(tape, "Softplus", x)?;
    let gate = of(tape, "Tanh", &above)?;
    super::mul::product(tape, x, &gate)
}

/// A function of every number; `backward` writes the gradient of its argument.
pub fn function(
    tape: &mut Tape,
    x: &Value,
    forward: impl FnOnce(&mut Graph, &str) -> String,
    backward: impl FnOnce(&mut Graph, Point) -> String + 'static,
) -> Value {
    let y = forward(&mut tape.graph, &x.name);
    let (x, output) = (x.clone(), y.clone());
    tape.record(y, x.shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| backward(g, Point { x: &x.name, y: &output, dy }));
    })
}
