//! Histograms of oriented gradients (Dalal and Triggs 2005) of a picture brought to one size, as Felzenszwalb et al. (2010)
//! normalise them: 31 numbers a cell, for cells of several sizes. It describes outlines and where they are.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Grey;
use crate::image::resize::resize_grey;
use crate::product::vectorised;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::picture::Picture;
use super::pyramid;
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hog {
    /// Every picture is brought to `side` x `side` pixels, aspect ignored.
    side: u32,
    /// Sides of the cells in pixels; what is left over at the right and at the bottom is not described.
    cell_sizes: Vec<u32>,
}

/// Directions of gradients, from dark to light.
const DIRECTIONS: usize = 18;
/// Numbers of a cell: 18 directions, 9 orientations (either way), 4 sums, one for each block.
const LENGTH: usize = 31;
/// A normalised number is cut here.
const CLIP: f32 = 0.2;
/// Keeps blocks without gradients from being divided by 0.
const DARK: f32 = 1e-4;
/// Weight of the four sums, 1 / sqrt(18).
const TEXTURE: f32 = 0.2357;
/// Sides of pictures and of cells.
const SIDES: std::ops::RangeInclusive<u32> = 16..=512;
const SMALLEST_CELL: u32 = 4;

impl Hog {
    /// Cells along one side.
    fn count(&self, cell: u32) -> usize {
        (self.side / cell) as usize
    }
}

impl Kind for Hog {
    fn check(&self) -> Result<(), String> {
        if !SIDES.contains(&self.side) {
            return Err(format!("side = {} must be from {} to {} pixels", self.side, SIDES.start(), SIDES.end()));
        }
        if self.cell_sizes.is_empty() {
            return Err("cell_sizes needs at least one size, such as 8".into());
        }
        match self.cell_sizes.iter().find(|cell| !(SMALLEST_CELL..=self.side).contains(*cell)) {
            Some(cell) => Err(format!("{cell} in cell_sizes must be from {SMALLEST_CELL} to side = {}", self.side)),
            None => Ok(()),
        }
    }

    fn versions(&self) -> Vec<Version> {
        vec![Self::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 1.5, bytes: 4.0 * self.length() as f64, bytes_a_pixel: 6.0 }
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, _: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(self.clone()))
    }
}

impl Whole for Hog {
    const STAGE: Version = ("hog", 1);
    const TIME: Stage = Stage::Describe;
    const IN_COLOUR: bool = false;

    fn length(&self) -> usize {
        LENGTH * self.cell_sizes.iter().map(|&cell| self.count(cell).pow(2)).sum::<usize>()
    }

    /// Square roots of the numbers, each times its cell's side, so that every size counts about as much as another.
    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let gradients = Gradients::of(&resize_grey(&picture.grey(), self.side, self.side));
        let mut rest = &mut *out;
        for &cell in &self.cell_sizes {
            let count = self.count(cell);
            let here;
            (here, rest) = rest.split_at_mut(count * count * LENGTH);
            normalised(&gradients.histograms(cell as usize, count), count, here);
            here.iter_mut().for_each(|value| *value = (*value * cell as f32).sqrt());
        }
        pyramid::unit(out);
    }
}

/// Each pixel's gradient, split between the two directions that it lies between.
struct Gradients {
    side: usize,
    /// The lower direction; the other one is the next.
    direction: Vec<u8>,
    /// What goes to the lower direction and to the next.
    shares: Vec<[f32; 2]>,
}

impl Gradients {
    /// Central differences of a square picture, grey from 0 to 1; at the edges the outermost pixels go on.
    fn of(grey: &Grey) -> Gradients {
        let side = grey.width as usize;
        let pixels: Vec<f32> = grey.data.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let mut gradients = Gradients { side, direction: vec![0; side * side], shares: vec![[0.0; 2]; side * side] };
        let mut padded = vec![0.0; side + 2];
        let line = |y: usize| &pixels[y * side..][..side];
        for y in 0..side {
            padded[1..=side].copy_from_slice(line(y));
            (padded[0], padded[side + 1]) = (padded[1], padded[side]);
            let (left, right) = (&padded[..side], &padded[2..]);
            let (above, below) = (line(y.saturating_sub(1)), line((y + 1).min(side - 1)));
            let directions = &mut gradients.direction[y * side..][..side];
            let shares = &mut gradients.shares[y * side..][..side];
            vectorised(
                #[inline(always)]
                || {
                    for x in 0..side {
                        let (dx, dy) = (right[x] - left[x], below[x] - above[x]);
                        let strength = (dx * dx + dy * dy).sqrt();
                        let turned = angle(dx, dy) * (DIRECTIONS as f32 / (2.0 * PI));
                        let place = if turned < 0.0 { turned + DIRECTIONS as f32 } else { turned };
                        let lower = place as i32;
                        let next = strength * (place - lower as f32);
                        directions[x] = if lower < DIRECTIONS as i32 { lower as u8 } else { 0 };
                        shares[x] = [strength - next, next];
                    }
                },
            );
        }
        gradients
    }

    /// Histograms of directions of `count` x `count` cells of `cell` pixels, with a border of one cell around them that
    /// takes what falls outside: each pixel is split between the four nearest cells.
    fn histograms(&self, cell: usize, count: usize) -> Vec<[f32; DIRECTIONS]> {
        let mut cells = vec![[0.0; DIRECTIONS]; (count + 2) * (count + 2)];
        // where a pixel lies between the middles of two cells, the first of them counted from the border
        let between: Vec<(usize, f32)> = (0..count * cell)
            .map(|pixel| {
                let place = (pixel as f32 + 0.5) / cell as f32 + 0.5;
                (place as usize, place.fract())
            })
            .collect();
        for (y, &(row, down)) in between.iter().enumerate() {
            let line = y * self.side;
            let (above, below) = cells[row * (count + 2)..].split_at_mut(count + 2);
            for (x, &(column, right)) in between.iter().enumerate() {
                let direction = usize::from(self.direction[line + x]);
                let next = if direction + 1 == DIRECTIONS { 0 } else { direction + 1 };
                let [lower, upper] = self.shares[line + x];
                for (cells, part) in [(&mut *above, 1.0 - down), (&mut *below, down)] {
                    for (cell, part) in [(column, part * (1.0 - right)), (column + 1, part * right)] {
                        cells[cell][direction] += part * lower;
                        cells[cell][next] += part * upper;
                    }
                }
            }
        }
        cells
    }
}

/// Writes the 31 numbers of each cell, which is normalised by each of the four blocks of 2 x 2 cells that it belongs to.
fn normalised(histograms: &[[f32; DIRECTIONS]], count: usize, out: &mut [f32]) {
    let row = count + 2;
    let energy = |i: usize, j: usize| -> f32 {
        if i == 0 || j == 0 || i > count || j > count {
            return 0.0;
        }
        let cell = &histograms[i * row + j];
        (0..9).map(|o| (cell[o] + cell[o + 9]).powi(2)).sum()
    };
    let energies: Vec<f32> = (0..row * row).map(|i| energy(i / row, i % row)).collect();
    for (place, out) in out.chunks_exact_mut(LENGTH).enumerate() {
        let (i, j) = (place / count, place % count);
        let cell = &histograms[(i + 1) * row + j + 1];
        for (block, [u, v]) in [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter().enumerate() {
            let at = (i + u) * row + j + v;
            let sum = energies[at] + energies[at + row] + energies[at + 1] + energies[at + row + 1];
            let factor = 1.0 / (sum + DARK).sqrt();
            let mut texture = 0.0;
            for o in 0..DIRECTIONS {
                let share = (cell[o] * factor).min(CLIP);
                out[o] += 0.5 * share;
                texture += share;
            }
            for o in 0..9 {
                out[18 + o] += 0.5 * ((cell[o] + cell[o + 9]) * factor).min(CLIP);
            }
            out[27 + block] = TEXTURE * texture;
        }
    }
}

/// Angle of (x, y) from -pi to pi, within 3e-7 (polynomial of Cephes' `atanf`); 0 for (0, 0).
#[inline(always)]
fn angle(x: f32, y: f32) -> f32 {
    let (across, up) = (x.abs(), y.abs());
    let (less, more) = (across.min(up), across.max(up).max(f32::MIN_POSITIVE));
    let tangent = less / more;
    let steep = tangent > 0.414_213_56;
    let t = if steep { (tangent - 1.0) / (tangent + 1.0) } else { tangent };
    let z = t * t;
    let odd = ((8.053_744_5e-2 * z - 1.387_768_6e-1) * z + 1.997_771e-1) * z - 3.333_295e-1;
    let eighth = t + t * z * odd + if steep { FRAC_PI_4 } else { 0.0 };
    let quarter = if up > across { FRAC_PI_2 - eighth } else { eighth };
    let half = if x < 0.0 { PI - quarter } else { quarter };
    if y < 0.0 { -half } else { half }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::Rgb;
    use crate::image::drawn::pattern;

    fn whole() -> Hog {
        Hog { side: 96, cell_sizes: vec![8, 16, 24] }
    }

    /// Made by a NumPy program that goes pixel by pixel.
    #[test]
    fn vectors_are_those_of_the_reference() {
        let mut out = vec![0.0; whole().length()];
        whole().describe(&(&pattern(96, 96)).into(), &mut out);
        let expected = [
            (3, 0.010_843_09),
            (825, 0.009_496_309),
            (1648, 0.007_704_003),
            (2471, 0.014_567_51),
            (3294, 0.006_700_504),
            (4116, 0.013_323_22),
            (4939, 0.011_130_8),
        ];
        assert_eq!(out.len(), 6076);
        assert!((pyramid::weighted_sum(&out) / 3562.646 - 1.0).abs() < 1e-6, "{}", pyramid::weighted_sum(&out));
        assert!(expected.iter().all(|&(place, value): &(usize, f32)| (out[place] - value).abs() < 1e-6));
    }

    #[test]
    fn a_flat_picture_gives_zeros() {
        let mut out = vec![0.0; whole().length()];
        whole().describe(&(&Rgb { width: 2, height: 2, data: vec![70; 12] }).into(), &mut out);
        assert!(out.iter().all(|&value| value == 0.0));
    }

    proptest! {
        #[test]
        fn angles_are_those_of_the_standard_library(x in -255..=255_i16, y in -255..=255_i16) {
            let (x, y) = (f32::from(x) / 255.0, f32::from(y) / 255.0);
            prop_assert!((angle(x, y) - y.atan2(x)).abs() < 1e-6, "{} {}", angle(x, y), y.atan2(x));
        }
    }
}
