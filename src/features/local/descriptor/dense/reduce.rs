//! Pictures as planes of numbers, reduced by area: each new pixel is the mean of what it covers.

use std::borrow::Cow;

use super::{Picture, Plane};
use crate::product::vectorised;

/// What is wrong with a cap or a factor, if anything is.
pub fn check(longer: Option<u32>, reduce: u32) -> Result<(), String> {
    if longer == Some(0) {
        return Err("longer must be at least 1, or left out for no cap".into());
    }
    if reduce == 0 { Err("reduce must be at least 1".into()) } else { Ok(()) }
}

/// A picture as a descriptor sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// All of the same size, at least 1 x 1.
    pub planes: Vec<Plane>,
    /// Pixels of the picture as given for one of these, on each axis.
    scale: (f32, f32),
}

impl Seen {
    /// In grey, from 0 to 1.
    pub fn grey(picture: &Picture, longer: Option<u32>, reduce: u32) -> Seen {
        let capped = picture.capped(longer);
        let grey = capped.grey();
        let plane = Plane::of_bytes(grey.width as usize, grey.height as usize, grey.data.iter());
        Seen::reduced(picture, vec![plane], reduce)
    }

    /// Red, green and blue, from 0 to 1.
    pub fn colour(picture: &Picture, longer: Option<u32>, reduce: u32) -> Seen {
        let capped = picture.capped(longer);
        let rgb = capped.colour();
        let channel = |c| Plane::of_bytes(rgb.width as usize, rgb.height as usize, rgb.data[c..].iter().step_by(3));
        Seen::reduced(picture, (0..3).map(channel).collect(), reduce)
    }

    fn reduced(picture: &Picture, planes: Vec<Plane>, reduce: u32) -> Seen {
        let side = |length: usize| ((length as f64 / f64::from(reduce)).round() as usize).max(1);
        let (width, height) = (side(planes[0].width), side(planes[0].height));
        let planes = planes.into_iter().map(|plane| resized(Cow::Owned(plane), width, height).into_owned()).collect();
        let (of_width, of_height) = picture.size();
        Seen { planes, scale: (of_width as f32 / width as f32, of_height as f32 / height as f32) }
    }

    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// The same picture as other planes.
    pub fn with(self, planes: Vec<Plane>) -> Seen {
        Seen { planes, ..self }
    }

    /// Where (x, y) and a diameter, in pixels of these planes, lie in the picture as given.
    pub fn place(&self, x: f32, y: f32, size: f32) -> super::Place {
        let (across, down) = self.scale;
        let (x, y) = ((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5);
        super::Place { x, y, size: size * (across * down).sqrt() }
    }
}

/// The plane reduced to `width` x `height` by area.
pub fn resized(plane: Cow<'_, Plane>, width: usize, height: usize) -> Cow<'_, Plane> {
    if (plane.width, plane.height) == (width, height) {
        return plane;
    }
    let mut out = Plane::zeros(width, height);
    let (across, down) = (shares(plane.width, width), shares(plane.height, height));
    vectorised(
        #[inline(always)]
        || shrink(&plane, &across, &down, &mut out),
    );
    Cow::Owned(out)
}

/// The pixels that a new one covers: the first, and the weight of each.
struct Share {
    first: usize,
    weights: Vec<f32>,
}

fn shares(from: usize, to: usize) -> Vec<Share> {
    let scale = from as f64 / to as f64;
    let share = |i: usize| {
        let (start, end) = (i as f64 * scale, (i + 1) as f64 * scale);
        let first = start as usize;
        let last = (end.ceil() as usize).clamp(first + 1, from);
        let covered = |x: usize| (end.min((x + 1) as f64) - start.max(x as f64)).max(0.0);
        let sum: f64 = (first..last).map(covered).sum();
        Share { first, weights: (first..last).map(|x| (covered(x) / sum) as f32).collect() }
    };
    (0..to).map(share).collect()
}

/// Means are sums of differences from the first pixel covered, so that what is flat stays exactly flat.
#[inline(always)]
fn shrink(plane: &Plane, across: &[Share], down: &[Share], out: &mut Plane) {
    let mut line = vec![0.0; plane.width];
    for (y, share) in down.iter().enumerate() {
        let first = plane.row(share.first);
        line.copy_from_slice(first);
        for (k, &weight) in share.weights.iter().enumerate().skip(1) {
            for ((sum, &value), &first) in line.iter_mut().zip(plane.row(share.first + k)).zip(first) {
                *sum += weight * (value - first);
            }
        }
        for (out, share) in out.row_mut(y).iter_mut().zip(across) {
            let covered = &line[share.first..][..share.weights.len()];
            *out = covered[0];
            for (&weight, &value) in share.weights.iter().zip(covered).skip(1) {
                *out += weight * (value - covered[0]);
            }
        }
    }
}
