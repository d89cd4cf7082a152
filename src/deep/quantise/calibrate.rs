//! How large the values of a network become on images.

use std::collections::BTreeMap;

use super::graph::Range;
use crate::deep::onnx::ports::Ports;
use crate::deep::onnx::{GraphProto, ModelProto, ValueInfoProto};
use crate::deep::session::{Device, Input, Session, SessionError};

/// Images at a time.
const BATCH: usize = 4;

/// Smallest and largest number of each value, over all images.
pub fn ranges(
    model: &ModelProto,
    graph: &GraphProto,
    values: &[String],
    ports: &Ports,
    side: usize,
    images: &[f32],
) -> Result<BTreeMap<String, Range>, SessionError> {
    let mut graph = graph.clone();
    let given = |name: &String| graph.input.iter().any(|input| input.name == *name);
    let (fed, made): (Vec<&String>, Vec<&String>) = values.iter().partition(|name| given(name));
    let known = |name: &&&String| !graph.output.iter().any(|output| output.name == ***name);
    let outputs: Vec<ValueInfoProto> = made.iter().filter(known).map(|name| ValueInfoProto::unshaped(name)).collect();
    graph.output.extend(outputs);
    let model = ModelProto { graph: Some(graph), ..model.clone() };
    let mut session = Session::open(&model.write(), Device::PLAIN)?;
    let mut ranges: BTreeMap<String, Range> = BTreeMap::new();
    let mut see = |name: &str, data: &[f32]| {
        let range = ranges.entry(name.to_owned()).or_default();
        for &value in data {
            *range = Range { least: range.least.min(value), most: range.most.max(value) };
        }
    };
    let (one, batch) = (3 * side * side, ports.batch.unwrap_or(BATCH));
    let names: Vec<&str> = made.iter().map(|name| name.as_str()).collect();
    for images in images.chunks(batch * one) {
        let mut padded = images.to_vec();
        while padded.len() < batch * one {
            // shown again rather than black, which no image is
            padded.extend_from_slice(&images[..one]);
        }
        let input = Input { name: &ports.input, shape: &[batch, 3, side, side], data: &padded };
        let outputs = session.run(&[input], &names)?;
        fed.iter().for_each(|name| see(name, &padded));
        names.iter().zip(outputs).for_each(|(name, tensor)| see(name, &tensor.data));
    }
    Ok(ranges)
}
