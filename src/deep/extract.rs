//! Features of images: a backbone in a session of its own, fed with batches of one fixed size.
//! A worker has its own extractor; the features of an image do not depend on which images share its batch.

use super::backbone::{Backbone, BackboneError, EMBEDDED};
use super::cuda::CudaError;
use super::onnx::ModelProto;
use super::onnx::halves::computed_in_half;
use super::precision::Precision;
use super::session::{Device, Input, Session, SessionError};

/// Raised whenever the features of the same image by the same backbone change; part of every cache key.
pub const VERSION: u32 = 1;

/// A batch size that is near the fastest on the CPU and fills a small GPU.
pub const BATCH: usize = 16;

/// A backbone that is ready to be fed.
#[derive(Debug)]
pub struct Extractor {
    session: Session,
    name: String,
    input: String,
    output: String,
    dimension: usize,
    batch: usize,
    side: usize,
    /// A last, smaller batch is filled up with zeros here; the graph's shapes stay fixed.
    padded: Vec<f32>,
}

impl Extractor {
    /// Prepares `backbone` for inputs of `side` x `side` pixels in batches of `batch` images (1 for the latency of a
    /// single image). A graph that fixes its batch keeps it. On a GPU the shape is run once, because cuDNN prepares
    /// each shape when it first meets it.
    ///
    /// # Errors
    /// A side that the backbone can't take, no library, no such device.
    pub fn new(backbone: &Backbone, device: Device, side: usize, batch: usize) -> Result<Extractor, BackboneError> {
        backbone.check_side(side)?;
        let named = |reason| BackboneError::Session { name: backbone.name.clone(), reason };
        let half = device == Device::Cuda && backbone.precision == Precision::F16;
        let half =
            if half { ModelProto::read(&backbone.plain_model(side)?).ok().and_then(computed_in_half) } else { None };
        let session = match half {
            Some(model) => Session::open(&model.write(), device),
            None => Session::open(&backbone.model(side)?, device),
        };
        let session = session.map_err(named)?;
        let mut extractor = Extractor {
            session,
            name: backbone.name.clone(),
            input: backbone.ports.input.clone(),
            output: backbone.ports.output.clone(),
            dimension: backbone.dimension,
            batch: backbone.ports.batch.unwrap_or(batch).max(1),
            side,
            padded: Vec::new(),
        };
        if device == Device::Cuda {
            extractor.run(&[])?;
        }
        Ok(extractor)
    }

    /// Numbers of one image: 3 x side x side.
    pub fn image_len(&self) -> usize {
        3 * self.side * self.side
    }

    /// How many nodes each one's kernels compute: [`Session::shares`].
    ///
    /// # Errors
    /// The library does not tell.
    pub fn shares(&self) -> Result<String, BackboneError> {
        let shares = self.session.shares();
        shares.map_err(|reason| BackboneError::Session { name: self.name.clone(), reason })
    }

    /// Length of one feature vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The features of any number of images, one row of [`dimension`](Extractor::dimension) numbers each.
    /// `images` holds normalised images of 3 x side x side, one after the other.
    ///
    /// # Errors
    /// A run that fails, another number of features than expected, or one that is no finite number.
    ///
    /// # Panics
    /// When `images` is not a whole number of images.
    pub fn features(&mut self, images: &[f32]) -> Result<Vec<f32>, BackboneError> {
        let one = self.image_len();
        assert!(images.len().is_multiple_of(one), "whole images of {one} numbers");
        let mut features = Vec::new();
        for batch in images.chunks(self.batch * one) {
            let rows = self.run(batch)?;
            let rows = &rows[..batch.len() / one * self.dimension];
            if let Some(place) = rows.iter().position(|feature| !feature.is_finite()) {
                let image = features.len() / self.dimension + place / self.dimension;
                return Err(BackboneError::NotFinite { name: self.name.clone(), image });
            }
            features.extend_from_slice(rows);
        }
        Ok(features)
    }

    /// One run of the graph, padded to the fixed batch; the padding's rows are still there.
    fn run(&mut self, images: &[f32]) -> Result<Vec<f32>, BackboneError> {
        let full = self.batch * self.image_len();
        let data = if images.len() == full {
            images
        } else {
            self.padded.clear();
            self.padded.extend_from_slice(images);
            self.padded.resize(full, 0.0);
            &self.padded
        };
        let input = Input { name: &self.input, shape: &[self.batch, 3, self.side, self.side], data };
        let outputs = self.session.run(&[input], &[&self.output]);
        let outputs = outputs.map_err(|reason| BackboneError::Session { name: self.name.clone(), reason })?;
        let rows = outputs.into_iter().next().map(|tensor| tensor.data).unwrap_or_default();
        let (found, images, expected) = (rows.len(), self.batch, self.dimension);
        if found != images * expected {
            return Err(BackboneError::Output { name: self.name.clone(), found, images, expected });
        }
        Ok(rows)
    }
}

/// Largest difference between the features of two devices, relative to the largest feature.
const DEVICES_APART: f32 = 1e-3;

/// Runs the embedded backbone once at 32 px: does the device work, and does a GPU compute what the CPU computes?
/// Returns the backbone's name. What the device lacks is known before the network is opened.
///
/// # Errors
/// What is missing or wrong, with the remedy.
pub fn probe(device: Device) -> Result<String, SessionError> {
    device.start()?;
    let backbone = Backbone::open(EMBEDDED, &[]).expect("it is part of the program and tested");
    let features = |device| {
        let mut extractor = Extractor::new(&backbone, device, 32, 2).map_err(unnamed)?;
        let ramp: Vec<f32> = (0..extractor.image_len()).map(|i| i as f32 / 1500.0 - 1.0).collect();
        extractor.features(&ramp).map_err(unnamed)
    };
    let found = features(device)?;
    if device != Device::Cuda {
        return Ok(backbone.name);
    }
    let expected = features(Device::PLAIN)?;
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let apart = found.iter().zip(&expected).fold(0f32, |apart, (a, b)| apart.max((a - b).abs())) / largest;
    if apart <= DEVICES_APART { Ok(backbone.name) } else { Err(CudaError::Differs(format!("{apart:.1e}")).into()) }
}

/// The reason alone, where the backbone's name says nothing.
fn unnamed(error: BackboneError) -> SessionError {
    match error {
        BackboneError::Session { reason, .. } => reason,
        other => SessionError::Run(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::{Dimension, Graph};

    /// Eleven different images of 32 x 32 pixels.
    fn images() -> Vec<f32> {
        (0..11 * 3 * 32 * 32).map(|i| ((i * 7919 + i / 3072 * 31) % 1009) as f32 / 252.0 - 2.0).collect()
    }

    fn extractor(batch: usize) -> Extractor {
        let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
        Extractor::new(&backbone, Device::cpu(), 32, batch).unwrap()
    }

    #[test]
    fn features_do_not_depend_on_the_batch() {
        let images = images();
        let whole = extractor(8).features(&images).unwrap();
        assert_eq!(whole.len(), 11 * 512);
        let mut reversed = Vec::new();
        for image in images.chunks(3 * 32 * 32).rev() {
            reversed.extend_from_slice(image);
        }
        let reversed = extractor(8).features(&reversed).unwrap();
        for (row, other) in whole.chunks(512).zip(reversed.chunks(512).rev()) {
            assert_eq!(row, other, "the same bits at another place of the batch");
        }
        assert_eq!(extractor(1).features(&images).unwrap(), whole, "the same bits one by one");
    }

    #[test]
    fn a_graph_of_the_users_keeps_its_fixed_batch() {
        let mut graph = Graph::new("average");
        let sides = |shape: &[i64]| shape.iter().map(|&side| Dimension::Size(side)).collect::<Vec<_>>();
        graph.input("pixels", &sides(&[2, 3, 32, 32]));
        graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
        graph.output("pooled", &sides(&[2, 3, 1, 1]));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("average.onnx"), graph.model().write()).unwrap();
        let backbone = Backbone::open("average", &[folder.path().to_owned()]).unwrap();
        let mut extractor = Extractor::new(&backbone, Device::cpu(), 32, BATCH).unwrap();
        let mut images: Vec<f32> = (0..3 * 3 * 1024).map(|i| (i / 1024) as f32).collect();
        assert_eq!(extractor.features(&images).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert!(matches!(Extractor::new(&backbone, Device::cpu(), 64, 1), Err(BackboneError::Side { side: 64, .. })));
        images[2 * 3 * 1024] = f32::NAN;
        let error = extractor.features(&images).unwrap_err();
        assert!(matches!(error, BackboneError::NotFinite { image: 2, .. }), "{error}");
    }

    #[test]
    fn a_side_that_does_not_fit_is_refused() {
        let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
        let error = Extractor::new(&backbone, Device::cpu(), 100, BATCH).unwrap_err();
        assert!(matches!(error, BackboneError::Side { side: 100, .. }), "{error}");
    }

    #[test]
    fn a_device_is_probed_before_it_is_believed() {
        assert_eq!(probe(Device::cpu()), Ok(EMBEDDED.to_owned()));
        match probe(Device::Cuda) {
            Ok(name) => assert_eq!(name, EMBEDDED),
            Err(error) => assert!(matches!(error, SessionError::Cuda(_)), "{error}"),
        }
    }
}
