//! Batch norm with the statistics of the batch or with given ones, with what surrounds it, and its gradients.

use std::sync::Arc;

use featbench_kernels::Scratch;
use featbench_kernels::norm::{BatchNorm, Forward, Fused, Gradients};
use ort::operator::KernelContext;

use super::{Compute, In, Kind, floats, run};
use crate::deep::kernels::operator;

pub const ALL: [Kind; 4] = [
    Kind { name: operator::BATCH_NORM, inputs: (3, 4), outputs: (3, 3), prepare: forward },
    Kind { name: operator::BATCH_NORM_GRADIENT, inputs: (5, 7), outputs: (3, 4), prepare: of_batch },
    Kind { name: operator::FIXED_NORM, inputs: (5, 6), outputs: (1, 1), prepare: fixed },
    Kind { name: operator::FIXED_NORM_GRADIENT, inputs: (5, 7), outputs: (1, 4), prepare: of_fixed },
];

fn epsilon(node: &KernelContext) -> f32 {
    node.get("epsilon").unwrap_or(1e-5)
}

fn forward(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let (epsilon, relu) = (epsilon(node), node.get::<i64>("relu").unwrap_or(0) == 1);
    Ok(Box::new(move |call| {
        let (x, scale, bias, residual) = (call.input(0)?, call.input(1)?, call.input(2)?, call.optional(3)?);
        let sides = x.sides()?;
        let (mut y, mut mean, mut variance) =
            (call.output(0, &sides)?, call.output(1, &sides[3..])?, call.output(2, &sides[3..])?);
        let norm = BatchNorm { scale: scale.floats()?, bias: bias.floats()?, epsilon };
        let fused = Fused { residual: residual.as_ref().map(In::floats).transpose()?, relu };
        let (y, mean, variance) = (floats(&mut y)?, floats(&mut mean)?, floats(&mut variance)?);
        norm.train(run(call, &scratch), x.floats()?, fused, y, mean, variance);
        Ok(())
    }))
}

fn fixed(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let (epsilon, relu) = (epsilon(node), node.get::<i64>("relu").unwrap_or(0) == 1);
    Ok(Box::new(move |call| {
        let (x, scale, bias) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let (mean, variance, residual) = (call.input(3)?, call.input(4)?, call.optional(5)?);
        let mut y = call.output(0, &x.sides()?)?;
        let norm = BatchNorm { scale: scale.floats()?, bias: bias.floats()?, epsilon };
        let fused = Fused { residual: residual.as_ref().map(In::floats).transpose()?, relu };
        norm.apply(run(call, &scratch), x.floats()?, mean.floats()?, variance.floats()?, fused, floats(&mut y)?);
        Ok(())
    }))
}

fn of_batch(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    backward(node, scratch, true)
}

fn of_fixed(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    backward(node, scratch, false)
}

fn backward(node: &KernelContext, scratch: Arc<Scratch>, of_batch: bool) -> ort::Result<Compute> {
    let epsilon = epsilon(node);
    Ok(Box::new(move |call| {
        let (dy, x, scale) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let (mean, variance) = (call.input(3)?, call.input(4)?);
        let (y, more) = (call.optional(5)?, call.optional(6)?);
        let sides = x.sides()?;
        let mut dx = call.output(0, &sides)?;
        let [mut dscale, mut dbias] = [call.optional_output(1, &sides[3..])?, call.optional_output(2, &sides[3..])?];
        let mut residual = call.optional_output(3, &sides)?;
        // where nobody asks for them they are formed all the same: a number a channel
        let [mut scales, mut biases] =
            [dscale.is_none(), dbias.is_none()].map(|here| vec![0.0; usize::from(here) * sides[3]]);
        let forward = Forward {
            x: x.floats()?,
            y: y.as_ref().map(In::floats).transpose()?,
            mean: mean.floats()?,
            variance: variance.floats()?,
            scale: scale.floats()?,
            epsilon,
            of_batch,
        };
        let gradients = Gradients {
            x: floats(&mut dx)?,
            scale: dscale.as_mut().map_or(Ok(&mut scales[..]), floats)?,
            bias: dbias.as_mut().map_or(Ok(&mut biases[..]), floats)?,
            residual: residual.as_mut().map(floats).transpose()?,
        };
        let more = more.as_ref().map(In::floats).transpose()?;
        forward.backward(run(call, &scratch), dy.floats()?, more, gradients);
        Ok(())
    }))
}
