//! Dropout: the mask is an input, so that what is dropped follows from the run's own generator.

use super::{Node, Tape, Value, sides};

/// A mask that each step is fed with: 0 where a number is dropped, 1 / (1 - rate) elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// Of the graph's input.
    pub name: String,
    pub shape: Vec<usize>,
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.input(0)?.clone();
    let mask = Mask { name: tape.graph.fresh("mask"), shape: x.shape.clone() };
    tape.graph.input(&mask.name, &sides(&mask.shape));
    let y = tape.graph.two("Mul", &x.name, &mask.name);
    tape.masks.push(mask.clone());
    Ok(tape
        .record(y, x.shape.clone(), x.learns, move |tape, dy| tape.add_gradient(&x, |g| g.two("Mul", dy, &mask.name))))
}
