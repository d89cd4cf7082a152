//! Backward rules: how each operator of a network passes the loss's gradient back to its inputs.
//! [`record`] writes a network's forward pass into a new graph and notes down what its backward pass will need; ONNX
//! Runtime executes both, since every rule is made of standard operators.

mod add;
mod average_pool;
mod batch_norm;
mod clip;
mod columns;
mod conv;
mod dropout;
mod gemm;
mod integers;
mod matmul;
mod max_pool;
mod node;
mod read;
mod reduce_mean;
mod relu;
mod reshape;
mod tape;
#[cfg(test)]
mod tests;
mod window;

pub use batch_norm::{BatchNorm, Statistic};
pub use dropout::Mask;
pub use read::{INPUT, Parameter, Recorded, Role, Source, record, sides};
pub use tape::{Tape, Value};

use node::Node;

/// Writes a node's forward pass and notes down its backward pass; says what does not fit.
type Rule = fn(&mut Tape, &Node) -> Result<Value, String>;

/// Every operator that can be trained, and how many of its inputs can learn.
const RULES: [(&str, Rule, usize); 15] = [
    ("Add", add::rule, 2),
    ("AveragePool", average_pool::rule, 1),
    ("BatchNormalization", batch_norm::rule, 3),
    ("Clip", clip::rule, 1),
    ("Conv", conv::rule, 3),
    ("Dropout", dropout::rule, 1),
    ("Flatten", reshape::flatten, 1),
    ("Gemm", gemm::rule, 3),
    ("GlobalAveragePool", reduce_mean::global_average_pool, 1),
    ("Identity", identity, 1),
    ("MatMul", matmul::rule, 2),
    ("MaxPool", max_pool::rule, 1),
    ("ReduceMean", reduce_mean::rule, 1),
    ("Relu", relu::rule, 1),
    ("Reshape", reshape::rule, 1),
];

/// How many of an operator's inputs can learn: the first ones.
pub fn learnable(operator: &str) -> usize {
    RULES.iter().find(|(name, ..)| *name == operator).map_or(0, |&(.., learnable)| learnable)
}

fn identity(_: &mut Tape, node: &Node) -> Result<Value, String> {
    Ok(node.input(0)?.clone())
}

/// Why a network can't be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GradientError {
    #[error("node `{node}` has the operator {operator}, which can't be trained; supported are {}", supported())]
    Unsupported { node: String, operator: String },
    #[error("node `{node}` ({operator}): {reason}")]
    Node { node: String, operator: String, reason: String },
    #[error("the network has no value `{0}`")]
    NoValue(String),
    #[error(
        "the network has the constant `{0}`, which is neither of 32-bit floats nor of 64-bit integers, in one file"
    )]
    Constant(String),
}

fn supported() -> String {
    RULES.map(|(operator, ..)| operator).join(", ")
}
