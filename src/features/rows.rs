//! The vectors of images as rows that a classifier reads block by block, so that no stage holds those of a whole split.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ndarray::{Array2, s};

use crate::classify::ClassifyError;
use crate::classify::rows::Rows;
use crate::dataset::ImageFile;

use super::fitted::Features;
use super::resources::{CHUNK, Resources};

/// Fitted features with the images whose vectors are asked for.
pub struct VectorsOf<'a> {
    features: &'a dyn Features,
    resources: &'a Resources<'a>,
    images: &'a [Arc<ImageFile>],
    /// What it took so far to have vectors, which is no classifier's time.
    spent: Mutex<Duration>,
}

impl<'a> VectorsOf<'a> {
    pub fn new(features: &'a dyn Features, resources: &'a Resources<'a>, images: &'a [Arc<ImageFile>]) -> Self {
        Self { features, resources, images, spent: Mutex::default() }
    }

    /// Time that it took to compute vectors or to read them from the cache.
    pub fn spent(&self) -> Duration {
        *self.spent.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Rows for VectorsOf<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn dimension(&self) -> usize {
        self.features.dimension()
    }

    /// Whole entries of the cache are read, wherever the range begins and ends.
    fn block(&self, rows: Range<usize>) -> Result<Array2<f32>, ClassifyError> {
        let began = Instant::now();
        let start = rows.start / CHUNK * CHUNK;
        let end = rows.end.next_multiple_of(CHUNK).min(self.images.len());
        let x = self.features.vectors(self.resources, &self.images[start..end])?.x;
        *self.spent.lock().unwrap_or_else(|e| e.into_inner()) += began.elapsed();
        let whole = (start, end) == (rows.start, rows.end);
        Ok(if whole { x } else { x.slice(s![rows.start - start..rows.end - start, ..]).to_owned() })
    }

    fn name(&self, row: usize) -> String {
        self.images[row].place()
    }
}
