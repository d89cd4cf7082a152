//! Exported networks: plain ONNX files that say themselves how an image is prepared for them and what their numbers mean.
//! [`export`] makes one of a backbone, [`export_with_head`] of a trained or fitted one, [`Exported`] classifies with one.

mod description;

use super::backbone::{Backbone, BackboneError};
use super::network::{FEATURES, LOGITS};
use super::onnx::{Attribute, Dimension, GraphProto, ModelProto, NodeProto, OnnxError, ValueInfoProto};
use super::session::{Device, Input, Session, SessionError};
use crate::image::Rgb;

pub use description::{Description, Preprocessing, Scores};

/// Why a file can't be exported or used.
#[derive(Debug, thiserror::Error)]
pub enum ExportedError {
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(
        "its metadata does not say how images are prepared for it; `featbench export --backbone NAME --model-dir FOLDER` \
         makes a file of FOLDER/NAME.onnx that does"
    )]
    NoDescription,
    #[error("its metadata `{key}` can't be read ({reason}); export it again")]
    Description { key: &'static str, reason: String },
    #[error(
        "it has features and no `{LOGITS}`, so it tells no classes; `featbench export --arm` makes a file that does"
    )]
    NoLogits,
    #[error("it has {logits} logits, but names {labels} classes; export it again")]
    Labels { logits: usize, labels: usize },
    #[error("it does not run with a batch of any size: {0}; export the network with a free first side")]
    Batch(SessionError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The network as one file: outputs [`FEATURES`] and, where it has a classifier, [`LOGITS`], a free batch, and
/// `description` in its metadata. It has been run with two images. What was exported before keeps its classes and canvas.
///
/// # Errors
/// A network that can't be read or whose graph fixes its batch.
pub fn export(backbone: &Backbone, description: &Description) -> Result<Vec<u8>, ExportedError> {
    let model = ModelProto::read(&backbone.model(description.preprocessing.crop as usize)?)?;
    let outputs = model.graph.iter().flat_map(|graph| &graph.output);
    let called_so = backbone.ports.output != LOGITS && outputs.into_iter().any(|output| output.name == LOGITS);
    let logits = backbone.ports.logits.as_deref().or(called_so.then_some(LOGITS));
    match Description::read(&model)? {
        Some(known) => written(model, backbone, logits, &description.clone().after(known)),
        None => written(model, backbone, logits, description),
    }
}

/// The same for `model`, which is `backbone` with another classifier behind its features: output [`LOGITS`].
///
/// # Errors
/// As for [`export`].
pub fn export_with_head(
    model: ModelProto,
    backbone: &Backbone,
    description: &Description,
) -> Result<Vec<u8>, ExportedError> {
    written(model, backbone, Some(LOGITS), description)
}

fn written(
    mut model: ModelProto,
    backbone: &Backbone,
    logits: Option<&str>,
    description: &Description,
) -> Result<Vec<u8>, ExportedError> {
    let graph = model.graph.take().unwrap_or_default().with_plain_constants();
    model.graph = Some(with_our_outputs(graph, backbone, logits));
    description.write(&mut model)?;
    let bytes = model.write();
    let two = vec![0.0; 2 * description.preprocessing.numbers()];
    Exported::open(&bytes, Device::Cpu, 1)?.run(&two, FEATURES).map_err(ExportedError::Batch)?;
    Ok(bytes)
}

/// What leads to features and logits, which get our names, and nothing else.
fn with_our_outputs(mut graph: GraphProto, backbone: &Backbone, logits: Option<&str>) -> GraphProto {
    let features = backbone.ports.output.as_str();
    let known = std::mem::take(&mut graph.output);
    let shape = |name: &str| known.iter().find(|value| value.name == name).and_then(ValueInfoProto::float_shape);
    let wanted: Vec<&str> = [features].into_iter().chain(logits).collect();
    graph = graph.leading_to(&wanted);
    graph.rename(features, FEATURES);
    if shape(features).is_some_and(|shape| shape.len() == 4) {
        let (map, flat) = ("features (map)", [("axis", Attribute::Int(1))]);
        graph.rename(FEATURES, map);
        let node = NodeProto::new("Flatten", &[map], &flat, &[FEATURES]);
        graph.node.push(NodeProto { name: "features (vector)".into(), ..node });
    }
    let sides = |side| [Dimension::Name("batch".into()), side];
    graph.output.push(ValueInfoProto::float(FEATURES, &sides(Dimension::Size(backbone.dimension as i64))));
    if let Some(logits) = logits {
        let classes = match shape(logits).as_deref() {
            Some([_, Some(classes)]) => Dimension::Size(*classes as i64),
            _ => Dimension::Name("classes".into()),
        };
        // they have changed places with the features where they had that name
        graph.rename(if logits == FEATURES { features } else { logits }, LOGITS);
        graph.output.push(ValueInfoProto::float(LOGITS, &sides(classes)));
    }
    graph.free_batch();
    graph
}

/// An exported network, ready to classify.
#[derive(Debug)]
pub struct Exported {
    pub description: Description,
    session: Session,
    input: String,
    has_logits: bool,
}

impl Exported {
    /// Prepares the bytes of a file.
    ///
    /// # Errors
    /// Not an ONNX file, no description, a model that the library refuses, no such device.
    pub fn open(bytes: &[u8], device: Device, threads: usize) -> Result<Exported, ExportedError> {
        let model = ModelProto::read(bytes)?;
        let description = Description::read(&model)?.ok_or(ExportedError::NoDescription)?;
        let graph = model.graph.unwrap_or_default();
        let input = graph.fed_inputs().next().map(|value| value.name.clone()).unwrap_or_default();
        let has_logits = graph.output.iter().any(|output| output.name == LOGITS);
        drop(graph);
        Ok(Exported { description, session: Session::open_with_threads(bytes, device, threads)?, input, has_logits })
    }

    /// The logits of each picture, one a class in the order of the labels.
    ///
    /// # Errors
    /// A file without logits or with other labels, a failing node.
    pub fn logits(&mut self, pictures: &[Rgb]) -> Result<Vec<Vec<f32>>, ExportedError> {
        if !self.has_logits {
            return Err(ExportedError::NoLogits);
        }
        let preprocessing = &self.description.preprocessing;
        let mut images = vec![0.0; pictures.len() * preprocessing.numbers()];
        for (picture, out) in pictures.iter().zip(images.chunks_exact_mut(preprocessing.numbers())) {
            preprocessing.prepare(picture, out);
        }
        let data = self.run(&images, LOGITS)?;
        let rows: Vec<Vec<f32>> =
            data.chunks((data.len() / pictures.len().max(1)).max(1)).map(<[f32]>::to_vec).collect();
        let (logits, labels) = (rows.first().map_or(0, Vec::len), self.description.labels.len());
        if labels > 0 && labels != logits { Err(ExportedError::Labels { logits, labels }) } else { Ok(rows) }
    }

    fn run(&mut self, images: &[f32], output: &str) -> Result<Vec<f32>, SessionError> {
        let side = self.description.preprocessing.crop as usize;
        let count = images.len() / self.description.preprocessing.numbers();
        let input = Input { name: &self.input, shape: &[count, 3, side, side], data: images };
        Ok(self.session.run(&[input], &[output])?.into_iter().flat_map(|tensor| tensor.data).collect())
    }
}

#[cfg(test)]
mod tests;
