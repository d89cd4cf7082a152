//! The kernel matrix of all rows, which every class and every C of a grid works on. It is built from blocks of rows,
//! so that the rows themselves are never in memory all at once where they are long.

use ndarray::{Array2, Axis, s};

use crate::classify::ClassifyError;
use crate::classify::rows::{Rows, blocks, blocks_within};
use crate::product::{product_into, upper_triangle_into};

/// Rows up to which a matrix is built: 144 MiB.
pub const LARGEST: usize = 6144;
/// Rows up to which the points of a grid are solved on it: with more they need not be as near to the best as the matrix
/// brings them, and are sooner had from vectors that are not long.
pub const SMALL: usize = 2048;
/// Vectors are long that have so many times as many numbers as there are rows.
const LONG: usize = 4;
/// Bytes of rows that are multiplied with each other in one go.
pub const HELD: usize = 1 << 30;
/// Rows that are held are a multiple of these.
const MULTIPLE: usize = 32;

/// Do the machines of a fit work on the matrix?
pub fn serves_a_fit(rows: &dyn Rows) -> bool {
    rows.len() <= LARGEST
}

/// Do those of a selection?
pub fn serves_a_choice(rows: &dyn Rows) -> bool {
    let long = rows.dimension() >= LONG * rows.len();
    rows.len() <= if long { LARGEST } else { SMALL }
}

/// Dot products of all rows, n x n.
///
/// # Errors
/// Those of the rows.
pub fn products(rows: &dyn Rows) -> Result<Array2<f32>, ClassifyError> {
    Ok(products_by(rows, None, fitting(rows))?.0)
}

/// Dot products of all rows, n x n, and of `others` with them, m x n.
///
/// # Errors
/// Those of the rows.
pub fn products_and_of(rows: &dyn Rows, others: &dyn Rows) -> Result<(Array2<f32>, Array2<f32>), ClassifyError> {
    products_by(rows, Some(others), fitting(rows))
}

/// Rows that are held at a time.
fn fitting(rows: &dyn Rows) -> usize {
    let held = HELD / (size_of::<f32>() * rows.dimension().max(1)) / MULTIPLE * MULTIPLE;
    held.max(MULTIPLE)
}

/// With so many rows held at a time; the second matrix is empty without other rows.
fn products_by(
    rows: &dyn Rows,
    others: Option<&dyn Rows>,
    held: usize,
) -> Result<(Array2<f32>, Array2<f32>), ClassifyError> {
    let n = rows.len();
    let mut gram = Array2::zeros((n, n));
    let mut of_others = Array2::zeros((others.map_or(0, |others| others.len()), n));
    for start in (0..n).step_by(held) {
        let end = n.min(start + held);
        let mut band = Array2::zeros((end - start, rows.dimension()));
        for block in blocks_within(rows, start..end) {
            let (range, block) = block?;
            band.slice_mut(s![range.start - start..range.end - start, ..]).assign(&block);
        }
        upper_triangle_into(gram.slice_mut(s![start..end, start..end]), band.view());
        for block in blocks_within(rows, end..n) {
            let (range, block) = block?;
            product_into(gram.slice_mut(s![start..end, range]), band.view(), block.view());
        }
        for block in others.into_iter().flat_map(blocks) {
            let (range, block) = block?;
            product_into(of_others.slice_mut(s![range, start..end]), block.view(), band.view());
        }
    }
    for i in 0..n {
        let (above, mut below) = gram.view_mut().split_at(Axis(0), i);
        below.row_mut(0).slice_mut(s![..i]).assign(&above.column(i));
    }
    Ok((gram, of_others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_product_whatever_is_held_at_a_time() {
        let x = Array2::from_shape_fn((300, 7), |(i, j)| ((i * 7 + j * 13) % 11) as f32 - 5.0);
        // whole numbers, so that every sum is exact
        let expected = x.dot(&x.t());
        let others = x.slice(s![17..41, ..]).to_owned();
        for held in [32, 96, 320] {
            let (gram, of_others) = products_by(&x, Some(&others), held).unwrap();
            assert_eq!(gram, expected, "{held} rows held");
            assert_eq!(of_others, expected.slice(s![17..41, ..]), "{held} rows held");
        }
        assert_eq!(products(&x).unwrap(), expected);
        assert_eq!(products(&Array2::zeros((0, 4))).unwrap().dim(), (0, 0));
    }
}
