//! How a network in training does on images that it does not learn from.

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::{Examples, Task};
use crate::deep::network::LOGITS;
use crate::deep::session::{Input, Session};
use crate::deep::weights::Weights;
use crate::finetune::step::with_weights;
use crate::image::Rgb;
use crate::image::resize::evaluation_crop;
use crate::image::tensor::write_tensor;

/// Images that the network classifies at a time.
const BATCH: usize = 32;

/// Images in memory, as the network is shown them.
pub struct Judge<'a> {
    task: &'a Task<'a>,
    labels: &'a [usize],
    crops: Vec<Rgb>,
}

impl<'a> Judge<'a> {
    pub fn new(task: &'a Task<'a>, examples: Examples<'a>) -> Result<Judge<'a>> {
        let crop = |i| Ok(evaluation_crop(&examples.pictures.picture(i)?, task.side));
        let crops = (0..examples.labels.len()).into_par_iter().map(crop).collect::<Result<_>>()?;
        Ok(Judge { task, labels: examples.labels, crops })
    }

    /// How many images the network with these weights classifies correctly.
    pub fn correct(&self, weights: Weights) -> Result<usize> {
        let task = self.task;
        let model = with_weights(task.model, weights).write();
        let mut session = Session::open_with_threads(&model, task.device, task.threads)?;
        let side = task.side as usize;
        let one = 3 * side * side;
        // the last batch is filled up: one shape is one preparation on a GPU
        let mut images = vec![0.0; BATCH * one];
        let mut total = 0;
        for (crops, labels) in self.crops.chunks(BATCH).zip(self.labels.chunks(BATCH)) {
            for (crop, out) in crops.iter().zip(images.chunks_exact_mut(one)) {
                write_tensor(crop, &task.normalisation, out);
            }
            let input = Input { name: task.input, shape: &[BATCH, 3, side, side], data: &images };
            let outputs = session.run(&[input], &[LOGITS])?;
            let logits = &outputs.first().context("one output was asked for")?.data;
            total += correct(&logits[..labels.len() * task.classes], labels);
        }
        Ok(total)
    }
}

/// How many rows of `logits`, one an image, are largest at the image's label; of equal numbers the first counts.
pub fn correct(logits: &[f32], labels: &[usize]) -> usize {
    let rows = logits.chunks_exact(logits.len() / labels.len().max(1));
    let first_largest = |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    rows.zip(labels).filter(|(row, label)| first_largest(row) == **label).count()
}
