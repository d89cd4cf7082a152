//! GlobalAveragePool, ReduceMean, ReduceSum, ReduceL2, ReduceMax and ReduceMin: every number gets its share of the
//! gradient.

use super::broadcast::summed;
use super::window::ints;
use super::{Node, Tape, Value};
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, Graph};

pub fn global_average_pool(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    mean_of_picture(tape, node.of_rank(4)?, true)
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let stated = node.list(1, "axes").unwrap_or_default();
    if stated.is_empty() && node.int("noop_with_empty_axes", 0) == 1 {
        return Ok(x.clone());
    }
    let mut axes: Vec<usize> = if stated.is_empty() { (0..rank).collect() } else { node.places(&stated, rank)? };
    axes.sort_unstable();
    reduced(tape, x, &node.proto.op_type, &axes, node.int("keepdims", 1) == 1)
}

/// The largest number of every channel's picture.
pub fn global_max_pool(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?;
    let axes: Vec<usize> = (2..x.shape.len()).collect();
    reduced(tape, x, "ReduceMax", &axes, true)
}

fn reduced(tape: &mut Tape, x: &Value, operator: &str, axes: &[usize], keep: bool) -> Result<Value, String> {
    let (x, rank) = (x.clone(), x.shape.len());
    if operator == "ReduceMean" && x.is_map() && axes == [2, 3] {
        return mean_of_picture(tape, &x, keep);
    }
    let list: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let list = tape.graph.ints(&list);
    let y = tape.graph.node(operator, &[&x.name, &list], &[("keepdims", Attribute::Int(i64::from(keep)))]);
    let count: usize = axes.iter().map(|&axis| x.shape[axis]).product();
    let kept: Vec<usize> = (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { x.shape[axis] }).collect();
    let left = (0..rank).filter(|axis| !axes.contains(axis)).map(|axis| x.shape[axis]).collect();
    let shape = if keep { kept.clone() } else { left };
    let backward: fn(&mut Graph, &Reduced, &str) -> String = match operator {
        "ReduceSum" => |g, reduced, dy| reduced.everywhere(g, dy),
        "ReduceMean" => |g, reduced, dy| {
            let share = g.times(dy, 1.0 / reduced.count as f64);
            reduced.everywhere(g, &share)
        },
        // equal ones share it, as in PyTorch
        "ReduceMax" | "ReduceMin" => |g, reduced, dy| {
            let (y, dy) = (g.reshape(&reduced.y, &reduced.kept), g.reshape(dy, &reduced.kept));
            let extreme = g.two("Equal", &reduced.x.name, &y);
            let extreme = g.mask(&extreme);
            let count = summed(g, &extreme, &reduced.kept, &reduced.x.shape);
            let share = g.two("Div", &dy, &count);
            g.two("Mul", &extreme, &share)
        },
        // of length 0 the gradient is 0, as PyTorch has it
        _ => |g, reduced, dy| {
            let tiny = g.number(f64::from(f32::MIN_POSITIVE));
            let length = g.two("Max", &reduced.y, &tiny);
            let share = g.two("Div", dy, &length);
            let share = g.reshape(&share, &reduced.kept);
            g.two("Mul", &share, &reduced.x.name)
        },
    };
    let reduced = Reduced { x: x.clone(), y: y.clone(), kept, count };
    Ok(tape.record(y, shape, x.learns, move |tape, dy| tape.add_gradient(&x, |g| backward(g, &reduced, dy))))
}

struct Reduced {
    x: Value,
    y: String,
    /// The output's shape with sides of 1.
    kept: Vec<usize>,
    /// Numbers that became one.
    count: usize,
}

impl Reduced {
    fn everywhere(&self, g: &mut Graph, share: &str) -> String {
        let share = g.reshape(share, &self.kept);
        g.expand(&share, &self.x.shape)
    }
}

fn mean_of_picture(tape: &mut Tape, x: &Value, keep: bool) -> Result<Value, String> {
    let begin = tape.graph.begin();
    let axes = tape.graph.ints(&[2, 3]);
    let keepdims = [("keepdims", Attribute::Int(i64::from(keep)))];
    let y = tape.graph.node("ReduceMean", &[&x.name, &axes], &keepdims);
    tape.graph.as_one(begin, operator::GLOBAL_AVERAGE_POOL, &[&x.name], &keepdims, &[&y]);
    let (n, channels) = (x.shape[0], x.shape[1]);
    let shape = if keep { vec![n, channels, 1, 1] } else { vec![n, channels] };
    let input = x.clone();
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&input, |g| {
            let begin = g.begin();
            let share = g.times(dy, 1.0 / (input.shape[2] * input.shape[3]) as f64);
            let share = if keep { share } else { g.reshape(&share, &[n, channels, 1, 1]) };
            let dx = g.expand(&share, &input.shape);
            let sides = [("sides", ints(&input.shape[2..]))];
            g.as_one(begin, operator::GLOBAL_AVERAGE_POOL_GRADIENT, &[dy], &sides, &[&dx]);
            dx
        });
    }))
}
