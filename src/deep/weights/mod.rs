//! Pretrained parameters under the names that torchvision gives them.
//! A file is checked against what a network needs before anything is computed; what does not fit is named.

pub mod safetensors;

use std::collections::BTreeMap;

use super::Tensor;

/// Parameters by name.
pub type Weights = BTreeMap<String, Tensor>;

/// The shape of each parameter, by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("not a safetensors file ({0})")]
    Format(String),
    #[error("tensor `{name}` has the type {found}; F32, F16 or BF16 is expected")]
    Type { name: String, found: String },
    #[error("tensor `{name}` is missing; the network needs it with the shape {expected:?}")]
    Missing { name: String, expected: Vec<usize> },
    #[error("tensor `{name}` has the shape {found:?}; the network needs {expected:?}")]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("tensor `{name}` of shape {found:?} has no place in the network")]
    Extra { name: String, found: Vec<usize> },
    #[error(
        "no tensor `conv1.weight` and `layer1.0.conv1.weight`: these are not a ResNet's weights under torchvision's names"
    )]
    NotAResNet,
}

/// Are these exactly the `expected` parameters? `num_batches_tracked`, a counter of training, is ignored.
///
/// # Errors
/// The first tensor that is missing or misshaped, in the network's order; then the first that has no place.
pub fn check(found: &Shapes, expected: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
    for (name, expected) in expected {
        let (name, expected) = (name.clone(), expected.clone());
        match found.get(&name) {
            None => return Err(WeightsError::Missing { name, expected }),
            Some(shape) if *shape != expected => {
                return Err(WeightsError::Shape { name, found: shape.clone(), expected });
            }
            Some(_) => {}
        }
    }
    let extra = found
        .iter()
        .find(|(name, _)| !name.ends_with(".num_batches_tracked") && !expected.iter().any(|(known, _)| known == *name));
    match extra {
        Some((name, shape)) => Err(WeightsError::Extra { name: name.clone(), found: shape.clone() }),
        None => Ok(()),
    }
}
