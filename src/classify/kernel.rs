//! Kernels, and kernels as explicit features: an incomplete Cholesky factor of the kernel matrix turns any positive
//! kernel into plain vectors, few and short enough for a linear solver (Fine and Scheinberg 2001; Bach and Jordan
//! 2005), where there are too many rows for the matrix itself.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Zip, parallel::prelude::*, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ClassifyError;
use super::rows::{Rows, blocks};
use crate::product::{product as fast_product, product_into, vectorised};

/// A positive kernel on vectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `x . y`
    Linear,
    /// `exp(-gamma |x - y|^2)`
    Rbf { gamma: f64 },
}

/// How exactly the factor reproduces the kernel matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Largest number of columns.
    pub rank: usize,
    /// Stops when the trace that is left falls below this share of the whole trace.
    pub residual: f64,
}

/// Enough that accuracy on val is that of the whole matrix: `cargo bench --bench svm`.
pub const PRECISION: Precision = Precision { rank: 1024, residual: 1e-3 };

/// `L` with `K ~ L L'`, and what carries new vectors into the same space.
#[derive(Debug, Clone)]
pub struct Factor {
    /// n x rank: the training rows as plain vectors.
    pub rows: Array2<f32>,
    /// Rows that were chosen as pivots, in order.
    pivots: Vec<usize>,
    /// What the factor makes of the pivots: lower triangular, rank x rank.
    triangle: Array2<f32>,
    /// Share of the trace that the factor leaves out.
    pub residual: f64,
}

impl Kernel {
    /// Kernel values between the rows of `a` (n x d) and of `b` (m x d): n x m.
    pub fn between(self, a: ArrayView2<f32>, b: ArrayView2<f32>) -> Array2<f32> {
        let mut values = product(a, b);
        self.of_products_between(&mut values, a, b);
        values
    }

    /// Turns the dot products of the rows of `a` with those of `b` (n x m) into the kernel's values.
    fn of_products_between(self, products: &mut Array2<f32>, a: ArrayView2<f32>, b: ArrayView2<f32>) {
        if self == Kernel::Linear {
            return;
        }
        let (a2, b2) = (squares(a), squares(b));
        products
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(a2.as_slice().unwrap_or(&[]))
            .for_each(|(mut row, &a2)| row.zip_mut_with(&b2, |value, &b2| *value = self.of(*value, a2 + b2)));
    }

    /// Turns the dot products of all rows with each other (n x n) into the kernel's values.
    pub fn of_products(self, products: &mut Array2<f32>) {
        if self == Kernel::Linear {
            return;
        }
        let squares = products.diag().to_owned();
        products.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
            row.zip_mut_with(&squares, |value, &square| *value = self.of(*value, squares[i] + square));
        });
    }

    /// The kernel of two vectors with this dot product and this sum of squares.
    fn of(self, product: f32, squares: f32) -> f32 {
        match self {
            Kernel::Linear => product,
            Kernel::Rbf { gamma } => (-(gamma as f32) * (squares - 2.0 * product).max(0.0)).exp(),
        }
    }

    fn diagonal(self, squares: &Array1<f32>) -> Vec<f64> {
        match self {
            Kernel::Linear => squares.iter().map(|&v| f64::from(v)).collect(),
            Kernel::Rbf { .. } => vec![1.0; squares.len()],
        }
    }

    /// Incomplete Cholesky factor with the largest remaining diagonal element as the next pivot.
    /// The first of equal elements is taken, so the result is the same every time.
    pub fn factor(self, x: ArrayView2<f32>, precision: Precision) -> Factor {
        let squares = squares(x);
        let column = |pivot: usize| {
            let products = x.dot(&x.row(pivot));
            Zip::from(&products)
                .and(&squares)
                .map_collect(|&product, &square| self.of(product, square + squares[pivot]))
        };
        Factor::of(self.diagonal(&squares), column, precision)
    }

    /// As [`Kernel::factor`] of more rows than that can look at in good time: its pivots are those of `some` of the rows,
    /// and what it leaves out is measured on these. Also the vectors of the pivots, rank x d.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn factor_by(
        self,
        some: ArrayView2<f32>,
        rows: &dyn Rows,
        precision: Precision,
    ) -> Result<(Factor, Array2<f32>), ClassifyError> {
        let mut matrix = fast_product(some, some);
        self.of_products(&mut matrix);
        let diagonal = matrix.diag().iter().map(|&v| f64::from(v)).collect();
        let small = Factor::of(diagonal, |pivot| matrix.row(pivot).to_owned(), precision);
        drop(matrix);
        let pivots = small.pivot_rows(some);
        let inverse = inverse(small.triangle.view());
        let mut all = Array2::zeros((rows.len(), inverse.nrows()));
        for block in blocks(rows) {
            let (range, x) = block?;
            let mut values = fast_product(x.view(), pivots.view());
            self.of_products_between(&mut values, x.view(), pivots.view());
            product_into(all.slice_mut(s![range, ..]), values.view(), inverse.view());
        }
        Ok((Factor { rows: all, ..small }, pivots))
    }
}

impl Factor {
    /// From the diagonal of the matrix and from its columns, as they are asked for.
    fn of(diagonal: Vec<f64>, values: impl Fn(usize) -> Array1<f32>, precision: Precision) -> Factor {
        let n = diagonal.len();
        let rank = precision.rank.min(n);
        let mut left = diagonal;
        let trace: f64 = left.iter().sum();
        // Column-major: column j is `columns.row(j)`, contiguous.
        let mut columns = Array2::<f64>::zeros((rank, n));
        let mut pivots = Vec::with_capacity(rank);
        while pivots.len() < rank && left.iter().sum::<f64>() > precision.residual * trace {
            let pivot = (0..n).fold(0, |best, i| if left[i] > left[best] { i } else { best });
            let j = pivots.len();
            let (done, mut rest) = columns.view_mut().split_at(Axis(0), j);
            let mut column = rest.row_mut(0);
            column.zip_mut_with(&values(pivot), |element, &value| *element = f64::from(value));
            take_off(&mut column, done.view(), pivot);
            column /= left[pivot].sqrt();
            // Zero but for rounding, whose products would be denormal numbers, which many processors are slow at.
            pivots.iter().for_each(|&earlier| column[earlier] = 0.0);
            left.iter_mut().zip(&column).for_each(|(d, v)| *d = (*d - v * v).max(0.0));
            left[pivot] = 0.0;
            pivots.push(pivot);
        }
        let residual = if trace > 0.0 { left.iter().sum::<f64>() / trace } else { 0.0 };
        let rows = columns.slice(s![..pivots.len(), ..]).t().mapv(|v| v as f32).as_standard_layout().into_owned();
        let triangle = rows.select(Axis(0), &pivots);
        Factor { rows, pivots, triangle, residual }
    }

    /// For a weight vector `w` over the factor's columns, the weights `b` of the pivots with
    /// `w . phi(x) = sum_j b_j k(pivot_j, x)`: solves `Lp' b = w` with the triangular rows of the pivots.
    pub fn pivot_weights(&self, w: ArrayView1<f64>) -> Array1<f64> {
        let rank = self.pivots.len();
        let mut b = w.to_owned();
        for j in (0..rank).rev() {
            for below in j + 1..rank {
                b[j] -= f64::from(self.triangle[(below, j)]) * b[below];
            }
            b[j] /= f64::from(self.triangle[(j, j)]);
        }
        b
    }

    /// The pivots' own vectors, rank x d.
    pub fn pivot_rows(&self, x: ArrayView2<f32>) -> Array2<f32> {
        x.select(Axis(0), &self.pivots)
    }
}

/// Takes from a new column what the earlier ones (rows of `done`) explain of it: each times its element at `pivot`.
fn take_off(column: &mut ArrayViewMut1<f64>, done: ArrayView2<f64>, pivot: usize) {
    /// Elements that stay in the nearest cache.
    const PART: usize = 512;
    let column = column.as_slice_mut().expect("a column is contiguous");
    column.par_chunks_mut(PART).enumerate().for_each(|(part, values)| {
        let start = part * PART;
        vectorised(|| {
            for earlier in done.outer_iter() {
                let (factor, earlier) = (-earlier[pivot], earlier.to_slice().expect("a column is contiguous"));
                values.iter_mut().zip(&earlier[start..]).for_each(|(value, e)| *value += factor * e);
            }
        });
    });
}

/// Inverse of a lower triangular matrix, in f64.
fn inverse(triangle: ArrayView2<f32>) -> Array2<f32> {
    let rank = triangle.nrows();
    let mut inverse = Array2::<f64>::eye(rank);
    for i in 0..rank {
        let (above, mut rest) = inverse.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let values = row.as_slice_mut().expect("rows are contiguous");
        vectorised(|| {
            for (j, earlier) in above.outer_iter().enumerate() {
                let (factor, earlier) =
                    (-f64::from(triangle[(i, j)]), earlier.to_slice().expect("rows are contiguous"));
                values[..=j].iter_mut().zip(earlier).for_each(|(value, e)| *value += factor * e);
            }
        });
        row /= f64::from(triangle[(i, i)]);
    }
    inverse.mapv(|v| v as f32)
}

/// `a b'`, rows in parallel; each element is the same sum whatever the number of threads.
fn product(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Array2<f32> {
    const BLOCK: usize = 64;
    let mut out = Array2::zeros((a.nrows(), b.nrows()));
    out.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().zip(a.axis_chunks_iter(Axis(0), BLOCK)).for_each(
        |(mut out, a)| {
            ndarray::linalg::general_mat_mul(1.0, &a, &b.t(), 0.0, &mut out);
        },
    );
    out
}

fn squares(a: ArrayView2<f32>) -> Array1<f32> {
    a.outer_iter().map(|row| row.dot(&row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Array2<f32> {
        Array2::from_shape_fn((40, 6), |(i, j)| ((i * 7 + j * 13) % 11) as f32 / 5.0 - 1.0)
    }

    #[test]
    fn the_factor_reproduces_the_kernel_matrix() {
        let x = points();
        for kernel in [Kernel::Linear, Kernel::Rbf { gamma: 0.7 }] {
            let factor = kernel.factor(x.view(), Precision { rank: 40, residual: 1e-9 });
            let difference = factor.rows.dot(&factor.rows.t()) - kernel.between(x.view(), x.view());
            assert!(difference.iter().all(|d| d.abs() < 1e-4), "{kernel:?}");
            assert!(factor.residual <= 1e-9);
            for (j, &pivot) in factor.pivots.iter().enumerate() {
                assert!(factor.rows.slice(s![pivot, j + 1..]).iter().all(|&v| v == 0.0), "triangular");
            }
        }
    }

    #[test]
    fn a_linear_kernel_needs_no_more_columns_than_dimensions() {
        let x = points();
        // Below f32's own rounding the rest is noise.
        assert!(Kernel::Linear.factor(x.view(), Precision { rank: 40, residual: 1e-5 }).rows.ncols() <= 6);
    }

    #[test]
    fn pivot_weights_give_the_same_decision_on_new_vectors() {
        let x = points();
        for kernel in [Kernel::Linear, Kernel::Rbf { gamma: 0.7 }] {
            let factor = kernel.factor(x.view(), Precision { rank: 40, residual: 1e-6 });
            let w = Array1::from_shape_fn(factor.rows.ncols(), |j| (j as f64 * 0.37).sin());
            let b = factor.pivot_weights(w.view());
            let by_pivots = kernel.between(x.view(), factor.pivot_rows(x.view()).view()).mapv(f64::from).dot(&b);
            let by_rows = factor.rows.mapv(f64::from).dot(&w);
            assert!((by_pivots - by_rows).iter().all(|d| d.abs() < 5e-2), "{kernel:?}");
        }
    }

    #[test]
    fn a_factor_by_some_of_the_rows_reproduces_the_matrix_of_all() {
        let x = points();
        let some = x.slice(s![..30, ..]);
        for kernel in [Kernel::Linear, Kernel::Rbf { gamma: 0.3 }] {
            let (factor, pivots) = kernel.factor_by(some, &x, Precision { rank: 30, residual: 1e-4 }).unwrap();
            let difference = factor.rows.dot(&factor.rows.t()) - kernel.between(x.view(), x.view());
            assert!(difference.iter().all(|d| d.abs() < 0.1), "{kernel:?}");
            let own = kernel.factor(some, Precision { rank: 30, residual: 1e-4 }).rows;
            assert!((&factor.rows.slice(s![..30, ..]) - &own).iter().all(|d| d.abs() < 1e-3), "{kernel:?}");
            let w = Array1::from_shape_fn(factor.rows.ncols(), |j| (j as f64 * 0.37).sin());
            let by_pivots =
                kernel.between(x.view(), pivots.view()).mapv(f64::from).dot(&factor.pivot_weights(w.view()));
            let by_rows = factor.rows.mapv(f64::from).dot(&w);
            assert!((by_pivots - by_rows).iter().all(|d| d.abs() < 5e-2), "{kernel:?}");
        }
    }

    #[test]
    fn zero_rows_are_no_trouble() {
        let factor = Kernel::Linear.factor(Array2::zeros((5, 3)).view(), Precision { rank: 5, residual: 1e-6 });
        assert_eq!(factor.rows.dim(), (5, 0));
    }
}
