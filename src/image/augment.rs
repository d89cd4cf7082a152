//! Random views of a training image: a crop of random size, shape and place, and a mirror image.
//! Sizes and shapes are drawn as torchvision's `RandomResizedCrop` (0.26) draws them; the caller brings the generator.

use rand::Rng;

use super::Rgb;
use super::resize::resize;

/// Draws before a crop is given up for the largest central one, as in torchvision.
const ATTEMPTS: usize = 10;

/// How crops are drawn: ranges of the area, as a share of the image's, and of width / height, which is drawn
/// uniformly in its logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomCrop {
    pub scale: [f64; 2],
    pub ratio: [f64; 2],
}

/// A part of an image, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl RandomCrop {
    /// torchvision's range of shapes.
    pub const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

    /// A part of an image of `width` x `height` pixels.
    pub fn draw(&self, width: u32, height: u32, rng: &mut impl Rng) -> Region {
        let area = f64::from(width) * f64::from(height);
        let [flattest, tallest] = self.ratio.map(f64::ln);
        for _ in 0..ATTEMPTS {
            let target = area * rng.random_range(self.scale[0]..=self.scale[1]);
            let ratio = rng.random_range(flattest..=tallest).exp();
            // Python's `round`, as torchvision uses it
            let (w, h) = ((target * ratio).sqrt().round_ties_even(), (target / ratio).sqrt().round_ties_even());
            if 1.0 <= w && w <= f64::from(width) && 1.0 <= h && h <= f64::from(height) {
                let (w, h) = (w as u32, h as u32);
                let top = rng.random_range(0..=height - h);
                let left = rng.random_range(0..=width - w);
                return Region { left, top, width: w, height: h };
            }
        }
        self.central(width, height)
    }

    /// The largest central part whose shape is in range.
    fn central(&self, width: u32, height: u32) -> Region {
        let (w, h) = (f64::from(width), f64::from(height));
        let [flattest, tallest] = self.ratio;
        let (part_w, part_h) = match w / h {
            ratio if ratio < flattest => (width, (w / flattest).round_ties_even() as u32),
            ratio if ratio > tallest => ((h * tallest).round_ties_even() as u32, height),
            _ => (width, height),
        };
        Region { left: (width - part_w) / 2, top: (height - part_h) / 2, width: part_w, height: part_h }
    }
}

/// The part of the picture brought to `side` x `side` pixels. It is cut out first: what lies around it is not seen.
pub fn crop_and_resize(picture: &Rgb, region: Region, side: u32) -> Rgb {
    let row = picture.width as usize * 3;
    let (first, length) = (region.left as usize * 3, region.width as usize * 3);
    let rows = picture.data.chunks_exact(row).skip(region.top as usize).take(region.height as usize);
    let data = rows.flat_map(|row| &row[first..first + length]).copied().collect();
    resize(&Rgb { width: region.width, height: region.height, data }, side, side)
}

/// The mirror image: left and right change places.
pub fn mirror(picture: &mut Rgb) {
    for row in picture.data.chunks_exact_mut(picture.width as usize * 3) {
        let (pixels, _) = row.as_chunks_mut::<3>();
        pixels.reverse();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn a_mirror_image_of_a_mirror_image_is_the_image() {
        let picture = pattern(7, 4);
        let mut mirrored = picture.clone();
        mirror(&mut mirrored);
        assert_eq!(mirrored.data[..3], picture.data[18..21]);
        mirror(&mut mirrored);
        assert_eq!(mirrored, picture);
    }

    #[test]
    fn only_the_region_is_seen() {
        let mut picture = pattern(20, 16);
        let region = Region { left: 5, top: 3, width: 6, height: 8 };
        let seen = crop_and_resize(&picture, region, 8);
        for (i, value) in picture.data.iter_mut().enumerate() {
            let (x, y) = (i as u32 / 3 % 20, i as u32 / 60);
            if !(5..11).contains(&x) || !(3..11).contains(&y) {
                *value = 255 - *value;
            }
        }
        assert_eq!(crop_and_resize(&picture, region, 8), seen);
        let whole = Region { left: 0, top: 0, width: 16, height: 16 };
        assert_eq!(crop_and_resize(&pattern(16, 16), whole, 16), pattern(16, 16));
    }

    #[test]
    fn an_image_that_no_crop_fits_gives_its_centre() {
        let crop = RandomCrop { scale: [0.5, 1.0], ratio: RandomCrop::RATIO };
        let region = crop.draw(60, 300, &mut ChaCha8Rng::seed_from_u64(0));
        assert_eq!(region, Region { left: 0, top: 110, width: 60, height: 80 });
    }
}
