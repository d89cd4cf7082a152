//! Batch norm with the statistics of the batch, with what surrounds it, and its gradients.

use std::sync::Arc;

use featbench_kernels::Scratch;
use featbench_kernels::norm::{BatchNorm, Forward, Fused, Gradients};
use ort::operator::KernelContext;

use super::{Compute, In, Kind, floats, run};
use crate::deep::kernels::operator;

pub const ALL: [Kind; 2] = [
    Kind { name: operator::BATCH_NORM, inputs: (3, 4), outputs: (3, 3), prepare: forward },
    Kind { name: operator::BATCH_NORM_GRADIENT, inputs: (5, 7), outputs: (3, 4), prepare: backward },
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

fn backward(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let epsilon = epsilon(node);
    Ok(Box::new(move |call| {
        let (dy, x, scale) = (call.input(0)?, call.input(1)?, call.input(2)?);
        let (mean, variance) = (call.input(3)?, call.input(4)?);
        let (y, more) = (call.optional(5)?, call.optional(6)?);
        let sides = x.sides()?;
        let (mut dx, mut dscale, mut dbias) =
            (call.output(0, &sides)?, call.output(1, &sides[3..])?, call.output(2, &sides[3..])?);
        let mut residual = call.optional_output(3, &sides)?;
        let forward = Forward {
            x: x.floats()?,
            y: y.as_ref().map(In::floats).transpose()?,
            mean: mean.floats()?,
            variance: variance.floats()?,
            scale: scale.floats()?,
            epsilon,
            of_batch: true,
        };
        let gradients = Gradients {
            x: floats(&mut dx)?,
            scale: floats(&mut dscale)?,
            bias: floats(&mut dbias)?,
            residual: residual.as_mut().map(floats).transpose()?,
        };
        let more = more.as_ref().map(In::floats).transpose()?;
        forward.backward(run(call, &scratch), dy.floats()?, more, gradients);
        Ok(())
    }))
}
