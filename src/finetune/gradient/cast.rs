//! Cast from 32-bit floats to themselves, which older exporters write.

use super::{Node, Tape, Value};
use crate::deep::onnx::FLOAT;

pub fn rule(_: &mut Tape, node: &Node) -> Result<Value, String> {
    match node.int("to", 0) {
        to if to == i64::from(FLOAT) => Ok(node.input(0)?.clone()),
        _ => Err("only 32-bit floats can be trained: fine-tune the network's export in 32-bit floats".into()),
    }
}
