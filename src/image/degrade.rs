//! Making a picture less clear: blur, contrast, noise, each exactly as much as is asked for. Whole numbers and exact
//! operations of floats only, so that the pixels are the same on every machine.

use serde::{Deserialize, Serialize};

use super::Rgb;

/// Side that blur is measured at: a larger picture is blurred in proportion.
const SIDE: f32 = 128.0;

/// How clear a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clarity {
    /// Standard deviation of a Gaussian blur, in pixels where the shorter side has 128.
    pub blur: f32,
    /// Standard deviation of noise in each channel, as a share of the full scale.
    pub noise: f32,
    /// What remains of the differences from middle grey, 0 to 1.
    pub contrast: f32,
}

impl Clarity {
    /// Nothing is changed.
    pub const FULL: Clarity = Clarity { blur: 0.0, noise: 0.0, contrast: 1.0 };
}

/// The picture through a worse camera: blurred first, then flattened, then noisy. Another `seed`, other noise.
pub fn degrade(picture: &Rgb, clarity: &Clarity, seed: u32) -> Rgb {
    let Clarity { blur, noise, contrast } = *clarity;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut values: Vec<f32> = picture.data.iter().map(|&byte| f32::from(byte)).collect();
    if blur > 0.0 {
        let sigma = blur * picture.width.min(picture.height) as f32 / SIDE;
        (0..3).for_each(|_| spread(&mut values, width, height, sigma));
    }
    if contrast < 1.0 {
        values.iter_mut().for_each(|value| *value = 127.5 + (*value - 127.5) * contrast);
    }
    if noise > 0.0 {
        let noisy = |(place, value): (usize, &mut f32)| *value += 255.0 * noise * bell(place as u32, seed);
        values.iter_mut().enumerate().for_each(noisy);
    }
    let data = values.into_iter().map(|value| (value + 0.5) as u8).collect();
    Rgb { data, ..*picture }
}

/// One of three passes of a box over rows and columns, which together are nearly a Gaussian of this deviation. The
/// outermost pixels go on beyond the edges.
fn spread(values: &mut [f32], width: usize, height: usize, sigma: f32) {
    let weights = weights(sigma * sigma / 3.0);
    let (reach, row) = (weights.len() / 2, 3 * width);
    let mut padded = vec![0.0; row + 6 * reach];
    for line in values.chunks_exact_mut(row) {
        for (i, value) in padded.iter_mut().enumerate() {
            *value = line[(i / 3).saturating_sub(reach).min(width - 1) * 3 + i % 3];
        }
        sum(line, weights.iter().enumerate().map(|(k, weight)| (weight, &padded[3 * k..][..row])));
    }
    let before = values.to_vec();
    for (y, line) in values.chunks_exact_mut(row).enumerate() {
        let rows = (y..=y + 2 * reach).map(|y| y.saturating_sub(reach).min(height - 1));
        sum(line, weights.iter().zip(rows.map(|y| &before[y * row..][..row])));
    }
}

/// A box with this variance: ones between two smaller ends, 1 in all.
fn weights(variance: f32) -> Vec<f32> {
    let mut radius = 0;
    while ((2 * radius + 3) * (2 * radius + 3) - 1) as f32 / 12.0 <= variance {
        radius += 1;
    }
    let whole = (2 * radius + 1) as f32;
    let (ones, end) = ((whole * whole - 1.0) / 12.0 * whole, ((radius + 1) * (radius + 1)) as f32);
    let share = (variance * whole - ones) / (2.0 * (end - variance));
    let mut weights = vec![1.0; 2 * radius + 3];
    (weights[0], weights[2 * radius + 2]) = (share, share);
    weights.iter_mut().for_each(|weight| *weight /= whole + 2.0 * share);
    weights
}

/// The weighted sum of lines.
fn sum<'a>(out: &mut [f32], lines: impl Iterator<Item = (&'a f32, &'a [f32])>) {
    out.fill(0.0);
    for (weight, line) in lines {
        out.iter_mut().zip(line).for_each(|(out, value)| *out += weight * value);
    }
}

/// Nearly normal: four uniform numbers together.
fn bell(place: u32, seed: u32) -> f32 {
    let (a, b) = (hash(place, 1, seed), hash(place, 2, seed));
    let sum = (a >> 16) + (a & 0xffff) + (b >> 16) + (b & 0xffff);
    // four numbers below 65,536 have a standard deviation of 2 * 65,536 / sqrt(12)
    (sum as f32 - 131_070.0) / 37_837.2
}

/// 32 bits that look random (the finishing steps of MurmurHash3).
pub fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = seed ^ x.wrapping_mul(0x85eb_ca6b) ^ y.wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Rgb {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Rgb { width, height, data: places.flat_map(|(x, y)| [value(x, y); 3]).collect() }
    }

    #[test]
    fn a_clear_picture_stays_as_it_is() {
        let picture = grey(9, 7, |x, y| (x * 20 + y) as u8);
        assert_eq!(degrade(&picture, &Clarity::FULL, 5), picture);
    }

    /// Of a bright column; sums are exact up to the rounding of each pixel.
    #[test]
    fn blur_has_the_deviation_that_is_asked_for() {
        let picture = grey(128, 128, |x, _| if x == 64 { 255 } else { 0 });
        for sigma in [1.0, 2.5, 4.0] {
            let mut values: Vec<f32> = picture.data.iter().map(|&byte| f32::from(byte)).collect();
            (0..3).for_each(|_| spread(&mut values, 128, 128, sigma));
            let row: Vec<f32> = (0..128).map(|x| values[(64 * 128 + x) * 3]).collect();
            let all: f32 = row.iter().sum();
            let variance = row.iter().enumerate().map(|(x, v)| v * (x as f32 - 64.0).powi(2)).sum::<f32>() / all;
            assert!((all - 255.0).abs() < 0.01 && (variance.sqrt() - sigma).abs() < 0.01, "{sigma}: {variance}");
        }
        let blurred = degrade(&grey(64, 64, |_, _| 200), &Clarity { blur: 3.0, ..Clarity::FULL }, 0);
        assert!(blurred.data.iter().all(|&value| value == 200), "nothing comes in from outside");
    }

    #[test]
    fn noise_has_the_deviation_that_is_asked_for() {
        let noisy = degrade(&grey(200, 200, |_, _| 128), &Clarity { noise: 0.1, ..Clarity::FULL }, 3);
        let n = noisy.data.len() as f64;
        let mean = noisy.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let deviation = (noisy.data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean - 128.0).abs() < 0.3 && (deviation - 25.5).abs() < 0.3, "{mean}, {deviation}");
        assert_ne!(noisy, degrade(&grey(200, 200, |_, _| 128), &Clarity { noise: 0.1, ..Clarity::FULL }, 4));
    }

    #[test]
    fn contrast_shrinks_towards_middle_grey() {
        let flat = degrade(&grey(2, 1, |x, _| [0, 255][x as usize]), &Clarity { contrast: 0.2, ..Clarity::FULL }, 0);
        assert_eq!(flat.data, [102, 102, 102, 153, 153, 153]);
    }
}
