//! Kernels of 3 with stride 2, along one axis: outer taps see pixels of one parity, the middle tap those of the other.
//! The outer two are F(4, 2) with the points 0, 1, -1/2, -2 and infinity, the middle one is multiplied as it is: nine
//! products for four outputs where twelve were needed, 81 for 144 along both axes.

use super::points::{Points, Reverse};
use crate::simd::Simd;

/// The convolution: nine pixels to four.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strided;

/// The gradient of its input, where the padding is 1: five pixels to eight. The kernel comes turned round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transposed;

#[inline(always)]
fn c<S: Simd>(simd: S, x: f64) -> S::V {
    simd.splat(x as f32)
}

/// B' of F(4, 2).
#[inline(always)]
fn input<S: Simd>(s: S, [d0, d1, d2, d3, d4]: [S::V; 5]) -> [S::V; 5] {
    let (more, less) = (c(s, 1.5), c(s, -1.5));
    [
        s.sub(s.fma(less, d1, s.fma(more, d2, d3)), d0),
        s.add(d1, s.fma(c(s, 2.5), d2, d3)),
        s.fma(c(s, -2.0), d1, s.add(d2, d3)),
        s.fma(c(s, -0.5), s.add(d1, d2), d3),
        s.sub(s.fma(less, d2, s.fma(more, d3, d4)), d1),
    ]
}

/// A' of F(4, 2).
#[inline(always)]
fn output<S: Simd>(s: S, [m0, m1, m2, m3, m4]: [S::V; 5]) -> [S::V; 4] {
    [
        s.add(s.add(m0, m1), s.add(m2, m3)),
        s.fma(c(s, -0.5), m2, s.fma(c(s, -2.0), m3, m1)),
        s.fma(c(s, 0.25), m2, s.fma(c(s, 4.0), m3, m1)),
        s.fma(c(s, -0.125), m2, s.fma(c(s, -8.0), m3, s.add(m1, m4))),
    ]
}

/// G of F(4, 2) for the outer taps, then the middle one.
#[inline(always)]
fn kernel<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 6] {
    [
        s.sub(c(s, 0.0), g0),
        s.mul(c(s, 1.0 / 4.5), s.add(g0, g2)),
        s.mul(c(s, 1.0 / 1.125), s.fma(c(s, -0.5), g2, g0)),
        s.mul(c(s, -1.0 / 9.0), s.fma(c(s, -2.0), g2, g0)),
        g2,
        g1,
    ]
}

impl Points<9, 9, 4, 6> for Strided {
    #[inline(always)]
    fn input<S: Simd>(self, s: S, d: [S::V; 9]) -> [S::V; 9] {
        let [v0, v1, v2, v3, v4] = input(s, [d[0], d[2], d[4], d[6], d[8]]);
        [v0, v1, v2, v3, v4, d[1], d[3], d[5], d[7]]
    }

    #[inline(always)]
    fn output<S: Simd>(self, s: S, m: [S::V; 9]) -> [S::V; 4] {
        let [y0, y1, y2, y3] = output(s, [m[0], m[1], m[2], m[3], m[4]]);
        [s.add(y0, m[5]), s.add(y1, m[6]), s.add(y2, m[7]), s.add(y3, m[8])]
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, s: S, g: [S::V; 3]) -> [S::V; 6] {
        kernel(s, g)
    }

    fn kernel_of(self, product: usize) -> usize {
        product.min(5)
    }
}

impl Reverse<9, 4> for Strided {
    #[inline(always)]
    fn spread<S: Simd>(self, s: S, [y0, y1, y2, y3]: [S::V; 4]) -> [S::V; 9] {
        [
            y0,
            s.add(s.add(y0, y1), s.add(y2, y3)),
            s.fma(c(s, -0.5), y1, s.fma(c(s, 0.25), y2, s.fma(c(s, -0.125), y3, y0))),
            s.fma(c(s, -2.0), y1, s.fma(c(s, 4.0), y2, s.fma(c(s, -8.0), y3, y0))),
            y3,
            y0,
            y1,
            y2,
            y3,
        ]
    }

    #[inline(always)]
    fn collect<S: Simd>(self, s: S, [u0, u1, u2, u3, u4, m0, m1, m2, m3]: [S::V; 9]) -> [S::V; 3] {
        let (of_1, of_half, of_2) = (c(s, 1.0 / 4.5), c(s, 1.0 / 1.125), c(s, -1.0 / 9.0));
        let first = s.fma(of_1, u1, s.fma(of_half, u2, s.mul(of_2, u3)));
        let (half, two) = (c(s, -0.5 / 1.125), c(s, 2.0 / 9.0));
        [s.sub(first, u0), s.add(s.add(m0, m1), s.add(m2, m3)), s.fma(of_1, u1, s.fma(half, u2, s.fma(two, u3, u4)))]
    }
}

impl Points<5, 9, 8, 6> for Transposed {
    #[inline(always)]
    fn input<S: Simd>(self, s: S, d: [S::V; 5]) -> [S::V; 9] {
        let [v0, v1, v2, v3, v4] = input(s, d);
        [v0, v1, v2, v3, v4, d[0], d[1], d[2], d[3]]
    }

    #[inline(always)]
    fn output<S: Simd>(self, s: S, m: [S::V; 9]) -> [S::V; 8] {
        let [y0, y1, y2, y3] = output(s, [m[0], m[1], m[2], m[3], m[4]]);
        [m[5], y0, m[6], y1, m[7], y2, m[8], y3]
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, s: S, g: [S::V; 3]) -> [S::V; 6] {
        kernel(s, g)
    }

    fn kernel_of(self, product: usize) -> usize {
        product.min(5)
    }
}

#[cfg(test)]
mod tests {
    use std::array::from_fn;

    use super::*;
    use crate::simd::Portable;

    fn number(x: usize) -> [f32; 4] {
        [(x as f32 * 0.7).sin(); 4]
    }

    #[test]
    fn every_other_pixel() {
        let (d, g): ([_; 9], [_; 3]) = (from_fn(number), from_fn(|i| number(i + 9)));
        let dy: [_; 4] = from_fn(|i| number(i + 20));
        let (v, u) = (Strided.input(Portable, d), Strided.kernel(Portable, g));
        let y = Strided.output(Portable, from_fn(|i| Portable.mul(v[i], u[Strided.kernel_of(i)])));
        for i in 0..4 {
            let expected: f32 = (0..3).map(|tap| d[2 * i + tap][0] * g[tap][0]).sum();
            assert!((y[i][0] - expected).abs() < 1e-5);
        }
        let z = Strided.spread(Portable, dy);
        let dg = Strided.collect(Portable, from_fn(|i| Portable.mul(v[i], z[i])));
        for tap in 0..3 {
            let expected: f32 = (0..4).map(|i| d[2 * i + tap][0] * dy[i][0]).sum();
            assert!((dg[tap][0] - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn and_back() {
        let (dy, g): ([_; 5], [_; 3]) = (from_fn(number), from_fn(|i| number(i + 9)));
        let (v, u) = (Transposed.input(Portable, dy), Transposed.kernel(Portable, g));
        let dx = Transposed.output(Portable, from_fn(|i| Portable.mul(v[i], u[Transposed.kernel_of(i)])));
        for i in 0..4 {
            let (even, odd) = (g[1][0] * dy[i][0], g[0][0] * dy[i][0] + g[2][0] * dy[i + 1][0]);
            assert!((dx[2 * i][0] - even).abs() < 1e-5 && (dx[2 * i + 1][0] - odd).abs() < 1e-5);
        }
    }
}
