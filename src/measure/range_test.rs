//! The range test of an arm: which learning rates its training could take.

use anyhow::{Context, Result};

use crate::dataset::Dataset;
use crate::finetune::range_test::{Curve, Sweep};

use super::features::{self, Lessons, Resources};
use super::plan::Planned;

/// Runs the range test of a planned training on the training images; val and reported images are not looked at.
pub fn run(planned: &Planned, dataset: &Dataset, resources: &Resources, sweep: Sweep) -> Result<Curve> {
    let settings = planned.arm.training().context("only an arm whose network is trained has a learning rate")?;
    let classes = dataset.splits.classes.len();
    let lessons = Lessons { train: &dataset.splits.train, val: None, reported: &[], classes };
    features::range_test(settings, resources, &lessons, sweep)
}
