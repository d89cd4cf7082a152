//! The transforms of Winograd's algorithm (Lavin and Gray 2016) for 3x3 kernels, along one axis. F(M, R) takes
//! N = M + R - 1 numbers to M outputs of a kernel of R numbers with N multiplications. A, B and G follow from the points
//! where polynomials are evaluated (Toom and Cook): 0, ±1 and infinity for F(2, 3), 0, ±5/8, ±3/2 and infinity for
//! F(4, 3), which lose fewer digits than the usual 0, ±1, ±2 and infinity.

use crate::simd::Simd;

/// One set of points: I numbers are taken to N products with D kernels, and these to O outputs. Every function is one
/// matrix times a vector of vectors.
pub(super) trait Points<const I: usize, const N: usize, const O: usize, const D: usize>: Copy + Sync {
    /// B' d: a row of the input.
    fn input<S: Simd>(self, simd: S, d: [S::V; I]) -> [S::V; N];
    /// A' m: the output from the products.
    fn output<S: Simd>(self, simd: S, m: [S::V; N]) -> [S::V; O];
    /// G g: a row of the kernel.
    fn kernel<S: Simd>(self, simd: S, g: [S::V; 3]) -> [S::V; D];
    /// Which of the kernels a product takes.
    fn kernel_of(self, product: usize) -> usize {
        product
    }
}

/// The way back to the kernel.
pub(super) trait Reverse<const N: usize, const O: usize>: Copy + Sync {
    /// A y: the gradient of the products.
    fn spread<S: Simd>(self, simd: S, y: [S::V; O]) -> [S::V; N];
    /// G' u: the gradient of a row of the kernel.
    fn collect<S: Simd>(self, simd: S, u: [S::V; N]) -> [S::V; 3];
}

/// F(2, 3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Two;

/// F(4, 3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Four;

impl Points<4, 4, 2, 4> for Two {
    #[inline(always)]
    fn input<S: Simd>(self, s: S, [d0, d1, d2, d3]: [S::V; 4]) -> [S::V; 4] {
        [s.sub(d0, d2), s.add(d1, d2), s.sub(d2, d1), s.sub(d3, d1)]
    }

    #[inline(always)]
    fn output<S: Simd>(self, s: S, [m0, m1, m2, m3]: [S::V; 4]) -> [S::V; 2] {
        [s.add(m0, s.add(m1, m2)), s.add(s.sub(m1, m2), m3)]
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 4] {
        let half = s.splat(0.5);
        let (even, odd) = (s.mul(half, s.add(g0, g2)), s.mul(half, g1));
        [g0, s.add(even, odd), s.sub(even, odd), g2]
    }
}

impl Reverse<4, 2> for Two {
    #[inline(always)]
    fn spread<S: Simd>(self, s: S, [y0, y1]: [S::V; 2]) -> [S::V; 4] {
        [y0, s.add(y0, y1), s.sub(y0, y1), y1]
    }

    #[inline(always)]
    fn collect<S: Simd>(self, s: S, [u0, u1, u2, u3]: [S::V; 4]) -> [S::V; 3] {
        let half = s.splat(0.5);
        let even = s.mul(half, s.add(u1, u2));
        [s.add(u0, even), s.mul(half, s.sub(u1, u2)), s.add(even, u3)]
    }
}

/// The points of F(4, 3) and their powers.
const A: f64 = 5.0 / 8.0;
const B: f64 = 3.0 / 2.0;
const A2: f64 = A * A;
const B2: f64 = B * B;
/// One over the product of a point's distances to the others.
const OF_0: f64 = 1.0 / (A2 * B2);
const OF_A: f64 = 1.0 / (2.0 * A2 * (A2 - B2));
const OF_B: f64 = 1.0 / (2.0 * B2 * (B2 - A2));

#[inline(always)]
fn c<S: Simd>(simd: S, x: f64) -> S::V {
    simd.splat(x as f32)
}

impl Points<6, 6, 4, 6> for Four {
    #[inline(always)]
    fn input<S: Simd>(self, s: S, [d0, d1, d2, d3, d4, d5]: [S::V; 6]) -> [S::V; 6] {
        // a d3 - a b² d1 and b d3 - b a² d1
        let odd_a = s.fma(c(s, A), d3, s.mul(c(s, -A * B2), d1));
        let odd_b = s.fma(c(s, B), d3, s.mul(c(s, -B * A2), d1));
        let even_a = s.fma(c(s, -B2), d2, d4);
        let even_b = s.fma(c(s, -A2), d2, d4);
        [
            s.fma(c(s, A2 * B2), d0, s.fma(c(s, -A2 - B2), d2, d4)),
            s.add(even_a, odd_a),
            s.sub(even_a, odd_a),
            s.add(even_b, odd_b),
            s.sub(even_b, odd_b),
            s.fma(c(s, A2 * B2), d1, s.fma(c(s, -A2 - B2), d3, d5)),
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(self, s: S, [m0, m1, m2, m3, m4, m5]: [S::V; 6]) -> [S::V; 4] {
        let (sum_a, apart_a) = (s.add(m1, m2), s.sub(m1, m2));
        let (sum_b, apart_b) = (s.add(m3, m4), s.sub(m3, m4));
        [
            s.add(m0, s.add(sum_a, sum_b)),
            s.fma(c(s, A), apart_a, s.mul(c(s, B), apart_b)),
            s.fma(c(s, A2), sum_a, s.mul(c(s, B2), sum_b)),
            s.fma(c(s, A2 * A), apart_a, s.fma(c(s, B2 * B), apart_b, m5)),
        ]
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 6] {
        let even_a = s.fma(c(s, A2 * OF_A), g2, s.mul(c(s, OF_A), g0));
        let even_b = s.fma(c(s, B2 * OF_B), g2, s.mul(c(s, OF_B), g0));
        let (odd_a, odd_b) = (s.mul(c(s, A * OF_A), g1), s.mul(c(s, B * OF_B), g1));
        [
            s.mul(c(s, OF_0), g0),
            s.add(even_a, odd_a),
            s.sub(even_a, odd_a),
            s.add(even_b, odd_b),
            s.sub(even_b, odd_b),
            g2,
        ]
    }
}

impl Reverse<6, 4> for Four {
    #[inline(always)]
    fn spread<S: Simd>(self, s: S, [y0, y1, y2, y3]: [S::V; 4]) -> [S::V; 6] {
        let (even_a, even_b) = (s.fma(c(s, A2), y2, y0), s.fma(c(s, B2), y2, y0));
        let odd_a = s.fma(c(s, A2 * A), y3, s.mul(c(s, A), y1));
        let odd_b = s.fma(c(s, B2 * B), y3, s.mul(c(s, B), y1));
        [y0, s.add(even_a, odd_a), s.sub(even_a, odd_a), s.add(even_b, odd_b), s.sub(even_b, odd_b), y3]
    }

    #[inline(always)]
    fn collect<S: Simd>(self, s: S, [u0, u1, u2, u3, u4, u5]: [S::V; 6]) -> [S::V; 3] {
        let (sum_a, apart_a) = (s.add(u1, u2), s.sub(u1, u2));
        let (sum_b, apart_b) = (s.add(u3, u4), s.sub(u3, u4));
        [
            s.fma(c(s, OF_0), u0, s.fma(c(s, OF_A), sum_a, s.mul(c(s, OF_B), sum_b))),
            s.fma(c(s, A * OF_A), apart_a, s.mul(c(s, B * OF_B), apart_b)),
            s.fma(c(s, A2 * OF_A), sum_a, s.fma(c(s, B2 * OF_B), sum_b, u5)),
        ]
    }
}

/// A transform along both axes: of the columns, then of the rows. Plain loops: what `from_fn` and `map` are made of is
/// not always inlined, and would be compiled without the instructions.
#[inline(always)]
pub(super) fn both<V: Copy, const I: usize, const O: usize>(
    x: [[V; I]; I],
    transform: impl Fn([V; I]) -> [V; O],
) -> [[V; O]; O] {
    let mut columns = [[x[0][0]; O]; I];
    for (place, column) in columns.iter_mut().enumerate() {
        let mut numbers = [x[0][0]; I];
        for (number, row) in numbers.iter_mut().zip(&x) {
            *number = row[place];
        }
        *column = transform(numbers);
    }
    let mut out = [[x[0][0]; O]; O];
    for (place, row) in out.iter_mut().enumerate() {
        let mut numbers = [x[0][0]; I];
        for (number, column) in numbers.iter_mut().zip(&columns) {
            *number = column[place];
        }
        *row = transform(numbers);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    fn check<const N: usize, const O: usize>(points: impl Points<N, N, O, N> + Reverse<N, O>) {
        let number = |x: usize| [(x as f32 * 0.7).sin(); 4];
        let (d, g): ([_; N], [_; 3]) = (std::array::from_fn(number), std::array::from_fn(|i| number(i + 9)));
        let dy: [_; O] = std::array::from_fn(|i| number(i + 20));
        let (v, u) = (points.input(Portable, d), points.kernel(Portable, g));
        let y = points.output(Portable, std::array::from_fn(|i| Portable.mul(v[i], u[i])));
        for i in 0..O {
            let expected: f32 = (0..3).map(|tap| d[i + tap][0] * g[tap][0]).sum();
            assert!((y[i][0] - expected).abs() < 1e-5);
        }
        let z = points.spread(Portable, dy);
        let dg = points.collect(Portable, std::array::from_fn(|i| Portable.mul(v[i], z[i])));
        for tap in 0..3 {
            let expected: f32 = (0..O).map(|i| d[i + tap][0] * dy[i][0]).sum();
            assert!((dg[tap][0] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_row_is_convolved() {
        check(Two);
        check(Four);
    }
}
