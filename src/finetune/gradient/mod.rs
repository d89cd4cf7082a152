//! Backward rules: how each operator of a network passes the loss's gradient back to its inputs.
//! [`record`] writes a network's forward pass into a new graph and notes down what its backward pass will need; ONNX
//! Runtime executes both, since every rule is made of standard operators.

mod add;
mod along;
mod attention;
mod average_pool;
mod batch_norm;
mod broadcast;
mod cast;
mod clip;
mod columns;
mod concat;
mod condition;
mod constants;
mod conv;
mod dropout;
mod einsum;
mod expand;
mod gather;
mod gelu;
mod gemm;
mod hard;
mod integers;
mod layer_norm;
mod matmul;
mod max_pool;
mod mul;
mod node;
mod pad;
mod pow;
mod read;
mod reduce;
mod relu;
mod reshape;
mod slice;
mod softmax;
mod source;
mod tape;
#[cfg(test)]
mod tests;
mod transpose;
mod unary;
mod unsupported;
mod window;

pub use batch_norm::{BatchNorm, Statistic};
pub use constants::is_weight;
pub use dropout::Mask;
pub use read::{INPUT, Parameter, Recorded, Role, record, sides};
pub use source::Source;
pub use tape::{Tape, Value};

use crate::deep::onnx::NodeProto;
use node::Node;
pub use unsupported::Unsupported;

/// Writes a node's forward pass and notes down its backward pass; says what does not fit.
#[derive(Clone, Copy)]
enum Rule {
    One(fn(&mut Tape, &Node) -> Result<Value, String>),
    /// With a value for each output.
    Several(fn(&mut Tape, &Node) -> Result<Vec<Value>, String>),
}

use Rule::{One, Several};

/// Every operator that can be trained, and how many of its inputs can learn.
const RULES: [(&str, Rule, usize); 76] = [
    ("Abs", One(unary::rule), 0),
    ("Add", One(add::rule), 2),
    ("And", One(condition::comparison), 0),
    ("Attention", One(attention::rule), 4),
    ("AveragePool", One(average_pool::rule), 1),
    ("BatchNormalization", One(batch_norm::rule), 3),
    ("Cast", One(cast::rule), 1),
    ("CastLike", One(cast::rule), 1),
    ("Clip", One(clip::rule), 1),
    ("Concat", One(concat::rule), usize::MAX),
    ("Conv", One(conv::rule), 3),
    ("Cos", One(unary::rule), 0),
    ("Div", One(mul::quotient), 0),
    ("Dropout", One(dropout::rule), 1),
    ("Einsum", One(einsum::rule), 2),
    ("Elu", One(unary::elu), 0),
    ("Equal", One(condition::comparison), 0),
    ("Erf", One(unary::rule), 0),
    ("Exp", One(unary::rule), 0),
    ("Expand", One(expand::rule), 1),
    ("Flatten", One(reshape::flatten), 1),
    ("Gather", One(gather::rule), 1),
    ("GatherND", One(gather::of_several_axes), 1),
    ("Gelu", One(gelu::rule), 0),
    ("Gemm", One(gemm::rule), 3),
    ("GlobalAveragePool", One(reduce::global_average_pool), 1),
    ("GlobalMaxPool", One(reduce::global_max_pool), 0),
    ("Greater", One(condition::comparison), 0),
    ("GreaterOrEqual", One(condition::comparison), 0),
    ("GroupNormalization", One(layer_norm::group), 3),
    ("HardSigmoid", One(hard::sigmoid), 0),
    ("HardSwish", One(hard::swish), 0),
    ("Identity", One(identity), 1),
    ("InstanceNormalization", One(layer_norm::instance), 3),
    ("LayerNormalization", One(layer_norm::rule), 3),
    ("LeakyRelu", One(condition::leaky), 0),
    ("Less", One(condition::comparison), 0),
    ("LessOrEqual", One(condition::comparison), 0),
    ("Log", One(unary::rule), 0),
    ("LogSoftmax", One(softmax::logarithm), 0),
    ("MatMul", One(matmul::rule), 2),
    ("Max", One(condition::extreme), 0),
    ("MaxPool", One(max_pool::rule), 1),
    ("Min", One(condition::extreme), 0),
    ("Mish", One(unary::mish), 0),
    ("Mul", One(mul::rule), 2),
    ("Neg", One(unary::rule), 0),
    ("Not", One(condition::comparison), 0),
    ("Or", One(condition::comparison), 0),
    ("PRelu", One(condition::leaky), 2),
    ("Pad", One(pad::rule), 1),
    ("Pow", One(pow::rule), 0),
    ("Reciprocal", One(unary::rule), 0),
    ("ReduceL2", One(reduce::rule), 0),
    ("ReduceMax", One(reduce::rule), 0),
    ("ReduceMean", One(reduce::rule), 1),
    ("ReduceMin", One(reduce::rule), 0),
    ("ReduceSum", One(reduce::rule), 0),
    ("Relu", One(relu::rule), 1),
    ("Reshape", One(reshape::rule), 1),
    ("Resize", One(along::resize), 0),
    ("Sigmoid", One(unary::rule), 0),
    ("Sin", One(unary::rule), 0),
    ("Slice", One(slice::rule), 0),
    ("Softmax", One(softmax::rule), 0),
    ("Softplus", One(unary::rule), 0),
    ("Split", Several(concat::split), 0),
    ("Sqrt", One(unary::rule), 0),
    ("Squeeze", One(reshape::squeeze), 1),
    ("Sub", One(add::difference), 0),
    ("Swish", One(unary::swish), 0),
    ("Tanh", One(unary::rule), 0),
    ("Tile", One(expand::tile), 1),
    ("Transpose", One(transpose::rule), 1),
    ("Unsqueeze", One(reshape::unsqueeze), 1),
    ("Where", One(condition::rule), 0),
];

/// The rule of a standard operator.
fn rule_of(node: &NodeProto) -> Option<Rule> {
    RULES.iter().find(|(name, ..)| node.is_standard(name)).map(|&(_, rule, _)| rule)
}

/// How many of an operator's inputs can learn: the first ones.
fn learnable(operator: &str) -> usize {
    RULES.iter().find(|(name, ..)| *name == operator).map_or(0, |&(.., learnable)| learnable)
}

fn identity(_: &mut Tape, node: &Node) -> Result<Value, String> {
    Ok(node.input(0)?.clone())
}

/// Why a network can't be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GradientError {
    #[error(transparent)]
    Unsupported(Unsupported),
    #[error("node `{node}` ({operator}): {reason}")]
    Node { node: String, operator: String, reason: String },
    #[error("the network has no value `{0}`")]
    NoValue(String),
    #[error(
        "the network has the constant `{0}`, which is neither of 32-bit floats nor of integers, in one file: fine-tune the \
         network's export in 32-bit floats"
    )]
    Constant(String),
}
