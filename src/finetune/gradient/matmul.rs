//! MatMul of two matrices: a fully connected layer whose bias is added by a node of its own.

use super::{Node, Tape, Value};
use crate::deep::onnx::Attribute;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (x, w) = (node.of_rank(2)?.clone(), node.input(1)?.clone());
    let [inputs, outputs] = w.shape[..] else {
        return Err(format!("a matrix is expected on the right, not {:?}", w.shape));
    };
    if x.shape[1] != inputs {
        return Err(format!("{:?} does not fit {:?}", x.shape, w.shape));
    }
    let y = tape.graph.two("MatMul", &x.name, &w.name);
    let (operands, shape) = ([x.clone(), w.clone()], vec![x.shape[0], outputs]);
    Ok(tape.record(y, shape, &operands.each_ref(), move |tape, dy| {
        tape.add_gradient(&x, |g| g.node("Gemm", &[dy, &w.name], &[("transB", Attribute::Int(1))]));
        tape.add_gradient(&w, |g| g.node("Gemm", &[&x.name, dy], &[("transA", Attribute::Int(1))]));
    }))
}
