//! Transpose: the gradient is turned back.

use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let order = node.ints("perm").map_or_else(|| (0..rank as i64).rev().collect(), <[i64]>::to_vec);
    turned(tape, x, order)
}

/// Each side of the output is the side of the input at this place.
pub fn turned(tape: &mut Tape, x: &Value, order: Vec<i64>) -> Result<Value, String> {
    let rank = x.shape.len();
    if order.iter().copied().eq(0..rank as i64) {
        return Ok(x.clone());
    }
    let mut back = vec![-1; rank];
    for (place, &from) in order.iter().enumerate() {
        match usize::try_from(from).ok().and_then(|from| back.get_mut(from)) {
            Some(to) => *to = place as i64,
            None => return Err(format!("perm = {order:?} does not fit {:?}", x.shape)),
        }
    }
    if order.len() != rank || back.contains(&-1) {
        return Err(format!("perm = {order:?} does not fit {:?}", x.shape));
    }
    let shape = order.iter().map(|&from| x.shape[from as usize]).collect();
    let y = tape.graph.transpose(&x.name, &order);
    let x = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| tape.add_gradient(&x, |g| g.transpose(dy, &back))))
}
