//! Floors: vectors that say nothing, or nothing but what a file's frame gives away.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;

use crate::dataset::ImageFile;
use crate::image::resize::resize;
use crate::image::{Canvas, decode, header};

use super::{Encoded, Features, Resources, Stage, Stopwatch, Vectors, Worker, chunked, picture, rgb_ahead, stack};

/// Raised when the thumbnail of the same image may come out differently.
const VERSION: u32 = 1;

/// No features: vectors of length 0.
pub struct Nothing;

/// Natural logarithms of width, height and file size.
pub struct Metadata;

/// All pixels of the picture reduced to `side` x `side`, 0 to 255, aspect ignored.
pub struct Thumbnail {
    pub side: u32,
}

impl Features for Nothing {
    fn dimension(&self) -> usize {
        0
    }

    fn identity(&self) -> String {
        "nothing".into()
    }

    fn vectors(&self, _: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        Ok(Vectors { x: Array2::zeros((images.len(), 0)), without_keypoints: None })
    }

    fn worker(&self, _: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(Nothing))
    }
}

impl Worker for Nothing {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        watch.lap(Stage::Describe);
        Ok(Array2::zeros((images.len(), 0)))
    }

    fn decode_ahead(&self, _: &mut Encoded) -> Result<bool> {
        Ok(false)
    }
}

fn metadata_row(image: &ImageFile) -> [f32; 3] {
    [f64::from(image.width).ln() as f32, f64::from(image.height).ln() as f32, (image.bytes as f64).ln() as f32]
}

impl Features for Metadata {
    fn dimension(&self) -> usize {
        3
    }

    fn identity(&self) -> String {
        "metadata".into()
    }

    fn vectors(&self, _: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let rows: Vec<[f32; 3]> = images.iter().map(|image| metadata_row(image)).collect();
        Ok(Vectors { x: rows.into(), without_keypoints: None })
    }

    fn worker(&self, _: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(Metadata))
    }
}

impl Worker for Metadata {
    /// Reads the header only: that is all a user of this "feature" would have to do.
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let row = |encoded: &Encoded| {
            let header = header(&encoded.bytes)?;
            Ok(metadata_row(&ImageFile { width: header.width, height: header.height, ..encoded.image.clone() }))
        };
        let rows = images.iter().map(row).collect::<Result<Vec<_>>>()?;
        watch.lap(Stage::Describe);
        Ok(rows.into())
    }

    fn decode_ahead(&self, _: &mut Encoded) -> Result<bool> {
        Ok(false)
    }
}

struct ThumbnailWorker {
    side: u32,
    canvas: Option<Canvas>,
}

impl Features for Thumbnail {
    fn dimension(&self) -> usize {
        (3 * self.side * self.side) as usize
    }

    fn identity(&self) -> String {
        format!("thumbnail {} {VERSION}", self.side)
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        let chunks = chunked(
            resources,
            ("thumbnail", VERSION),
            &(self.side, decode::version()),
            images,
            || self.worker(resources, 1),
            |worker, images| worker.vectors(&super::read(images)?, &mut Stopwatch::start()),
        )?;
        Ok(Vectors { x: stack(&chunks, self.dimension())?, without_keypoints: None })
    }

    fn worker(&self, resources: &Resources, _: usize) -> Result<Box<dyn Worker>> {
        Ok(Box::new(ThumbnailWorker { side: self.side, canvas: resources.canvas }))
    }
}

impl Worker for ThumbnailWorker {
    fn vectors(&mut self, images: &[Encoded], watch: &mut Stopwatch) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((images.len(), (3 * self.side * self.side) as usize));
        for (encoded, mut row) in images.iter().zip(x.outer_iter_mut()) {
            let small = resize(&*picture(encoded, self.canvas, watch)?, self.side, self.side);
            row.iter_mut().zip(small.data).for_each(|(value, byte)| *value = f32::from(byte));
            watch.lap(Stage::Resize);
        }
        Ok(x)
    }

    fn decode_ahead(&self, image: &mut Encoded) -> Result<bool> {
        rgb_ahead(image)
    }
}
