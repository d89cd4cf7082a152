//! Antialiased bilinear resizing and centre crops, as Pillow and torchvision do them.
//! Values are within 1 of Pillow's, and few differ: its filter has the same weights but keeps more bits of them.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{CropBox, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::Rgb;

/// Antialiased bilinear resize to exactly `width` x `height`.
pub fn resize(picture: &Rgb, width: u32, height: u32) -> Rgb {
    let whole = CropBox { left: 0.0, top: 0.0, width: picture.width.into(), height: picture.height.into() };
    resample(picture, whole, width, height)
}

/// torchvision's `Resize(size)` on the shorter side, then `CenterCrop(crop)`: `crop` x `crop` pixels, with black
/// borders where the resized picture is smaller. Only what the crop shows is resampled.
pub fn resize_and_crop(picture: &Rgb, size: u32, crop: u32) -> Rgb {
    let shorter = picture.width.min(picture.height);
    let x = Visible::new(picture.width, shorter, size, crop);
    let y = Visible::new(picture.height, shorter, size, crop);
    let shown = CropBox { left: x.source, top: y.source, width: x.source_length, height: y.source_length };
    let resized = resample(picture, shown, x.length, y.length);
    if (x.length, y.length) == (crop, crop) { resized } else { with_border(&resized, x.target, y.target, crop) }
}

/// What a centre crop shows of one axis.
struct Visible {
    /// Start and length in the source, in its pixels.
    source: f64,
    source_length: f64,
    /// Start and length in the crop.
    target: u32,
    length: u32,
}

impl Visible {
    fn new(side: u32, shorter: u32, size: u32, crop: u32) -> Self {
        // torchvision truncates the longer side
        let resized = u64::from(size) * u64::from(side) / u64::from(shorter);
        let scale = f64::from(side) / resized as f64;
        let crop = u64::from(crop);
        let length = resized.min(crop);
        Visible {
            source: half_to_even(resized - length) as f64 * scale,
            source_length: length as f64 * scale,
            target: ((crop - length) / 2) as u32,
            length: length as u32,
        }
    }
}

/// n / 2 as Python's `round` does it, which torchvision uses for the offset of a crop.
fn half_to_even(n: u64) -> u64 {
    let half = n / 2;
    half + (n % 2) * (half % 2)
}

/// `shown`, which lies within the picture, resampled to `width` x `height`. The horizontal pass comes first, as in
/// Pillow: pixels are rounded between the passes, so that the other order (which is what one call of
/// `fast_image_resize` does) changes every fifth value. It leaves out the rows that the vertical filter never reaches.
fn resample(picture: &Rgb, shown: CropBox, width: u32, height: u32) -> Rgb {
    let reach = (shown.height / f64::from(height)).max(1.0);
    let first = (shown.top - reach).floor().max(0.0);
    let last = (shown.top + shown.height + reach).ceil().min(picture.height.into());
    let band = CropBox { top: first, height: last - first, ..shown };
    let narrowed = one_pass(picture, band, width, (last - first) as u32);
    let band = CropBox { left: 0.0, width: width.into(), top: shown.top - first, height: shown.height };
    one_pass(&narrowed, band, width, height)
}

/// `shown` resampled along the one axis on which it does not have `width` or `height` pixels yet.
fn one_pass(picture: &Rgb, shown: CropBox, width: u32, height: u32) -> Rgb {
    // rounding must not carry the box out of the picture
    let shown = CropBox {
        width: shown.width.min(f64::from(picture.width) - shown.left),
        height: shown.height.min(f64::from(picture.height) - shown.top),
        ..shown
    };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(shown.left, shown.top, shown.width, shown.height)
        .use_alpha(false);
    let source = ImageRef::new(picture.width, picture.height, &picture.data, PixelType::U8x3)
        .expect("a picture holds three bytes a pixel");
    let mut data = vec![0; width as usize * height as usize * 3];
    let mut target = Image::from_slice_u8(width, height, &mut data, PixelType::U8x3).expect("it was sized just now");
    let resized = Resizer::new().resize(&source, &mut target, &options);
    resized.expect("both pictures are RGB and the box lies within the source");
    Rgb { width, height, data }
}

/// The picture at (`left`, `top`) of a black square.
fn with_border(picture: &Rgb, left: u32, top: u32, side: u32) -> Rgb {
    let row = picture.width as usize * 3;
    let mut data = vec![0; side as usize * side as usize * 3];
    let below = data.chunks_exact_mut(side as usize * 3).skip(top as usize);
    for (target, source) in below.zip(picture.data.chunks_exact(row)) {
        target[left as usize * 3..][..row].copy_from_slice(source);
    }
    Rgb { width: side, height: side, data }
}
