//! LayerNormalization, InstanceNormalization and GroupNormalization: they differ in what is normalised together. Behind
//! each comes a product and a sum.

use super::add::sum;
use super::mul::product;
use super::reshape::reshaped;
use super::{Node, Tape, Value};

/// Everything from `axis` on.
pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axis = node.axis("axis", -1, x.shape.len())?;
    let y = normalised(tape, x, axis, node.float("epsilon", 1e-5));
    let y = product(tape, &y, node.input(1)?)?;
    node.optional(2).map_or(Ok(y.clone()), |bias| sum(tape, &y, bias))
}

/// Each channel of each image.
pub fn instance(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let y = normalised(tape, node.input(0)?, 2, node.float("epsilon", 1e-5));
    scaled(tape, node, y)
}

/// Each group of channels of each image.
pub fn group(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let groups = usize::try_from(node.int("num_groups", 1)).unwrap_or(0);
    if x.shape.len() < 2 || groups == 0 || !x.shape[1].is_multiple_of(groups) {
        return Err(format!("{:?} does not fall into {groups} groups", x.shape));
    }
    let rest = x.shape[1..].iter().product::<usize>() / groups;
    let grouped = reshaped(tape, x, vec![x.shape[0], groups, rest]);
    let y = normalised(tape, &grouped, 2, node.float("epsilon", 1e-5));
    let y = reshaped(tape, &y, x.shape.clone());
    scaled(tape, node, y)
}

/// With one scale and one bias a channel, the second side.
fn scaled(tape: &mut Tape, node: &Node, y: Value) -> Result<Value, String> {
    let mut each = vec![1; y.shape.len() - 1];
    each[0] = y.shape[1];
    let [scale, bias] = [node.input(1)?, node.input(2)?];
    for numbers in [scale, bias] {
        if numbers.shape != [y.shape[1]] {
            return Err(format!("one number a channel is expected, {}, not {:?}", y.shape[1], numbers.shape));
        }
    }
    let [scale, bias] = [scale, bias].map(|numbers| reshaped(tape, numbers, each.clone()));
    let y = product(tape, &y, &scale)?;
    sum(tape, &y, &bias)
}

/// (x - mean) / deviation of all numbers that lie on the axes from `axis` on.
fn normalised(tape: &mut Tape, x: &Value, axis: usize, epsilon: f32) -> Value {
    let (x, axes): (Value, Vec<i64>) = (x.clone(), (axis as i64..x.shape.len() as i64).collect());
    let g = &mut tape.graph;
    let mean = g.reduce_along("ReduceMean", &x.name, &axes);
    let centred = g.two("Sub", &x.name, &mean);
    let square = g.two("Mul", &centred, &centred);
    let variance = g.reduce_along("ReduceMean", &square, &axes);
    let epsilon = g.number(f64::from(epsilon));
    let sum = g.two("Add", &variance, &epsilon);
    let deviation = g.node("Sqrt", &[&sum], &[]);
    let y = g.two("Div", &centred, &deviation);
    let output = y.clone();
    // mean and deviation depend on x too: dx = (dy - mean(dy) - y mean(y dy)) / deviation
    tape.record(y, x.shape.clone(), x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let shift = g.reduce_along("ReduceMean", dy, &axes);
            let product = g.two("Mul", &output, dy);
            let slope = g.reduce_along("ReduceMean", &product, &axes);
            let bent = g.two("Mul", &output, &slope);
            let excess = g.two("Sub", dy, &bent);
            let excess = g.two("Sub", &excess, &shift);
            g.two("Div", &excess, &deviation)
        });
    })
}
