//! The rows of a run's trainings: steps and epochs.

use crate::dataset::{Dataset, Refit};
use crate::features::Training;
use crate::record::{EpochRow, StepRow};

use super::plan::Planned;

/// Rows of a run's trainings.
#[derive(Default)]
pub struct Curves {
    pub steps: Vec<StepRow>,
    pub epochs: Vec<EpochRow>,
}

impl Curves {
    /// Adds a training, where there was one; `val` is the number of selection images, unless they were trained on.
    pub fn add(&mut self, training: Option<&Training>, planned: &Planned, dataset: &Dataset, val: Option<usize>) {
        let Some(Training { log, epoch: chosen, .. }) = training else { return };
        let run_id = || planned.run_id.clone();
        let images = if val.is_some() { Refit::Train } else { Refit::TrainAndVal };
        let final_one = images == planned.refit;
        let mut order: Vec<usize> = (0..dataset.splits.test.len()).collect();
        order.sort_by_key(|&i| &dataset.splits.test.images()[i].id);
        self.steps.extend(log.steps.iter().enumerate().map(|(i, step)| StepRow {
            run_id: run_id(),
            training: images.to_string(),
            step: i + 1,
            learning_rate: step.rates.learning_rate,
            momentum: step.rates.momentum,
            effective: step.rates.effective(),
            loss: step.loss,
        }));
        let mut steps = 0;
        for (i, epoch) in log.epochs.iter().enumerate() {
            steps += epoch.steps;
            self.epochs.push(EpochRow {
                run_id: run_id(),
                training: images.to_string(),
                epoch: i + 1,
                steps,
                train_loss: epoch.train_loss,
                train_correct: epoch.train_correct,
                train_n: epoch.train_images,
                val_correct: epoch.val_correct,
                val_n: val.unwrap_or(0),
                train_s: epoch.train_s,
                val_s: epoch.val_s,
                chosen: final_one && i == *chosen,
                reported: order
                    .iter()
                    .filter_map(|&i| Some(epoch.watched.get(i)?.to_string()))
                    .collect::<Vec<_>>()
                    .join(" "),
            });
        }
    }

    /// Marks another epoch of the final training as the chosen one.
    pub fn choose(&mut self, epoch: usize, planned: &Planned) {
        let training = planned.refit.to_string();
        let rows = self.epochs.iter_mut().filter(|row| row.training == training);
        rows.for_each(|row| row.chosen = row.epoch == epoch + 1);
    }
}
