//! Pretrained parameters by name, out of the files that they lie in. A file is checked against what a network needs before
//! anything is computed; what does not fit is named. [`naming`](super::network::naming) knows what tensors are called.

mod pickle;
mod safetensors;
mod sharded;
mod torch;
mod zip;

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};

use super::Tensor;
pub use sharded::joined;

/// Parameters by name.
pub type Weights = BTreeMap<String, Tensor>;

/// The shape of each parameter, by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// What can be done with weights that are none of a network that is built here.
const AS_ONNX: &str = "; other networks come as ONNX files, with their weights: in Python, torch.onnx.export(model.eval(), \
                       (torch.zeros(1, 3, 224, 224),), \"NAME.onnx\")";

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("not a safetensors file ({0})")]
    Safetensors(String),
    #[error("not a PyTorch state dict that can be read: {0}")]
    Torch(String),
    #[error("tensor `{name}` has the type {found}; f64, f32, f16 or bf16 is expected")]
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
    #[error("among its {0} tensors there is no ResNet (`layer1.0.conv1.weight`, under whatever prefix), no VGG \
             (`features.0.weight`) and no EfficientNet-Lite (`_conv_stem.weight`){remedy}", remedy = AS_ONNX)]
    UnknownFamily(usize),
    #[error("it begins like {family}, and is another network: {reason}{remedy}", remedy = AS_ONNX)]
    Misfit { family: &'static str, reason: Box<WeightsError> },
    #[error("{0}")]
    Sharded(String),
}

/// Indices of files that lie beside them in shards, which are read as one file of safetensors.
const SHARDED_SAFETENSORS: &str = "safetensors.index.json";
const SHARDED_TORCH: &str = "bin.index.json";

/// How the names of files of parameters end, in the order in which they are preferred.
pub const ENDINGS: [&str; 7] = ["safetensors", SHARDED_SAFETENSORS, "pth", "pt", "ckpt", "bin", SHARDED_TORCH];

/// What a network's file is called, without its ending; `None` for a file of another kind and for one shard of several.
pub fn name_of(path: &Path) -> Option<&str> {
    match Format::named(path) {
        Some((name, _)) => Some(name),
        None => path.extension().filter(|ending| *ending == "onnx").and(path.file_stem()?.to_str()),
    }
}

/// How a file holds parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    /// A state dict that `torch.save` wrote.
    Torch,
}

impl Format {
    /// By the ending of a file's name, one of [`ENDINGS`].
    pub fn of(path: &Path) -> Option<Format> {
        Format::named(path).map(|(_, format)| format)
    }

    /// The file's name without its ending, and its format; `None` for another file and for one shard of several.
    pub fn named(path: &Path) -> Option<(&str, Format)> {
        let name = path.file_name()?.to_str()?;
        let (stem, ending) =
            ENDINGS.iter().find_map(|ending| Some((name.strip_suffix(ending)?.strip_suffix('.')?, ending)))?;
        let numbered = |part: &str| part.len() == 5 && part.bytes().all(|byte| byte.is_ascii_digit());
        let shard = stem.rsplit_once("-of-").is_some_and(|(before, last)| {
            numbered(last) && before.rsplit_once('-').is_some_and(|(_, number)| numbered(number))
        });
        let format = match *ending {
            "safetensors" | SHARDED_SAFETENSORS | SHARDED_TORCH => Format::Safetensors,
            _ => Format::Torch,
        };
        (!shard).then_some((stem, format))
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

    /// The parameters of these names as f32. Those that are not there are left out.
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
    F64,
}

impl Float {
    /// Little-endian numbers as f32.
    fn widen(self, bytes: &[u8]) -> Vec<f32> {
        let two = |widen: fn([u8; 2]) -> f32| bytes.as_chunks().0.iter().map(|&b| widen(b)).collect();
        match self {
            Float::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Float::F16 => two(|b| f16::from_le_bytes(b).to_f32()),
            Float::Bf16 => two(|b| bf16::from_le_bytes(b).to_f32()),
            Float::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        }
    }
}

/// Are the `expected` parameters there?
///
/// # Errors
/// The first tensor that is missing or misshaped, in the network's order.
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
    Ok(())
}
