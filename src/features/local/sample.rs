//! What codebooks learn from: descriptors of training images, drawn at random.

use std::sync::Arc;

use anyhow::Result;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::descriptor::{Descriptors, Layout, Place};
use super::{DescriptorSettings, LocalSettings, size};
use crate::dataset::ImageFile;
use crate::features::picture::read;
use crate::features::resources::{CHUNK, Resources};
use crate::random;
use crate::stage::parallel;
use crate::stage::stopwatch::Stopwatch;

/// Drawn descriptors with where they lie in their picture: x and y from -0.5 to 0.5.
pub struct Sample {
    pub descriptors: Descriptors,
    pub shares: Vec<[f32; 2]>,
}

/// Where descriptors lie in a picture of this size.
pub fn shares(descriptors: &Descriptors, size: (u32, u32)) -> Vec<[f32; 2]> {
    descriptors.places().iter().map(|place| share(place, size)).collect()
}

fn share(place: &Place, (width, height): (u32, u32)) -> [f32; 2] {
    let share = |at: f32, length: u32| at / length.max(1) as f32 - 0.5;
    [share(place.x, width), share(place.y, height)]
}

impl Sample {
    fn none(layout: Layout) -> Sample {
        Sample { descriptors: Descriptors::none(layout), shares: Vec::new() }
    }

    /// Those with these ascending numbers, counted over all images.
    fn of(layout: Layout, described: &[(Descriptors, (u32, u32))], numbers: impl Iterator<Item = usize>) -> Sample {
        let mut chosen = Sample::none(layout);
        let (mut image, mut start) = (0, 0);
        for number in numbers {
            while number >= start + described[image].0.len() {
                start += described[image].0.len();
                image += 1;
            }
            let (descriptors, size) = &described[image];
            chosen.descriptors.push(descriptors, number - start);
            chosen.shares.push(share(&descriptors.places()[number - start], *size));
        }
        chosen
    }

    fn joined(layout: Layout, parts: Vec<Sample>) -> Sample {
        let mut all = Sample::none(layout);
        for part in parts {
            (0..part.descriptors.len()).for_each(|i| all.descriptors.push(&part.descriptors, i));
            all.shares.extend(part.shares);
        }
        all
    }
}

impl LocalSettings {
    /// Descriptors of the images, drawn at random.
    pub(super) fn draw(
        &self,
        resources: &Resources,
        images: &[Arc<ImageFile>],
        rng: &mut ChaCha8Rng,
    ) -> Result<Sample> {
        if self.descriptor.method().kept() {
            draw_of_all(&self.descriptor, self.sample, resources, images, rng)
        } else {
            draw_of_each(&self.descriptor, self.sample, resources, images)
        }
    }
}

/// Of all descriptors together, each as likely: two passes over what is cached, so that never all are in memory.
fn draw_of_all(
    descriptor: &DescriptorSettings,
    sample: usize,
    resources: &Resources,
    images: &[Arc<ImageFile>],
    rng: &mut ChaCha8Rng,
) -> Result<Sample> {
    let lengths = |_, described: Vec<Descriptors>| described.iter().map(Descriptors::len).collect::<Vec<_>>();
    let lengths = descriptor.describe_into(resources, images, lengths)?;
    // where each chunk begins in the row of all descriptors
    let starts: Vec<usize> = std::iter::once(0)
        .chain(lengths.iter().map(|chunk| chunk.iter().sum()))
        .scan(0, |total, chunk: usize| {
            *total += chunk;
            Some(*total)
        })
        .collect();
    let total = starts[starts.len() - 1];
    let mut drawn = index::sample(rng, total, sample.min(total)).into_vec();
    drawn.sort_unstable();
    let layout = descriptor.method().layout();
    let chosen = |chunk: usize, described: Vec<Descriptors>| {
        let here = |start: usize| drawn.partition_point(|&i| i < start);
        let drawn = drawn[here(starts[chunk])..here(starts[chunk + 1])].iter().map(|i| i - starts[chunk]);
        let sizes = images[chunk * CHUNK..].iter().map(|image| size(image, resources.canvas));
        Sample::of(layout, &described.into_iter().zip(sizes).collect::<Vec<_>>(), drawn)
    };
    Ok(Sample::joined(layout, descriptor.describe_into(resources, images, chosen)?))
}

/// Of each image as many as of another, where it has so many: one pass, and nothing is kept.
fn draw_of_each(
    descriptor: &DescriptorSettings,
    sample: usize,
    resources: &Resources,
    images: &[Arc<ImageFile>],
) -> Result<Sample> {
    let (layout, each) = (descriptor.method().layout(), sample.div_ceil(images.len().max(1)));
    let bar = resources.progress.bar("sample", images.len());
    let of_image = |detector: &mut Box<dyn super::Describe>, i: usize| {
        let encoded = read(&images[i..=i])?;
        let mut watch = Stopwatch::start();
        let described = descriptor.describe(&mut **detector, &encoded[0], resources.canvas, &mut watch)?;
        let mut rng = random::generator(resources.seed, &format!("descriptors of {}", images[i].sha256));
        let mut drawn = index::sample(&mut rng, described.len(), each.min(described.len())).into_vec();
        drawn.sort_unstable();
        bar.inc(1);
        Ok(Sample::of(layout, &[(described, size(&images[i], resources.canvas))], drawn.into_iter()))
    };
    let parts = parallel::in_chunks(images.len(), resources.threads, || descriptor.open(resources.canvas), of_image)?;
    Ok(Sample::joined(layout, parts))
}
