//! What SURF says of a keypoint: the direction that most of its Haar responses point in, and sums of responses in cells
//! of a window that is turned by it.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

use super::hessian::Keypoint;
use super::integral::Integral;

/// Cells a side of the window, and samples a side of a cell; samples lie one scale apart.
const CELLS: usize = 4;
const SAMPLES: usize = 5;
/// Standard deviation of the weights of samples, in scales.
const WINDOW_SIGMA: f32 = 3.3;

/// Radius of the disc for the orientation, in scales, and the standard deviation of its weights.
const RADIUS: isize = 6;
const DISC_SIGMA: f32 = 2.0;
/// The circle is cut into sectors of 5 degrees; a sliding window takes 60 degrees.
const SECTORS: usize = 72;
const SLIDING: usize = 12;

/// Side of the window in scales.
pub(super) const SIDE: f32 = (CELLS * SAMPLES) as f32;

/// Weights of samples, which are the same for all keypoints.
pub(super) struct Window {
    /// Place in the disc in scales, and weight.
    disc: Vec<([f32; 2], f32)>,
    /// By the distance along one axis; the weight of a sample is the product of two.
    weights: [f32; CELLS * SAMPLES],
}

fn gauss(distance: f32, sigma: f32) -> f32 {
    (-0.5 * (distance / sigma).powi(2)).exp()
}

/// The place of a sample along one axis of the window, in scales from its middle.
fn offset(sample: usize) -> f32 {
    sample as f32 + 0.5 - SIDE / 2.0
}

impl Window {
    pub fn new() -> Window {
        let places = (-RADIUS..=RADIUS).flat_map(|y| (-RADIUS..=RADIUS).map(move |x| (x, y)));
        let inside = places.filter(|(x, y)| x * x + y * y < RADIUS * RADIUS).map(|(x, y)| [x as f32, y as f32]);
        let disc = inside.map(|[x, y]| ([x, y], gauss(x, DISC_SIGMA) * gauss(y, DISC_SIGMA))).collect();
        Window { disc, weights: std::array::from_fn(|sample| gauss(offset(sample), WINDOW_SIGMA)) }
    }

    /// The direction in radians, from the x axis to the y axis: that of the longest sum of weighted responses within 60
    /// degrees.
    pub fn orientation(&self, integral: &Integral, point: &Keypoint) -> f32 {
        let half = (2.0 * point.scale).round().max(1.0) as usize;
        let mut sectors = [[0.0_f32; 2]; SECTORS];
        for &([x, y], weight) in &self.disc {
            let [across, down] =
                integral.haar(corner(point.x + point.scale * x), corner(point.y + point.scale * y), half);
            let sum = &mut sectors[sector(across, down)];
            sum[0] += weight * across;
            sum[1] += weight * down;
        }
        let sliding = |first: usize| {
            (first..first + SLIDING).fold([0.0_f32; 2], |[x, y], sector| {
                let sum = sectors[sector % SECTORS];
                [x + sum[0], y + sum[1]]
            })
        };
        let square = |[x, y]: [f32; 2]| x * x + y * y;
        let longest = (0..SECTORS).map(sliding).fold([0.0; 2], |a, b| if square(b) > square(a) { b } else { a });
        longest[1].atan2(longest[0])
    }

    /// Appends the numbers of a keypoint whose window is turned by `angle`, of length 1: of each cell, row by row, the
    /// sums of dx, dy, |dx| and |dy|. With `split` those of dx and |dx| where dy < 0 and where not, then those of dy
    /// and |dy| where dx < 0 and where not.
    pub fn describe(&self, integral: &Integral, point: &Keypoint, angle: f32, split: bool, out: &mut Vec<f32>) {
        let (start, half) = (out.len(), point.scale.round().max(1.0) as usize);
        let (sin, cos) = angle.sin_cos();
        for cell in 0..CELLS * CELLS {
            let mut sums = [0.0_f32; 8];
            for sample in 0..SAMPLES * SAMPLES {
                let column = cell % CELLS * SAMPLES + sample % SAMPLES;
                let row = cell / CELLS * SAMPLES + sample / SAMPLES;
                let (x, y) = (point.scale * offset(column), point.scale * offset(row));
                let (x, y) = (point.x + cos * x - sin * y, point.y + sin * x + cos * y);
                let [across, down] = integral.haar(corner(x), corner(y), half);
                let weight = self.weights[column] * self.weights[row];
                add(&mut sums, weight * (cos * across + sin * down), weight * (cos * down - sin * across));
            }
            let [a, b, c, d, e, f, g, h] = sums;
            if split { out.extend(sums) } else { out.extend([a + c, e + g, b + d, f + h]) }
        }
        let length = out[start..].iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            out[start..].iter_mut().for_each(|v| *v /= length);
        }
    }
}

/// The corner of pixels that is nearest to a place, where pixel 0 reaches from -0.5 to 0.5.
#[inline(always)]
fn corner(place: f32) -> isize {
    // rounded down by hand, since many processors' plain instructions can't
    let above = place + 1.0;
    let whole = above as isize;
    whole - isize::from(whole as f32 > above)
}

/// The sector of a direction, from -x over -y, x and y. The arc tangent is approximated, which moves the border of a
/// sector by a quarter of a degree at most.
#[inline(always)]
fn sector(x: f32, y: f32) -> usize {
    let (small, large) = (x.abs().min(y.abs()), x.abs().max(y.abs()));
    let ratio = if large > 0.0 { small / large } else { 0.0 };
    let near = ratio * (FRAC_PI_4 + 0.273 * (1.0 - ratio));
    let first = if y.abs() > x.abs() { FRAC_PI_2 - near } else { near };
    let half = if x < 0.0 { PI - first } else { first };
    let angle = if y < 0.0 { PI - half } else { PI + half };
    (angle / TAU * SECTORS as f32) as usize % SECTORS
}

/// Adds a response to the sums of its cell: dx and |dx| by the sign of dy, dy and |dy| by that of dx.
#[inline(always)]
fn add(sums: &mut [f32; 8], dx: f32, dy: f32) {
    let by_y = if dy < 0.0 { 0 } else { 2 };
    sums[by_y] += dx;
    sums[by_y + 1] += dx.abs();
    let by_x = if dx < 0.0 { 4 } else { 6 };
    sums[by_x] += dy;
    sums[by_x + 1] += dy.abs();
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::features::local::descriptor::surf::tests::leaves;

    #[derive(Deserialize)]
    struct Reference {
        described: Vec<Described>,
    }

    #[derive(Deserialize)]
    struct Described {
        x: f32,
        y: f32,
        scale: f32,
        angle: f32,
        numbers: Vec<f32>,
    }

    fn reference() -> Vec<Described> {
        let text = include_str!("../../../../../tests/fixtures/surf/surf.json");
        serde_json::from_str::<Reference>(text).unwrap().described
    }

    fn median(mut values: Vec<f32>) -> f32 {
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    }

    /// A keypoint whose samples lie where dlib's do: at corners half a pixel up and to the left, and in a window whose
    /// middle is `off` scales off.
    fn moved(d: &Described, off: f32) -> Keypoint {
        let (sin, cos) = d.angle.sin_cos();
        let along = d.scale * off;
        let (x, y) = (d.x - 0.5 + cos * along - sin * along, d.y - 0.5 + sin * along + cos * along);
        Keypoint { x, y, scale: d.scale, response: 0.0 }
    }

    /// dlib weighs samples within their cells, which overlap, not by the distance from the keypoint: so weights are
    /// left out here, and what is left is alike, not equal.
    #[test]
    fn descriptors_are_like_those_of_dlib() {
        let integral = Integral::new(&leaves());
        let window = Window { weights: [1.0; CELLS * SAMPLES], ..Window::new() };
        let cosine = |expected: &Described| {
            let mut numbers = Vec::new();
            window.describe(&integral, &moved(expected, -0.5), expected.angle, false, &mut numbers);
            numbers.iter().zip(&expected.numbers).map(|(a, b)| a * b).sum::<f32>()
        };
        let cosines: Vec<f32> = reference().iter().map(cosine).collect();
        assert!(cosines.iter().all(|&cosine| cosine > 0.93), "{cosines:?}");
        assert!(median(cosines) > 0.965);
    }

    /// dlib rounds the scale, and has a larger deviation. Its windows begin every 8 degrees: where two of them are
    /// nearly equally long, that decides which wins.
    #[test]
    fn most_orientations_are_those_of_dlib() {
        let integral = Integral::new(&leaves());
        let disc = Window::new().disc.into_iter().map(|([x, y], _)| ([x, y], gauss(x, 2.5) * gauss(y, 2.5)));
        let window = Window { disc: disc.collect(), ..Window::new() };
        let difference = |expected: Described| {
            let point = moved(&expected, 0.0);
            let point = Keypoint { scale: point.scale.round(), ..point };
            let difference = (window.orientation(&integral, &point) - expected.angle).rem_euclid(TAU);
            difference.min(TAU - difference).to_degrees()
        };
        let turned = reference().into_iter().filter(|expected| expected.angle != 0.0);
        let differences: Vec<f32> = turned.map(difference).collect();
        let near = differences.iter().filter(|&&difference| difference < 5.0).count();
        assert!(4 * near >= 3 * differences.len(), "{differences:?}");
        assert!(median(differences) < 1.0);
    }

    #[test]
    fn split_sums_add_up_to_whole_ones() {
        let integral = Integral::new(&leaves());
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let point = Keypoint { x: 150.0, y: 120.0, scale: 3.0, response: 0.0 };
        Window::new().describe(&integral, &point, 0.7, false, &mut whole);
        Window::new().describe(&integral, &point, 0.7, true, &mut split);
        let [a, b, c, d, e, f, g, h] = split[..8] else { unreachable!("eight a cell") };
        let added = [a + c, e + g, b + d, f + h];
        let ratios: Vec<f32> = added.iter().zip(&whole).map(|(a, b)| a / b).collect();
        assert_eq!((whole.len(), split.len()), (64, 128));
        assert!(ratios.iter().all(|ratio| (ratio - ratios[0]).abs() < 1e-4 && *ratio > 0.0), "{ratios:?}");
    }

    #[test]
    fn sectors_are_those_of_the_arc_tangent() {
        for degree in 0..360 {
            let angle = (degree as f32 + 0.5).to_radians();
            let expected = ((angle + PI) / TAU * SECTORS as f32) as usize % SECTORS;
            let off = (sector(angle.cos(), angle.sin()) + SECTORS - expected) % SECTORS;
            assert!([0, 1, SECTORS - 1].contains(&off) && (off == 0 || degree % 5 == 0 || degree % 5 == 4), "{degree}");
        }
    }
}
