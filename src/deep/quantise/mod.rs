//! A frozen network with its convolutions in 8-bit integers. The form is static: how large values become is seen on
//! training images first (Jacob and others 2018); the graph then states how each value is rounded (QuantizeLinear and
//! DequantizeLinear), and ONNX Runtime computes it in integers.

mod calibrate;
mod graph;
#[cfg(test)]
mod tests;

use super::backbone::{Backbone, BackboneError};
use super::onnx::ModelProto;
use super::onnx::halves::widened;

/// The first operator set that rounds a channel at a time.
const OPSET: i64 = 13;

/// Training images that are looked at.
pub const IMAGES: usize = 64;

/// The network in 8-bit integers, for inputs of `side` x `side` pixels. `images` are normalised images, one after the
/// other, that tell how large values become.
///
/// # Errors
/// A network that is not made of convolutions with constant weights, or can't be run.
pub fn in_int8(backbone: &Backbone, side: usize, images: &[f32]) -> Result<Backbone, BackboneError> {
    let failed = |reason: String| BackboneError::Precision { name: backbone.name.clone(), precision: "int8", reason };
    let mut model = ModelProto::read(&backbone.plain_model(side)?).map_err(|error| failed(error.to_string()))?;
    if model.opset() < OPSET {
        return Err(failed(format!(
            "it is written for operator set {}; export it for {OPSET} or newer (torch.onnx.export: opset_version=18)",
            model.opset()
        )));
    }
    let graph = model.graph.take().unwrap_or_default().with_plain_constants();
    let folded = graph::folded(widened(graph).leading_to(&[&backbone.ports.output]));
    if graph::share_of_convolutions(&folded) < 0.5 {
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
