//! Where, the comparisons that its condition is made of, and the operators that choose by one: Min, Max, PRelu, LeakyRelu.

use super::broadcast::{broadcast, summed};
use super::mul::product;
use super::{Node, Tape, Value};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    chosen(tape, node.input(0)?, [node.input(1)?, node.input(2)?])
}

/// Comparisons and what is made of their outcomes: steps, which have no slope.
pub fn comparison(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let inputs: Vec<&Value> = (0..node.inputs.len()).map(|place| node.input(place)).collect::<Result<_, _>>()?;
    condition(tape, &node.proto.op_type, &inputs)
}

/// The largest or the smallest of several; of equal ones the first.
pub fn extreme(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let is_before = if node.proto.op_type == "Max" { "GreaterOrEqual" } else { "LessOrEqual" };
    (1..node.inputs.len()).try_fold(node.input(0)?.clone(), |so_far, place| {
        let next = node.input(place)?;
        let is_before = condition(tape, is_before, &[&so_far, next])?;
        chosen(tape, &is_before, [&so_far, next])
    })
}

/// Below 0 a slope that is learned, or one number.
pub fn leaky(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let (zero, alpha) = (tape.number(0.0), tape.number(node.float("alpha", 0.01).into()));
    let is_above = condition(tape, "Greater", &[x, &zero])?;
    let below = product(tape, x, node.optional(1).unwrap_or(&alpha))?;
    chosen(tape, &is_above, [x, &below])
}

fn condition(tape: &mut Tape, operator: &str, inputs: &[&Value]) -> Result<Value, String> {
    let shape = all_fitted(inputs)?;
    let names: Vec<&str> = inputs.iter().map(|value| value.name.as_str()).collect();
    Ok(Value { name: tape.graph.node(operator, &names, &[]), shape, learns: false })
}

/// Each of the two gets the gradient where it was chosen.
pub fn chosen(tape: &mut Tape, condition: &Value, [a, b]: [&Value; 2]) -> Result<Value, String> {
    let shape = all_fitted(&[condition, a, b])?;
    let y = tape.graph.node("Where", &[&condition.name, &a.name, &b.name], &[]);
    let (a, b, output, condition) = (a.clone(), b.clone(), shape.clone(), condition.name.clone());
    Ok(tape.record(y, shape, a.learns || b.learns, move |tape, dy| {
        let zero = tape.graph.number(0.0);
        for (x, kept) in [(&a, [dy, &zero]), (&b, [&zero, dy])] {
            tape.add_gradient(x, |g| {
                let kept = g.node("Where", &[&condition, kept[0], kept[1]], &[]);
                summed(g, &kept, &x.shape, &output)
            });
        }
    }))
}

fn all_fitted(values: &[&Value]) -> Result<Vec<usize>, String> {
    let all = values.iter().try_fold(vec![], |shape, value| broadcast(&shape, &value.shape));
    all.ok_or_else(|| {
        let shapes: Vec<String> = values.iter().map(|value| format!("{:?}", value.shape)).collect();
        format!("{} don't fit", shapes.join(" and "))
    })
}
