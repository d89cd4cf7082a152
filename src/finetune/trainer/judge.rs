//! How a network in training does on images that it does not learn from.

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::{Ground, Pictures, Task};
use crate::deep::network::LOGITS;
use crate::deep::session::{Input, Session};
use crate::deep::weights::Weights;
use crate::finetune::step::with_weights;
use crate::image::Rgb;

/// Images that the network classifies at a time.
const BATCH: usize = 32;

/// Images in memory, as the network is shown them; where its first layers stay as they are, what those make of them.
pub struct Judge<'a> {
    task: &'a Task<'a>,
    ground: &'a Ground<'a>,
    shown: Vec<Shown>,
}

enum Shown {
    Crop(Rgb),
    Numbers(Vec<f32>),
}

impl<'a> Judge<'a> {
    pub fn new(task: &'a Task<'a>, ground: &'a Ground<'a>, pictures: &dyn Pictures) -> Result<Judge<'a>> {
        let show = |i| {
            let crop = task.preparation.crop(&pictures.picture(i)?, task.side);
            if !ground.is_cut() {
                return Ok(Shown::Crop(crop));
            }
            let mut numbers = vec![0.0; ground.numbers()];
            ground.feed(&crop, &mut numbers)?;
            Ok(Shown::Numbers(numbers))
        };
        let shown = (0..pictures.count()).into_par_iter().map(show).collect::<Result<_>>()?;
        Ok(Judge { task, ground, shown })
    }

    /// The class that the network with these weights sees in each image; `None` where a logit is no finite number.
    pub fn classes(&self, weights: Weights) -> Result<Option<Vec<usize>>> {
        let logits = self.logits(weights)?;
        let finite = logits.iter().all(|logit| logit.is_finite());
        Ok(finite.then(|| largest(&logits, self.task.classes).collect()))
    }

    /// The mean cross-entropy of the network with these weights, where these are the images' labels.
    pub fn loss(&self, weights: Weights, labels: &[usize]) -> Result<f64> {
        Ok(cross_entropy(&self.logits(weights)?, labels) / labels.len() as f64)
    }

    /// Images x classes.
    fn logits(&self, weights: Weights) -> Result<Vec<f32>> {
        let (task, ground) = (self.task, self.ground);
        let model = with_weights(&ground.model, weights).write();
        let mut session = Session::open_with_threads(&model, task.device, task.threads)?;
        let (one, shape) = (ground.numbers(), [&[BATCH], &ground.shape[..]].concat());
        // the last batch is filled up: one shape is one preparation on a GPU
        let mut images = vec![0.0; BATCH * one];
        let mut all = Vec::with_capacity(self.shown.len() * task.classes);
        for shown in self.shown.chunks(BATCH) {
            for (shown, out) in shown.iter().zip(images.chunks_exact_mut(one)) {
                match shown {
                    Shown::Crop(crop) => ground.feed(crop, out)?,
                    Shown::Numbers(numbers) => out.copy_from_slice(numbers),
                }
            }
            let input = Input { name: &ground.input, shape: &shape, data: &images };
            let outputs = session.run(&[input], &[LOGITS])?;
            let logits = &outputs.first().context("one output was asked for")?.data;
            all.extend_from_slice(&logits[..shown.len() * task.classes]);
        }
        Ok(all)
    }
}

/// Where each row of `logits`, one an image, is largest; of equal numbers the first counts.
pub fn largest(logits: &[f32], classes: usize) -> impl Iterator<Item = usize> {
    let first_largest = |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    logits.chunks_exact(classes).map(first_largest)
}

/// How many of these classes are the images' labels.
pub fn correct(classes: impl Iterator<Item = usize>, labels: &[usize]) -> usize {
    classes.zip(labels).filter(|(class, label)| class == *label).count()
}

/// Summed over the rows of `logits`, one an image.
fn cross_entropy(logits: &[f32], labels: &[usize]) -> f64 {
    let rows = logits.chunks_exact(logits.len() / labels.len().max(1));
    let of_row = |row: &[f32], label: usize| {
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        largest + sum.ln() - f64::from(row[label])
    };
    rows.zip(labels).map(|(row, &label)| of_row(row, label)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_every_class_is_equally_likely_and_the_first_is_taken() {
        let logits = [2.0, 2.0, 2.0, 2.0, 1000.0, 0.0, 0.0, 0.0];
        assert!((cross_entropy(&logits, &[3, 0]) - 4f64.ln()).abs() < 1e-12);
        assert_eq!(cross_entropy(&logits[4..], &[1]), 1000.0);
        assert!(cross_entropy(&[f32::NAN, 0.0], &[0]).is_nan());
        assert_eq!(largest(&logits, 4).collect::<Vec<_>>(), [0, 0]);
    }
}
