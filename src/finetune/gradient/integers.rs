//! Shapes that a network computes: exporters write `x.view(x.size(0), -1)` as a chain of nodes on integers. A training
//! graph is made for one shape, so that each of them is a list of numbers that is known when the graph is read.

use super::node::{Node, Operand};

/// The integers that a node computes; `None` where it is none that computes with integers alone. A single number is a
/// list of one.
pub fn evaluate(node: &Node) -> Option<Vec<i64>> {
    if let ("Shape", Some(Operand::Value(x))) = (node.proto.op_type.as_str(), node.inputs.first()) {
        let shape: Vec<i64> = x.shape.iter().map(|&side| side as i64).collect();
        let (start, end) = (node.int("start", 0), node.int("end", shape.len() as i64));
        return shape.get(place(start, shape.len())..place(end, shape.len())).map(<[i64]>::to_vec);
    }
    let list = |operand: &Operand| match operand {
        Operand::Integers(list) => Some(list.clone()),
        _ => None,
    };
    let lists: Vec<Vec<i64>> = node.inputs.iter().map(list).collect::<Option<_>>()?;
    match (node.proto.op_type.as_str(), &lists[..]) {
        ("Identity" | "Cast", [x]) | ("Squeeze" | "Unsqueeze", [x, ..]) => Some(x.clone()),
        ("Concat", lists) => Some(lists.concat()),
        ("Gather", [x, places]) => places.iter().map(|&at| x.get(place(at, x.len())).copied()).collect(),
        ("Slice", [x, start, end]) => sliced(x, start, end),
        ("Slice", [x, start, end, axes]) if axes[..] == [0] => sliced(x, start, end),
        ("Mul", [a, b]) => pairs(a, b, i64::checked_mul),
        ("Add", [a, b]) => pairs(a, b, i64::checked_add),
        ("Sub", [a, b]) => pairs(a, b, i64::checked_sub),
        ("Div", [a, b]) => pairs(a, b, i64::checked_div),
        _ => None,
    }
}

/// A place in a list, where a negative one counts from the end and one beyond it is the end.
fn place(at: i64, length: usize) -> usize {
    (if at < 0 { at.saturating_add(length as i64) } else { at }).clamp(0, length as i64) as usize
}

fn sliced(x: &[i64], start: &[i64], end: &[i64]) -> Option<Vec<i64>> {
    x.get(place(*start.first()?, x.len())..place(*end.first()?, x.len())).map(<[i64]>::to_vec)
}

fn pairs(a: &[i64], b: &[i64], combine: fn(i64, i64) -> Option<i64>) -> Option<Vec<i64>> {
    match (a, b) {
        (a, [b]) => a.iter().map(|&a| combine(a, *b)).collect(),
        ([a], b) => b.iter().map(|&b| combine(*a, b)).collect(),
        (a, b) if a.len() == b.len() => a.iter().zip(b).map(|(&a, &b)| combine(a, b)).collect(),
        _ => None,
    }
}
