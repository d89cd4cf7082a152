//! Antialiased resizing and centre crops, as Pillow and torchvision do them; bilinear unless another filter is named.
//! Values are within 1 of Pillow's, and few differ: its filter has the same weights but keeps more bits of them.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{CropBox, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::{Grey, Rgb};

/// Antialiased bilinear resize to exactly `width` x `height`.
pub fn resize(picture: &Rgb, width: u32, height: u32) -> Rgb {
    let whole = CropBox { left: 0.0, top: 0.0, width: picture.width.into(), height: picture.height.into() };
    let data = resample(Pixels::rgb(picture), whole, width, height, Interpolation::Bilinear);
    Rgb { width, height, data }
}

/// The same of a grey picture.
pub fn resize_grey(picture: &Grey, width: u32, height: u32) -> Grey {
    let whole = CropBox { left: 0.0, top: 0.0, width: picture.width.into(), height: picture.height.into() };
    let data = resample(Pixels::grey(picture), whole, width, height, Interpolation::Bilinear);
    Grey { width, height, data }
}

/// Width and height of a picture of this size when its longer side is brought to `longer` pixels.
pub fn fitted_size(width: u32, height: u32, longer: u32) -> (u32, u32) {
    let side = width.max(height);
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(longer) + u64::from(side) / 2) / u64::from(side);
        (rounded as u32).max(1)
    };
    (scaled(width), scaled(height))
}

/// The same, brought down only: `None` where it is no longer than that.
pub fn capped(width: u32, height: u32, longer: u32) -> Option<(u32, u32)> {
    (width.max(height) > longer).then(|| fitted_size(width, height, longer))
}

/// The picture with a longer side of so many pixels.
pub fn fitted(picture: &Rgb, longer: u32) -> Rgb {
    let (width, height) = fitted_size(picture.width, picture.height, longer);
    resize(picture, width, height)
}

/// torchvision's `Resize(size)` on the shorter side, then `CenterCrop(crop)`: `crop` x `crop` pixels, with black
/// borders where the resized picture is smaller. Only what the crop shows is resampled.
pub fn resize_and_crop(picture: &Rgb, size: u32, crop: u32) -> Rgb {
    let (interpolation, centre) = (Interpolation::Bilinear, Centre::Round);
    fit_and_crop(picture, Fit { length: size, squash: false, interpolation, centre }, crop)
}

/// The filter. All are antialiased, as Pillow's and torchvision's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    #[serde(rename = "antialiased bilinear")]
    Bilinear,
    #[serde(rename = "antialiased bicubic")]
    Bicubic,
}

impl Interpolation {
    /// As it is stated for a network.
    pub fn name(self) -> &'static str {
        match self {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        }
    }
}

/// Where the centre begins when an odd number of pixels is left over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Centre {
    /// The half pixel is rounded to an even number, as in torchvision and timm.
    #[default]
    Round,
    /// It is cut off, as in transformers.
    Floor,
}

/// How a picture is brought to the size that a centre is cut out of.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Of the shorter side, the longer one in proportion; or of both, whatever the picture's shape.
    pub length: u32,
    pub squash: bool,
    pub interpolation: Interpolation,
    pub centre: Centre,
}

/// [`resize_and_crop`] in any of these ways.
pub fn fit_and_crop(picture: &Rgb, fit: Fit, crop: u32) -> Rgb {
    let shorter = picture.width.min(picture.height);
    let axis = |side| Visible::new(side, if fit.squash { side } else { shorter }, fit, crop);
    let (x, y) = (axis(picture.width), axis(picture.height));
    let shown = CropBox { left: x.source, top: y.source, width: x.source_length, height: y.source_length };
    let data = resample(Pixels::rgb(picture), shown, x.length, y.length, fit.interpolation);
    let resized = Rgb { width: x.length, height: y.length, data };
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
    fn new(side: u32, shorter: u32, fit: Fit, crop: u32) -> Self {
        // torchvision truncates the longer side
        let resized = u64::from(fit.length) * u64::from(side) / u64::from(shorter);
        let scale = f64::from(side) / resized as f64;
        let crop = u64::from(crop);
        let length = resized.min(crop);
        let begins = match fit.centre {
            Centre::Round => half_to_even(resized - length),
            Centre::Floor => (resized - length) / 2,
        };
        Visible {
            source: begins as f64 * scale,
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

/// What is resampled, in grey or in colour.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    width: u32,
    height: u32,
    data: &'a [u8],
    /// Of one pixel.
    bytes: usize,
}

impl<'a> Pixels<'a> {
    fn rgb(picture: &'a Rgb) -> Self {
        Pixels { width: picture.width, height: picture.height, data: &picture.data, bytes: 3 }
    }

    fn grey(picture: &'a Grey) -> Self {
        Pixels { width: picture.width, height: picture.height, data: &picture.data, bytes: 1 }
    }
}

/// `shown`, which lies within the picture, resampled to `width` x `height`. The horizontal pass comes first, as in
/// Pillow: pixels are rounded between the passes, so that the other order (which is what one call of
/// `fast_image_resize` does) changes every fifth value. It leaves out the rows that the vertical filter never reaches.
fn resample(picture: Pixels, shown: CropBox, width: u32, height: u32, by: Interpolation) -> Vec<u8> {
    let (filter, support) = match by {
        Interpolation::Bilinear => (FilterType::Bilinear, 1.0),
        // Pillow's bicubic filter has a = -0.5, which is this one
        Interpolation::Bicubic => (FilterType::CatmullRom, 2.0),
    };
    let reach = (shown.height / f64::from(height)).max(1.0) * support;
    let first = (shown.top - reach).floor().max(0.0);
    let last = (shown.top + shown.height + reach).ceil().min(picture.height.into());
    let band = CropBox { top: first, height: last - first, ..shown };
    let narrowed = one_pass(picture, band, width, (last - first) as u32, filter);
    let band = CropBox { left: 0.0, width: width.into(), top: shown.top - first, height: shown.height };
    one_pass(Pixels { width, height: (last - first) as u32, data: &narrowed, ..picture }, band, width, height, filter)
}

/// `shown` resampled along the one axis on which it does not have `width` or `height` pixels yet.
fn one_pass(picture: Pixels, shown: CropBox, width: u32, height: u32, filter: FilterType) -> Vec<u8> {
    // rounding must not carry the box out of the picture
    let shown = CropBox {
        width: shown.width.min(f64::from(picture.width) - shown.left),
        height: shown.height.min(f64::from(picture.height) - shown.top),
        ..shown
    };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(shown.left, shown.top, shown.width, shown.height)
        .use_alpha(false);
    let pixel = if picture.bytes == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let source = ImageRef::new(picture.width, picture.height, picture.data, pixel)
        .expect("a picture holds all bytes of its pixels");
    let mut data = vec![0; width as usize * height as usize * picture.bytes];
    let mut target = Image::from_slice_u8(width, height, &mut data, pixel).expect("it was sized just now");
    let resized = Resizer::new().resize(&source, &mut target, &options);
    resized.expect("both pictures are of one kind and the box lies within the source");
    data
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn halves_are_rounded_to_even() {
        assert_eq!([0, 1, 2, 3, 4, 5, 32].map(half_to_even), [0, 0, 1, 2, 2, 2, 16]);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let picture = pattern(31, 17);
        assert_eq!(resize(&picture, 31, 17), picture);
    }

    #[test]
    fn a_smaller_picture_is_centred_on_black() {
        let white = Rgb { width: 3, height: 2, data: vec![255; 18] };
        let padded = resize_and_crop(&white, 2, 5);
        let rows: Vec<Vec<u8>> = padded.data.chunks_exact(15).map(|r| r.iter().step_by(3).copied().collect()).collect();
        let (black, shown) = (vec![0; 5], vec![0, 255, 255, 255, 0]);
        assert_eq!(rows, [black.clone(), shown.clone(), shown, black.clone(), black]);
    }

    #[test]
    fn grey_is_resized_as_each_channel_is() {
        let grey = Grey { width: 37, height: 23, data: pattern(37, 23).data.iter().step_by(3).copied().collect() };
        for (width, height) in [(37, 23), (12, 40), (1, 1), (90, 9)] {
            let channel: Vec<u8> = resize(&pattern(37, 23), width, height).data.iter().step_by(3).copied().collect();
            assert_eq!(resize_grey(&grey, width, height), Grey { width, height, data: channel });
        }
    }

    #[test]
    fn a_cap_keeps_the_shape_and_never_enlarges() {
        assert_eq!(capped(640, 480, 320), Some((320, 240)));
        assert_eq!(capped(333, 500, 320), Some((213, 320)));
        assert_eq!(capped(1, 4000, 320), Some((1, 320)));
        assert_eq!([capped(320, 5, 320), capped(8, 9, 320)], [None; 2]);
    }

    /// How far each value of a crop is from what resizing everything first would have put there.
    fn apart(w: u32, h: u32, size: u32, crop: u32) -> Vec<u8> {
        let picture = pattern(w, h);
        let cropped = resize_and_crop(&picture, size, crop);
        assert_eq!((cropped.width, cropped.height), (crop, crop));
        let whole = resize(&picture, size * w / w.min(h), size * h / w.min(h));
        let pixel = |x: u32, y: u32, c: u32| whole.data[((y * whole.width + x) * 3 + c) as usize];
        // where torchvision puts pixel (x, y) of the crop; None is its border
        let source = |at: u32, side: u32| match side.checked_sub(crop) {
            Some(room) => Some(at + half_to_even(room.into()) as u32),
            None => at.checked_sub((crop - side) / 2).filter(|&at| at < side),
        };
        let expected = |i: u32| match (source(i / 3 % crop, whole.width), source(i / 3 / crop, whole.height)) {
            (Some(x), Some(y)) => pixel(x, y, i % 3),
            _ => 0,
        };
        (0..).zip(&cropped.data).map(|(i, value)| value.abs_diff(expected(i))).collect()
    }

    /// Weights differ in the last of their bits, so that a half is rounded up here and down there, in each of the two
    /// passes: where 146.5 and 143.5 lie above one another at weights of 5/6 and 1/6, 145 and 147 are both right.
    #[test]
    fn a_half_may_be_rounded_either_way_twice() {
        let apart = apart(16, 40, 54, 19);
        assert!(apart.iter().all(|&apart| apart <= 2));
        assert!(apart.iter().filter(|&&apart| apart == 2).count() <= 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn cropping_equals_resizing_everything_first(w in 1..70_u32, h in 1..70_u32, size in 1..60_u32, crop in 1..60_u32) {
            let apart = apart(w, h, size, crop);
            prop_assert!(apart.iter().all(|&apart| apart <= 2));
            let twice = apart.iter().filter(|&&apart| apart == 2).count();
            prop_assert!(twice <= 2 + apart.len() / 200, "{} of {}", twice, apart.len());
        }

        #[test]
        fn a_constant_picture_stays_constant(w in 1..90_u32, h in 1..90_u32, to_w in 1..90_u32, to_h in 1..90_u32, v: u8) {
            let data = vec![v; (w * h * 3) as usize];
            let resized = resize(&Rgb { width: w, height: h, data }, to_w, to_h);
            prop_assert_eq!((resized.width, resized.height), (to_w, to_h));
            prop_assert_eq!(resized.data, vec![v; (to_w * to_h * 3) as usize]);
        }
    }
}
