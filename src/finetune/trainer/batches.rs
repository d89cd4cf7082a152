//! Mini-batches: which images in which order, and what the network is shown of them.

use anyhow::Result;
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::{Ground, Task};
use crate::finetune::random::{Purpose, generator, symmetric_beta};
use crate::finetune::step::Batch;
use crate::image::{Rgb, augment};

/// The sizes of an epoch's mini-batches. A single image that is left over is left out.
pub fn sizes(images: usize, batch: usize) -> Vec<usize> {
    let full = vec![batch.min(images); images / batch.min(images.max(1))];
    let rest = images - full.iter().sum::<usize>();
    full.into_iter().chain((rest > 1).then_some(rest)).collect()
}

/// One mini-batch to be prepared.
pub struct Planned {
    epoch: usize,
    /// Within its epoch.
    number: usize,
    images: Vec<usize>,
}

/// One mini-batch, ready for a step.
#[derive(Debug, PartialEq)]
pub struct Prepared {
    images: Vec<f32>,
    targets: Vec<f32>,
    masks: Vec<Vec<f32>>,
    /// Class index of each image; where two are mixed, that of the first.
    pub labels: Vec<usize>,
}

impl Prepared {
    pub fn batch(&self) -> Batch<'_> {
        Batch { images: &self.images, targets: &self.targets, masks: &self.masks }
    }
}

/// Prepares a task's mini-batches, in any order.
pub struct Batches<'a> {
    pub task: &'a Task<'a>,
    pub ground: &'a Ground<'a>,
    /// How many numbers of one image each dropout mask covers.
    pub masks: Vec<usize>,
}

impl Batches<'_> {
    /// An epoch's mini-batches in their order.
    pub fn of_epoch(&self, epoch: usize) -> Vec<Planned> {
        let count = self.task.train.labels.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut generator(self.task.seed, Purpose::Order, epoch, 0));
        let mut rest = &order[..];
        let numbered = sizes(count, self.task.settings.batch).into_iter().enumerate();
        let planned = numbered.map(|(number, size)| {
            let (images, left) = rest.split_at(size);
            rest = left;
            Planned { epoch, number, images: images.to_vec() }
        });
        planned.collect()
    }

    pub fn prepare(&self, planned: &Planned) -> Result<Prepared> {
        let Task { settings, train, classes, .. } = *self.task;
        let one = self.ground.numbers();
        let mut images = vec![0.0; planned.images.len() * one];
        let view = self.ground.view_of(planned.epoch);
        let feed = |(&i, out): (&usize, &mut [f32])| self.ground.feed_view((view, i), || self.draw(view, i), out);
        if self.ground.is_cut() {
            planned.images.par_iter().zip(images.par_chunks_exact_mut(one)).try_for_each(feed)?;
        } else {
            // the step beside it has the cores
            planned.images.iter().zip(images.chunks_exact_mut(one)).try_for_each(feed)?;
        }
        let labels: Vec<usize> = planned.images.iter().map(|&i| train.labels[i]).collect();
        let smoothing = settings.label_smoothing;
        let mut targets = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
        for (row, &label) in targets.chunks_exact_mut(classes).zip(&labels) {
            row[label] = (1.0 - smoothing + smoothing / classes as f64) as f32;
        }
        if settings.mixup > 0.0 {
            let mut rng = generator(self.task.seed, Purpose::Mixup, planned.epoch, planned.number);
            let share = symmetric_beta(settings.mixup, &mut rng) as f32;
            let mut partners: Vec<usize> = (0..labels.len()).collect();
            partners.shuffle(&mut rng);
            mix(&mut images, one, share, &partners);
            mix(&mut targets, classes, share, &partners);
        }
        Ok(Prepared { images, targets, masks: self.masks(planned), labels })
    }

    /// A random view of an image.
    fn draw(&self, view: usize, i: usize) -> Result<Rgb> {
        let Task { settings, train, side, seed, .. } = *self.task;
        let picture = train.pictures.picture(i)?;
        let mut rng = generator(seed, Purpose::View, view, i);
        let region = settings.crop().draw(picture.width, picture.height, &mut rng);
        let mut view = augment::crop_and_resize(&picture, region, side);
        if settings.mirror && rng.random() {
            augment::mirror(&mut view);
        }
        Ok(view)
    }

    fn masks(&self, planned: &Planned) -> Vec<Vec<f32>> {
        let rate = self.task.settings.dropout;
        let mut rng = generator(self.task.seed, Purpose::Dropout, planned.epoch, planned.number);
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mut mask = |numbers: usize| (0..numbers).map(|_| if rng.random_bool(rate) { 0.0 } else { kept }).collect();
        self.masks.iter().map(|numbers| mask(numbers * planned.images.len())).collect()
    }
}

/// Every row becomes `share` of itself and the rest of its partner.
fn mix(rows: &mut [f32], length: usize, share: f32, partners: &[usize]) {
    let before = rows.to_vec();
    for (row, &partner) in rows.chunks_exact_mut(length).zip(partners) {
        let partner = &before[partner * length..][..length];
        row.iter_mut().zip(partner).for_each(|(own, other)| *own = share * *own + (1.0 - share) * other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_image_that_is_left_over_is_left_out() {
        assert_eq!(sizes(10, 4), [4, 4, 2]);
        assert_eq!(sizes(9, 4), [4, 4]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(3, 4), [3]);
        assert!(sizes(0, 4).is_empty());
    }

    #[test]
    fn rows_are_mixed_with_what_their_partners_were() {
        let mut rows = [0.0, 0.0, 4.0, 8.0];
        mix(&mut rows, 2, 0.75, &[1, 0]);
        assert_eq!(rows, [1.0, 2.0, 3.0, 6.0]);
    }
}
