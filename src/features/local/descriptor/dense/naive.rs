//! The plainest way to the same numbers, in 64 bits, and what must hold of every descriptor on a grid: for tests.

use std::collections::HashMap;

use super::super::{Descriptor, Descriptors, Picture};
use super::{Grid, Sizes};
use crate::image::{Grey, Rgb, canvas, drawn};

/// Rows of pixels.
pub type Image = Vec<Vec<f64>>;

/// Noise over slow waves.
pub fn noise(width: u32, height: u32) -> Rgb {
    let mut state = width * 1000 + height;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 24) / 255.0
    };
    let mut data = Vec::new();
    for (y, x, c) in (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| (y, x, c)))) {
        let wave = (f64::from(x) * 0.07 * f64::from(c + 1)).sin() * (f64::from(y) * 0.11).cos();
        data.push((128.0 + 80.0 * wave + 90.0 * (random() - 0.5)) as u8);
    }
    Rgb { width, height, data }
}

/// Random and structured pictures, of sides that are no multiples of anything.
pub fn pictures() -> Vec<Rgb> {
    vec![noise(61, 54), drawn::pattern(47, 63)]
}

/// A picture that is flat in its lower part.
pub fn half_flat() -> Rgb {
    let mut half_flat = noise(57, 59);
    half_flat.data[57 * 3 * 20..].fill(90);
    half_flat
}

pub fn grey(picture: &Rgb) -> Image {
    let grey = canvas::grey(picture);
    let row = |row: &[u8]| row.iter().map(|&value| f64::from(value) / 255.0).collect();
    grey.data.chunks(grey.width as usize).map(row).collect()
}

/// A function of red, green and blue from 0 to 1.
pub fn mixed(picture: &Rgb, mix: impl Fn(f64, f64, f64) -> f64) -> Image {
    let value = |byte: u8| f64::from(byte) / 255.0;
    let pixel = |pixel: &[u8]| mix(value(pixel[0]), value(pixel[1]), value(pixel[2]));
    picture.data.chunks(3 * picture.width as usize).map(|row| row.chunks(3).map(pixel).collect()).collect()
}

/// A pixel of an image that goes on beyond its border as it is there.
fn beyond(image: &Image, y: i64, x: i64) -> f64 {
    let inside = |at: i64, length: usize| at.clamp(0, length as i64 - 1) as usize;
    image[inside(y, image.len())][inside(x, image[0].len())]
}

pub fn blurred(image: &Image, sigma: f64) -> Image {
    let reach = ((8.0 * sigma + 1.0).round_ties_even() as i64 | 1) / 2;
    let mirrored = |mut at: i64, length: usize| {
        let last = length as i64 - 1;
        while last > 0 && !(0..=last).contains(&at) {
            at = if at < 0 { -at } else { 2 * last - at };
        }
        at.clamp(0, last)
    };
    let weight = |at: i64| (-(at * at) as f64 / (2.0 * sigma * sigma)).exp();
    let of_pixel = |y: usize, x: usize| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (v, u) in (-reach..=reach).flat_map(|v| (-reach..=reach).map(move |u| (v, u))) {
            let (row, column) = (mirrored(y as i64 + v, image.len()), mirrored(x as i64 + u, image[0].len()));
            sum += weight(u) * weight(v) * image[row as usize][column as usize];
            weights += weight(u) * weight(v);
        }
        sum / weights
    };
    (0..image.len()).map(|y| (0..image[0].len()).map(|x| of_pixel(y, x)).collect()).collect()
}

/// Differences of neighbours: of the two beside a pixel by half, of the pixel and its only one wholly.
pub fn gradient(image: &Image, y: usize, x: usize) -> (f64, f64) {
    let (y, x) = (y as i64, x as i64);
    let half = |at: i64, length: usize| if at == 0 || at == length as i64 - 1 { 1.0 } else { 0.5 };
    let dx = half(x, image[0].len()) * (beyond(image, y, x + 1) - beyond(image, y, x - 1));
    let dy = half(y, image.len()) * (beyond(image, y + 1, x) - beyond(image, y - 1, x));
    (dx, dy)
}

/// Eight images: how strong the gradient is in each direction.
pub fn maps(image: &Image) -> Vec<Image> {
    let mut maps = vec![vec![vec![0.0; image[0].len()]; image.len()]; 8];
    for (y, x) in (0..image.len()).flat_map(|y| (0..image[0].len()).map(move |x| (y, x))) {
        let (dx, dy) = gradient(image, y, x);
        let angle = dy.atan2(dx).rem_euclid(std::f64::consts::TAU) / std::f64::consts::FRAC_PI_4;
        let (below, share) = (angle as usize, angle.fract());
        maps[below % 8][y][x] += dx.hypot(dy) * (1.0 - share);
        maps[(below + 1) % 8][y][x] += dx.hypot(dy) * share;
    }
    maps
}

/// The mean under a triangle of half-width `size` around a pixel, where the border goes on for ever; or the sum and the
/// weight of what lies in the image.
pub fn window(image: &Image, (y, x): (usize, usize), size: usize, border: bool) -> (f64, f64) {
    let size = size as i64;
    let weight = |at: i64| (size - at.abs()) as f64 / (size * size) as f64;
    let (mut sum, mut weights) = (0.0, 0.0);
    for (v, u) in (1 - size..size).flat_map(|v| (1 - size..size).map(move |u| (v, u))) {
        let (row, column) = (y as i64 + v, x as i64 + u);
        let inside = (0..image.len() as i64).contains(&row) && (0..image[0].len() as i64).contains(&column);
        if inside || border {
            sum += weight(u) * weight(v) * beyond(image, row, column);
            weights += weight(u) * weight(v);
        }
    }
    (sum, weights)
}

/// Corners of the descriptors of one size: the middle of the first window.
pub fn corners(image: &Image, size: usize, step: usize) -> Vec<(usize, usize)> {
    let fit = move |length: usize| (0..length).step_by(step).filter(move |at| at + 3 * size < length);
    let (height, width) = (image.len(), image[0].len());
    fit(height).flat_map(|y| fit(width).map(move |x| (y, x))).collect()
}

/// RootSIFT of one size.
pub fn root_sift(image: &Image, size: usize, step: usize, smooth: bool) -> Vec<Vec<f64>> {
    let sigma = size as f64 / 6.0;
    let maps = maps(&if smooth && sigma > 0.3 { blurred(image, sigma) } else { image.clone() });
    let gaussian = |window: usize| {
        let pixels = (1 - size as i64)..size as i64;
        let place = |x: i64| (x as f64 + size as f64 * (window as f64 - 1.5)) / (2.0 * size as f64);
        pixels.clone().map(|x| (-0.5 * place(x).powi(2)).exp()).sum::<f64>() / pixels.count() as f64
    };
    let weights: Vec<f64> = (0..4).map(gaussian).collect();
    let mut known = HashMap::new();
    let one = |(y, x): (usize, usize)| {
        let mut values = Vec::new();
        for (v, u) in (0..4).flat_map(|v| (0..4).map(move |u| (v, u))) {
            let middle = (y + v * size, x + u * size);
            let new = || maps.iter().map(|map| window(map, middle, size, true).0).collect::<Vec<f64>>();
            values.extend(known.entry(middle).or_insert_with(new).iter().map(|value| weights[v] * weights[u] * value));
        }
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length < 1e-5 {
            return vec![0.0; 128];
        }
        let cut: Vec<f64> = values.iter().map(|value| (value / length).min(0.2)).collect();
        let sum = cut.iter().sum::<f64>();
        cut.iter().map(|value| (value / sum).sqrt()).collect()
    };
    corners(image, size, step).into_iter().map(one).collect()
}

/// A grid of all pictures, which are seen as they are.
pub fn grid(sizes: &[u32], step: u32, smooth: bool) -> Grid {
    Grid { longer: None, reduce: 1, smooth, grids: vec![Sizes { shorter: 0, sizes: sizes.to_vec(), step }] }
}

pub fn describe(method: &dyn Descriptor, picture: &Rgb) -> Descriptors {
    method.open(None).unwrap().describe(&Picture::from(picture)).unwrap()
}

/// The largest difference of a method's descriptors from these, of which there are as many.
pub fn distance(method: &dyn Descriptor, picture: &Rgb, expected: &[Vec<f64>]) -> f64 {
    let found = describe(method, picture);
    assert_eq!(found.floats().len(), expected.iter().map(Vec::len).sum::<usize>());
    assert_eq!(found.len(), expected.len());
    let pairs = found.floats().into_owned().into_iter().zip(expected.iter().flatten());
    pairs.map(|(found, expected)| (f64::from(found) - expected).abs()).fold(0.0, f64::max)
}

/// Tiny, long and odd pictures are described or have nothing to describe, flat ones by numbers that are the same
/// everywhere (zeros where they are of gradients), every picture as by a describer that is new; places lie within.
pub fn hold(method: &dyn Descriptor, flat_is_zero: bool) {
    assert_eq!(method.check(), Ok(()));
    assert!(!method.kept() && method.cost().bytes == 0.0 && method.cost().bytes_a_pixel > 0.0);
    let mut used = method.open(None).unwrap();
    let mut described = 0;
    for (width, height) in [(1, 1), (1, 300), (300, 1), (2, 3), (13, 13), (40, 17), (64, 50), (131, 77)] {
        let flat = Grey { width, height, data: vec![127; (width * height) as usize] };
        for picture in [Picture::from(&noise(width, height)), Picture::from(&flat)] {
            let found = used.describe(&picture).unwrap();
            assert_eq!(found, method.open(Some(1)).unwrap().describe(&picture).unwrap());
            assert_eq!(found.layout(), method.layout());
            assert!(found.floats().iter().all(|value| value.is_finite()));
            let inside = |x: f32, length: u32| x >= -0.5 && x <= length as f32 - 0.5;
            let places = found.places();
            assert!(places.iter().all(|place| inside(place.x, width) && inside(place.y, height) && place.size > 0.0));
            described += found.len();
        }
        let found = used.describe(&Picture::from(&flat)).unwrap();
        let floats = found.floats();
        let first = &floats[..floats.len().min(method.layout().floats())];
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
        assert!(floats.iter().zip(first.iter().cycle()).all(near), "{width} x {height}");
        assert!(!flat_is_zero || floats.iter().all(|&value| value == 0.0), "{width} x {height}");
    }
    assert!(described > 0);
}
