//! Flatten, Reshape, Squeeze and Unsqueeze: the gradient gets the input's shape back.

use super::{Node, Tape, Value};

/// All sides from `axis` on become one, and all before it.
pub fn flatten(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.int("axis", 1);
    let axis = if axis < 0 { axis + x.shape.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= x.shape.len());
    let axis = axis.ok_or_else(|| format!("axis = {} lies beyond {:?}", node.int("axis", 1), x.shape))?;
    let (rows, columns) = x.shape.split_at(axis);
    Ok(reshaped(tape, x, vec![rows.iter().product(), columns.iter().product()]))
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
    let misfit = || format!("{:?} can't become {stated:?}{}", x.shape, remedy(&x.shape, &stated));
    let sides: Vec<i64> = stated.iter().enumerate().map(kept).collect::<Option<_>>().ok_or_else(misfit)?;
    let known: i64 = sides.iter().filter(|&&side| side != -1).product();
    let all: i64 = x.shape.iter().map(|&side| side as i64).product();
    let shape: Vec<i64> = sides.iter().map(|&side| if side == -1 { all / known.max(1) } else { side }).collect();
    if shape.iter().any(|&side| side < 1) || shape.iter().product::<i64>() != all {
        return Err(misfit());
    }
    Ok(reshaped(tape, x, shape.into_iter().map(|side| side as usize).collect()))
}

/// What to do about a shape that was written for one number of images.
pub fn remedy(found: &[usize], stated: &[i64]) -> &'static str {
    let all: usize = found.iter().product();
    let fixed: i64 = stated.iter().product();
    match usize::try_from(fixed) {
        Ok(fixed) if fixed > 0 && all.is_multiple_of(fixed) => {
            ": the network was exported for one number of images; export it with a free one (dynamic_shapes={\"x\": {0: \
             torch.export.Dim(\"batch\")}}, or dynamic_axes={\"x\": {0: \"batch\"}} with dynamo=False)"
        }
        _ => "",
    }
}

/// Sides of 1 that go: those that are stated, or all.
pub fn squeeze(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let gone = node.list(1, "axes").map(|axes| node.places(&axes, x.shape.len())).transpose()?;
    let stays = |axis: usize| gone.as_ref().map_or(x.shape[axis] != 1, |gone| !gone.contains(&axis));
    let shape: Vec<usize> = (0..x.shape.len()).filter(|&axis| stays(axis)).map(|axis| x.shape[axis]).collect();
    if shape.iter().product::<usize>() != x.shape.iter().product::<usize>() {
        return Err(format!("{:?} can't lose the sides {gone:?}, which are not 1", x.shape));
    }
    Ok(reshaped(tape, x, shape))
}

/// Sides of 1 that come.
pub fn unsqueeze(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axes = node.list(1, "axes").ok_or("constant axes are expected")?;
    let rank = x.shape.len() + axes.len();
    let new = node.places(&axes, rank)?;
    let mut old = x.shape.iter();
    let side = |axis| if new.contains(&axis) { Some(1) } else { old.next().copied() };
    let shape = (0..rank).map(side).collect::<Option<_>>().ok_or_else(|| format!("axes = {axes:?} repeat one"))?;
    Ok(reshaped(tape, x, shape))
}

pub fn reshaped(tape: &mut Tape, x: &Value, shape: Vec<usize>) -> Value {
    if shape == x.shape {
        return x.clone();
    }
    let y = tape.graph.reshape(&x.name, &shape);
    let input = x.clone();
    tape.record(y, shape, x.learns, move |tape, dy| tape.add_gradient(&input, |g| g.reshape(dy, &input.shape)))
}
