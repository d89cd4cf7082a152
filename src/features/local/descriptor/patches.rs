//! Patches of pixels, contrast-normalised (Coates, Lee and Ng 2011), at several scales, in grey or in colour: whitened
//! by a principal component analysis they are as good as many a descriptor.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::dense::{Plane, Seen, check_reduction, check_sorted, one, reached, resized};
use super::{Describe, DescribeError, Descriptor, Descriptors, Layout, Picture, Place};
use crate::features::Cost;
use crate::product::vectorised;

/// Added to a patch's variance, so that noise is not made as strong as structure: that of a deviation of 8 grey values.
const QUIET: f32 = 1e-3;
/// The largest patch.
const LARGEST: u32 = 64;
const LANES: usize = 8;

/// Square patches of the picture reduced by each scale. Pixels are row by row, of a colour patch red, green and blue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patches {
    /// The picture is reduced so that its longer side has at most so many pixels; none: it is seen as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer: Option<u32>,
    /// Its sides are then divided by this.
    #[serde(default = "one")]
    pub reduce: u32,
    /// Of a patch, in pixels of the reduced picture.
    pub side: u32,
    /// The last one whose `shorter` the picture's shorter side (as reduced) reaches.
    pub strides: Vec<Stride>,
    /// By which the picture is reduced: from above 0 to 1.
    pub scales: Vec<f64>,
    #[serde(default)]
    pub colour: bool,
}

/// From one patch to the next, in pictures from some size on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stride {
    /// Pixels of the shorter side.
    pub shorter: u32,
    /// Pixels of the picture that no scale has reduced.
    pub stride: u32,
}

impl Patches {
    fn length(&self) -> usize {
        (self.side * self.side) as usize * if self.colour { 3 } else { 1 }
    }

    /// The picture reduced by a scale, and pixels from one patch to the next.
    fn scaled<'a>(&self, plane: &'a Plane, scale: f64) -> Cow<'a, Plane> {
        let side = |length: usize| ((length as f64 * scale).round() as usize).max(1);
        resized(Cow::Borrowed(plane), side(plane.width), side(plane.height))
    }

    /// Pixels from one patch to the next in a picture reduced by a scale; `None` where the picture is too small.
    fn stride(&self, seen: &Seen, scale: f64) -> Option<usize> {
        let stride = reached(&self.strides, |stride| stride.shorter, seen.width().min(seen.height()))?.stride;
        Some(((f64::from(stride) * scale).round() as usize).max(1))
    }
}

impl Descriptor for Patches {
    fn check(&self) -> Result<(), String> {
        check_reduction(self.longer, self.reduce)?;
        if !(2..=LARGEST).contains(&self.side) {
            return Err(format!("side must be from 2 to {LARGEST}"));
        }
        if self.strides.is_empty() || self.strides.iter().any(|stride| stride.stride == 0) {
            return Err(
                "strides needs at least one entry, { shorter = 0, stride = … }, and none with stride = 0".into()
            );
        }
        check_sorted("strides", &self.strides, |stride| stride.shorter)?;
        if self.scales.is_empty() || !self.scales.iter().all(|&scale| scale > 0.0 && scale <= 1.0) {
            return Err("scales must be a list of numbers above 0 and at most 1".into());
        }
        Ok(())
    }

    fn version(&self) -> (&'static str, u32) {
        ("patches", 2)
    }

    fn layout(&self) -> Layout {
        Layout::Floats(self.length())
    }

    fn in_colour(&self) -> bool {
        self.colour
    }

    fn kept(&self) -> bool {
        false
    }

    fn cost(&self) -> Cost {
        let planes = if self.colour { 24.0 } else { 8.0 };
        let stride = self.strides.iter().map(|stride| stride.stride).min().unwrap_or(1);
        let patches = 4.0 * self.length() as f64 * self.scales.len() as f64 / f64::from(stride).powi(2);
        let seen = planes + (2.0 * planes + patches) / f64::from(self.reduce).powi(2);
        // under a cap hardly anything grows with the picture
        Cost { milliseconds: 2.0, bytes: 0.0, bytes_a_pixel: if self.longer.is_some() { 6.0 } else { seen } }
    }

    fn open(&self, _: Option<u32>) -> Result<Box<dyn Describe>, DescribeError> {
        Ok(Box::new(Cutter(self.clone())))
    }
}

struct Cutter(Patches);

impl Describe for Cutter {
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError> {
        let Cutter(settings) = self;
        let seen = if settings.colour { Seen::colour } else { Seen::grey }(picture, settings.longer, settings.reduce);
        let (mut floats, mut places) = (Vec::new(), Vec::new());
        for &scale in &settings.scales {
            let planes: Vec<_> = seen.planes.iter().map(|plane| settings.scaled(plane, scale)).collect();
            let (side, Some(stride)) = (settings.side as usize, settings.stride(&seen, scale)) else { continue };
            let image = Interleaved::new(&planes);
            let Some(grid) = image.grid(side, stride) else { continue };
            floats.reserve(grid.0 * grid.1 * settings.length());
            vectorised(
                #[inline(always)]
                || image.cut(side, stride, grid, &mut floats),
            );
            places.extend(image.places(side, stride, grid, &seen));
        }
        Ok(Descriptors::of_floats(settings.length(), floats, places))
    }
}

/// A picture, pixel by pixel.
struct Interleaved<'a> {
    width: usize,
    height: usize,
    channels: usize,
    data: Cow<'a, [f32]>,
}

impl<'a> Interleaved<'a> {
    fn new(planes: &'a [Cow<Plane>]) -> Interleaved<'a> {
        let (width, height) = (planes[0].width, planes[0].height);
        let data = match planes {
            [red, green, blue] => {
                let pixels = red.data.iter().zip(&green.data).zip(&blue.data);
                Cow::Owned(pixels.flat_map(|((&red, &green), &blue)| [red, green, blue]).collect())
            }
            _ => Cow::Borrowed(&planes[0].data[..]),
        };
        Interleaved { width, height, channels: planes.len(), data }
    }

    /// Rows and columns of patches, where one fits.
    fn grid(&self, side: usize, stride: usize) -> Option<(usize, usize)> {
        let fit = |length: usize| length.checked_sub(side).map(|rest| rest / stride + 1);
        Some((fit(self.height)?, fit(self.width)?))
    }

    /// Where patches lie in the picture as given.
    fn places(&self, side: usize, stride: usize, (rows, columns): (usize, usize), seen: &Seen) -> Vec<Place> {
        let (across, down) = (seen.width() as f32 / self.width as f32, seen.height() as f32 / self.height as f32);
        let middle = |i: usize, scale: f32| ((i * stride) as f32 + 0.5 * side as f32) * scale - 0.5;
        let size = side as f32 * (across * down).sqrt();
        let place = |i: usize, j: usize| seen.place(middle(j, across), middle(i, down), size);
        (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| place(i, j)).collect()
    }

    #[inline(always)]
    fn cut(&self, side: usize, stride: usize, (rows, columns): (usize, usize), out: &mut Vec<f32>) {
        let (row, line) = (side * self.channels, self.width * self.channels);
        let mut patch = vec![0.0; side * row];
        for i in 0..rows {
            for j in 0..columns {
                let corner = i * stride * line + j * stride * self.channels;
                for (v, row) in patch.chunks_exact_mut(row).enumerate() {
                    let pixels = &self.data[corner + v * line..][..row.len()];
                    for (to, &from) in row.iter_mut().zip(pixels) {
                        *to = from;
                    }
                }
                normalise(&mut patch);
                out.extend_from_slice(&patch);
            }
        }
    }
}

/// Subtracts the mean and divides by the deviation. The mean is found from differences, so that a flat patch becomes
/// exactly zero.
#[inline(always)]
fn normalise(patch: &mut [f32]) {
    let share = 1.0 / patch.len() as f32;
    let first = patch[0];
    let mean = first + sum(patch, first, |first, value| value - first) * share;
    let variance = sum(patch, mean, |mean, value| (value - mean) * (value - mean)) * share;
    let scale = 1.0 / (variance + QUIET).sqrt();
    for value in patch {
        *value = (*value - mean) * scale;
    }
}

#[inline(always)]
fn sum(patch: &[f32], middle: f32, of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let lanes = patch.chunks_exact(LANES);
    let rest = lanes.remainder();
    for values in lanes {
        for lane in 0..LANES {
            sums[lane] += of(middle, values[lane]);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += of(middle, value);
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::dense::naive;
    use super::*;
    use crate::image::Rgb;

    fn settings(side: u32, stride: u32, scales: &[f64], colour: bool) -> Patches {
        let strides = vec![Stride { shorter: 0, stride: 9 * stride }, Stride { shorter: 1, stride }];
        Patches { longer: None, reduce: 1, side, strides, scales: scales.to_vec(), colour }
    }

    /// An image whose every pixel is the mean of what it covers.
    fn reduced(image: &naive::Image, scale: f64) -> naive::Image {
        let side = |length: usize| ((length as f64 * scale).round() as usize).max(1);
        let (height, width) = (side(image.len()), side(image[0].len()));
        let covered = |i: usize, from: usize, to: usize, at: usize| {
            let (start, end) = (i as f64 * from as f64 / to as f64, (i + 1) as f64 * from as f64 / to as f64);
            (end.min(at as f64 + 1.0) - start.max(at as f64)).max(0.0) * to as f64 / from as f64
        };
        let pixel = |i: usize, j: usize| {
            let row = |y: usize| {
                let share = |x: usize| image[y][x] * covered(j, image[0].len(), width, x);
                covered(i, image.len(), height, y) * (0..image[0].len()).map(share).sum::<f64>()
            };
            (0..image.len()).map(row).sum()
        };
        (0..height).map(|i| (0..width).map(|j| pixel(i, j)).collect()).collect()
    }

    fn expected(settings: &Patches, picture: &Rgb) -> Vec<Vec<f64>> {
        let planes = if settings.colour {
            vec![
                naive::mixed(picture, |r, _, _| r),
                naive::mixed(picture, |_, g, _| g),
                naive::mixed(picture, |_, _, b| b),
            ]
        } else {
            vec![naive::grey(picture)]
        };
        let mut patches = Vec::new();
        for &scale in &settings.scales {
            let planes: Vec<naive::Image> = planes.iter().map(|plane| reduced(plane, scale)).collect();
            let side = settings.side as usize;
            let stride = ((f64::from(settings.strides[1].stride) * scale).round() as usize).max(1);
            let fit = |length: usize| (0..length).step_by(stride).filter(move |at| at + side <= length);
            for (y, x) in fit(planes[0].len()).flat_map(|y| fit(planes[0][0].len()).map(move |x| (y, x))) {
                let mut patch = Vec::new();
                for (v, u) in (0..side).flat_map(|v| (0..side).map(move |u| (v, u))) {
                    patch.extend(planes.iter().map(|plane| plane[y + v][x + u]));
                }
                let mean = patch.iter().sum::<f64>() / patch.len() as f64;
                let variance = patch.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / patch.len() as f64;
                patches.push(patch.iter().map(|value| (value - mean) / (variance + 1e-3).sqrt()).collect());
            }
        }
        patches
    }

    #[test]
    fn descriptors_are_those_of_the_definition() {
        for picture in naive::pictures() {
            for settings in [settings(8, 4, &[1.0, 0.5], false), settings(6, 3, &[1.0, 0.7, 0.5], true)] {
                let error = naive::distance(&settings, &picture, &expected(&settings, &picture));
                assert!(error < 1e-3, "{error}");
            }
        }
    }

    #[test]
    fn every_picture_is_described() {
        naive::hold(&settings(3, 2, &[1.0, 0.5], false), true);
        naive::hold(&Patches { longer: Some(60), ..settings(5, 2, &[0.9], true) }, true);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = |settings: Patches| settings.check().unwrap_err();
        assert!(refused(settings(1, 2, &[1.0], false)).contains("side"));
        assert!(refused(settings(8, 0, &[1.0], false)).contains("strides"));
        let unsorted = [4, 4].map(|shorter| Stride { shorter, stride: 2 }).to_vec();
        assert!(refused(Patches { strides: unsorted, ..settings(8, 2, &[1.0], false) }).contains("sorted"));
        for scales in [&[][..], &[0.0], &[1.1], &[f64::NAN]] {
            assert!(refused(settings(8, 2, scales, false)).contains("scales"));
        }
        assert!(refused(Patches { longer: Some(0), ..settings(8, 2, &[1.0], false) }).contains("longer"));
    }

    #[test]
    fn places_are_centres() {
        let found = naive::describe(&settings(4, 4, &[0.5], false), &naive::noise(16, 8));
        let places: Vec<_> = found.places().iter().map(|place| (place.x, place.y, place.size)).collect();
        // of 8 pixels a side in the picture as given, 4 apart
        assert_eq!(places, [3.5, 7.5, 11.5].map(|x| (x, 3.5, 8.0)));
    }
}
