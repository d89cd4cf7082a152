//! From pixels to a network's input: scaled, normalised, channels first.

use super::Rgb;

/// Mean and deviation of each channel, RGB, on the scale 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

/// torchvision's values for networks trained on ImageNet.
pub const IMAGENET: Normalisation = Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/// Writes the normalised picture into `out`, shape 3 x height x width.
pub fn write_tensor(picture: &Rgb, normalisation: &Normalisation, out: &mut [f32]) {
    let _ = (picture, normalisation, out);
    todo!()
}
