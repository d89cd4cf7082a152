//! A network's file: read up to a stated size, and for ONNX what is to be known of the graph before anything is computed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{BackboneError, Content, Opened};
use crate::deep::onnx::ports::{Adapted, Found, LONGEST, Ports, Shape, normalised_by, pooled, to_pool};
use crate::deep::onnx::{GraphProto, ModelProto, ValueInfoProto};
use crate::deep::session::{Device, Input, Session, SessionError};
use crate::deep::settings::{Pooling, Settings};
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
    open(path, bytes, settings).map_err(|reason| BackboneError::Onnx { path: path.to_owned(), reason })
}

fn open(path: &Path, bytes: Vec<u8>, settings: Option<Settings>) -> Result<Opened, String> {
    let mut model = ModelProto::read(&bytes).map_err(|error| error.to_string())?;
    let beside = model.take_in(path.parent().unwrap_or(Path::new(".")))?;
    let settings = settings.map_or_else(|| Settings::within(&model), |stated| Ok(Some(stated)))?.unwrap_or_default();
    let graph = model.graph.get_or_insert_default();
    let adapted = graph.fed_plainly(settings.layout, settings.element)?;
    let widened = graph.giving_floats();
    let as_it_is = beside.is_empty() && adapted == Adapted::default() && !widened;
    let bytes = if as_it_is { bytes } else { model.write() };
    let beside: String = beside.into_iter().map(|(file, sha256)| format!(" beside {file} {sha256}")).collect();
    let opset = model.opset();
    let graph = model.graph.unwrap_or_default().with_plain_constants();
    let mut found = Ports::of(&graph, settings.output.as_deref(), settings.pooling.is_some())?;
    if let Some(how) = normalised_by(&graph, &found.ports.input).filter(|_| settings.normalisation.is_none()) {
        return Err(format!(
            "{how}, so the network normalises its images itself, and they would be normalised twice: state in a TOML file \
             beside it `mean = [0, 0, 0]` and `std = [1, 1, 1]` where it expects pixels from 0 to 1, with `scale = 255` where \
             it expects them from 0 to 255"
        ));
    }
    graph.finite_weights()?;
    if let Some(pooling) = settings.pooling {
        pool(&mut found, &graph, &bytes, (pooling, adapted.channels_last, opset), settings.input)?;
    }
    drop(graph);
    let Found { ports, dimension, lacking, taken } = found;
    let cut = if settings.pooling.is_none() && (ports.logits.is_some() || !lacking.node.is_empty()) {
        format!(" before its last layer, {}{beside}", ports.output)
    } else {
        beside
    };
    let bytes = with_lacking(bytes, lacking);
    let dimension = match dimension {
        Some(dimension) => dimension,
        None => vector(&probed(&bytes, &ports, settings.input)?, &ports)?,
    };
    Ok(Opened { content: Content::Onnx(bytes), dimension, ports, settings, cut, taken: Some(taken), adapted })
}

/// Puts the vector that is pooled of what was found in its place.
fn pool(
    found: &mut Found,
    graph: &GraphProto,
    bytes: &[u8],
    (pooling, channels_last, opset): (Pooling, bool, i64),
    side: Option<u32>,
) -> Result<(), String> {
    let output = found.ports.output.clone();
    let stated = graph.output.iter().chain(&graph.value_info).find(|value| value.name == output);
    let sides = match stated.and_then(ValueInfoProto::float_shape) {
        Some(sides) => sides,
        None => {
            let whole = with_lacking(bytes.to_vec(), found.lacking.clone());
            probed(&whole, &found.ports, side)?.into_iter().map(Some).collect()
        }
    };
    let shape = Shape::of(&output, sides.len(), channels_last, pooling)?;
    let (lacking, vector) = pooled(&output, shape, pooling, opset);
    (found.lacking, found.ports.output, found.ports.logits) = (lacking, vector, None);
    found.dimension = sides[shape.channels()];
    found.taken.push_str(match pooling {
        Pooling::Mean => ", averaged as is stated",
        Pooling::Cls => ", its first token as is stated",
        Pooling::Gem => ", its generalised mean as is stated",
    });
    Ok(())
}

/// The file with its features as an output too. Messages of this format that follow one another are read as one, so that
/// nothing of the file is written anew.
fn with_lacking(mut bytes: Vec<u8>, lacking: GraphProto) -> Vec<u8> {
    if lacking != GraphProto::default() {
        bytes.extend(ModelProto { graph: Some(lacking), ..Default::default() }.write());
    }
    bytes
}

/// The sides of what is taken, where only a run tells.
fn probed(bytes: &[u8], ports: &Ports, stated: Option<u32>) -> Result<Vec<usize>, String> {
    let side = ports.side.or(stated.map(|side| side as usize)).unwrap_or(PROBED);
    let images = ports.batch.unwrap_or(1);
    let data = vec![0.5; images * 3 * side * side];
    let input = Input { name: &ports.input, shape: &[images, 3, side, side], data: &data };
    let run = || Session::open(bytes, Device::PLAIN)?.run(&[input], &[&ports.output]);
    let told =
        |error: SessionError| format!("how many features it gives is not stated, and running it once failed: {error}");
    Ok(run().map_err(told)?.pop().map(|tensor| tensor.shape).unwrap_or_default())
}

/// The length of a vector of these sides, which must be one.
fn vector(shape: &[usize], ports: &Ports) -> Result<usize, String> {
    let images = ports.batch.unwrap_or(1);
    let vector = match *shape {
        [rows, dimension] | [rows, dimension, 1, 1] if rows == images => Some(dimension),
        _ => None,
    };
    vector.filter(|dimension| (1..=LONGEST).contains(dimension)).ok_or_else(|| {
        let sides = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        let pooling = to_pool(shape.len()).map_or_else(String::new, |words| format!("{words}, or "));
        format!(
            "`{}` is {sides} for {images} images, and not a vector an image; {pooling}name a value that is one as `output` in \
             a TOML file beside it, which may be an inner one",
            ports.output
        )
    })
}
