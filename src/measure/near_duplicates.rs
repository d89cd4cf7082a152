//! Reported images that nearly equal an image which arms learn or choose settings from: what they get right there
//! shows little. Thumbnails of all images are compared two by two; no label is involved.

use std::sync::Arc;

use anyhow::Result;
use rayon::prelude::*;

use crate::dataset::{Dataset, ImageFile};
use crate::features::{Features, Resources, Thumbnail, hashes};
use crate::image::decode;
use crate::record::{DatasetRecord, NearDuplicate};
use crate::stage::cache::Key;

/// Raised when the same images may give another list.
const VERSION: u32 = 1;
/// Side of a thumbnail in pixels; aspect is ignored, as by the floor `thumbnail-1nn`.
const SIDE: u32 = 24;
/// Largest root mean square difference of two near-duplicates, in steps of 255.
const RMSE: u32 = 10;
/// RGB values of a thumbnail.
const VALUES: usize = (3 * SIDE * SIDE) as usize;
/// Values that are compared before the sum is looked at: two rows of a thumbnail.
const STEP: usize = 6 * SIDE as usize;
/// Images whose thumbnails are in memory as floating-point numbers at a time.
const BLOCK: usize = 1024;

/// A reported image with the image that it resembles, by index (selection images after those of train), and the sum
/// of their squared differences.
type Near = (usize, usize, u32);

/// Adds to a data set's description each reported image that has a near-duplicate, in their order, with the nearest
/// train image, or where train has none with the nearest selection image. Of equally near ones the first counts.
///
/// # Errors
/// An image that can't be read, a cache that can't be written.
pub fn add(record: DatasetRecord, dataset: &Dataset, resources: &Resources) -> Result<DatasetRecord> {
    let splits = &dataset.splits;
    let (reported, train) = (splits.test.images(), splits.train.images());
    let val = splits.val.images();
    let near_duplicate = |&(image, other, squares): &Near| NearDuplicate {
        image: reported[image].id.clone(),
        other: train.get(other).unwrap_or_else(|| &val[other - train.len()]).id.clone(),
        other_role: if other < train.len() { "train" } else { "val" }.into(),
        rmse: (f64::from(squares) / VALUES as f64).sqrt(),
    };
    let near_duplicates = find(reported, train, val, resources)?.iter().map(near_duplicate).collect();
    Ok(DatasetRecord { near_duplicates, near_duplicate_rmse: Some(RMSE), ..record })
}

type Images = [Arc<ImageFile>];

fn find(reported: &Images, train: &Images, val: &Images, resources: &Resources) -> Result<Vec<Near>> {
    let hashes = [reported, train, val].map(hashes);
    let ingredients = (SIDE, RMSE, decode::version(), hashes);
    resources.cache.get_or(&Key::new("near-duplicates", VERSION, &ingredients)?, || {
        let reported = thumbnails(reported, resources)?;
        let (train, val) = (thumbnails(train, resources)?, thumbnails(val, resources)?);
        let bar = resources.progress.spinner("looking for near-duplicates");
        let in_val = |image: usize| nearest(&reported[image], &val).map(|(i, squares)| (train.len() + i, squares));
        let in_either = |image: usize| {
            let (other, squares) = nearest(&reported[image], &train).or_else(|| in_val(image))?;
            Some((image, other, squares))
        };
        let near = (0..reported.len()).into_par_iter().filter_map(in_either).collect();
        drop(bar);
        Ok(near)
    })
}

fn thumbnails(images: &[Arc<ImageFile>], resources: &Resources) -> Result<Vec<[u8; VALUES]>> {
    let features = Thumbnail { side: SIDE };
    let mut thumbnails = Vec::with_capacity(images.len());
    for block in images.chunks(BLOCK) {
        let vectors = features.vectors(resources, block)?.x;
        // They hold whole numbers from 0 to 255.
        thumbnails.extend(vectors.outer_iter().map(|row| std::array::from_fn(|i| row[i] as u8)));
    }
    Ok(thumbnails)
}

/// The nearest of `others` with its sum of squared differences, where that is small enough; the first of equals.
fn nearest(image: &[u8; VALUES], others: &[[u8; VALUES]]) -> Option<(usize, u32)> {
    let mut limit = RMSE * RMSE * VALUES as u32 + 1;
    let mut nearest = None;
    for (i, other) in others.iter().enumerate() {
        if let Some(squares) = squares_below(limit, image, other) {
            limit = squares;
            nearest = Some((i, squares));
        }
    }
    nearest
}

/// Sum of the squared differences if it is below `limit`; few values are enough to tell that two images differ.
fn squares_below(limit: u32, a: &[u8; VALUES], b: &[u8; VALUES]) -> Option<u32> {
    let mut sum = 0;
    for (a, b) in a.chunks_exact(STEP).zip(b.chunks_exact(STEP)) {
        sum += a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>();
        if sum >= limit {
            return None;
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_within_the_limit_is_found_and_the_first_of_equals() {
        let image = [100; VALUES];
        let (black, nearer) = ([0; VALUES], [103; VALUES]);
        let others = [black, [110; VALUES], nearer, [97; VALUES], [111; VALUES]];
        assert_eq!(nearest(&image, &others), Some((2, 9 * VALUES as u32)));
        assert_eq!(nearest(&image, &others[..2]), Some((1, RMSE * RMSE * VALUES as u32)), "the limit belongs to it");
        assert_eq!(nearest(&image, &[black, [111; VALUES]]), None);
        assert_eq!(nearest(&image, &[]), None);
    }

    #[test]
    fn every_value_counts() {
        for place in 0..VALUES {
            let mut other = [7; VALUES];
            other[place] = 0;
            assert_eq!(squares_below(u32::MAX, &[7; VALUES], &other), Some(49));
        }
        assert_eq!(squares_below(u32::MAX, &[0; VALUES], &[255; VALUES]), Some(255 * 255 * VALUES as u32));
    }
}
