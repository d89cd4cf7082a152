//! SIFT descriptors from pooled orientation maps: 4 x 4 windows of a lattice, weighted, as RootSIFT.

use std::borrow::Cow;

use super::blur::{blurred, blurs};
use super::orientation::{DIRECTIONS, Gradients, shares};
use super::pooling::{LANES, Lanes, Outside, Points, Rows, pooled};
use super::{Grid, Lattice, Plane, Seen, gcd};
use crate::product::vectorised;

/// Numbers of one descriptor.
pub const LENGTH: usize = 4 * 4 * DIRECTIONS;

/// Where a descriptor is cut off, in units of its length (Lowe 2004).
const CLIPPED: f32 = 0.2;
/// Length up to which a descriptor is hardly more than rounding, and becomes zeros: 1/400 of a grey value a pixel.
const FAINT: f32 = 1e-5;

/// Orientation maps of a plane, made row by row.
struct Maps<'a> {
    plane: &'a Plane,
    gradients: Gradients,
}

impl Rows for Maps<'_> {
    fn width(&self) -> usize {
        self.plane.width
    }

    fn height(&self) -> usize {
        self.plane.height
    }

    #[inline(always)]
    fn turn_to(&mut self, y: usize) {
        self.gradients.of_row(self.plane, y);
    }

    #[inline(always)]
    fn at(&self, x: usize) -> Lanes {
        shares(self.gradients.magnitudes[x], self.gradients.angles[x])
    }
}

/// Windows of one size of one plane, and their square roots.
struct Windows<'a> {
    points: Cow<'a, Points>,
    roots: Vec<Lanes>,
}

impl<'a> Windows<'a> {
    fn new(points: Cow<'a, Points>) -> Windows<'a> {
        let mut roots = points.data.clone();
        vectorised(
            #[inline(always)]
            || roots.iter_mut().flatten().for_each(|value| *value = value.sqrt()),
        );
        Windows { points, roots }
    }
}

/// The descriptors of planes that belong together, [`LENGTH`] numbers a plane, of all sizes one after the other; by row
/// and column within a size. The maps are smoothed by a sixth of the size before, or all sizes see the same ones.
pub fn described(seen: &Seen, grid: &Grid) -> Vec<f32> {
    let lattices = grid.lattices(seen.width(), seen.height());
    let count: usize = lattices.iter().map(Lattice::count).sum();
    let mut out = Vec::with_capacity(count * seen.planes.len() * LENGTH);
    let Some(finest) = lattices.iter().map(|lattice| lattice.spacing).reduce(gcd) else { return out };
    let unsmoothed = |plane| points(plane, finest);
    let shared: Vec<Points> = seen.planes.iter().filter(|_| !grid.smooth).map(unsmoothed).collect();
    for lattice in &lattices {
        let smooth = |plane| points(&smoothed(plane, lattice.size), lattice.spacing);
        let own: Vec<Points> = seen.planes.iter().filter(|_| grid.smooth).map(smooth).collect();
        let (maps, spacing) = if grid.smooth { (&own, lattice.spacing) } else { (&shared, finest) };
        let windows: Vec<Windows> = maps.iter().map(|points| Windows::new(lattice.windows(points, spacing))).collect();
        vectorised(
            #[inline(always)]
            || gather(&windows, lattice, &mut out),
        );
    }
    out
}

/// The orientation maps of a plane under windows of half-width `spacing`, at points that far apart; 1 leaves the maps as
/// they are.
pub fn points(plane: &Plane, spacing: usize) -> Points {
    pooled(&mut Maps { plane, gradients: Gradients::default() }, spacing, Outside::Border)
}

/// As blurred as windows of this size want it.
fn smoothed(plane: &Plane, size: usize) -> Cow<'_, Plane> {
    let sigma = size as f64 / 6.0;
    if blurs(sigma) { Cow::Owned(blurred(plane, sigma)) } else { Cow::Borrowed(plane) }
}

/// Weights of the 4 x 4 windows: a Gaussian of twice the size, averaged over each window, as VLFeat has it.
fn weights(size: usize) -> [f32; 16] {
    let (size, reach) = (size as f64, size as isize - 1);
    let mean = |window: usize| {
        let centre = size * (window as f64 - 1.5);
        let weight = |x: isize| (-0.5 * ((x as f64 - centre) / (2.0 * size)).powi(2)).exp();
        (-reach..=reach).map(weight).sum::<f64>() / (2 * reach + 1) as f64
    };
    std::array::from_fn(|at| (mean(at / 4) * mean(at % 4)) as f32)
}

#[inline(always)]
fn gather(windows: &[Windows], lattice: &Lattice, out: &mut Vec<f32>) {
    let weights = weights(lattice.size);
    let roots = weights.map(f32::sqrt);
    let (cells, down, right) = lattice.cells(&windows[0].points);
    let mut descriptor = [0.0; LENGTH];
    for i in 0..lattice.rows {
        for j in 0..lattice.columns {
            let from = i * down + j * right;
            for Windows { points, roots: rooted } in windows {
                let (points, rooted) = (&points.data[from..], &rooted[from..]);
                let (scale, most) = scale(points, &cells, &weights);
                rescale(rooted, &cells, &roots, scale, most, &mut descriptor);
                out.extend_from_slice(&descriptor);
            }
        }
    }
}

/// What brings a descriptor to length 1, cut off, and its sum to 1 then; and where it is cut off: both under a root.
#[inline(always)]
fn scale(points: &[Lanes], cells: &[usize; 16], weights: &[f32; 16]) -> (f32, f32) {
    let mut squares = [0.0_f32; LANES];
    for c in 0..16 {
        let (cell, weight) = (&points[cells[c]], weights[c]);
        for o in 0..LANES {
            let value = cell[o] * weight;
            squares[o] += value * value;
        }
    }
    let length = total(&squares).sqrt();
    let scale = if length > FAINT { 1.0 / length } else { 0.0 };
    let mut sums = [0.0_f32; LANES];
    for c in 0..16 {
        let (cell, weight) = (&points[cells[c]], weights[c] * scale);
        for o in 0..LANES {
            sums[o] += (cell[o] * weight).min(CLIPPED);
        }
    }
    let share = 1.0 / total(&sums).max(f32::MIN_POSITIVE);
    ((scale * share).sqrt(), (CLIPPED * share).sqrt())
}

/// The square roots of the shares of a descriptor, made of the roots of its sums: one serves up to 16 descriptors.
#[inline(always)]
fn rescale(
    rooted: &[Lanes],
    cells: &[usize; 16],
    roots: &[f32; 16],
    scale: f32,
    most: f32,
    descriptor: &mut [f32; LENGTH],
) {
    for c in 0..16 {
        let (cell, root) = (&rooted[cells[c]], roots[c] * scale);
        for o in 0..LANES {
            descriptor[c * LANES + o] = (cell[o] * root).min(most);
        }
    }
}

#[inline(always)]
fn total(lanes: &Lanes) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}
