//! Convolutions and their gradients.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use featbench_kernels::conv::{Convolution, Epilogue, Prepared, Shape};
use featbench_kernels::{Run, Scratch};
use ort::operator::KernelContext;
use ort::value::DynTensorValueType;

use super::{Call, Compute, In, Kind, floats, lengths, run, wrong};
use crate::deep::kernels::operator;

pub const ALL: [Kind; 3] = [
    Kind { name: operator::CONV, inputs: (2, 4), outputs: (1, 1), prepare: forward },
    Kind { name: operator::CONV_DATA_GRADIENT, inputs: (2, 2), outputs: (1, 1), prepare: data_gradient },
    Kind { name: operator::CONV_WEIGHT_GRADIENT, inputs: (2, 2), outputs: (1, 1), prepare: weight_gradient },
];

/// What a node states of its convolution.
#[derive(Clone, Copy)]
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [usize; 4],
    groups: usize,
}

impl Window {
    fn of(node: &KernelContext) -> ort::Result<Window> {
        Ok(Window {
            kernel: lengths(node, "kernel_shape", 0)?,
            stride: lengths(node, "strides", 1)?,
            dilation: lengths(node, "dilations", 1)?,
            padding: lengths(node, "pads", 0)?,
            groups: node.get::<i64>("group").map_or(1, |groups| groups.max(0) as usize),
        })
    }

    /// Of maps with these sides and channels.
    fn convolution(&self, input: [usize; 2], channels: usize, filters: usize) -> ort::Result<Convolution> {
        let Window { kernel, stride, dilation, padding, groups } = *self;
        let shape = Shape { input, channels, filters, kernel, stride, dilation, padding, groups };
        Convolution::new(shape).map_err(|e| wrong(e.to_string()))
    }
}

/// Filters of weights, which are as ONNX has them.
fn filters(weights: &In) -> ort::Result<usize> {
    weights.shape().first().copied().ok_or_else(|| wrong("weights of four sides are expected"))
}

/// What of a network's weights was transformed, by convolution and content.
type Known = HashMap<(Convolution, blake3::Hash), Weak<Prepared>>;

/// Constant weights, transformed: sessions of one network have them in common, since they are several times as large as
/// the weights.
fn prepared(convolution: Convolution, run: Run, weights: &[f32]) -> Arc<Prepared> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut hasher = blake3::Hasher::new();
    for some in weights.chunks(1 << 14) {
        hasher.update(&some.iter().flat_map(|weight| weight.to_le_bytes()).collect::<Vec<u8>>());
    }
    // whoever comes second waits for the first one's work
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|_, prepared| prepared.strong_count() > 0);
    let key = (convolution, hasher.finalize());
    if let Some(prepared) = known.get(&key).and_then(Weak::upgrade) {
        return prepared;
    }
    let prepared = Arc::new(convolution.prepare(run, weights));
    known.insert(key, Arc::downgrade(&prepared));
    prepared
}

/// Constant weights are transformed once for each size of the maps.
fn forward(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let window = Window::of(node)?;
    let relu = node.get::<i64>("relu").unwrap_or(0) == 1;
    let constant = node.constant_input::<DynTensorValueType>(1).is_ok();
    let mut kept: Option<Arc<Prepared>> = None;
    Ok(Box::new(move |call| {
        let (x, weights, bias, residual) = (call.input(0)?, call.input(1)?, call.optional(2)?, call.optional(3)?);
        let [images, height, width, channels] = x.sides()?;
        let convolution = window.convolution([height, width], channels, filters(&weights)?)?;
        let [rows, columns] = convolution.output();
        let sides = [images, rows, columns, convolution.shape().filters];
        let bias = bias.as_ref().map(In::floats).transpose()?;
        let run = run(call, &scratch);
        if constant && kept.as_ref().is_none_or(|kept| *kept.convolution() != convolution) {
            kept = Some(prepared(convolution, run, weights.floats()?));
        }
        let (x, weights) = (x.floats()?, weights.floats()?);
        let compute = |epilogue: &Epilogue, y: &mut [f32]| match &kept {
            Some(prepared) => prepared.forward(run, x, epilogue, y),
            None => convolution.forward(run, x, weights, epilogue, y),
        };
        match &residual {
            Some(residual) if residual.sides()? != sides => {
                let mut y = vec![0.0; sides.iter().product()];
                compute(&Epilogue { bias, ..Epilogue::default() }, &mut y);
                add_repeated(call, (&y, sides), residual, relu)
            }
            residual => {
                let residual = residual.as_ref().map(In::floats).transpose()?;
                let mut y = call.output(0, &sides)?;
                compute(&Epilogue { bias, residual, relu, ..Epilogue::default() }, floats(&mut y)?);
                Ok(())
            }
        }
    }))
}

/// The sum of two maps of which sides of length 1 are repeated, as in attention over the channels: rare, so plain.
fn add_repeated(call: &Call, (y, sides): (&[f32], [usize; 4]), other: &In, relu: bool) -> ort::Result<()> {
    let (others, other) = (other.sides()?, other.floats()?);
    let fits = (0..4).all(|axis| sides[axis] == others[axis] || sides[axis] == 1 || others[axis] == 1);
    if !fits {
        return Err(wrong(format!("maps of {sides:?} and {others:?} can't be added")));
    }
    let all: [usize; 4] = std::array::from_fn(|axis| if sides[axis] == 1 { others[axis] } else { sides[axis] });
    let mut sum = call.output(0, &all)?;
    for (i, out) in floats(&mut sum)?.iter_mut().enumerate() {
        let places = [i / (all[1] * all[2] * all[3]), i / (all[2] * all[3]) % all[1], i / all[3] % all[2], i % all[3]];
        let at = |sides: [usize; 4]| (0..4).fold(0, |at, axis| at * sides[axis] + places[axis] % sides[axis]);
        let value = y[at(sides)] + other[at(others)];
        *out = if relu && value < 0.0 { 0.0 } else { value };
    }
    Ok(())
}

fn data_gradient(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let window = Window::of(node)?;
    let input: [usize; 2] = lengths(node, "sides", 0)?;
    Ok(Box::new(move |call| {
        let (dy, weights) = (call.input(0)?, call.input(1)?);
        let [images, _, _, filters] = dy.sides()?;
        let channels = weights.shape().get(1).map_or(0, |channels| channels * window.groups);
        let convolution = window.convolution(input, channels, filters)?;
        let mut dx = call.output(0, &[images, input[0], input[1], channels])?;
        convolution.input_gradient(run(call, &scratch), weights.floats()?, dy.floats()?, floats(&mut dx)?);
        Ok(())
    }))
}

fn weight_gradient(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let window = Window::of(node)?;
    Ok(Box::new(move |call| {
        let (x, dy) = (call.input(0)?, call.input(1)?);
        let ([_, height, width, channels], [.., filters]) = (x.sides()?, dy.sides()?);
        let convolution = window.convolution([height, width], channels, filters)?;
        let [rows, columns] = window.kernel;
        let mut dw = call.output(0, &[filters, channels / window.groups.max(1), rows, columns])?;
        convolution.weight_gradient(run(call, &scratch), x.floats()?, dy.floats()?, floats(&mut dw)?);
        Ok(())
    }))
}
