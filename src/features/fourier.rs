//! The discrete Fourier transform of square planes whose side is a power of two (Cooley and Tukey 1965), many columns
//! side by side, so that the processor's wide instructions are used however short a column is.

use std::f64::consts::PI;

use crate::product::vectorised;

/// Columns that are transformed together.
pub const LANES: usize = 16;

/// One number of each of the columns that are transformed together.
pub type Row = [f32; LANES];

/// A plane of complex numbers, row-major; its side is that of the [`Fourier`] which is used on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub re: Vec<f32>,
    pub im: Vec<f32>,
}

/// Tables for one side.
pub struct Fourier {
    side: usize,
    /// The place of each row with its bits reversed.
    reversed: Vec<usize>,
    /// cos and -sin of 2 pi k / side for k below half of the side.
    turns: Vec<[f32; 2]>,
}

/// Columns while they are transformed.
pub struct Columns {
    pub re: Vec<Row>,
    pub im: Vec<Row>,
}

impl Plane {
    pub fn zero(side: usize) -> Plane {
        Plane { re: vec![0.0; side * side], im: vec![0.0; side * side] }
    }
}

impl Fourier {
    /// # Panics
    /// A side that is no power of two, or below 16.
    pub fn new(side: usize) -> Fourier {
        assert!(side.is_power_of_two() && side >= LANES, "a side of {side}");
        let shift = usize::BITS - side.ilog2();
        let turn = |k: usize| -> [f32; 2] {
            let angle = 2.0 * PI * k as f64 / side as f64;
            [angle.cos() as f32, -angle.sin() as f32]
        };
        Fourier {
            side,
            reversed: (0..side).map(|row| row.reverse_bits() >> shift).collect(),
            turns: (0..side / 2).map(turn).collect(),
        }
    }

    pub fn columns(&self) -> Columns {
        Columns { re: vec![[0.0; LANES]; self.side], im: vec![[0.0; LANES]; self.side] }
    }

    /// The transform of a plane: the number of frequencies (x, y) stands in row y, column x.
    pub fn forward(&self, plane: &Plane) -> Plane {
        self.both(&plane.re, &plane.im)
    }

    /// The plane whose transform this is.
    pub fn inverse(&self, spectrum: &Plane) -> Plane {
        // with real and imaginary parts swapped before and after, forward is backward
        let Plane { re: im, im: re } = self.both(&spectrum.im, &spectrum.re);
        let share = 1.0 / (self.side * self.side) as f32;
        let scaled = |values: Vec<f32>| values.into_iter().map(|value| value * share).collect();
        Plane { re: scaled(re), im: scaled(im) }
    }

    fn both(&self, re: &[f32], im: &[f32]) -> Plane {
        let (mut once, mut twice) = (Plane::zero(self.side), Plane::zero(self.side));
        let mut columns = self.columns();
        let mut pass = |re: &[f32], im: &[f32], to: &mut Plane| {
            for start in (0..self.side).step_by(LANES) {
                self.load(re, im, start, &mut columns);
                self.transform(&mut columns);
                self.store(&columns, start, to);
            }
        };
        pass(re, im, &mut once);
        pass(&once.re, &once.im, &mut twice);
        twice
    }

    /// Takes the columns from `start` on for [`transform`](Self::transform).
    pub fn load(&self, re: &[f32], im: &[f32], start: usize, columns: &mut Columns) {
        for (row, &place) in self.reversed.iter().enumerate() {
            let at = row * self.side + start;
            columns.re[place].copy_from_slice(&re[at..at + LANES]);
            columns.im[place].copy_from_slice(&im[at..at + LANES]);
        }
    }

    /// Takes the columns from `start` on, each number multiplied by that of `factors` in its place.
    pub fn load_times(&self, re: &[f32], im: &[f32], factors: &[Row], start: usize, columns: &mut Columns) {
        for ((row, &place), factors) in self.reversed.iter().enumerate().zip(factors) {
            let at = row * self.side + start;
            let (re, im) = (&re[at..at + LANES], &im[at..at + LANES]);
            for lane in 0..LANES {
                columns.re[place][lane] = re[lane] * factors[lane];
                columns.im[place][lane] = im[lane] * factors[lane];
            }
        }
    }

    /// Transforms each of the columns in place.
    pub fn transform(&self, columns: &mut Columns) {
        vectorised(
            #[inline(always)]
            || {
                let mut half = 1;
                while half < self.side {
                    let step = self.side / (2 * half);
                    let pairs = columns.re.chunks_exact_mut(2 * half).zip(columns.im.chunks_exact_mut(2 * half));
                    for (re, im) in pairs {
                        let ((a_re, b_re), (a_im, b_im)) = (re.split_at_mut(half), im.split_at_mut(half));
                        for k in 0..half {
                            let turn = self.turns[k * step];
                            butterfly(turn, &mut a_re[k], &mut a_im[k], &mut b_re[k], &mut b_im[k]);
                        }
                    }
                    half *= 2;
                }
            },
        );
    }

    /// Writes columns to rows from `start` on.
    pub fn store(&self, columns: &Columns, start: usize, plane: &mut Plane) {
        for lane in 0..LANES {
            let at = (start + lane) * self.side;
            for (out, row) in plane.re[at..at + self.side].iter_mut().zip(&columns.re) {
                *out = row[lane];
            }
            for (out, row) in plane.im[at..at + self.side].iter_mut().zip(&columns.im) {
                *out = row[lane];
            }
        }
    }
}

/// `a + turn b` and `a - turn b`.
#[inline(always)]
fn butterfly([cos, sin]: [f32; 2], a_re: &mut Row, a_im: &mut Row, b_re: &mut Row, b_im: &mut Row) {
    for lane in 0..LANES {
        let re = cos * b_re[lane] - sin * b_im[lane];
        let im = cos * b_im[lane] + sin * b_re[lane];
        (b_re[lane], b_im[lane]) = (a_re[lane] - re, a_im[lane] - im);
        (a_re[lane], a_im[lane]) = (a_re[lane] + re, a_im[lane] + im);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition, in 64 bits.
    fn naive(plane: &Plane, side: usize, x: usize, y: usize) -> [f64; 2] {
        let mut sum = [0.0; 2];
        for (i, (&re, &im)) in plane.re.iter().zip(&plane.im).enumerate() {
            let angle = -2.0 * PI * ((i % side * x + i / side * y) % side) as f64 / side as f64;
            let (sin, cos) = angle.sin_cos();
            sum[0] += f64::from(re) * cos - f64::from(im) * sin;
            sum[1] += f64::from(re) * sin + f64::from(im) * cos;
        }
        sum
    }

    fn plane(side: usize) -> Plane {
        let value = |i: usize, factor: usize| (i * factor % 1009) as f32 / 1009.0 - 0.4;
        let values = |factor| (0..side * side).map(|i| value(i, factor)).collect();
        Plane { re: values(37), im: values(101) }
    }

    #[test]
    fn transforms_are_those_of_the_definition() {
        for side in [16, 64, 128] {
            let plane = plane(side);
            let spectrum = Fourier::new(side).forward(&plane);
            for (x, y) in [(0, 0), (1, 0), (0, 1), (3, side - 2), (side / 2, 5), (side - 1, side - 1)] {
                let [re, im] = naive(&plane, side, x, y);
                let at = y * side + x;
                let apart = (f64::from(spectrum.re[at]) - re).hypot(f64::from(spectrum.im[at]) - im);
                assert!(apart < 1e-5 * (side * side) as f64, "{side}: {x} {y}: {apart}");
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_plane() {
        let (plane, fourier) = (plane(64), Fourier::new(64));
        let back = fourier.inverse(&fourier.forward(&plane));
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart(&back.re, &plane.re).max(apart(&back.im, &plane.im)) < 1e-6);
    }
}
