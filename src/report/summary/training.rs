//! How a network was trained, over the seeds of an arm: its steps and epochs, as they were recorded.

use std::collections::HashMap;

use crate::record::{EpochRow, StepRow};

use super::{Summary, mean, range};

/// The trainings of one entry that learnt from the same images, one a seed.
#[derive(Debug)]
pub struct Training<'a> {
    /// Index of the entry.
    pub entry: usize,
    /// `train`, or `train+val`.
    pub images: &'a str,
    /// By seed; never empty.
    pub courses: Vec<Course<'a>>,
}

/// One training from its first step to its last; neither is empty.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    pub steps: &'a [StepRow],
    pub epochs: &'a [EpochRow],
}

impl<'a> Training<'a> {
    /// Every training that was recorded, in the order of display; none where no network was trained.
    pub fn all(summary: &Summary<'a>) -> Vec<Training<'a>> {
        let details = &summary.records.details;
        let mut epochs: HashMap<(&str, &str), &[EpochRow]> = HashMap::new();
        for rows in details.epochs.chunk_by(|a, b| (&a.run_id, &a.training) == (&b.run_id, &b.training)) {
            epochs.insert((&rows[0].run_id, &rows[0].training), rows);
        }
        let mut courses: HashMap<(&str, &str), Course> = HashMap::new();
        for steps in details.steps.chunk_by(|a, b| (&a.run_id, &a.training) == (&b.run_id, &b.training)) {
            let key = (steps[0].run_id.as_str(), steps[0].training.as_str());
            courses.extend(epochs.get(&key).map(|&epochs| (key, Course { steps, epochs })));
        }
        let mut all = Vec::new();
        for (entry, of_entry) in summary.entries.iter().enumerate() {
            for images in ["train", "train+val"] {
                let of_run = |&run: &usize| courses.get(&(summary.runs[run].row.run_id.as_str(), images)).copied();
                let courses: Vec<Course> = of_entry.runs.iter().filter_map(of_run).collect();
                if !courses.is_empty() {
                    all.push(Training { entry, images, courses });
                }
            }
        }
        all
    }

    /// Mean of a number over the seeds that have it.
    pub fn mean(&self, number: impl Fn(&Course<'a>) -> Option<f64>) -> Option<f64> {
        mean(self.courses.iter().filter_map(number))
    }

    /// Least and greatest of a number over all steps of all seeds.
    pub fn range(&self, number: impl Fn(&StepRow) -> f64) -> (f64, f64) {
        range(self.courses.iter().flat_map(|course| course.steps).map(number))
    }

    /// Did each seed take the very same steps as that of another entry?
    pub fn equals(&self, other: &Training) -> bool {
        let same = |(a, b): (&StepRow, &StepRow)| {
            (a.learning_rate, a.momentum, a.loss.to_bits()) == (b.learning_rate, b.momentum, b.loss.to_bits())
        };
        let equal =
            |(a, b): (&Course, &Course)| a.steps.len() == b.steps.len() && a.steps.iter().zip(b.steps).all(same);
        let (a, b) = (&self.courses, &other.courses);
        self.images == other.images && a.len() == b.len() && a.iter().zip(b).all(equal)
    }
}

impl Course<'_> {
    /// Of the training images of an epoch, as its steps saw them.
    pub fn train_accuracy(epoch: &EpochRow) -> Option<f64> {
        (epoch.train_n > 0).then(|| epoch.train_correct as f64 / epoch.train_n as f64)
    }

    /// Of the selection images after an epoch; `None` where they are trained on.
    pub fn val_accuracy(epoch: &EpochRow) -> Option<f64> {
        epoch.val_correct.filter(|_| epoch.val_n > 0).map(|correct| correct as f64 / epoch.val_n as f64)
    }

    pub fn last(&self) -> Option<&EpochRow> {
        self.epochs.last()
    }
}
