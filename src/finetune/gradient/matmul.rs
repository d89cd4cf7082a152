//! MatMul of two matrices: a fully connected layer whose bias is added by a node of its own.

use super::gemm::{Factors, product};
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (x, w) = (node.of_rank(2)?.clone(), node.input(1)?.clone());
    let [inputs, _] = w.shape[..] else {
        return Err(format!("a matrix is expected on the right, not {:?}", w.shape));
    };
    if x.shape[1] != inputs {
        return Err(format!("{:?} does not fit {:?}", x.shape, w.shape));
    }
    let y = tape.graph.two("MatMul", &x.name, &w.name);
    Ok(product(tape, y, Factors { x, w, turned: false }, None))
}
