//! Reported images that nearly equal an image which arms learn or choose settings from, as it is or mirrored or cropped:
//! what arms get right there shows little. The nearest thumbnail is looked for in a tree, exactly; no label is involved.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use ndarray::Array2;
use rayon::prelude::*;

use super::audit::copies::{self, Changed, changed};
use super::audit::look::{Look, THUMBNAIL, looks};
use crate::dataset::{Dataset, ImageFile};
use crate::features::{Resources, hashes};
use crate::image::decode;
use crate::nearest::{Projection, Tree};
use crate::record::{DatasetRecord, NearDuplicate};
use crate::stage::cache::Key;

/// Raised when the same images may give another list.
const VERSION: u32 = 2;
/// Largest root mean square difference of two near-duplicates, in steps of 255.
const RMSE: u32 = 10;
/// RGB values of a thumbnail.
const VALUES: usize = (3 * THUMBNAIL * THUMBNAIL) as usize;
/// Values that are compared before the sum is looked at: two rows of a thumbnail.
const STEP: usize = 6 * THUMBNAIL as usize;
/// Images whose thumbnails are in memory as floating-point numbers at a time.
const BLOCK: usize = 1024;
/// Train images that coordinates are made from.
const SAMPLE: usize = 512;

/// Red, green and blue of each pixel, row by row.
type Pixels = [u8; VALUES];

/// A reported image with the image that it resembles, by index (selection images after those of train), and the sum
/// of their squared differences.
type Near = (usize, usize, u32);

/// Does a description say the near-duplicates that would be found?
pub fn known(record: &DatasetRecord) -> bool {
    record.near_duplicate_rmse.is_some() && record.near_duplicate_changes == copies::VERSION
}

/// Adds to a data set's description each reported image that has a near-duplicate, in their order, with the nearest
/// train image, or where train has none with the nearest selection image; where neither has one as it is, mirrored and
/// cropped ones are looked for in the same way. Of equally near ones the first counts.
///
/// # Errors
/// An image that can't be read, a cache that can't be written.
pub fn add(record: DatasetRecord, dataset: &Dataset, resources: &Resources) -> Result<DatasetRecord> {
    let splits = &dataset.splits;
    let (reported, train) = (splits.test.images(), splits.train.images());
    let val = splits.val.images();
    let near_duplicate = |&(image, other, rmse, change): &(usize, usize, f64, Change)| NearDuplicate {
        image: reported[image].id.clone(),
        other: train.get(other).unwrap_or_else(|| &val[other - train.len()]).id.clone(),
        other_role: if other < train.len() { "train" } else { "val" }.into(),
        rmse,
        change: named(change).into(),
    };
    let near_duplicates = find(reported, train, val, resources)?.iter().map(near_duplicate).collect();
    let near_duplicate_changes = copies::VERSION;
    Ok(DatasetRecord { near_duplicates, near_duplicate_changes, near_duplicate_rmse: Some(RMSE), ..record })
}

/// Is it mirrored, is it cropped?
type Change = (bool, bool);

fn named(change: Change) -> &'static str {
    match change {
        (false, false) => "",
        (true, false) => "mirrored",
        (false, true) => "cropped",
        (true, true) => "mirrored and cropped",
    }
}

type Images = [Arc<ImageFile>];

fn find(
    reported: &Images,
    train: &Images,
    val: &Images,
    resources: &Resources,
) -> Result<Vec<(usize, usize, f64, Change)>> {
    let hashes = [reported, train, val].map(hashes);
    let ingredients = (THUMBNAIL, RMSE, copies::VERSION, decode::version(), hashes);
    resources.cache.get_or(&Key::new("near-duplicates", VERSION, &ingredients)?, || {
        let (reported, train, val) = (looks(reported, resources)?, looks(train, resources)?, looks(val, resources)?);
        let bar = resources.progress.spinner("looking for near-duplicates");
        let same = among(&thumbnails(&reported)?, &thumbnails(&train)?, &thumbnails(&val)?);
        let rmse = |squares: u32| (f64::from(squares) / VALUES as f64).sqrt();
        let mut near: Vec<(usize, usize, f64, Change)> =
            same.into_iter().map(|(image, other, squares)| (image, other, rmse(squares), (false, false))).collect();
        near.extend(elsewhere(&near, &reported, &train, &val));
        near.sort_by_key(|(image, ..)| *image);
        drop(bar);
        Ok(near)
    })
}

/// The reported images that resemble none as it is, with the image that they are a changed copy of.
fn elsewhere(
    same: &[(usize, usize, f64, Change)],
    reported: &[Look],
    train: &[Look],
    val: &[Look],
) -> Vec<(usize, usize, f64, Change)> {
    let mut known: HashSet<usize> = same.iter().map(|(image, ..)| *image).collect();
    let mut found = Vec::new();
    for (others, first) in [(train, 0), (val, train.len())] {
        let left: Vec<usize> = (0..reported.len()).filter(|image| !known.contains(image)).collect();
        let images: Vec<&[u8]> = left.iter().map(|&image| &reported[image].small[..]).collect();
        let others: Vec<&[u8]> = others.iter().map(|look| &look.small[..]).collect();
        for Changed { image, other, rmse, mirrored, cropped } in changed(&images, &others) {
            known.insert(left[image]);
            found.push((left[image], first + other, f64::from(rmse), (mirrored, cropped)));
        }
    }
    found
}

fn thumbnails(looks: &[Look]) -> Result<Vec<Pixels>> {
    looks.iter().map(|look| Pixels::try_from(&look.thumbnail[..]).context("a thumbnail of another size")).collect()
}

/// The near-duplicate of each of `reported` that has one.
fn among(reported: &[Pixels], train: &[Pixels], val: &[Pixels]) -> Vec<Near> {
    let projection = Projection::of(matrix(&sample(train)).view());
    let (in_train, in_val) = (Searchable::new(train, &projection), Searchable::new(val, &projection));
    // Copies have the same answer.
    let different = first_of_equals(reported);
    let answers: HashMap<&Pixels, (usize, u32)> = different
        .par_chunks(BLOCK)
        .flat_map_iter(|block| {
            let block: Vec<&Pixels> = block.iter().map(|&image| &reported[image]).collect();
            let coordinates = projection.apply(matrix(&block).view());
            let either = |(image, place): (&&Pixels, &[f32])| {
                let elsewhere = || in_val.nearest(image, place).map(|(other, squares)| (train.len() + other, squares));
                in_train.nearest(image, place).or_else(elsewhere)
            };
            let answers: Vec<_> =
                block.iter().zip(coordinates.chunks_exact(projection.dimension())).map(either).collect();
            block.into_iter().zip(answers).filter_map(|(image, answer)| Some((image, answer?)))
        })
        .collect();
    let near = |(image, thumbnail)| answers.get(thumbnail).map(|&(other, squares)| (image, other, squares));
    reported.iter().enumerate().filter_map(near).collect()
}

/// Images evenly from first to last, enough to see which way they differ.
fn sample(images: &[Pixels]) -> Vec<&Pixels> {
    images.iter().step_by(images.len().div_ceil(SAMPLE).max(1)).collect()
}

/// Numbers of the images that equal none before them, rising.
fn first_of_equals(images: &[Pixels]) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..images.len()).filter(|&image| seen.insert(&images[image])).collect()
}

fn matrix(images: &[&Pixels]) -> Array2<f32> {
    Array2::from_shape_fn((images.len(), VALUES), |(image, i)| f32::from(images[image][i]))
}

/// Images among which the nearest to another is looked for.
struct Searchable<'a> {
    images: &'a [Pixels],
    /// Of images that differ, the first of equals.
    different: Vec<usize>,
    tree: Tree,
}

impl Searchable<'_> {
    fn new<'a>(images: &'a [Pixels], projection: &Projection) -> Searchable<'a> {
        let different = first_of_equals(images);
        let project = |block: &[usize]| {
            let block: Vec<&Pixels> = block.iter().map(|&image| &images[image]).collect();
            projection.apply(matrix(&block).view())
        };
        let coordinates: Vec<Vec<f32>> = different.par_chunks(BLOCK).map(project).collect();
        Searchable { images, different, tree: Tree::new(coordinates.concat(), projection.dimension()) }
    }

    /// The nearest to an image with its sum of squared differences, where that is small enough; the first of equals.
    /// `place` are the image's coordinates: what is too far there is too far.
    fn nearest(&self, image: &Pixels, place: &[f32]) -> Option<(usize, u32)> {
        let mut best = (RMSE * RMSE * VALUES as u32 + 1, 0);
        self.tree.search(place, farthest(best.0), usize::MAX, |row, _| {
            let other = self.different[row];
            // As near is near enough where it comes first.
            if let Some(squares) = squares_below(best.0 + 1, image, &self.images[other]) {
                best = best.min((squares, other));
            }
            farthest(best.0)
        });
        (best.0 <= RMSE * RMSE * VALUES as u32).then_some((best.1, best.0))
    }
}

/// Squared distance of coordinates from which on images differ by more than `squares`, with room for the rounding of
/// coordinates; no other image equals one that was found to be the same.
fn farthest(squares: u32) -> f32 {
    if squares == 0 { 0.0 } else { squares as f32 * 1.001 + 1.0 }
}

/// Sum of the squared differences if it is below `limit`; few values are enough to tell that two images differ.
fn squares_below(limit: u32, a: &Pixels, b: &Pixels) -> Option<u32> {
    let mut sum = 0;
    for (a, b) in a.chunks_exact(STEP).zip(b.chunks_exact(STEP)) {
        // 16 bits times 16 bits: the widest that processors multiply and add at once
        let square = |(&a, &b): (&u8, &u8)| i32::from(i16::from(a) - i16::from(b)).pow(2);
        sum += a.iter().zip(b).map(square).sum::<i32>() as u32;
        if sum >= limit {
            return None;
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u32 = RMSE * RMSE * VALUES as u32;

    #[test]
    fn the_nearest_within_the_limit_is_found_and_the_first_of_equals() {
        let image = [100; VALUES];
        let (black, nearer) = ([0; VALUES], [103; VALUES]);
        let others = [black, [110; VALUES], nearer, [97; VALUES], [111; VALUES]];
        let nearest = |others: &[Pixels]| among(&[image], others, &[]).first().copied();
        assert_eq!(nearest(&others), Some((0, 2, 9 * VALUES as u32)));
        assert_eq!(nearest(&others[..2]), Some((0, 1, LIMIT)), "the limit belongs to it");
        assert_eq!(nearest(&[black, [111; VALUES]]), None);
        assert_eq!(nearest(&[]), None);
        assert_eq!(among(&[black, image], &[black], &[image]), [(0, 0, 0), (1, 1, 0)], "train before val");
        assert_eq!(among(&[image], &[[110; VALUES]], &[image]), [(0, 0, LIMIT)], "also where val is nearer");
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

    /// The pairs by their definition.
    fn by_comparing_all(reported: &[Pixels], train: &[Pixels], val: &[Pixels]) -> Vec<Near> {
        let nearest = |image: &Pixels, others: &[Pixels]| {
            let squares = others.iter().map(|other| squares_below(u32::MAX, image, other).unwrap());
            squares.zip(0..).filter(|(squares, _)| *squares <= LIMIT).min()
        };
        let of_image = |(i, image): (usize, &Pixels)| {
            let elsewhere = || nearest(image, val).map(|(squares, other)| (squares, train.len() + other));
            nearest(image, train).or_else(elsewhere).map(|(squares, other)| (i, other, squares))
        };
        reported.iter().enumerate().filter_map(of_image).collect()
    }

    /// A number from three, without a pattern that a thumbnail would show.
    fn dice(seed: u64, image: u64, place: u64) -> u64 {
        let mixed = (seed << 40 ^ image << 20 ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33
    }

    /// A scene of eight smooth ones, with noise of its own or none, or as far from the scene as a near-duplicate may be,
    /// or one step farther.
    fn thumbnail(seed: u64, scene: u64, what: u64, image: u64) -> Pixels {
        std::array::from_fn(|place| {
            let (row, column) = (place as u64 / 72, place as u64 % 72 / 3);
            let smooth = 60 + (dice(seed, scene, 1) % 5 + 1) * row / 2 + (dice(seed, scene, 2) % 5) * column / 2;
            let value = match what {
                0 => smooth,
                1 => smooth + dice(seed, image, place as u64) % 4,
                2 => smooth + dice(seed, image, place as u64) % 30,
                3 => smooth + 10,
                4 => smooth + 10 + u64::from(place == 77),
                _ => dice(seed, image, place as u64) % 256,
            };
            value as u8
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_pairs_are_those_of_comparing_all(
            seed in 0..1_u64 << 20,
            kinds in prop::collection::vec((0..8_u64, 0..6_u64), 60..240),
            parts in (1..4_usize, 1..4_usize),
        ) {
            let images: Vec<Pixels> =
                kinds.iter().zip(0..).map(|(&(scene, what), i)| thumbnail(seed, scene, what, i)).collect();
            let (reported, rest) = images.split_at(images.len() / (1 + parts.0));
            let (train, val) = rest.split_at(rest.len() * parts.1 / 4);
            prop_assert_eq!(among(reported, train, val), by_comparing_all(reported, train, val));
        }
    }

    /// Copies are looked up, not compared: of any number of them one is looked for and one can be found.
    #[test]
    fn ten_thousand_equal_images_are_one() {
        let image = thumbnail(0, 1, 1, 0);
        let images = vec![image; 10_000];
        let (reported, train) = images.split_at(5_000);
        assert_eq!(first_of_equals(&images), [0]);
        assert_eq!(among(reported, train, &[]), (0..5_000).map(|i| (i, 0, 0)).collect::<Vec<_>>());
        let another = thumbnail(0, 1, 2, 1);
        let found = among(reported, &[another], train);
        assert_eq!(
            found,
            by_comparing_all(&reported[..1], &[another], train)
                .repeat(5_000)
                .into_iter()
                .zip(0..)
                .map(|((_, other, squares), i)| (i, other, squares))
                .collect::<Vec<_>>()
        );
    }
}
