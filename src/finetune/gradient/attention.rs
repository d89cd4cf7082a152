//! Attention, as one operator (opset 23): softmax(queries keys / sqrt(depth)) values, of images x heads x tokens x depth.

use super::add::sum;
use super::condition::chosen;
use super::matmul::matrices;
use super::mul::product;
use super::transpose::turned;
use super::{Node, Tape, Value, softmax};
use crate::deep::onnx::BOOL;

/// What an attention must not see: far below every score.
const HIDDEN: f64 = -1e30;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    node.require("is_causal", 0)?;
    let [queries, keys, values] = [node.input(0)?, node.input(1)?, node.input(2)?];
    let shapes = [&queries.shape, &keys.shape, &values.shape];
    let several = node.inputs.len() > 4 || node.proto.output.len() > 1 || node.float("softcap", 0.0) != 0.0;
    if several || shapes.iter().any(|shape| shape.len() != 4 || shape[..2] != shapes[0][..2]) {
        return Err(format!("queries, keys and values of four sides, and a mask, are expected, not {shapes:?}"));
    }
    let scale = node.number("scale").map_or(1.0 / (queries.shape[3] as f64).sqrt(), f64::from);
    let (scale, hidden) = (tape.number(scale), tape.number(HIDDEN));
    let keys = turned(tape, keys, vec![0, 1, 3, 2])?;
    let scores = matrices(tape, queries.clone(), keys)?;
    let mut scores = product(tape, &scores, &scale)?;
    if let Some(mask) = node.optional(3) {
        let is_condition = node.constants.get(&node.proto.input[3]).is_some_and(|mask| mask.data_type == BOOL);
        scores = if is_condition { chosen(tape, mask, [&scores, &hidden])? } else { sum(tape, &scores, mask)? };
    }
    let shares = softmax::shares(tape, &scores, 3);
    matrices(tape, shares, values.clone())
}
