//! What the descriptors on a dense grid have in common: planes of numbers, grids whose sizes follow from the picture's,
//! orientation maps and windows. All of it is our own; VLFeat's flat windows (Vedaldi and Fulkerson 2010) are the model.

mod blur;
pub mod lab;
pub mod orientation;
pub mod pooling;
mod reduce;
pub mod sift;

#[cfg(test)]
pub mod naive;
#[cfg(test)]
mod tests;

pub use reduce::{Seen, check as check_reduction, resized};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Picture, Place};
use pooling::Points;

/// The largest window, which bounds what a plane is padded by.
const LARGEST: u32 = 1024;

/// Numbers row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub data: Vec<f32>,
}

/// Where descriptors of 4 x 4 windows lie, and how large they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// The picture is reduced so that its longer side has at most so many pixels; none: it is seen as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer: Option<u32>,
    /// Its sides are then divided by this.
    #[serde(default = "one")]
    pub reduce: u32,
    /// Is it smoothed before gradients are taken, by a Gaussian of a sixth of the size?
    #[serde(default)]
    pub smooth: bool,
    /// The last one whose `shorter` the picture's shorter side (as reduced) reaches.
    pub grids: Vec<Sizes>,
}

/// The grid of pictures from some size on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Pixels of the shorter side.
    pub shorter: u32,
    /// Half-widths of the windows, which lie so far apart, in pixels.
    pub sizes: Vec<u32>,
    /// From one descriptor to the next, in pixels.
    pub step: u32,
}

/// The descriptors of one size, and the lattice of points that their windows are on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lattice {
    pub size: usize,
    pub step: usize,
    /// Pixels between lattice points.
    pub spacing: usize,
    /// Of descriptors.
    pub rows: usize,
    pub columns: usize,
}

pub const fn one() -> u32 {
    1
}

/// The last of the entries whose `shorter` a picture's shorter side reaches.
pub fn reached<T>(entries: &[T], shorter: impl Fn(&T) -> u32, side: usize) -> Option<&T> {
    entries.iter().rev().find(|entry| shorter(entry) as usize <= side)
}

/// What is wrong with the order of such entries, if anything is; `name` is the setting.
///
/// # Errors
/// A sentence that names the setting.
pub fn check_sorted<T>(name: &str, entries: &[T], shorter: impl Fn(&T) -> u32) -> Result<(), String> {
    if entries.is_sorted_by(|a, b| shorter(a) < shorter(b)) {
        return Ok(());
    }
    Err(format!("{name} must be sorted by shorter, each larger than the one before"))
}

pub fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Plane {
    pub fn zeros(width: usize, height: usize) -> Plane {
        Plane { width, height, data: vec![0.0; width * height] }
    }

    /// Bytes as numbers from 0 to 1.
    pub fn of_bytes<'a>(width: usize, height: usize, bytes: impl Iterator<Item = &'a u8>) -> Plane {
        Plane { width, height, data: bytes.map(|&byte| f32::from(byte) / 255.0).collect() }
    }

    #[inline(always)]
    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    #[inline(always)]
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        &mut self.data[y * self.width..][..self.width]
    }
}

impl Grid {
    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// A sentence that names the setting and what it may be.
    pub fn check(&self) -> Result<(), String> {
        check_reduction(self.longer, self.reduce)?;
        if self.grids.is_empty() {
            return Err("grids needs at least one entry: { shorter = 0, sizes = […], step = … }".into());
        }
        check_sorted("grids", &self.grids, |sizes| sizes.shorter)?;
        for Sizes { sizes, step, .. } in &self.grids {
            if sizes.is_empty() || sizes.iter().any(|size| !(1..=LARGEST).contains(size)) {
                return Err(format!("sizes must be a list of numbers from 1 to {LARGEST}"));
            }
            if *step == 0 {
                return Err("step must be at least 1".into());
            }
        }
        Ok(())
    }

    /// Memory at work for each pixel of a picture as given, for descriptors of so many planes and of so many numbers.
    /// Under a cap hardly anything grows with the picture.
    pub fn bytes_a_pixel(&self, planes: usize, length: usize) -> f64 {
        let of_planes = 8.0 * planes as f64;
        if self.longer.is_some() {
            return 2.0 * planes as f64;
        }
        let descriptors = |sizes: &Sizes| (sizes.sizes.len() * 4 * length) as f64 / f64::from(sizes.step).powi(2);
        let points = |sizes: &Sizes| {
            let spacing = sizes.sizes.iter().map(|&size| gcd(size as usize, sizes.step as usize)).min().unwrap_or(1);
            96.0 * planes as f64 / (spacing as f64).powi(2)
        };
        let most = self.grids.iter().map(|sizes| descriptors(sizes) + points(sizes)).fold(0.0, f64::max);
        of_planes + (of_planes + most) / f64::from(self.reduce).powi(2)
    }

    /// The lattices of a picture of this size, one for each size of which a descriptor fits into it.
    pub fn lattices(&self, width: usize, height: usize) -> Vec<Lattice> {
        let reached = reached(&self.grids, |sizes| sizes.shorter, width.min(height));
        let Some(Sizes { sizes, step, .. }) = reached else { return Vec::new() };
        sizes.iter().filter_map(|&size| Lattice::new(size as usize, *step as usize, width, height)).collect()
    }

    /// The places of all descriptors of a picture: by size, row and column.
    pub fn places(&self, seen: &Seen) -> Vec<Place> {
        let lattices = self.lattices(seen.width(), seen.height());
        lattices.iter().flat_map(|lattice| lattice.places(seen)).collect()
    }
}

impl Lattice {
    fn new(size: usize, step: usize, width: usize, height: usize) -> Option<Lattice> {
        let fit = |length: usize| (length - 1).checked_sub(3 * size).map(|rest| rest / step + 1);
        let (columns, rows) = (fit(width)?, fit(height)?);
        Some(Lattice { size, step, spacing: gcd(size, step), rows, columns })
    }

    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    fn places(&self, seen: &Seen) -> impl Iterator<Item = Place> {
        let centre = |i: usize| (i * self.step) as f32 + 1.5 * self.size as f32;
        let places = (0..self.rows).flat_map(|i| (0..self.columns).map(move |j| (i, j)));
        places.map(move |(i, j)| seen.place(centre(j), centre(i), 4.0 * self.size as f32))
    }

    /// The windows of this size from points that are `spacing` apart and as wide; `spacing` divides that of the lattice.
    pub fn windows<'a>(&self, points: &'a Points, spacing: usize) -> Cow<'a, Points> {
        if self.size == spacing && self.spacing == spacing {
            return Cow::Borrowed(points);
        }
        Cow::Owned(points.widened(self.size / spacing, self.spacing / spacing))
    }

    /// Where the 4 x 4 windows of the first descriptor lie among the points, and how far further on those of the next
    /// row and of the next column lie.
    pub fn cells(&self, points: &Points) -> ([usize; 16], usize, usize) {
        let (apart, further) = (self.size / self.spacing, self.step / self.spacing);
        let corner = points.before * (points.columns + 1);
        let cell = |cell| corner + cell / 4 * apart * points.columns + cell % 4 * apart;
        (std::array::from_fn(cell), further * points.columns, further)
    }
}
