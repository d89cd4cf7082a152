//! Rows of numbers that need not be in memory at once: what every fit and every judgement reads its vectors from.
//! Whoever reads takes one block after the other; how large the blocks are never changes a result.

use std::ops::Range;

use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix2, s};

use super::ClassifyError;

/// Bytes that a block of rows takes at most, unless [`SMALLEST`] rows are more.
const BLOCK_BYTES: usize = 128 << 20;
/// Rows of the smallest and of the largest block; blocks are multiples of the smallest, as the cache keeps that many
/// images' vectors side by side.
const SMALLEST: usize = 32;
const LARGEST: usize = 4096;

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
    fn blocks_put_together_are_the_rows() {
        let x = Array2::from_shape_fn((9000, 2), |(i, j)| (i * 2 + j) as f32);
        assert_eq!(all(&x).unwrap(), x);
        assert_eq!(all(&x.view()).unwrap(), x);
    }
}
