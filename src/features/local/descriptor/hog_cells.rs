//! Histograms of oriented gradients in cells, 31 numbers each (Felzenszwalb, Girshick, McAllester and Ramanan 2010), as
//! VLFeat's `vl_hog` computes them; 2 x 2 neighbouring cells are one descriptor (Xiao et al. 2010).

use serde::{Deserialize, Serialize};

use super::dense::orientation::Gradients;
use super::dense::{Plane, Seen, check_reduction, one};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture};
use crate::features::Cost;
use crate::product::vectorised;

/// Orientations of undirected gradients.
const UNDIRECTED: usize = 9;
/// Of directed ones.
const DIRECTED: usize = 2 * UNDIRECTED;
/// Numbers of a cell: directed and undirected orientations, and the sum of four normalisations.
const OF_A_CELL: usize = DIRECTED + UNDIRECTED + 4;
const LENGTH: usize = 4 * OF_A_CELL;

/// Where a normalised number is cut off.
const CLIPPED: f32 = 0.2;
/// Added to the squared length of a block.
const FAINT: f32 = 1e-4;
/// The largest cell.
const LARGEST: u32 = 1024;

/// Cells of each side, one beside the other; a descriptor begins at each of them but the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HogCells {
    /// The picture is reduced so that its longer side has at most so many pixels; none: it is seen as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer: Option<u32>,
    /// Its sides are then divided by this.
    #[serde(default = "one")]
    pub reduce: u32,
    /// Sides of cells in pixels.
    pub sizes: Vec<u32>,
}

impl Descriptor for HogCells {
    fn check(&self) -> Result<(), String> {
        check_reduction(self.longer, self.reduce)?;
        if self.sizes.is_empty() || self.sizes.iter().any(|size| !(2..=LARGEST).contains(size)) {
            return Err(format!("sizes must be a list of numbers from 2 to {LARGEST}"));
        }
        Ok(())
    }

    fn version(&self) -> (&'static str, u32) {
        ("hog-cells", 1)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(LENGTH)
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        let smallest = self.sizes.iter().min().map_or(1.0, |&size| f64::from(size));
        let cells = 4.0 * (LENGTH * self.sizes.len() + 2 * OF_A_CELL) as f64 / smallest.powi(2);
        let seen = 8.0 + (8.0 + cells) / f64::from(self.reduce).powi(2);
        // under a cap hardly anything grows with the picture
        Cost { milliseconds: 2.0, bytes: 0.0, bytes_a_pixel: if self.longer.is_some() { 2.0 } else { seen } }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Hog { settings: self.clone(), gradients: Gradients::default() }))
    }
}

struct Hog {
    settings: HogCells,
    gradients: Gradients,
}

impl Describe for Hog {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let seen = Seen::grey(picture, self.settings.longer, self.settings.reduce);
        let (mut floats, mut places) = (Vec::new(), Vec::new());
        for &size in &self.settings.sizes {
            let side = size as usize;
            let gradients = &mut self.gradients;
            let cells = vectorised(
                #[inline(always)]
                || Histograms::new(&seen.planes[0], side, gradients).normalised(),
            );
            cells.blocks(&mut floats);
            let corner = |i: usize| (i * side) as f32 - 0.5;
            for i in 1..cells.rows {
                places.extend((1..cells.columns).map(|j| seen.place(corner(j), corner(i), 2.0 * size as f32)));
            }
        }
        Ok(Descriptors::of_floats(LENGTH, floats, places))
    }
}

/// The directed histograms of all cells, with a row and a column more on each side, which are left out at the end.
struct Histograms {
    rows: usize,
    columns: usize,
    data: Vec<[f32; DIRECTED]>,
}

/// The numbers of all cells.
struct Cells {
    rows: usize,
    columns: usize,
    data: Vec<[f32; OF_A_CELL]>,
}

/// The cell before a pixel, counted from the one outside, and the pixel's share in the next one.
fn between(pixel: usize, side: usize) -> (usize, f32) {
    let place = (pixel as f32 + 0.5) / side as f32 + 0.5;
    (place as usize, place.fract())
}

impl Histograms {
    /// Each gradient goes to the nearest of 18 directions and, by distance, to the four nearest cells. Differences are
    /// not halved, and pixels of the border have none.
    #[inline(always)]
    fn new(plane: &Plane, side: usize, gradients: &mut Gradients) -> Histograms {
        let cells = |length: usize| (length + side / 2) / side;
        let (rows, columns) = (cells(plane.height), cells(plane.width));
        let mut data = vec![[0.0; DIRECTED]; (rows + 2) * (columns + 2)];
        let mut line = vec![[0.0; DIRECTED]; columns + 2];
        let across: Vec<(usize, f32)> = (0..plane.width).map(|x| between(x, side)).collect();
        let mut nearest = vec![0_u32; plane.width];
        for y in 1..plane.height.saturating_sub(1) {
            gradients.of_row(plane, y);
            for (nearest, angle) in nearest.iter_mut().zip(&gradients.angles) {
                *nearest = direction(*angle);
            }
            line.fill([0.0; DIRECTED]);
            for x in 1..plane.width.saturating_sub(1) {
                let ((cell, share), o) = (across[x], nearest[x] as usize % DIRECTED);
                let strength = 2.0 * gradients.magnitudes[x];
                line[cell][o] += strength * (1.0 - share);
                line[cell + 1][o] += strength * share;
            }
            let (cell, share) = between(y, side);
            for (row, share) in [(cell, 1.0 - share), (cell + 1, share)] {
                for (sums, values) in data[row * (columns + 2)..].iter_mut().zip(&line) {
                    for o in 0..DIRECTED {
                        sums[o] += share * values[o];
                    }
                }
            }
        }
        Histograms { rows, columns, data }
    }

    #[inline(always)]
    fn cell(&self, i: usize, j: usize) -> &[f32; DIRECTED] {
        &self.data[(i + 1) * (self.columns + 2) + j + 1]
    }

    /// Squared length of the undirected histogram of each cell, with cells of the border once more around them.
    #[inline(always)]
    fn energies(&self) -> Vec<f32> {
        let mut energies = Vec::with_capacity((self.rows + 2) * (self.columns + 2));
        for i in 0..self.rows + 2 {
            for j in 0..self.columns + 2 {
                let inside = |at: usize, cells: usize| at.clamp(1, cells) - 1;
                let cell = self.cell(inside(i, self.rows), inside(j, self.columns));
                energies.push((0..UNDIRECTED).map(|o| (cell[o] + cell[o + UNDIRECTED]).powi(2)).sum());
            }
        }
        energies
    }

    /// Each cell is normalised by the four blocks of 2 x 2 cells that it is in, and the four results are averaged.
    #[inline(always)]
    fn normalised(&self) -> Cells {
        let mut data = vec![[0.0; OF_A_CELL]; self.rows * self.columns];
        if data.is_empty() {
            return Cells { rows: 0, columns: 0, data };
        }
        let (energies, width) = (self.energies(), self.columns + 2);
        for i in 0..self.rows {
            for j in 0..self.columns {
                let histogram = self.cell(i, j);
                let cell = &mut data[i * self.columns + j];
                for block in 0..4 {
                    let corner = &energies[(i + block / 2) * width + j + block % 2..];
                    let energy = corner[0] + corner[1] + corner[width] + corner[width + 1];
                    let scale = 1.0 / (energy + FAINT).sqrt();
                    cell[DIRECTED + UNDIRECTED + block] = add_normalised(histogram, scale, cell);
                }
            }
        }
        Cells { rows: self.rows, columns: self.columns, data }
    }
}

/// Adds half of a histogram under one normalisation to a cell, and gives the sum of its undirected orientations.
#[inline(always)]
fn add_normalised(histogram: &[f32; DIRECTED], scale: f32, cell: &mut [f32; OF_A_CELL]) -> f32 {
    for o in 0..DIRECTED {
        cell[o] += 0.5 * (histogram[o] * scale).min(CLIPPED);
    }
    let mut sum = 0.0;
    for o in 0..UNDIRECTED {
        let value = ((histogram[o] + histogram[o + UNDIRECTED]) * scale).min(CLIPPED);
        cell[DIRECTED + o] += 0.5 * value;
        sum += value;
    }
    sum / (DIRECTED as f32).sqrt()
}

/// The nearest of 18 directions to an angle in eighths; of two equally near ones the lower.
#[inline(always)]
fn direction(angle: f32) -> u32 {
    const SCALE: f32 = DIRECTED as f32 / 8.0;
    (angle * SCALE - 0.5).ceil() as i32 as u32
}

impl Cells {
    /// Appends 2 x 2 cells each: the cell itself, right of it, below it, right below.
    fn blocks(&self, out: &mut Vec<f32>) {
        out.reserve(self.rows.saturating_sub(1) * self.columns.saturating_sub(1) * LENGTH);
        for i in 1..self.rows {
            for j in 1..self.columns {
                for row in [i - 1, i] {
                    out.extend_from_slice(self.data[row * self.columns + j - 1..][..2].as_flattened());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dense::naive;
    use super::*;

    fn settings(sizes: &[u32]) -> HogCells {
        HogCells { longer: None, reduce: 1, sizes: sizes.to_vec() }
    }

    fn directed(image: &naive::Image, side: usize) -> Vec<Vec<[f64; DIRECTED]>> {
        let (height, width) = (image.len(), image[0].len());
        let mut cells = vec![vec![[0.0; DIRECTED]; (width + side / 2) / side]; (height + side / 2) / side];
        for (y, x) in (1..height - 1).flat_map(|y| (1..width - 1).map(move |x| (y, x))) {
            let (dx, dy) = naive::gradient(image, y, x);
            let angle = dy.atan2(dx).rem_euclid(std::f64::consts::TAU);
            let o = (angle / std::f64::consts::TAU * 18.0 - 0.5 - 1e-9).ceil() as usize % DIRECTED;
            for (i, row) in cells.iter_mut().enumerate() {
                for (j, cell) in row.iter_mut().enumerate() {
                    let share = |pixel: usize, cell: usize| {
                        let centre = (cell as f64 + 0.5) * side as f64;
                        (1.0 - (pixel as f64 + 0.5 - centre).abs() / side as f64).max(0.0)
                    };
                    cell[o] += 2.0 * dx.hypot(dy) * share(y, i) * share(x, j);
                }
            }
        }
        cells
    }

    fn cells(image: &naive::Image, side: usize) -> Vec<Vec<Vec<f64>>> {
        let directed = directed(image, side);
        let undirected = |cell: &[f64; DIRECTED]| -> Vec<f64> { (0..9).map(|o| cell[o] + cell[o + 9]).collect() };
        let energy = |i: i64, j: i64| {
            let (i, j) = (i.clamp(0, directed.len() as i64 - 1), j.clamp(0, directed[0].len() as i64 - 1));
            undirected(&directed[i as usize][j as usize]).iter().map(|value| value * value).sum::<f64>()
        };
        let of_cell = |i: usize, j: usize| {
            let mut values = vec![0.0; OF_A_CELL];
            for (block, (di, dj)) in [(-1, -1), (-1, 0), (0, -1), (0, 0)].into_iter().enumerate() {
                let corners = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let sum: f64 = corners.map(|(v, u)| energy(i as i64 + di + v, j as i64 + dj + u)).iter().sum();
                let normal = |value: f64| (value / (sum + 1e-4).sqrt()).min(0.2);
                let all = undirected(&directed[i][j]);
                (0..18).for_each(|o| values[o] += 0.5 * normal(directed[i][j][o]));
                (0..9).for_each(|o| values[18 + o] += 0.5 * normal(all[o]));
                values[27 + block] = all.into_iter().map(normal).sum::<f64>() / 18.0_f64.sqrt();
            }
            values
        };
        (0..directed.len()).map(|i| (0..directed[0].len()).map(|j| of_cell(i, j)).collect()).collect()
    }

    #[test]
    fn descriptors_are_those_of_the_definition() {
        for picture in naive::pictures() {
            let image = naive::grey(&picture);
            for side in [4, 6, 9] {
                let cells = cells(&image, side);
                let corners = (1..cells.len()).flat_map(|i| (1..cells[0].len()).map(move |j| (i, j)));
                let block = |(i, j): (usize, usize)| {
                    [&cells[i - 1][j - 1][..], &cells[i - 1][j], &cells[i][j - 1], &cells[i][j]].concat()
                };
                let expected: Vec<Vec<f64>> = corners.map(block).collect();
                let error = naive::distance(&settings(&[side as u32]), &picture, &expected);
                assert!(error < 1e-3, "{side}: {error}");
            }
        }
    }

    #[test]
    fn every_picture_is_described() {
        naive::hold(&settings(&[2, 8]), true);
        naive::hold(&HogCells { reduce: 2, longer: Some(100), ..settings(&[3]) }, true);
        assert!(settings(&[8, 0]).check().unwrap_err().contains("sizes"));
        assert!(settings(&[]).check().unwrap_err().contains("sizes"));
    }

    #[test]
    fn places_are_where_four_cells_meet() {
        let found = naive::describe(&settings(&[8]), &naive::noise(24, 16));
        let places: Vec<_> = found.places().iter().map(|place| (place.x, place.y, place.size)).collect();
        assert_eq!(places, [(7.5, 7.5, 16.0), (15.5, 7.5, 16.0)]);
    }
}
