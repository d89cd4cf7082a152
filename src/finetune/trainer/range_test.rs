//! The range test on a real task: steps of a training that is thrown away, at learning rates that rise.

use anyhow::{Result, bail};

use super::ground::Ground;
use super::judge::Judge;
use super::{Task, ahead, next, prepare};
use crate::finetune::range_test::{Curve, Loss, RangeTest};
use crate::finetune::schedule::Rates;

/// SGD's momentum, or Adam's beta1, throughout: fastai's.
const MOMENTUM: f64 = 0.9;

/// Takes the steps of a range test on a task's mini-batches; ends early where the loss has grown too large, or is not a number
/// any more. The task's own weights are not touched, and what the training that follows draws at random does not depend on
/// it.
///
/// # Errors
/// As for [`train`](super::train), but that no loss is an error; a loss on val without val.
pub fn range_test(task: &Task, test: RangeTest, loss: Loss, stepped: &mut dyn FnMut(usize)) -> Result<Curve> {
    let val = task.val.filter(|val| loss == Loss::Val && !val.labels.is_empty());
    if loss == Loss::Val && val.is_none() {
        bail!("a loss on val needs images to look at after every step; there are none");
    }
    let ground = Ground::of(task)?;
    let judge = val.map(|val| Judge::new(task, &ground, val.pictures)).transpose()?.zip(val);
    let mut curve = test.begin();
    prepare(task, &ground, None, |mut training, batches| {
        ahead(&batches, 0..usize::MAX, |prepared| {
            while let Some(learning_rate) = curve.next_rate() {
                let batch = next(prepared)?;
                let of_batch = training.step(batch.batch(), Rates { learning_rate, momentum: MOMENTUM })?.loss.into();
                let loss = match &judge {
                    Some((judge, val)) => judge.loss(training.weights()?, val.labels)?,
                    None => of_batch,
                };
                curve.add(loss);
                stepped(batch.labels.len());
                if !loss.is_finite() {
                    break;
                }
            }
            Ok(())
        })
    })?;
    Ok(curve)
}
