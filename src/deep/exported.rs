//! Exported networks: plain ONNX files that say themselves how an image is prepared for them and what their numbers mean.
//! [`export`] makes one of a backbone, [`export_with_head`] of a trained or fitted one, [`Exported`] classifies with one.

mod description;

use super::backbone::{Backbone, BackboneError};
use super::extract::Extractor;
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
    #[error(
        "the exported file gives other {what} than featbench computes ({apart:.1e} apart, of {largest:.1e}), so it was not \
         written: the network depends on the images that share its batch, or uses what export can't write; export it again in \
         32-bit float for inference (`model.eval()`)"
    )]
    Differs { what: &'static str, apart: f32, largest: f32 },
    #[error(
        "its {0} are no finite numbers (NaN or infinite): the network is damaged or its training diverged; train it again"
    )]
    NotFinite(&'static str),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What featbench computes of features, row by row: the scores of every class.
pub type Score<'a> = &'a dyn Fn(&[f32]) -> Vec<f32>;

/// Largest difference from what featbench computes, relative to the largest number.
const APART: f32 = 1e-3;

/// The network as one file: outputs [`FEATURES`] and, where it has a classifier, [`LOGITS`], a free batch, and
/// `description` in its metadata. It has been run, with two images and with one, and gives what the backbone gives. What was
/// exported before keeps its classes and canvas.
///
/// # Errors
/// A network that can't be read or whose graph fixes its batch, a file that gives something else, or no finite numbers.
pub fn export(backbone: &Backbone, description: &Description) -> Result<Vec<u8>, ExportedError> {
    let model = ModelProto::read(&backbone.model(description.preprocessing.crop as usize)?)?;
    let outputs = model.graph.iter().flat_map(|graph| &graph.output);
    let called_so = backbone.ports.output != LOGITS && outputs.into_iter().any(|output| output.name == LOGITS);
    let logits = backbone.ports.logits.as_deref().or(called_so.then_some(LOGITS));
    match Description::read(&model)? {
        Some(known) => written(model, backbone, (logits, None), &description.clone().after(known)),
        None => written(model, backbone, (logits, None), description),
    }
}

/// The same for `model`, which is `backbone` with another classifier behind its features: output [`LOGITS`], which must be
/// what `score` gives, up to one number a row where the description calls them logits.
///
/// # Errors
/// As for [`export`].
pub fn export_with_head(
    model: ModelProto,
    backbone: &Backbone,
    description: &Description,
    score: Score,
) -> Result<Vec<u8>, ExportedError> {
    written(model, backbone, (Some(LOGITS), Some(score)), description)
}

fn written(
    model: ModelProto,
    backbone: &Backbone,
    (logits, score): (Option<&str>, Option<Score>),
    description: &Description,
) -> Result<Vec<u8>, ExportedError> {
    let mut model = model.with_plain_constants();
    let graph = model.graph.take().unwrap_or_default();
    model.graph = Some(with_our_outputs(graph, backbone, logits));
    description.write(&mut model)?;
    let bytes = model.write();
    compare(&bytes, backbone, description, score)?;
    Ok(bytes)
}

/// Runs the file on two pictures and on the first alone, and compares with what featbench computes of them.
fn compare(
    bytes: &[u8],
    backbone: &Backbone,
    description: &Description,
    score: Option<Score>,
) -> Result<(), ExportedError> {
    let preprocessing = &description.preprocessing;
    let one = preprocessing.numbers();
    let mut images = vec![0.0; 2 * one];
    for (seed, image) in (0..).zip(images.chunks_exact_mut(one)) {
        preprocessing.prepare(&pattern(seed), image);
    }
    let mut exported = Exported::open(bytes, Device::PLAIN, 1)?;
    let found = exported.run(&images, FEATURES).map_err(ExportedError::Batch)?;
    let features = Extractor::new(backbone, Device::cpu(), preprocessing.crop as usize, 2)?.features(&images)?;
    same(FEATURES, &found, &features)?;
    let alone = exported.run(&images[..one], FEATURES)?;
    same(FEATURES, &alone, &features[..backbone.dimension])?;
    if exported.has_logits {
        let logits = exported.run(&images, LOGITS)?;
        if !logits.chunks((logits.len() / 2).max(1)).all(are_scores) {
            return Err(ExportedError::NotFinite(LOGITS));
        }
        if let Some(score) = score {
            let level = |scores: &[f32]| match description.scores {
                Scores::Logits => below_the_largest(scores),
                Scores::Margins => scores.to_vec(),
            };
            same(LOGITS, &level(&logits), &level(&score(&features)))?;
        }
    }
    Ok(())
}

/// A small picture with edges and colours.
fn pattern(seed: u32) -> Rgb {
    let (width, height) = (48, 40);
    let level = |i: u32| ((i % 3 * 90 + (i / 3 % width) * (seed + 2) * 5 + i / (3 * width) * 7) % 256) as u8;
    Rgb { width, height, data: (0..3 * width * height).map(level).collect() }
}

/// The scores of two images, each row less its largest number: logits are known up to one number a row.
fn below_the_largest(scores: &[f32]) -> Vec<f32> {
    let rows = scores.chunks((scores.len() / 2).max(1));
    rows.flat_map(|row| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter().map(move |score| score - largest)
    })
    .collect()
}

/// Are these the scores of an image? Minus infinity is that of a class that no training image showed.
pub fn are_scores(row: &[f32]) -> bool {
    row.iter().all(|&score| score.is_finite() || score == f32::NEG_INFINITY)
        && row.iter().any(|score| score.is_finite())
}

fn same(what: &'static str, found: &[f32], expected: &[f32]) -> Result<(), ExportedError> {
    let largest =
        expected.iter().filter(|number| number.is_finite()).fold(0f32, |largest, number| largest.max(number.abs()));
    let apart = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { (a - b).abs() };
    let apart = match found.len() == expected.len() {
        true => {
            found.iter().zip(expected).map(apart).fold(0f32, |most, apart| if apart <= most { most } else { apart })
        }
        false => f32::INFINITY,
    };
    if apart <= APART * largest.max(f32::MIN_POSITIVE) {
        Ok(())
    } else {
        Err(ExportedError::Differs { what, apart, largest })
    }
}

/// What leads to features and logits, which get our names, and nothing else.
fn with_our_outputs(mut graph: GraphProto, backbone: &Backbone, logits: Option<&str>) -> GraphProto {
    let features = backbone.ports.output.as_str();
    let known = std::mem::take(&mut graph.output);
    let shape = |name: &str| known.iter().find(|value| value.name == name).and_then(ValueInfoProto::float_shape);
    let wanted: Vec<&str> = [features].into_iter().chain(logits).collect();
    graph = graph.leading_to(&wanted);
    graph.rename(features, FEATURES);
    // of an inner value the number of sides is not known
    if shape(features).is_none_or(|shape| shape.len() != 2) {
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
        if model.lies_elsewhere() {
            let reason = "its numbers lie in another file; a file of `featbench export` holds them itself".to_owned();
            return Err(OnnxError::Content(reason).into());
        }
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
        let (logits, labels) = (data.len() / pictures.len().max(1), self.description.labels.len());
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
