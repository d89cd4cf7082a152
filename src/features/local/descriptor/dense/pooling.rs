//! Sums under triangular windows on a lattice of points. A triangle of half-width `b` is a triangle of half-width `s`
//! summed at points `s` apart under a triangle of `b / s` points, wherever `s` divides `b`: so pixels are touched
//! twice on each axis, however wide the window, and all that is wider happens on the lattice.

use crate::product::vectorised;

/// What is pooled side by side: one register of numbers a pixel.
pub const LANES: usize = 8;

pub type Lanes = [f32; LANES];

/// What lies around a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Nothing.
    Zero,
    /// The pixels of its border over and over.
    Border,
}

/// Sums at lattice points: point (i, j) is that of pixel (i s, j s). Around the points that lie in the picture there are
/// one more or two, whose windows are half or wholly outside; further out all would be as the outermost.
#[derive(Debug, Clone)]
pub struct Points {
    pub rows: usize,
    pub columns: usize,
    /// Points before the first row and column that lie in the picture.
    pub before: usize,
    pub data: Vec<Lanes>,
}

/// A picture whose rows come one after the other.
pub trait Rows {
    fn width(&self) -> usize;
    fn height(&self) -> usize;
    /// Turns to a row.
    fn turn_to(&mut self, y: usize);
    /// A pixel of that row.
    fn at(&self, x: usize) -> Lanes;
}

/// How the pixels of an axis share in its lattice points.
struct Axis {
    /// Lattice points, with one before and at least one after those in the picture.
    points: usize,
    /// `spacing` weights of a cell's pixels in the point before it, and in the one after it.
    falling: Vec<f32>,
    rising: Vec<f32>,
    /// More weight of the first and of the last pixel: lattice point and weight.
    first: Vec<(usize, f32)>,
    last: Vec<(usize, f32)>,
}

impl Axis {
    fn new(length: usize, spacing: usize, outside: Outside) -> Axis {
        let square = (spacing * spacing) as f32;
        let falling: Vec<f32> = (0..spacing).map(|r| (spacing - r) as f32 / square).collect();
        let rising: Vec<f32> = (0..spacing).map(|r| r as f32 / square).collect();
        let points = (length - 1).div_ceil(spacing) + 3;
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for point in (0..points).filter(|_| outside == Outside::Border) {
            let (before, after) = beyond(point, length, spacing);
            first.extend((before > 0.0).then_some((point, before)));
            last.extend((after > 0.0).then_some((point, after)));
        }
        Axis { points, falling, rising, first, last }
    }
}

/// The weight of the window of a lattice point that lies before the first pixel, and after the last one.
fn beyond(point: usize, length: usize, spacing: usize) -> (f32, f32) {
    let (s, centre) = (spacing as isize, (point as isize - 1) * spacing as isize);
    let window = (centre - s + 1)..(centre + s);
    let weight = |x: isize| (s - (x - centre).abs()) as f32 / (s * s) as f32;
    let before = window.clone().filter(|&x| x < 0).map(weight).sum();
    let after = window.filter(|&x| x >= length as isize).map(weight).sum();
    (before, after)
}

#[inline(always)]
fn add(sum: &mut Lanes, weight: f32, value: &Lanes) {
    for lane in 0..LANES {
        sum[lane] += weight * value[lane];
    }
}

/// Adds a line to a row of as many points.
#[inline(always)]
fn add_line(data: &mut [Lanes], row: usize, weight: f32, line: &[Lanes]) {
    for (sum, value) in data[row * line.len()..][..line.len()].iter_mut().zip(line) {
        add(sum, weight, value);
    }
}

/// Pools all rows of a picture under triangles of half-width `spacing`, whose weights sum to 1, at points that far apart.
pub fn pooled(rows: &mut impl Rows, spacing: usize, outside: Outside) -> Points {
    vectorised(
        #[inline(always)]
        || pool(rows, spacing, outside),
    )
}

#[inline(always)]
fn pool(rows: &mut impl Rows, spacing: usize, outside: Outside) -> Points {
    let (width, height) = (rows.width(), rows.height());
    let (across, down) = (Axis::new(width, spacing, outside), Axis::new(height, spacing, outside));
    let mut data = vec![[0.0; LANES]; down.points * across.points];
    let mut line = vec![[0.0; LANES]; across.points];
    for y in 0..height {
        rows.turn_to(y);
        pool_row(rows, &across, spacing, &mut line);
        let (cell, r) = (y / spacing, y % spacing);
        add_line(&mut data, cell + 1, down.falling[r], &line);
        if r > 0 {
            add_line(&mut data, cell + 2, down.rising[r], &line);
        }
        for (there, more) in [(0, &down.first), (height - 1, &down.last)] {
            for &(point, weight) in more.iter().filter(|_| y == there) {
                add_line(&mut data, point, weight, &line);
            }
        }
    }
    Points { rows: down.points, columns: across.points, before: 1, data }
}

/// Pools one row along itself.
#[inline(always)]
fn pool_row(rows: &impl Rows, axis: &Axis, spacing: usize, line: &mut [Lanes]) {
    let width = rows.width();
    let whole = width / spacing;
    let mut carried = [0.0; LANES];
    line[0] = [0.0; LANES];
    for cell in 0..whole {
        let (mut sum, mut next) = (carried, [0.0; LANES]);
        for r in 0..spacing {
            let value = rows.at(cell * spacing + r);
            add(&mut sum, axis.falling[r], &value);
            add(&mut next, axis.rising[r], &value);
        }
        line[cell + 1] = sum;
        carried = next;
    }
    line[whole + 1..].fill([0.0; LANES]);
    line[whole + 1] = carried;
    for x in whole * spacing..width {
        let value = rows.at(x);
        add(&mut line[whole + 1], axis.falling[x % spacing], &value);
        if x % spacing > 0 {
            add(&mut line[whole + 2], axis.rising[x % spacing], &value);
        }
    }
    for (x, more) in [(0, &axis.first), (width - 1, &axis.last)] {
        let value = rows.at(x);
        for &(point, weight) in more {
            add(&mut line[point], weight, &value);
        }
    }
}

impl Points {
    /// Under a triangle of `half_width` points instead of one, at every so-many-th point.
    pub fn widened(&self, half_width: usize, every: usize) -> Points {
        vectorised(
            #[inline(always)]
            || self.widen(half_width, every),
        )
    }

    #[inline(always)]
    fn widen(&self, half_width: usize, every: usize) -> Points {
        let kept = |points: usize| (points - self.before - 1).div_ceil(every);
        let (rows, columns) = (kept(self.rows), kept(self.columns));
        let reach = half_width as isize - 1;
        let square = (half_width * half_width) as f32;
        let weights: Vec<f32> = (-reach..=reach).map(|k| (half_width as isize - k.abs()) as f32 / square).collect();
        let place = |i: usize, k: usize, points: usize| {
            ((self.before + i * every + k) as isize - reach).clamp(0, points as isize - 1) as usize
        };
        let mut data = Vec::with_capacity(rows * columns);
        let mut line = vec![[0.0; LANES]; self.columns];
        for i in 0..rows {
            line.fill([0.0; LANES]);
            for (k, &weight) in weights.iter().enumerate() {
                let row = &self.data[place(i, k, self.rows) * self.columns..][..self.columns];
                for (sum, value) in line.iter_mut().zip(row) {
                    add(sum, weight, value);
                }
            }
            for j in 0..columns {
                let mut sum = [0.0; LANES];
                for (k, &weight) in weights.iter().enumerate() {
                    add(&mut sum, weight, &line[place(j, k, self.columns)]);
                }
                data.push(sum);
            }
        }
        Points { rows, columns, before: 0, data }
    }
}
