//! Long rows in a few coordinates: those along their leading principal components, and the length of what is left.
//! The components are orthonormal, so that two rows are never farther apart in these coordinates than they are.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::Rng;

use crate::random::keyed;

/// Components that are looked for; with fewer that differ from noise, the later ones do no harm.
const COMPONENTS: usize = 24;
/// Rounds of the power iteration. The bound holds whatever they find; more rounds only make it a little tighter.
const ROUNDS: usize = 4;
/// A direction that is this much shorter without the ones before it is made of rounding.
const NOTHING: f64 = 1e-9;

/// Where the coordinates begin and which way they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    mean: Array1<f64>,
    /// d x components, orthonormal columns
    axes: Array2<f64>,
}

impl Projection {
    /// The components of some rows (n x d, n at least 1), by a power iteration on the whole space that they span
    /// (Halko, Martinsson and Tropp, Finding structure with randomness, 2011).
    pub fn of(sample: ArrayView2<f32>) -> Projection {
        let sample = sample.mapv(f64::from);
        let mean = sample.sum_axis(Axis(0)) / sample.nrows().max(1) as f64;
        let centred = sample - &mean;
        let mut rng = keyed([0; 4]);
        let components = COMPONENTS.min(centred.ncols());
        let mut axes = Array2::from_shape_simple_fn((centred.ncols(), components), || rng.random_range(-1.0..1.0));
        for _ in 0..ROUNDS {
            axes = orthonormal(centred.t().dot(&centred.dot(&axes)));
        }
        Projection { mean, axes }
    }

    /// Number of coordinates.
    pub fn dimension(&self) -> usize {
        self.axes.ncols() + 1
    }

    /// Coordinates of some rows (n x d), under each other. Squared distances between them are at most those of the rows
    /// but for rounding: with values up to 255, coordinates are right to a hundredth.
    pub fn apply(&self, rows: ArrayView2<f32>) -> Vec<f32> {
        let centred = rows.mapv(f64::from) - &self.mean;
        let along = centred.dot(&self.axes);
        let mut coordinates = Vec::with_capacity(rows.nrows() * self.dimension());
        for (row, along) in centred.outer_iter().zip(along.outer_iter()) {
            coordinates.extend(along.iter().map(|&value| value as f32));
            coordinates.push((row.dot(&row) - along.dot(&along)).max(0.0).sqrt() as f32);
        }
        coordinates
    }
}

/// Columns made orthonormal from the first on (Gram and Schmidt, twice for the digits that the first pass loses); those
/// that add no direction are left out.
fn orthonormal(columns: Array2<f64>) -> Array2<f64> {
    let mut kept = Array2::zeros(columns.raw_dim());
    let mut count = 0;
    for column in columns.axis_iter(Axis(1)) {
        let whole = column.dot(&column).sqrt();
        let mut column = column.to_owned();
        for _ in 0..2 {
            let before = kept.slice(s![.., ..count]);
            let shares = before.t().dot(&column);
            column -= &before.dot(&shares);
        }
        let length = column.dot(&column).sqrt();
        if length > whole * NOTHING {
            kept.column_mut(count).assign(&(column / length));
            count += 1;
        }
    }
    kept.slice_move(s![.., ..count])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nearest::squares;

    fn rows(n: usize, d: usize) -> impl Strategy<Value = Array2<f32>> {
        prop::collection::vec(0_u8..=255, n * d)
            .prop_map(move |values| Array2::from_shape_fn((n, d), |(i, j)| f32::from(values[i * d + j])))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nothing_is_farther_apart_than_it_is(rows in rows(40, 90), d in 1_usize..90) {
            let rows = rows.slice(s![.., ..d]).to_owned();
            let projection = Projection::of(rows.slice(s![..20, ..]));
            let coordinates = projection.apply(rows.view());
            let coordinates: Vec<&[f32]> = coordinates.chunks_exact(projection.dimension()).collect();
            for i in 0..40 {
                for j in 0..i {
                    let (a, b) = (rows.row(i), rows.row(j));
                    let apart = squares(a.as_slice().unwrap(), b.as_slice().unwrap()).sqrt();
                    let there = squares(coordinates[i], coordinates[j]).sqrt();
                    prop_assert!(there <= apart + 0.01, "{there} there, {apart} apart");
                }
            }
        }
    }

    /// Rows on a plane, whatever its direction, are exactly as far apart as they are.
    #[test]
    fn what_lies_in_the_components_keeps_its_distances() {
        let plane = |i: usize, j: usize| (i % 7) as f32 * (j % 3) as f32 + (i / 7) as f32 * (j % 5) as f32;
        let rows = Array2::from_shape_fn((49, 60), |(i, j)| plane(i, j));
        let projection = Projection::of(rows.view());
        assert_eq!(projection.dimension(), 3);
        let coordinates = projection.apply(rows.view());
        for i in 0..49 {
            let apart = squares(rows.row(i).as_slice().unwrap(), rows.row(0).as_slice().unwrap()).sqrt();
            let there = squares(&coordinates[3 * i..3 * i + 3], &coordinates[..3]).sqrt();
            assert!((apart - there).abs() < 1e-3, "{apart} apart, {there} there");
        }
    }

    #[test]
    fn equal_rows_have_no_components_and_are_at_one_place() {
        let projection = Projection::of(Array2::from_elem((5, 30), 7.0).view());
        assert_eq!(projection.apply(Array2::from_elem((2, 30), 7.0).view()), [0.0, 0.0]);
    }
}
