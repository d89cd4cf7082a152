//! Pretrained parameters under the names that torchvision gives them.
//! A file is checked against what a network needs before anything is computed; what does not fit is named.

mod pickle;
mod safetensors;
mod torch;
mod zip;

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};

use super::Tensor;

/// Parameters by name.
pub type Weights = BTreeMap<String, Tensor>;

/// The shape of each parameter, by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("not a safetensors file ({0})")]
    Safetensors(String),
    #[error("not a PyTorch state dict that can be read: {0}")]
    Torch(String),
    #[error("tensor `{name}` has the type {found}; f32, f16 or bf16 is expected")]
    Type { name: String, found: String },
    #[error(
        "tensor `{name}` holds {found} numbers that are not finite (NaN or infinite): the weights are damaged, or the training \
         that made them diverged; get them again"
    )]
    NotFinite { name: String, found: usize },
    #[error("tensor `{name}` is missing; the network needs it with the shape {expected:?}")]
    Missing { name: String, expected: Vec<usize> },
    #[error("tensor `{name}` has the shape {found:?}; the network needs {expected:?}")]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("tensor `{name}` of shape {found:?} has no place in the network")]
    Extra { name: String, found: Vec<usize> },
    #[error(
        "neither a ResNet's weights under torchvision's names (no tensors `conv1.weight` and `layer1.0.conv1.weight`) \
         nor those of a VGG with batch norm (no `features.0.weight`)"
    )]
    UnknownFamily,
}

/// How a file holds parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    /// A state dict that `torch.save` wrote.
    Torch,
}

impl Format {
    /// By the ending of a file's name: `.safetensors`, `.pth` or `.pt`.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "safetensors" => Some(Format::Safetensors),
            "pth" | "pt" => Some(Format::Torch),
            _ => None,
        }
    }

    /// Reads which tensors a file holds.
    ///
    /// # Errors
    /// A broken file, and one that asks for more than tensors.
    pub fn open(self, file: &[u8]) -> Result<Checkpoint<'_>, WeightsError> {
        Ok(match self {
            Format::Safetensors => Checkpoint::Safetensors(safetensors::open(file)?),
            Format::Torch => Checkpoint::Torch(torch::StateDict::open(file)?),
        })
    }
}

/// An open file of parameters.
#[derive(Debug)]
pub enum Checkpoint<'a> {
    Safetensors(::safetensors::SafeTensors<'a>),
    Torch(torch::StateDict<'a>),
}

impl Checkpoint<'_> {
    pub fn shapes(&self) -> Shapes {
        match self {
            Checkpoint::Safetensors(file) => {
                file.iter().map(|(name, view)| (name.into(), view.shape().to_vec())).collect()
            }
            Checkpoint::Torch(file) => file.shapes(),
        }
    }

    /// The parameters of these names, widened to f32 where they are f16 or bf16. Those that are not there are left out.
    ///
    /// # Errors
    /// One of another type, or with numbers that are not finite.
    pub fn read<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Weights, WeightsError> {
        let tensor = |name: &'n str| {
            let tensor = match self {
                Checkpoint::Safetensors(file) => safetensors::tensor(file, name),
                Checkpoint::Torch(file) => file.tensor(name),
            };
            tensor.and_then(|found| found.map(|tensor| finite(name, tensor)).transpose()).transpose()
        };
        names.into_iter().filter_map(tensor).collect()
    }
}

fn finite(name: &str, tensor: Tensor) -> Result<(String, Tensor), WeightsError> {
    match tensor.data.iter().filter(|number| !number.is_finite()).count() {
        0 => Ok((name.to_owned(), tensor)),
        found => Err(WeightsError::NotFinite { name: name.into(), found }),
    }
}

/// The types that parameters may have in a file.
#[derive(Debug, Clone, Copy)]
enum Float {
    F32,
    F16,
    Bf16,
}

impl Float {
    /// Little-endian numbers, widened.
    fn widen(self, bytes: &[u8]) -> Vec<f32> {
        let two = |widen: fn([u8; 2]) -> f32| bytes.as_chunks().0.iter().map(|&b| widen(b)).collect();
        match self {
            Float::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Float::F16 => two(|b| f16::from_le_bytes(b).to_f32()),
            Float::Bf16 => two(|b| bf16::from_le_bytes(b).to_f32()),
        }
    }
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
