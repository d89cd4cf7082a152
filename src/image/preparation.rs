//! How a picture is prepared for a network: brought to a size, its centre cut out, and its levels made numbers. What
//! torchvision, timm and transformers do with a picture where nothing is drawn at random is one of these.

use serde::{Deserialize, Serialize};

use super::Rgb;
use super::resize::{Centre, Fit, Interpolation, fit_and_crop};
use super::tensor::{Normalisation, write_tensor};

/// From a picture to the input of a network, for an input of any side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preparation {
    pub resize: Resize,
    /// Are both sides brought to that length, whatever the picture's shape? Otherwise the shorter one is.
    pub squash: bool,
    pub interpolation: Interpolation,
    pub centre: Centre,
    pub channels: Channels,
    /// In the order of `channels`.
    pub normalisation: Normalisation,
}

/// How long a side becomes that a centre is cut out of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resize {
    /// So many pixels for an input of so many, and in that proportion for another one, truncated.
    Pixels { resized: u32, input: u32 },
    /// The input is this share of it, truncated (timm's `crop_pct`).
    Share(f64),
}

/// Order of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channels {
    Rgb,
    Bgr,
}

impl Resize {
    /// torchvision's for most networks: 256 px for an input of 224.
    pub const USUAL: Resize = Resize::Pixels { resized: 256, input: 224 };

    /// For an input of `side` pixels.
    pub fn of(self, side: u32) -> u32 {
        match self {
            Resize::Pixels { resized, input } => (u64::from(side) * u64::from(resized) / u64::from(input)) as u32,
            Resize::Share(share) => (f64::from(side) / share) as u32,
        }
    }
}

impl Preparation {
    /// torchvision's evaluation, with this normalisation.
    pub const fn usual(normalisation: Normalisation) -> Preparation {
        Preparation {
            resize: Resize::USUAL,
            squash: false,
            interpolation: Interpolation::Bilinear,
            centre: Centre::Round,
            channels: Channels::Rgb,
            normalisation,
        }
    }

    /// The part of the picture that a network with an input of `side` pixels is shown.
    pub fn crop(&self, picture: &Rgb, side: u32) -> Rgb {
        let Preparation { squash, interpolation, centre, .. } = *self;
        fit_and_crop(picture, Fit { length: self.resize.of(side), squash, interpolation, centre }, side)
    }

    /// Width and height of that part, in pixels of the picture.
    pub fn shown(&self, picture: &Rgb, side: u32) -> [f32; 2] {
        let (shorter, resized) = (picture.width.min(picture.height), self.resize.of(side));
        let sides = [picture.width, picture.height].map(|length| if self.squash { length } else { shorter });
        sides.map(|length| length as f32 * side as f32 / resized as f32)
    }

    /// Writes what a network is fed for a picture of the size of its input, 3 x height x width.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write(&self, crop: &Rgb, out: &mut [f32]) {
        match self.channels {
            Channels::Rgb => write_tensor(crop, &self.normalisation, out),
            Channels::Bgr => {
                let data = crop.data.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
                write_tensor(&Rgb { data, ..*crop }, &self.normalisation, out);
            }
        }
    }

    /// Both: the input for this picture, 3 x side x side.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn feed(&self, picture: &Rgb, side: u32, out: &mut [f32]) {
        self.write(&self.crop(picture, side), out);
    }

    /// In words, for an input of `side` pixels, without the normalisation.
    pub fn resizing(&self, side: u32) -> String {
        let resized = self.resize.of(side);
        let what = if self.squash { "both sides" } else { "shorter side" };
        let cut = if self.squash && resized == side { String::new() } else { format!(", centre {side} px") };
        format!("{what} to {resized} px ({}){cut}", self.interpolation.name())
    }

    /// The normalisation in words.
    pub fn normalising(&self) -> String {
        let Normalisation { mean, deviation } = self.normalisation;
        let order = if self.channels == Channels::Bgr { "BGR, " } else { "" };
        format!("{order}pixels from 0 to 1 less {mean:?}, divided by {deviation:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;
    use crate::image::resize::resize;
    use crate::image::tensor::IMAGENET;

    #[test]
    fn a_length_follows_the_input() {
        assert_eq!([224, 32, 299, 1024].map(|side| Resize::USUAL.of(side)), [256, 36, 341, 1170]);
        assert_eq!(
            [(288, 0.95), (224, 0.875), (224, 1.0)].map(|(side, share)| Resize::Share(share).of(side)),
            [303, 256, 224]
        );
    }

    #[test]
    fn a_squashed_picture_is_shown_whole() {
        let usual = Preparation::usual(IMAGENET);
        let squashed = Preparation { squash: true, resize: Resize::Share(1.0), ..usual };
        let picture = pattern(60, 40);
        assert_eq!(squashed.crop(&picture, 32), resize(&picture, 32, 32));
        assert_eq!((squashed.shown(&picture, 32), usual.shown(&picture, 224)), ([60.0, 40.0], [35.0, 35.0]));
        assert_eq!(squashed.resizing(32), "both sides to 32 px (bilinear)");
        assert_eq!(usual.resizing(224), "shorter side to 256 px (bilinear), centre 224 px");
    }

    #[test]
    fn the_order_of_channels_may_be_another() {
        let other = Preparation { channels: Channels::Bgr, ..Preparation::usual(IMAGENET) };
        let (mut rgb, mut bgr) = (vec![0.0; 3 * 32 * 32], vec![0.0; 3 * 32 * 32]);
        let plain = Preparation { normalisation: Normalisation { mean: [0.0; 3], deviation: [1.0; 3] }, ..other };
        plain.feed(&pattern(40, 40), 32, &mut bgr);
        Preparation { channels: Channels::Rgb, ..plain }.feed(&pattern(40, 40), 32, &mut rgb);
        assert_eq!((&rgb[..1024], &rgb[2048..]), (&bgr[2048..], &bgr[..1024]));
        assert!(other.normalising().starts_with("BGR, pixels from 0 to 1 less [0.485"));
    }
}
