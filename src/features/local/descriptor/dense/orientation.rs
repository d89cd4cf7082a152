//! Orientation maps: how strong the gradient is at a pixel, shared by the two nearest of eight directions. They are made
//! row by row, for whoever pools them next.

use super::Plane;

/// Directions: multiples of 45 degrees.
pub const DIRECTIONS: usize = 8;

/// `atan(a) * 4 / pi` for `a` from 0 to 1 is `a` times this polynomial of `a * a`: least largest error, 2.2e-6 of a
/// direction or 2.7e-7 of a turn.
const ARCTANGENT: [f32; 6] = [1.273_210_5, -0.423_508_54, 0.246_423_25, -0.148_238_77, 0.067_032_65, -0.014_921_25];

/// The gradients of one row of pixels.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    across: Vec<f32>,
    down: Vec<f32>,
    pub magnitudes: Vec<f32>,
    /// In directions, from 0 to 8: 0 points to the right, 2 down.
    pub angles: Vec<f32>,
}

impl Gradients {
    /// Differences of the two neighbours, halved; on the border of the pixel and its only neighbour, not halved.
    #[inline(always)]
    pub fn of_row(&mut self, plane: &Plane, y: usize) {
        let (width, last) = (plane.width, plane.height - 1);
        for values in [&mut self.across, &mut self.down, &mut self.magnitudes, &mut self.angles] {
            values.resize(width, 0.0);
        }
        difference_down(plane, y, last, &mut self.down);
        difference_across(plane.row(y), &mut self.across);
        for (((&dx, &dy), m), t) in self.across.iter().zip(&self.down).zip(&mut self.magnitudes).zip(&mut self.angles) {
            *m = (dx * dx + dy * dy).sqrt();
            *t = angle(dx, dy);
        }
    }
}

#[inline(always)]
fn difference_down(plane: &Plane, y: usize, last: usize, out: &mut [f32]) {
    let (above, below) = (plane.row(y.saturating_sub(1)), plane.row((y + 1).min(last)));
    let half = if y == 0 || y == last { 1.0 } else { 0.5 };
    for ((out, &above), &below) in out.iter_mut().zip(above).zip(below) {
        *out = half * (below - above);
    }
}

#[inline(always)]
fn difference_across(row: &[f32], out: &mut [f32]) {
    let width = row.len();
    if width < 3 {
        out.fill(row[width - 1] - row[0]);
        return;
    }
    for ((out, &left), &right) in out[1..].iter_mut().zip(row).zip(&row[2..]) {
        *out = 0.5 * (right - left);
    }
    out[0] = row[1] - row[0];
    out[width - 1] = row[width - 1] - row[width - 2];
}

/// The direction of a vector, from 0 to 8.
#[inline(always)]
fn angle(x: f32, y: f32) -> f32 {
    let (x_long, y_long) = (x.abs(), y.abs());
    let (longer, shorter) = (x_long.max(y_long), x_long.min(y_long));
    let a = shorter / longer.max(f32::MIN_POSITIVE);
    let square = a * a;
    let [c0, c1, c2, c3, c4, c5] = ARCTANGENT;
    let t = a * (c0 + square * (c1 + square * (c2 + square * (c3 + square * (c4 + square * c5)))));
    let t = if y_long > x_long { 2.0 - t } else { t };
    let t = if x < 0.0 { 4.0 - t } else { t };
    if y < 0.0 { 8.0 - t } else { t }
}

/// A gradient's share of each direction: all of it where it points there, nothing from 45 degrees on, linear between.
#[inline(always)]
pub fn shares(magnitude: f32, angle: f32) -> [f32; DIRECTIONS] {
    const CENTRES: [f32; DIRECTIONS] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let mut shares = [0.0; DIRECTIONS];
    for o in 0..DIRECTIONS {
        let distance = (angle - CENTRES[o]).abs();
        let distance = distance.min(8.0 - distance);
        shares[o] = magnitude * (1.0 - distance).max(0.0);
    }
    shares
}
