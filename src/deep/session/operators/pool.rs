//! Pooling and its gradients, and maps in another layout.

use std::sync::Arc;

use featbench_kernels::pooling::{Pooling, Window};
use featbench_kernels::{Scratch, layout};
use ort::operator::KernelContext;

use super::{Compute, Kind, PLACES, bytes, floats, lengths, run, wrong};
use crate::deep::kernels::operator;

pub const ALL: [Kind; 6] = [
    Kind { name: operator::MAX_POOL, inputs: (1, 1), outputs: (1, 2), prepare: max },
    Kind { name: operator::MAX_POOL_GRADIENT, inputs: (2, 2), outputs: (1, 1), prepare: max_gradient },
    Kind { name: operator::GLOBAL_AVERAGE_POOL, inputs: (1, 1), outputs: (1, 1), prepare: global },
    Kind { name: operator::GLOBAL_AVERAGE_POOL_GRADIENT, inputs: (1, 1), outputs: (1, 1), prepare: global_gradient },
    Kind { name: operator::CHANNELS_LAST, inputs: (1, 1), outputs: (1, 1), prepare: channels_last },
    Kind { name: operator::CHANNELS_FIRST, inputs: (1, 1), outputs: (1, 1), prepare: channels_first },
];

/// A node's window on maps of any size.
fn window(node: &KernelContext) -> ort::Result<Window> {
    Ok(Window {
        input: [0; 2],
        channels: 0,
        kernel: lengths(node, "kernel_shape", 0)?,
        stride: lengths(node, "strides", 1)?,
        padding: lengths(node, "pads", 0)?,
        ceil: false,
    })
}

fn over(window: Window, input: [usize; 2], channels: usize) -> ort::Result<Pooling> {
    Pooling::new(Window { input, channels, ..window }).map_err(|e| wrong(e.to_string()))
}

fn max(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let window = window(node)?;
    Ok(Box::new(move |call| {
        let x = call.input(0)?;
        let [images, height, width, channels] = x.sides()?;
        let pooling = over(window, [height, width], channels)?;
        let [rows, columns] = pooling.output();
        let sides = [images, rows, columns, channels];
        let (mut y, mut places) = (call.output(0, &sides)?, call.optional_output(PLACES, &sides)?);
        let places = places.as_mut().map(bytes).transpose()?;
        pooling.max(run(call, &scratch), x.floats()?, floats(&mut y)?, places);
        Ok(())
    }))
}

fn max_gradient(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let (window, input) = (window(node)?, lengths(node, "sides", 0)?);
    Ok(Box::new(move |call| {
        let (dy, places) = (call.input(0)?, call.input(PLACES)?);
        let [images, _, _, channels] = dy.sides()?;
        let pooling = over(window, input, channels)?;
        let mut dx = call.output(0, &[images, input[0], input[1], channels])?;
        pooling.max_gradient(run(call, &scratch), dy.floats()?, places.bytes()?, floats(&mut dx)?);
        Ok(())
    }))
}

fn whole(input: [usize; 2], channels: usize) -> ort::Result<Pooling> {
    Pooling::global(input, channels).map_err(|e| wrong(e.to_string()))
}

fn global(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let keeps = node.get::<i64>("keepdims").unwrap_or(1) == 1;
    Ok(Box::new(move |call| {
        let x = call.input(0)?;
        let [images, height, width, channels] = x.sides()?;
        let shape = [images, channels, 1, 1];
        let mut y = call.output(0, if keeps { &shape } else { &shape[..2] })?;
        whole([height, width], channels)?.average(run(call, &scratch), x.floats()?, false, floats(&mut y)?);
        Ok(())
    }))
}

fn global_gradient(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let input: [usize; 2] = lengths(node, "sides", 0)?;
    Ok(Box::new(move |call| {
        let dy = call.input(0)?;
        let &[images, channels, ..] = &dy.shape()[..] else { return Err(wrong("images x channels are expected")) };
        let mut dx = call.output(0, &[images, input[0], input[1], channels])?;
        whole(input, channels)?.average_gradient(run(call, &scratch), dy.floats()?, false, floats(&mut dx)?);
        Ok(())
    }))
}

fn channels_last(_: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    Ok(Box::new(move |call| {
        let x = call.input(0)?;
        let [images, channels, height, width] = x.sides()?;
        let mut y = call.output(0, &[images, height, width, channels])?;
        layout::to_nhwc(run(call, &scratch), channels, height * width, x.floats()?, floats(&mut y)?);
        Ok(())
    }))
}

fn channels_first(_: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    Ok(Box::new(move |call| {
        let x = call.input(0)?;
        let [images, height, width, channels] = x.sides()?;
        let mut y = call.output(0, &[images, channels, height, width])?;
        layout::to_nchw(run(call, &scratch), channels, height * width, x.floats()?, floats(&mut y)?);
        Ok(())
    }))
}
