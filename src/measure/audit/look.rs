//! One look at every image: it is decoded once, and what the audit needs to know of it is kept.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::align::SIDE;
use crate::dataset::ImageFile;
use crate::features::{Resources, hashes};
use crate::image::resize::resize;
use crate::image::traces::{Traces, traces};
use crate::image::{Rgb, canvas, decode, decode_rgb};
use crate::stage::cache::Key;
use crate::stage::parallel;

/// Raised when the same file may look otherwise.
const VERSION: u32 = 1;
/// Side of the thumbnails that near-duplicates are told by, in pixels; aspect is ignored, as by the floor
/// `thumbnail-1nn`.
pub const THUMBNAIL: u32 = 24;
/// Images that one task looks at and one entry of the cache holds.
const CHUNK: usize = 64;
/// Largest difference of two values in a line of a border, 0 to 255: compression leaves some.
const PLAIN: u8 = 12;

/// What is kept of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// RGB of [`THUMBNAIL`] x [`THUMBNAIL`] pixels, row by row.
    pub thumbnail: Vec<u8>,
    /// RGB of [`SIDE`] x [`SIDE`] pixels.
    pub small: Vec<u8>,
    pub traces: Traces,
    /// Means of red, green and blue, 0 to 255.
    pub colour: [f32; 3],
    /// Mean luma, 0 to 255.
    pub brightness: f32,
    /// Logarithm of second differences against first ones, between neighbouring pixels: low where the picture is blurred.
    pub sharpness: f32,
    /// Plain lines above and below, and at the left and right, as shares of height and width; luma of the border, -1
    /// without one.
    pub border: [f32; 3],
}

/// A look at each image, in their order.
///
/// # Errors
/// An image that can't be read, a cache that can't be written.
pub fn looks(images: &[Arc<ImageFile>], resources: &Resources) -> Result<Vec<Look>> {
    let chunks: Vec<&[Arc<ImageFile>]> = images.chunks(CHUNK).collect();
    let bar = resources.progress.bar("looking at the pictures", images.len());
    let of_chunk = |(): &mut (), i: usize| {
        let key = Key::new("look", VERSION, &(decode::version(), crate::image::VERSION, hashes(chunks[i])))?;
        let looks: Vec<Look> = resources.cache.get_or(&key, || chunks[i].iter().map(|image| look(image)).collect())?;
        bar.inc(chunks[i].len());
        Ok(looks)
    };
    Ok(parallel::in_chunks(chunks.len(), resources.threads, || Ok(()), of_chunk)?.into_iter().flatten().collect())
}

fn look(image: &ImageFile) -> Result<Look> {
    let bytes = image.read()?;
    let traces = traces(&bytes).with_context(|| image.place())?;
    let picture = decode_rgb(&bytes).with_context(|| image.place())?;
    drop(bytes);
    let luma = canvas::grey(&picture).data;
    let small = resize(&picture, SIDE as u32, SIDE as u32).data;
    Ok(Look {
        thumbnail: resize(&picture, THUMBNAIL, THUMBNAIL).data,
        colour: means(&small),
        brightness: luma.iter().map(|&value| f64::from(value)).sum::<f64>() as f32 / luma.len() as f32,
        sharpness: sharpness(&luma, picture.width as usize),
        border: border(&picture, &luma),
        small,
        traces,
    })
}

fn means(pixels: &[u8]) -> [f32; 3] {
    let sums = pixels
        .as_chunks::<3>()
        .0
        .iter()
        .fold([0_u64; 3], |sums, pixel| std::array::from_fn(|c| sums[c] + u64::from(pixel[c])));
    sums.map(|sum| sum as f32 * 3.0 / pixels.len() as f32)
}

/// 0 for a picture without a difference.
fn sharpness(luma: &[u8], width: usize) -> f32 {
    let (mut first, mut second) = (0_u64, 0_u64);
    let mut add = |a: &[u8], b: &[u8], c: &[u8]| {
        let mut sums = (0_u32, 0_u32);
        for ((&a, &b), &c) in a.iter().zip(b).zip(c) {
            let (a, b, c) = (i32::from(a), i32::from(b), i32::from(c));
            sums.0 += (c - b).unsigned_abs();
            sums.1 += (a - 2 * b + c).unsigned_abs();
        }
        first += u64::from(sums.0);
        second += u64::from(sums.1);
    };
    let lines: Vec<&[u8]> = luma.chunks_exact(width).collect();
    lines.iter().filter(|line| line.len() > 2).for_each(|line| add(line, &line[1..], &line[2..]));
    lines.windows(3).for_each(|lines| add(lines[0], lines[1], lines[2]));
    ((second as f64 + 1.0) / (first as f64 + 1.0)).ln() as f32
}

/// How far lines of one colour reach into the picture from its edges, each at most half of it.
fn border(picture: &Rgb, luma: &[u8]) -> [f32; 3] {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let pixels = picture.data.as_chunks::<3>().0;
    let row = |y: usize| plain(pixels[y * width..][..width].iter());
    let column = |x: usize| plain(pixels[x..].iter().step_by(width));
    let reach = |length: usize, line: &dyn Fn(usize) -> bool| {
        let from_start = (0..length / 2).take_while(|&i| line(i)).count();
        let from_end = (0..length / 2).take_while(|&i| line(length - 1 - i)).count();
        (from_start, from_end)
    };
    let ((top, bottom), (left, right)) = (reach(height, &row), reach(width, &column));
    let corner = if top + left > 0 { Some(0) } else { (bottom + right > 0).then_some(luma.len() - 1) };
    [
        (top + bottom) as f32 / height as f32,
        (left + right) as f32 / width as f32,
        corner.map_or(-1.0, |corner| f32::from(luma[corner])),
    ]
}

fn plain<'a>(mut pixels: impl Iterator<Item = &'a [u8; 3]>) -> bool {
    let Some(first) = pixels.next() else { return false };
    let near = |pixel: &[u8; 3]| pixel.iter().zip(first).all(|(value, other)| value.abs_diff(*other) <= PLAIN);
    pixels.all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Rgb {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Rgb { width, height, data: pixels.flat_map(|(x, y)| [value(x, y); 3]).collect() }
    }

    #[test]
    fn a_border_is_as_wide_as_its_plain_lines() {
        let framed =
            picture(40, 20, |x, y| if !(3..18).contains(&y) || x < 4 { 250 } else { ((x * 37 + y * 91) % 200) as u8 });
        let luma = canvas::grey(&framed).data;
        assert_eq!(border(&framed, &luma), [5.0 / 20.0, 4.0 / 40.0, 250.0]);
        let without = picture(40, 20, |x, y| ((x * 37 + y * 91) % 200) as u8);
        assert_eq!(border(&without, &canvas::grey(&without).data), [0.0, 0.0, -1.0]);
    }

    #[test]
    fn blurred_pictures_are_less_sharp() {
        let of = |value: &dyn Fn(u32, u32) -> u8| sharpness(&canvas::grey(&picture(64, 64, value)).data, 64);
        let fine = of(&|x, y| ((x * 37 + y * 91) % 200) as u8);
        let smooth = of(&|x, y| (x + y) as u8);
        assert!(smooth < fine - 2.0, "{smooth} {fine}");
        assert_eq!(of(&|_, _| 7), 0.0);
    }

    #[test]
    fn colours_are_means() {
        assert_eq!(means(&[10, 20, 30, 20, 40, 60]), [15.0, 30.0, 45.0]);
    }
}
