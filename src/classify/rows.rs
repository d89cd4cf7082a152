//! Rows of numbers that need not be in memory at once: what every fit and every judgement reads its vectors from.
//! Whoever reads takes one block after the other; how large the blocks are never changes a result.

use std::ops::Range;

use ndarray::{Array2, ArrayBase, ArrayView2, Axis, Data, Ix2, s};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ClassifyError;

/// Bytes that a block of rows takes at most, unless [`SMALLEST`] rows are more.
const BLOCK_BYTES: usize = 128 << 20;
/// Rows of the smallest and of the largest block; blocks are multiples of the smallest, as the cache keeps that many
/// images' vectors side by side.
const SMALLEST: usize = 32;
const LARGEST: usize = 4096;
/// Rows that stay in memory where they are gone through many times: up to a gibibyte.
pub const HELD: usize = 1 << 30;
const SEED: u64 = 31;

/// n vectors of d numbers.
pub trait Rows: Sync {
    /// n
    fn len(&self) -> usize;
    /// d
    fn dimension(&self) -> usize;
    /// The rows of this range, one under the other.
    ///
    /// # Errors
    /// Whatever keeps the vectors from being there.
    fn block(&self, rows: Range<usize>) -> Result<Array2<f32>, ClassifyError>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a message calls a row.
    fn name(&self, row: usize) -> String {
        format!("row {row}")
    }
}

impl<S: Data<Elem = f32>> Rows for ArrayBase<S, Ix2>
where
    Self: Sync,
{
    fn len(&self) -> usize {
        self.nrows()
    }

    fn dimension(&self) -> usize {
        self.ncols()
    }

    fn block(&self, rows: Range<usize>) -> Result<Array2<f32>, ClassifyError> {
        Ok(self.slice(s![rows, ..]).to_owned())
    }
}

/// Ranges that cover `0..n` in order, each small enough for its rows of `dimension` numbers to be in memory.
pub fn ranges(n: usize, dimension: usize) -> impl Iterator<Item = Range<usize>> {
    let fitting = BLOCK_BYTES / (size_of::<f32>() * dimension.max(1));
    let rows = (fitting / SMALLEST * SMALLEST).clamp(SMALLEST, LARGEST);
    (0..n).step_by(rows).map(move |start| start..n.min(start + rows))
}

/// Blocks in order, each with its range.
///
/// # Errors
/// Those of the rows, and a number that is not finite.
pub fn blocks(rows: &dyn Rows) -> impl Iterator<Item = Result<(Range<usize>, Array2<f32>), ClassifyError>> {
    blocks_within(rows, 0..rows.len())
}

/// As [`blocks`], of some of the rows.
pub fn blocks_within(
    rows: &dyn Rows,
    within: Range<usize>,
) -> impl Iterator<Item = Result<(Range<usize>, Array2<f32>), ClassifyError>> {
    let shifted = ranges(within.len(), rows.dimension()).map(move |r| within.start + r.start..within.start + r.end);
    shifted.map(|range| Ok((range.clone(), finite(rows, range)?)))
}

/// All rows at once.
///
/// # Errors
/// Those of [`blocks`].
pub fn all(rows: &dyn Rows) -> Result<Array2<f32>, ClassifyError> {
    let mut every = Array2::zeros((rows.len(), rows.dimension()));
    for block in blocks(rows) {
        let (range, block) = block?;
        every.slice_mut(s![range, ..]).assign(&block);
    }
    Ok(every)
}

/// Rows in memory, or those that are read again in every pass.
pub enum Kept<'a> {
    Held(Array2<f32>),
    Streamed(&'a dyn Rows),
}

impl<'a> Kept<'a> {
    /// In memory up to [`HELD`] bytes.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn of(rows: &'a dyn Rows) -> Result<Self, ClassifyError> {
        let held = size_of::<f32>() * rows.len() * rows.dimension() <= HELD;
        Ok(if held { Self::Held(all(rows)?) } else { Self::Streamed(rows) })
    }

    pub fn dimension(&self) -> usize {
        match self {
            Self::Held(x) => x.ncols(),
            Self::Streamed(rows) => rows.dimension(),
        }
    }

    /// The blocks in order, each with its first row. They are the same wherever the rows are.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn each_block(&self, mut each: impl FnMut(usize, ArrayView2<f32>)) -> Result<(), ClassifyError> {
        match self {
            Self::Held(x) => {
                ranges(x.nrows(), x.ncols()).for_each(|range| each(range.start, x.slice(s![range, ..])));
            }
            Self::Streamed(rows) => {
                for block in blocks(*rows) {
                    let (range, x) = block?;
                    each(range.start, x.view());
                }
            }
        }
        Ok(())
    }
}

/// Places of at most `most` rows, ascending, drawn so that every class has its share of them and at least one. They
/// follow from the classes alone, the same every time.
pub fn drawn(y: &[usize], most: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); y.iter().max().map_or(0, |last| last + 1)];
    y.iter().enumerate().for_each(|(row, &class)| of_class[class].push(row));
    // where each row stands in its class, from 0 to 1: the first rows of all classes together are a fair sample
    let mut places = Vec::with_capacity(y.len());
    for rows in &mut of_class {
        rows.shuffle(&mut rng);
        places.extend(rows.iter().enumerate().map(|(rank, &row)| (rank as f64 / rows.len() as f64, row)));
    }
    places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut taken: Vec<usize> = places.into_iter().take(most).map(|(_, row)| row).collect();
    taken.sort_unstable();
    taken
}

/// The rows at these places, which ascend.
///
/// # Errors
/// Those of [`blocks`].
pub fn gather(rows: &dyn Rows, places: &[usize]) -> Result<Array2<f32>, ClassifyError> {
    let mut taken = Array2::zeros((places.len(), rows.dimension()));
    let mut at = 0;
    for block in blocks(rows) {
        let (range, x) = block?;
        let here = places[at..].iter().take_while(|place| range.contains(place)).count();
        for (mut row, place) in taken.slice_mut(s![at..at + here, ..]).outer_iter_mut().zip(&places[at..]) {
            row.assign(&x.index_axis(Axis(0), place - range.start));
        }
        at += here;
    }
    Ok(taken)
}

/// A block in which every number is finite.
pub(super) fn finite(rows: &dyn Rows, range: Range<usize>) -> Result<Array2<f32>, ClassifyError> {
    let block = rows.block(range.clone())?;
    check(block.view(), |row| rows.name(range.start + row))?;
    Ok(block)
}

/// Refuses a number that is not finite; `name` says what a row belongs to.
///
/// # Errors
/// [`ClassifyError::NotFinite`] with the first such number.
pub fn check(block: ArrayView2<f32>, name: impl Fn(usize) -> String) -> Result<(), ClassifyError> {
    let Some((row, column)) = not_finite(block) else { return Ok(()) };
    let what = format!("the vector of {}", name(row));
    Err(ClassifyError::NotFinite { what, value: block[(row, column)], column })
}

/// Row and column of the first number that is not finite.
fn not_finite(block: ArrayView2<f32>) -> Option<(usize, usize)> {
    // the sum of a row's products with 0 is 0 unless one of them is not finite: one pass that is vectorised
    let row = block.outer_iter().position(|row| row.iter().map(|v| v * 0.0).sum::<f32>() != 0.0)?;
    Some((row, block.row(row).iter().position(|v| !v.is_finite())?))
}

/// Rows times a power of two, so that their products are no numbers that f32 can't hold.
pub struct Resized<'a> {
    rows: &'a dyn Rows,
    pub factor: f32,
}

impl<'a> Resized<'a> {
    pub fn as_they_are(rows: &'a dyn Rows) -> Self {
        Self { rows, factor: 1.0 }
    }

    /// Rows whose largest number is of an everyday size stay as they are.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn of(rows: &'a dyn Rows) -> Result<Self, ClassifyError> {
        let mut largest = 0.0_f32;
        for block in blocks(rows) {
            largest = block?.1.iter().fold(largest, |largest, v| largest.max(v.abs()));
        }
        let everyday = largest == 0.0 || (1e-4..1e4).contains(&largest);
        let factor = if everyday { 1.0 } else { (-largest.log2().round()).clamp(-126.0, 126.0).exp2() };
        Ok(Self { rows, factor })
    }
}

impl Rows for Resized<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dimension(&self) -> usize {
        self.rows.dimension()
    }

    fn block(&self, rows: Range<usize>) -> Result<Array2<f32>, ClassifyError> {
        let block = self.rows.block(rows)?;
        Ok(if self.factor == 1.0 { block } else { block * self.factor })
    }

    fn name(&self, row: usize) -> String {
        self.rows.name(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::scale::{Scaled, Scaling};

    #[test]
    fn ranges_cover_every_row_once_in_multiples_of_the_cache() {
        for (n, dimension, most) in [(0, 5, 0), (70, 130_000, 256), (10_000, 512, 4096), (300, 100_000_000, 32)] {
            let ranges: Vec<_> = ranges(n, dimension).collect();
            assert_eq!(ranges.iter().cloned().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            assert!(ranges.iter().all(|range| range.start % SMALLEST == 0 && range.len() <= most));
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_named_also_behind_a_scaling() {
        let mut x = Array2::from_shape_fn((5000, 3), |(i, j)| (i * j) as f32);
        let scale = Scaling::Standardise.fit(&x).unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[(4711, 2)] = value;
            let scaled = Scaled { rows: &x, scale: &scale };
            for error in [all(&x).unwrap_err(), all(&scaled).unwrap_err(), Scaling::Standardise.fit(&x).unwrap_err()] {
                assert!(error.to_string().contains("row 4711"), "{error}");
            }
        }
    }

    #[test]
    fn rows_are_drawn_from_every_class_by_its_share_and_always_the_same() {
        // a class of 8,000 rows, one of 1,990, and one of 10
        let y: Vec<usize> = (0..10_000).map(|i| if i % 1000 == 7 { 4 } else { usize::from(i % 5 == 0) }).collect();
        let taken = drawn(&y, 1000);
        assert_eq!((taken.len(), &taken), (1000, &drawn(&y, 1000)));
        assert!(taken.is_sorted_by(|a, b| a < b));
        let count = |class| taken.iter().filter(|&&row| y[row] == class).count();
        assert!(count(0).abs_diff(800) <= 2 && count(1).abs_diff(199) <= 2 && count(4).abs_diff(1) <= 1);
        assert_eq!(drawn(&y, 3).iter().map(|&row| y[row]).collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(drawn(&y[..20], 100), Vec::from_iter(0..20));
        let x = Array2::from_shape_fn((10_000, 2), |(i, j)| (i * 2 + j) as f32);
        assert_eq!(gather(&x, &taken).unwrap(), x.select(Axis(0), &taken));
    }

    #[test]
    fn blocks_put_together_are_the_rows() {
        let x = Array2::from_shape_fn((9000, 2), |(i, j)| (i * 2 + j) as f32);
        assert_eq!(all(&x).unwrap(), x);
        assert_eq!(all(&x.view()).unwrap(), x);
    }
}
