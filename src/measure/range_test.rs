//! Which learning rate an arm's training could take: its range test, and the same training tried briefly at a rate.

use anyhow::{Context, Result, ensure};

use crate::dataset::Dataset;
use crate::features::{self, Lessons, Resources};
use crate::finetune::range_test::{Loss, RangeTest};
use crate::finetune::settings::{Keep, LearningRate, Settings};

use super::plan::Planned;

pub use crate::features::{RangeTested, Tried};

/// Runs the range test of a planned training on the training images; val is looked at where its loss is asked for,
/// reported images never.
pub fn run(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    test: RangeTest,
    loss: Loss,
) -> Result<RangeTested> {
    let lessons = lessons(dataset, loss == Loss::Val);
    ensure!(
        loss == Loss::Train || lessons.val.is_some(),
        "{}: --loss val needs selection images; there are none",
        dataset.name
    );
    features::range_test(training(planned)?, resources, &lessons, (test, loss))
}

/// Trains a planned training for a few epochs at this learning rate, on the training images, and looks at val. Its
/// schedule keeps its shape.
pub fn try_out(
    planned: &Planned,
    dataset: &Dataset,
    resources: &Resources,
    learning_rate: f64,
    epochs: usize,
) -> Result<Tried> {
    let own = training(planned)?.clone();
    let schedule = own.schedule.stretched(epochs as f64 / own.epochs as f64);
    let (lr, keep, watch) = (LearningRate::Given(learning_rate), Keep::Last, false);
    let settings = Settings { lr, epochs, schedule, keep, watch, patience: None, ..own };
    features::try_out(&settings, resources, &lessons(dataset, true))
}

fn lessons(dataset: &Dataset, with_val: bool) -> Lessons<'_> {
    let (splits, classes) = (&dataset.splits, dataset.splits.classes.len());
    let val = (with_val && !splits.val.is_empty()).then_some(&splits.val);
    Lessons { train: &splits.train, val, reported: &[], classes }
}

fn training(planned: &Planned) -> Result<&Settings> {
    planned.arm.training().context("only an arm whose network is trained has a learning rate")
}
