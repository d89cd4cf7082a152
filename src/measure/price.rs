//! What an arm costs on paper, before a clock is looked at: numbers learned, multiply-adds of an image, bytes of its file.

use anyhow::{Context, Result};

use crate::dataset::Dataset;
use crate::deep::onnx::ModelProto;
use crate::features::Resources;

use super::chosen::Chosen;
use super::export;
use super::plan::Planned;

/// As in the columns of these names.
#[derive(Debug, Default)]
pub(super) struct Price {
    pub parameters: Option<u64>,
    pub multiply_adds: Option<u64>,
    pub file_bytes: Option<u64>,
}

/// Bytes of a learned number.
const NUMBER: u64 = 4;

/// # Errors
/// A network that can't be read.
pub(super) fn price(
    chosen: &Chosen,
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    temperature: Option<f64>,
) -> Result<Price> {
    let file_bytes = export::size(chosen, planned, dataset, resources, temperature)?;
    let (numbers, products) = chosen.fit.classifier.size();
    let Some(backbone) = chosen.features.network() else {
        // what features learned is 32-bit numbers nearly throughout
        let learned = chosen.features.state().map(|state| state.len() as u64 / NUMBER);
        return Ok(Price { parameters: learned.map(|learned| learned + numbers), multiply_adds: None, file_bytes });
    };
    let side = resources.input as usize;
    let model = ModelProto::read(&backbone.model(side)?).with_context(|| backbone.name.clone())?;
    let graph = model.with_plain_constants().graph.unwrap_or_default();
    let features = backbone.ports.output.as_str();
    Ok(Price {
        parameters: Some(graph.parameters_of(features) + numbers),
        multiply_adds: graph.multiply_adds_of(features, side).map(|network| network + products),
        file_bytes,
    })
}
