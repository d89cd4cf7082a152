//! Flatten and Reshape: the gradient gets the input's shape back.

use super::{Node, Tape, Value};

/// All sides from `axis` on become one, and all before it.
pub fn flatten(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.int("axis", 1);
    let axis = if axis < 0 { axis + x.shape.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= x.shape.len());
    let axis = axis.ok_or_else(|| format!("axis = {} lies beyond {:?}", node.int("axis", 1), x.shape))?;
    let (rows, columns) = x.shape.split_at(axis);
    reshaped(tape, x, vec![rows.iter().product(), columns.iter().product()])
}

/// A constant shape, where 0 keeps a side (unless `allowzero` says that it is one) and -1 stands for what is left.
pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let keeps = node.int("allowzero", 0) == 0;
    let stated = node.list(1, "shape").ok_or("the shape must be constant")?;
    let kept = |(place, &side): (usize, &i64)| match side {
        0 if keeps => x.shape.get(place).map(|&side| side as i64),
        side => Some(side),
    };
    let misfit = || format!("{:?} can't become {stated:?}", x.shape);
    let sides: Vec<i64> = stated.iter().enumerate().map(kept).collect::<Option<_>>().ok_or_else(misfit)?;
    let known: i64 = sides.iter().filter(|&&side| side != -1).product();
    let all: i64 = x.shape.iter().map(|&side| side as i64).product();
    let shape: Vec<i64> = sides.iter().map(|&side| if side == -1 { all / known.max(1) } else { side }).collect();
    if shape.iter().any(|&side| side < 1) || shape.iter().product::<i64>() != all {
        return Err(misfit());
    }
    reshaped(tape, x, shape.into_iter().map(|side| side as usize).collect())
}

fn reshaped(tape: &mut Tape, x: &Value, shape: Vec<usize>) -> Result<Value, String> {
    let y = tape.graph.reshape(&x.name, &shape);
    let input = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| tape.add_gradient(&input, |g| g.reshape(dy, &input.shape))))
}
