//! Updates of parameters in one pass.

use std::sync::Arc;

use featbench_kernels::Scratch;
use featbench_kernels::optimiser::{Adam, Sgd};
use ort::operator::KernelContext;

use super::{Compute, Kind, floats, run};
use crate::deep::kernels::operator;

pub const ALL: [Kind; 2] = [
    Kind { name: operator::SGD, inputs: (5, 5), outputs: (2, 2), prepare: sgd },
    Kind { name: operator::ADAM, inputs: (7, 8), outputs: (3, 3), prepare: adam },
];

fn sgd(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let weight_decay = node.get::<f32>("weight_decay").unwrap_or(0.0);
    Ok(Box::new(move |call| {
        let [parameter, gradient, velocity] = [0, 1, 2].map(|place| call.input(place));
        let (parameter, gradient, velocity) = (parameter?, gradient?, velocity?);
        let (learning_rate, momentum) = (call.input(3)?.number()?, call.input(4)?.number()?);
        let shape = parameter.shape();
        let (mut new, mut new_velocity) = (call.output(0, &shape)?, call.output(1, &shape)?);
        let old = [parameter.floats()?, velocity.floats()?];
        let new = [floats(&mut new)?, floats(&mut new_velocity)?];
        let rule = Sgd { learning_rate, momentum, weight_decay };
        rule.step_to(run(call, &scratch), gradient.floats()?, old, new);
        Ok(())
    }))
}

fn adam(node: &KernelContext, scratch: Arc<Scratch>) -> ort::Result<Compute> {
    let setting = |name: &str, default: f32| node.get::<f32>(name).unwrap_or(default);
    let (beta2, epsilon, pull) = (setting("beta2", 0.999), setting("epsilon", 1e-8), setting("weight_decay", 0.0));
    Ok(Box::new(move |call| {
        let [parameter, gradient, first, second] = [0, 1, 2, 3].map(|place| call.input(place));
        let (parameter, gradient, first, second) = (parameter?, gradient?, first?, second?);
        let [step_size, first_share, second_correction] = [4, 5, 6].map(|place| call.input(place)?.number());
        let kept_share = call.optional(7)?.map_or(Ok(1.0), |kept| kept.number())?;
        let (step_size, first_share, second_correction) = (step_size?, first_share?, second_correction?);
        let rule = Adam { step_size, first_share, beta2, second_correction, epsilon, pull, kept_share };
        let shape = parameter.shape();
        let [mut new, mut new_first, mut new_second] =
            [call.output(0, &shape)?, call.output(1, &shape)?, call.output(2, &shape)?];
        let old = [parameter.floats()?, first.floats()?, second.floats()?];
        let new = [floats(&mut new)?, floats(&mut new_first)?, floats(&mut new_second)?];
        rule.step_to(run(call, &scratch), gradient.floats()?, old, new);
        Ok(())
    }))
}
