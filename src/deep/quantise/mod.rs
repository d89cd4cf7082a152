//! Cheaper forms of a frozen network: weights in 16-bit floats, or convolutions in 8-bit integers.
//! Int8 is static: how large values become is seen on training images first (Jacob and others 2018); the graph then states
//! how each value is rounded (QuantizeLinear and DequantizeLinear), and ONNX Runtime computes it in integers.

mod calibrate;
mod graph;
mod half;
#[cfg(test)]
mod tests;

use super::backbone::{Backbone, BackboneError};
use super::onnx::ModelProto;

pub use graph::share_of_convolutions;
pub use half::{computed_in_half, stored_in_half, widened};

/// Raised whenever a cheaper form of the same network, by the same images, changes; part of what features depend on.
pub const VERSION: u32 = 1;

/// Training images that are looked at.
pub const IMAGES: usize = 64;

/// Numbers that a frozen network is stored and computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    #[default]
    F32,
    /// Weights in 16-bit floats; computed so on a GPU, and in 32 bits on a CPU.
    F16,
    /// Convolutions in 8-bit integers.
    Int8,
}

impl Precision {
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Int8];

    /// As on the command line and, after a colon, in the names of backbones.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Int8 => "int8",
        }
    }

    /// A backbone's name without its precision, and that: `resnet18-cntk:int8`.
    pub fn split(name: &str) -> (&str, Precision) {
        let stated = name.rsplit_once(':');
        let known = |(bare, word)| Some((bare, Precision::ALL.into_iter().find(|precision| precision.name() == word)?));
        stated.and_then(known).unwrap_or((name, Precision::F32))
    }
}

/// The network in 8-bit integers, for inputs of `side` x `side` pixels. `images` are normalised images, one after the
/// other, that tell how large values become.
///
/// # Errors
/// A network that is not made of convolutions with constant weights, or can't be run.
pub fn in_int8(backbone: &Backbone, side: usize, images: &[f32]) -> Result<Backbone, BackboneError> {
    let failed = |reason: String| BackboneError::Precision { name: backbone.name.clone(), precision: "int8", reason };
    let mut model = ModelProto::read(&backbone.plain_model(side)?).map_err(|error| failed(error.to_string()))?;
    let opset = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    if let Some(old) = opset.filter(|set| set.version < 13) {
        let words = "it is written for operator set";
        return Err(failed(format!(
            "{words} {}; export it for 13 or newer (torch.onnx.export: opset_version=18)",
            old.version
        )));
    }
    let graph = model.graph.take().unwrap_or_default().with_plain_constants();
    let folded = graph::folded(widened(graph).leading_to(&[&backbone.ports.output]));
    if share_of_convolutions(&folded) < 0.5 {
        return Err(failed("less than half of its weights are in convolutions, which alone become integers".into()));
    }
    let values = graph::rounded_values(&folded);
    let ranges = calibrate::ranges(&model, &folded, &values, &backbone.ports, side, images)
        .map_err(|error| failed(error.to_string()))?;
    model.graph = Some(graph::quantised(folded, &ranges));
    let bytes = model.with_plain_constants().write();
    let hash = blake3::hash(&bytes).to_hex()[..16].to_owned();
    Ok(backbone.with_model(bytes, format!("{} {hash}", backbone.identity), None))
}
