//! Graphs without inputs: what follows from constants alone.

use ort::session::RunOptions;
use ort::value::DynValue;

use super::{Device, Session, SessionError, one_line};
use crate::deep::onnx::{BOOL, FLOAT, INT32, INT64, ModelProto, TensorProto};

/// The outputs of a graph that has no inputs, in their order; they are floats or integers of any type or truth values.
///
/// # Errors
/// A model that the library refuses, a failing node, an output of another type.
pub fn evaluate(model: &ModelProto) -> Result<Vec<TensorProto>, SessionError> {
    let names: Vec<&str> =
        model.graph.iter().flat_map(|graph| &graph.output).map(|value| value.name.as_str()).collect();
    let mut session = Session::prepare(&model.write(), Device::PLAIN, 1, None)?.session;
    let failed = |error: ort::Error| SessionError::Run(one_line(&error));
    let options = RunOptions::new().map_err(failed)?;
    let nothing: Vec<(&str, ort::session::SessionInputValue)> = Vec::new();
    let values = session.run_with_options(nothing, &options).map_err(failed)?;
    names.iter().map(|name| constant(name, &values[*name]).map_err(failed)).collect()
}

fn constant(name: &str, value: &DynValue) -> ort::Result<TensorProto> {
    let made = |shape: &[i64], data_type, raw_data| TensorProto {
        dims: shape.to_vec(),
        data_type,
        raw_data,
        name: name.into(),
        ..Default::default()
    };
    if let Ok((shape, data)) = value.try_extract_tensor::<f32>() {
        return Ok(made(shape, FLOAT, data.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<i64>() {
        return Ok(made(shape, INT64, data.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<i32>() {
        return Ok(made(shape, INT32, data.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    let (shape, data) = value.try_extract_tensor::<bool>()?;
    Ok(made(shape, BOOL, data.iter().map(|&v| u8::from(v)).collect()))
}
