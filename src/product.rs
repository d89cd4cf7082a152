//! Products of matrices by the `gemm` crate, which is several times as fast as ndarray's, and loops compiled for the
//! processor at hand. The order of every sum is fixed by the data, so any number of threads gives the same bits.

use gemm::{Parallelism, gemm};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};

/// Rows of a tile that one thread computes.
const TILE: usize = 128;
/// Sums that a dot product keeps side by side.
const LANES: usize = 32;

/// On this thread alone: `out = a b'` for `a` (m x d) and `b` (k x d).
///
/// # Panics
/// Matrices that don't fit together.
pub fn serial(mut out: ArrayViewMut2<f32>, a: ArrayView2<f32>, b: ArrayView2<f32>) {
    assert_eq!((out.nrows(), out.ncols(), a.ncols()), (a.nrows(), b.nrows(), b.ncols()));
    let (m, n, k) = (a.nrows(), b.nrows(), a.ncols());
    let (out_strides, a_strides, b_strides) = (out.strides().to_owned(), a.strides(), b.strides());
    // SAFETY: the views own their elements for the call, and sizes and strides are theirs.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            out_strides[1],
            out_strides[0],
            false,
            a.as_ptr(),
            a_strides[1],
            a_strides[0],
            b.as_ptr(),
            b_strides[0],
            b_strides[1],
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `a b'` for `a` (m x d) and `b` (k x d), written to `out` (m x k); tiles in parallel.
pub fn product_into(out: ArrayViewMut2<f32>, a: ArrayView2<f32>, b: ArrayView2<f32>) {
    let mut out = out;
    out.axis_chunks_iter_mut(Axis(0), TILE)
        .into_par_iter()
        .zip(a.axis_chunks_iter(Axis(0), TILE))
        .for_each(|(out, a)| serial(out, a, b));
}

/// `a b'` for `a` (m x d) and `b` (k x d).
pub fn product(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Array2<f32> {
    let mut out = Array2::zeros((a.nrows(), b.nrows()));
    product_into(out.view_mut(), a, b);
    out
}

/// The tiles of `a a'` on and right of the diagonal, written to `out` (m x m); what lies left of them stays.
pub fn upper_triangle_into(mut out: ArrayViewMut2<f32>, a: ArrayView2<f32>) {
    let mut tiles = Vec::new();
    for (i, row) in out.axis_chunks_iter_mut(Axis(0), TILE).enumerate() {
        let (_, mut rest) = row.split_at(Axis(1), i * TILE);
        for j in i.. {
            if rest.ncols() == 0 {
                break;
            }
            let (tile, right) = {
                let width = TILE.min(rest.ncols());
                rest.split_at(Axis(1), width)
            };
            tiles.push((i, j, tile));
            rest = right;
        }
    }
    let rows = |i: usize| a.slice(s![i * TILE..a.nrows().min((i + 1) * TILE), ..]);
    tiles.into_par_iter().for_each(|(i, j, out)| serial(out, rows(i), rows(j)));
}

/// Runs a loop as compiled for the best instructions that this processor has.
#[inline(always)]
pub fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    thread_local!(static ARCH: pulp::Arch = pulp::Arch::new());
    ARCH.with(|arch| arch.dispatch(run))
}

/// `a . b`; to be called inside of [`vectorised`].
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

/// `a += factor b`; to be called inside of [`vectorised`].
#[inline(always)]
pub fn add_scaled(a: &mut [f32], factor: f32, b: &[f32]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}
