//! Copies that were mirrored or cropped: an image is one where it, or a part of it, is another image or a part of that
//! one. Candidates are found in a tree of coarse pictures, to which many parts of an image are held; then [`align`]
//! says how much of the difference is left.
//!
//! The number of comparisons for an image does not depend on how many others there are: the search in the tree ends
//! after so many rows, the nearest boxes first.

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::align::{self, Fit, Part, SIDE, Sums, WHOLE, flipped};
use crate::nearest::{Projection, Tree};

/// Raised when the same images may give other copies.
pub const VERSION: u32 = 1;
/// Side of the coarse pictures in the tree, in cells.
const CELLS: usize = 8;
/// What is cut off an image's width or height at its two ends in the parts that are held to the tree. What is cut in
/// truth lies near enough to one of these.
const CUTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [0.1, 0.1]];
/// Coarse pictures that differ by more (root mean square, 0 to 255) are no candidates.
const COARSE: f32 = 30.0;
/// Candidates of an image, and rows that are compared for each of its parts.
const CANDIDATES: usize = 6;
const ROWS: usize = 256;
/// Images that coordinates are made from.
const SAMPLE: usize = 512;
/// Images whose coarse pictures are in memory at a time.
const BLOCK: usize = 64;

/// A reported image with one that it is a changed copy of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// By their index.
    pub image: usize,
    pub other: usize,
    /// Root mean square difference once the change is undone, 0 to 255.
    pub rmse: f32,
    pub mirrored: bool,
    pub cropped: bool,
}

/// Of each of `images` the one of `others` that it is most like, where that is like enough; both are small pictures
/// as [`Sums::of`] takes them.
pub fn changed(images: &[&[u8]], others: &[&[u8]]) -> Vec<Changed> {
    if images.is_empty() || others.is_empty() {
        return Vec::new();
    }
    let step = others.len().div_ceil(SAMPLE);
    let sample: Vec<Vec<f32>> = others.iter().step_by(step).map(|pixels| coarse(&Sums::of(pixels), WHOLE)).collect();
    let projection = Projection::of(matrix(&sample).view());
    // a part of the one may be the whole of the other, either way round
    let mut found = parts_among(images, others, &projection);
    let turned = |copy: Changed| Changed { image: copy.other, other: copy.image, ..copy };
    found.extend(parts_among(others, images, &projection).into_iter().map(turned));
    found.sort_by(|a, b| a.image.cmp(&b.image).then(a.rmse.total_cmp(&b.rmse)).then(a.other.cmp(&b.other)));
    found.dedup_by_key(|copy| copy.image);
    found
}

/// Images a part of which, or all, is the whole of another one.
fn parts_among(images: &[&[u8]], others: &[&[u8]], projection: &Projection) -> Vec<Changed> {
    let wholes = |block: &[&[u8]]| {
        let rows: Vec<Vec<f32>> = block.iter().map(|pixels| coarse(&Sums::of(pixels), WHOLE)).collect();
        projection.apply(matrix(&rows).view())
    };
    let coordinates: Vec<Vec<f32>> = others.par_chunks(BLOCK).map(wholes).collect();
    let tree = Tree::new(coordinates.concat(), projection.dimension());
    let parts = parts();
    let of_image = |(image, pixels): (usize, &&[u8])| {
        let sums = Sums::of(pixels);
        let copy = |Candidate { other, part, mirrored, .. }: Candidate| {
            let fit = align::fit(&sums, parts[part], &Sums::of(others[other]), mirrored)?;
            let Fit { rmse, .. } = fit;
            fit.is_copy().then(|| Changed { image, other, rmse, mirrored, cropped: fit.is_part() })
        };
        candidates(&sums, &parts, projection, &tree).into_iter().filter_map(copy).collect::<Vec<_>>()
    };
    images.par_iter().enumerate().flat_map_iter(of_image).collect()
}

/// An image that a part is near to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    squares: f32,
    other: usize,
    /// By its index.
    part: usize,
    mirrored: bool,
}

/// The images that any part, as it is or mirrored, is nearest to: each once, with the nearest part.
fn candidates(sums: &Sums, parts: &[Part], projection: &Projection, tree: &Tree) -> Vec<Candidate> {
    let mut rows: Vec<Vec<f32>> = parts.iter().map(|&part| coarse(sums, part)).collect();
    let turned: Vec<Vec<f32>> = rows.iter().map(|row| mirrored(row)).collect();
    rows.extend(turned);
    let limit = COARSE * COARSE * (3 * CELLS * CELLS) as f32;
    let mut best: Vec<Candidate> = Vec::with_capacity(CANDIDATES + 1);
    let farthest = |best: &[Candidate]| best.get(CANDIDATES - 1).map_or(limit, |last| last.squares);
    let coordinates = projection.apply(matrix(&rows).view());
    for (row, place) in coordinates.chunks_exact(projection.dimension()).enumerate() {
        let (part, mirrored) = (row % parts.len(), row >= parts.len());
        tree.search(place, farthest(&best), ROWS, |other, squares| {
            match best.iter().position(|known| known.other == other) {
                Some(known) if best[known].squares <= squares => return farthest(&best),
                Some(known) => drop(best.remove(known)),
                None => {}
            }
            let at = best.partition_point(|known| known.squares <= squares);
            best.insert(at, Candidate { squares, other, part, mirrored });
            best.truncate(CANDIDATES);
            farthest(&best)
        });
    }
    best
}

fn parts() -> Vec<Part> {
    let side = SIDE as f32;
    let part = |[left, right]: [f32; 2], [top, bottom]: [f32; 2]| {
        [left * side, (1.0 - right) * side, top * side, (1.0 - bottom) * side]
    };
    CUTS.iter().flat_map(|&vertical| CUTS.map(|horizontal| part(horizontal, vertical))).collect()
}

fn coarse(sums: &Sums, part: Part) -> Vec<f32> {
    sums.means(part, CELLS).into_iter().flatten().collect()
}

fn mirrored(row: &[f32]) -> Vec<f32> {
    let cells = row.as_chunks::<3>().0;
    (0..cells.len()).flat_map(|place| cells[flipped(place, CELLS)]).collect()
}

fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows.first().map_or(0, Vec::len)), |(i, j)| rows[i][j])
}
