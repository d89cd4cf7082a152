//! Gemm, a fully connected layer: x w + bias, with the weights as they are or turned.

use super::{Node, Tape, Value};
use crate::deep::onnx::Attribute;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    node.require("transA", 0)?;
    for name in ["alpha", "beta"] {
        if node.float(name, 1.0) != 1.0 {
            return Err(format!("{name} = {} can't be trained; 1 is expected", node.float(name, 1.0)));
        }
    }
    let (x, w) = (node.of_rank(2)?.clone(), node.input(1)?.clone());
    let turned = node.int("transB", 0) == 1;
    let (inputs, outputs) = match w.shape[..] {
        [outputs, inputs] if turned => (inputs, outputs),
        [inputs, outputs] => (inputs, outputs),
        _ => return Err(format!("weights of two sides are expected, not {:?}", w.shape)),
    };
    if x.shape[1] != inputs {
        return Err(format!("{:?} does not fit weights of {:?}", x.shape, w.shape));
    }
    let bias = node.optional(2).cloned();
    if let Some(bias) = bias.as_ref().filter(|bias| bias.shape != [outputs]) {
        return Err(format!("a bias of [{outputs}] is expected, not {:?}", bias.shape));
    }
    let names: Vec<&str> = [&x, &w].into_iter().chain(&bias).map(|value| value.name.as_str()).collect();
    let y = tape.graph.node("Gemm", &names, &[("transB", Attribute::Int(i64::from(turned)))]);
    Ok(product(tape, y, Factors { x, w, turned }, bias))
}

/// What a fully connected layer multiplies.
pub struct Factors {
    pub x: Value,
    pub w: Value,
    /// Are the weights outputs x inputs?
    pub turned: bool,
}

/// Notes down `y`, the product of two matrices with a bias or without one.
pub fn product(tape: &mut Tape, y: String, factors: Factors, bias: Option<Value>) -> Value {
    let Factors { x, w, turned } = factors;
    let shape = vec![x.shape[0], w.shape[usize::from(!turned)]];
    let learns = x.learns || w.learns || bias.as_ref().is_some_and(|bias| bias.learns);
    tape.record(y, shape, learns, move |tape, dy| {
        let flip = |name: &'static str| [(name, Attribute::Int(1))];
        tape.add_gradient(&x, |g| match turned {
            true => g.two("MatMul", dy, &w.name),
            false => g.node("Gemm", &[dy, &w.name], &flip("transB")),
        });
        tape.add_gradient(&w, |g| match turned {
            true => g.node("Gemm", &[dy, &x.name], &flip("transA")),
            false => g.node("Gemm", &[&x.name, dy], &flip("transA")),
        });
        if let Some(bias) = &bias {
            tape.add_gradient(bias, |g| g.reduce("ReduceSum", dy, &[0]));
        }
    })
}
