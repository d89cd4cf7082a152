//! Operators of two tensors whose shapes need not be the same: sides are aligned at the end, and 1 is repeated to fit.

use super::Value;
use crate::deep::onnx::Graph;

/// The shape that both become.
pub fn fitted(a: &Value, b: &Value) -> Result<Vec<usize>, String> {
    broadcast(&a.shape, &b.shape).ok_or_else(|| format!("{:?} and {:?} don't fit", a.shape, b.shape))
}

pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let sides = (0..rank).map(|axis| match (side(a, axis), side(b, axis)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    });
    sides.collect()
}

/// The gradient of a tensor of `shape` that was repeated to fit `output`: summed up along what was repeated.
pub fn summed(g: &mut Graph, gradient: &str, shape: &[usize], output: &[usize]) -> String {
    let axes = repeated(shape, output);
    if axes.is_empty() {
        return gradient.to_owned();
    }
    let sum = g.reduce("ReduceSum", gradient, &axes);
    g.reshape(&sum, shape)
}

/// The axes of `output` along which a tensor of `shape` was repeated.
fn repeated(shape: &[usize], output: &[usize]) -> Vec<i64> {
    let missing = output.len() - shape.len();
    let is_repeated = |&axis: &usize| axis < missing || (shape[axis - missing] == 1 && output[axis] > 1);
    (0..output.len()).filter(is_repeated).map(|axis| axis as i64).collect()
}
