//! A network's file: read up to a stated size, and for ONNX what is to be known of the graph before anything is computed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{BackboneError, Content, Opened};
use crate::deep::Tensor;
use crate::deep::onnx::ports::{Found, LONGEST, Ports, normalised_by};
use crate::deep::onnx::{GraphProto, ModelProto};
use crate::deep::session::{Device, Input, Session, SessionError};
use crate::deep::settings::Settings;
use crate::deep::weights;

/// Bytes that a network's file may have.
const LARGEST: u64 = 4 << 30;

/// Side in pixels of the image that tells how long the features are, where the file fixes none.
const PROBED: usize = 224;

/// The bytes of a file, joined where it is an index of others.
///
/// # Errors
/// It can't be read, or is too large to be a network; without its name.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path.extension().is_some_and(|ending| ending == "json") {
        return weights::joined(path, read_one).map_err(|error| error.to_string());
    }
    read_one(path)
}

fn read_one(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(format!("has {} GiB; networks of up to {} GiB are read", size >> 30, LARGEST >> 30));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Opens the bytes of an ONNX file.
pub fn opened(path: &Path, bytes: Vec<u8>, settings: Option<Settings>) -> Result<Opened, BackboneError> {
    let failed = |reason: String| BackboneError::Onnx { path: path.to_owned(), reason };
    let mut model = ModelProto::read(&bytes).map_err(|e| failed(e.to_string()))?;
    let beside = model.take_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let bytes = if beside.is_empty() { bytes } else { model.write() };
    let beside: String = beside.into_iter().map(|(file, sha256)| format!(" beside {file} {sha256}")).collect();
    let settings = settings.map_or_else(|| Settings::within(&model), |stated| Ok(Some(stated)));
    let settings = settings.map_err(failed)?.unwrap_or_default();
    let graph = model.graph.unwrap_or_default().with_plain_constants();
    let Found { ports, dimension, lacking, taken } = Ports::of(&graph, settings.output.as_deref()).map_err(failed)?;
    if let Some(how) = normalised_by(&graph, &ports.input).filter(|_| settings.normalisation.is_none()) {
        return Err(failed(format!(
            "{how}, so the network normalises its images itself, and they would be normalised twice: state in a TOML file \
             beside it `mean = [0, 0, 0]` and `std = [1, 1, 1]` where it expects pixels from 0 to 1, with `scale = 255` where \
             it expects them from 0 to 255"
        )));
    }
    graph.finite_weights().map_err(failed)?;
    drop(graph);
    let cut = if ports.logits.is_some() || !lacking.node.is_empty() {
        format!(" before its last layer, {}{beside}", ports.output)
    } else {
        beside
    };
    let bytes = with_lacking(bytes, lacking);
    let dimension = match dimension {
        Some(dimension) => dimension,
        None => probed(&bytes, &ports, settings.input).map_err(failed)?,
    };
    Ok(Opened { content: Content::Onnx(bytes), dimension, ports, settings, cut, taken: Some(taken) })
}

/// The file with its features as an output too. Messages of this format that follow one another are read as one, so that
/// nothing of the file is written anew.
fn with_lacking(mut bytes: Vec<u8>, lacking: GraphProto) -> Vec<u8> {
    if lacking != GraphProto::default() {
        bytes.extend(ModelProto { graph: Some(lacking), ..Default::default() }.write());
    }
    bytes
}

/// How many features an image has, where only a run tells.
fn probed(bytes: &[u8], ports: &Ports, stated: Option<u32>) -> Result<usize, String> {
    let side = ports.side.or(stated.map(|side| side as usize)).unwrap_or(PROBED);
    let images = ports.batch.unwrap_or(1);
    let data = vec![0.5; images * 3 * side * side];
    let input = Input { name: &ports.input, shape: &[images, 3, side, side], data: &data };
    let run = || Session::open(bytes, Device::PLAIN)?.run(&[input], &[&ports.output]);
    let told =
        |error: SessionError| format!("how many features it gives is not stated, and running it once failed: {error}");
    let found = run().map_err(told)?.pop().unwrap_or_else(|| Tensor::new(&[0], Vec::new()));
    let vector = match found.shape[..] {
        [rows, dimension] | [rows, dimension, 1, 1] if rows == images => Some(dimension),
        _ => None,
    };
    vector.filter(|dimension| (1..=LONGEST).contains(dimension)).ok_or_else(|| {
        let sides = found.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        format!(
            "`{}` is {sides} for {images} images of {side} px, and not a vector an image; name a value that is one as `output` \
             in a TOML file beside it, which may be an inner one",
            ports.output
        )
    })
}
