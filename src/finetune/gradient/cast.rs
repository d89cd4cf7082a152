//! Cast and CastLike: from 32-bit floats to themselves, which older exporters write, and of conditions, which have no
//! gradient.

use super::{Node, Tape, Value};
use crate::deep::onnx::{Attribute, BOOL, FLOAT};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    // CastLike names a value instead of a type
    let to = if node.optional(1).is_some() { FLOAT.into() } else { node.int("to", 0) };
    match i32::try_from(to) {
        Ok(FLOAT) if x.learns => Ok(x.clone()),
        Ok(FLOAT | BOOL) => {
            let name = tape.graph.node("Cast", &[&x.name], &[("to", Attribute::Int(to))]);
            Ok(Value { name, shape: x.shape.clone(), learns: false })
        }
        _ => Err("only 32-bit floats can be trained: fine-tune the network's export in 32-bit floats".into()),
    }
}
