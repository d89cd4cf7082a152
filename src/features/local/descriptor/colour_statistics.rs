//! Local colour statistics: means and deviations of L*, a* and b* in 4 x 4 windows (Clinchant, Csurka, Perronnin and
//! Renders 2007), on the same grid and under the same triangles as the dense SIFT descriptors.

use serde::{Deserialize, Serialize};

use super::dense::lab::lab;
use super::dense::pooling::{Lanes, Outside, Points, Rows, pooled};
use super::dense::{Grid, Lattice, Plane, Seen, gcd};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;
use crate::product::vectorised;

/// Mean and deviation of each of three channels of a window, as hundredths.
const OF_A_WINDOW: usize = 6;
const LENGTH: usize = 16 * OF_A_WINDOW;

/// Subtracted from L* before it is squared, so that few digits are lost.
const MIDDLE: f32 = 0.5;

/// Of a grey picture a* and b* are 0, and so are their deviations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColourStatistics(pub Grid);

impl Descriptor for ColourStatistics {
    fn check(&self) -> Result<(), String> {
        if self.0.smooth {
            return Err("smooth is for descriptors of gradients; leave it out".into());
        }
        self.0.check()
    }

    fn version(&self) -> (&'static str, u32) {
        ("colour-statistics", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(LENGTH)
    }

    fn in_colour(&self) -> bool {
        true
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        Cost { milliseconds: 3.0, bytes: 0.0, bytes_a_pixel: self.0.bytes_a_pixel(3, LENGTH) }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Statistics(self.0.clone())))
    }
}

struct Statistics(Grid);

impl Describe for Statistics {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let rgb = Seen::colour(picture, self.0.longer, self.0.reduce);
        let mut planes = lab(&rgb.planes);
        planes[0].data.iter_mut().for_each(|lightness| *lightness -= MIDDLE);
        let seen = rgb.with(planes);
        Ok(Descriptors::of_floats(LENGTH, described(&seen, &self.0), self.0.places(&seen)))
    }
}

/// Three planes and their squares, pixel by pixel, and a 1 that says how much of a window lies in the picture.
struct Moments<'a> {
    planes: &'a [Plane],
    line: Vec<Lanes>,
}

impl Rows for Moments<'_> {
    fn width(&self) -> usize {
        self.planes[0].width
    }

    fn height(&self) -> usize {
        self.planes[0].height
    }

    #[inline(always)]
    fn turn_to(&mut self, y: usize) {
        let [a, b, c] = [0, 1, 2].map(|at| self.planes[at].row(y));
        for (((line, &a), &b), &c) in self.line.iter_mut().zip(a).zip(b).zip(c) {
            *line = [a, b, c, a * a, b * b, c * c, 0.0, 1.0];
        }
    }

    #[inline(always)]
    fn at(&self, x: usize) -> Lanes {
        self.line[x]
    }
}

fn described(seen: &Seen, grid: &Grid) -> Vec<f32> {
    let lattices = grid.lattices(seen.width(), seen.height());
    let Some(finest) = lattices.iter().map(|lattice| lattice.spacing).reduce(gcd) else { return Vec::new() };
    let mut moments = Moments { planes: &seen.planes, line: vec![[0.0; 8]; seen.width()] };
    let points = pooled(&mut moments, finest, Outside::Zero);
    let mut out = Vec::with_capacity(lattices.iter().map(Lattice::count).sum::<usize>() * LENGTH);
    for lattice in &lattices {
        let windows = lattice.windows(&points, finest);
        vectorised(
            #[inline(always)]
            || gather(&windows, lattice, &mut out),
        );
    }
    out
}

#[inline(always)]
fn gather(windows: &Points, lattice: &Lattice, out: &mut Vec<f32>) {
    let mut statistics = vec![[0.0; OF_A_WINDOW]; windows.data.len()];
    for (statistics, sums) in statistics.iter_mut().zip(&windows.data) {
        *statistics = of_window(sums);
    }
    let (cells, down, right) = lattice.cells(windows);
    let mut descriptor = [0.0; LENGTH];
    for i in 0..lattice.rows {
        for j in 0..lattice.columns {
            let statistics = &statistics[i * down + j * right..];
            for c in 0..16 {
                descriptor[c * OF_A_WINDOW..][..OF_A_WINDOW].copy_from_slice(&statistics[cells[c]]);
            }
            out.extend_from_slice(&descriptor);
        }
    }
}

/// Mean and deviation of each channel, from sums. Points outside of the picture, which no descriptor has, give 0.
#[inline(always)]
fn of_window(sums: &Lanes) -> [f32; OF_A_WINDOW] {
    let share = 1.0 / sums[7].max(f32::MIN_POSITIVE);
    let mut statistics = [0.0; OF_A_WINDOW];
    for c in 0..3 {
        let mean = sums[c] * share;
        statistics[2 * c] = mean;
        statistics[2 * c + 1] = (sums[3 + c] * share - mean * mean).max(0.0).sqrt();
    }
    statistics[0] += MIDDLE;
    statistics
}

#[cfg(test)]
mod tests {
    use super::super::dense::naive;
    use super::*;

    /// Mean and deviation of a plane under each of the 4 x 4 windows, as far as they lie in the picture.
    fn moments(plane: &naive::Image, (y, x): (usize, usize), size: usize) -> Vec<[f64; 2]> {
        let squares: naive::Image = plane.iter().map(|row| row.iter().map(|value| value * value).collect()).collect();
        let window = |cell: usize| {
            let middle = (y + cell / 4 * size, x + cell % 4 * size);
            let (sum, weight) = naive::window(plane, middle, size, false);
            let (square, _) = naive::window(&squares, middle, size, false);
            let mean = sum / weight;
            [mean, (square / weight - mean * mean).max(0.0).sqrt()]
        };
        (0..16).map(window).collect()
    }

    #[test]
    fn descriptors_are_those_of_the_definition() {
        for picture in naive::pictures() {
            let seen = Seen::colour(&(&picture).into(), None, 1);
            let image = |plane: &Plane| {
                plane.data.chunks(plane.width).map(|row| row.iter().map(|&value| f64::from(value)).collect()).collect()
            };
            let planes: Vec<naive::Image> = lab(&seen.planes).iter().map(image).collect();
            for (sizes, step) in [([4, 6, 8], 4), ([3, 4, 5], 7)] {
                let mut expected = Vec::new();
                for &size in &sizes {
                    let corners = naive::corners(&planes[0], size as usize, step as usize);
                    expected.extend(corners.into_iter().map(|corner| {
                        let of_planes: Vec<_> =
                            planes.iter().map(|plane| moments(plane, corner, size as usize)).collect();
                        let cell = |cell: usize| of_planes.iter().flat_map(move |moments| moments[cell]);
                        (0..16).flat_map(cell).collect::<Vec<f64>>()
                    }));
                }
                let error = naive::distance(&ColourStatistics(naive::grid(&sizes, step, false)), &picture, &expected);
                assert!(error < 1e-3, "{sizes:?} {step}: {error}");
            }
        }
    }

    #[test]
    fn every_picture_is_described() {
        naive::hold(&ColourStatistics(naive::grid(&[2, 4], 3, false)), false);
        naive::hold(&ColourStatistics(Grid { reduce: 2, ..naive::grid(&[2], 2, false) }), false);
        let smooth = ColourStatistics(naive::grid(&[2], 2, true));
        assert!(smooth.check().unwrap_err().contains("smooth"));
    }

    #[test]
    fn a_grey_picture_has_lightness_only() {
        let grey = crate::image::canvas::grey(&naive::noise(50, 40));
        let method = ColourStatistics(naive::grid(&[2, 4], 3, false));
        let found = method.open(None).unwrap().describe(&(&grey).into()).unwrap();
        assert!(!found.is_empty());
        for window in found.floats().chunks_exact(OF_A_WINDOW) {
            assert!(window[0] > 0.0 && window[1] > 0.0);
            assert!(window[2..].iter().all(|value| value.abs() < 1e-3), "{window:?}");
        }
    }
}
