//! From pixels to a network's input: scaled, normalised, channels first.
//! The arithmetic is that of torchvision's `ToTensor` and `Normalize`, in f32.

use super::Rgb;

/// Mean and deviation of each channel, RGB, on the scale 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

/// torchvision's values for networks trained on ImageNet.
pub const IMAGENET: Normalisation = Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/// None: levels from 0 to 255 as they are.
pub const LEVELS: Normalisation = Normalisation { mean: [0.0; 3], deviation: [1.0 / 255.0; 3] };

impl Normalisation {
    /// The normalised value of each of a channel's 256 levels.
    fn levels(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|level| (level as f32 / 255.0 - self.mean[channel]) / self.deviation[channel])
    }
}

/// Writes the normalised picture into `out`, shape 3 x height x width.
///
/// # Panics
/// If `out` has another length.
pub fn write_tensor(picture: &Rgb, normalisation: &Normalisation, out: &mut [f32]) {
    assert_eq!(out.len(), picture.data.len(), "a tensor of {} x {} pixels", picture.width, picture.height);
    let plane = out.len() / 3;
    for (channel, values) in out.chunks_exact_mut(plane.max(1)).enumerate() {
        let levels = normalisation.levels(channel);
        for (value, pixel) in values.iter_mut().zip(picture.data.chunks_exact(3)) {
            *value = levels[usize::from(pixel[channel])];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn channels_come_first_and_are_normalised() {
        let picture = pattern(5, 3);
        let mut tensor = vec![0.0; 45];
        write_tensor(&picture, &IMAGENET, &mut tensor);
        for (i, &value) in picture.data.iter().enumerate() {
            let (pixel, channel) = (i / 3, i % 3);
            let scaled = (f32::from(value) / 255.0 - IMAGENET.mean[channel]) / IMAGENET.deviation[channel];
            assert_eq!(tensor[channel * 15 + pixel], scaled);
        }
    }

    #[test]
    #[should_panic = "a tensor of 5 x 3 pixels"]
    fn another_length_is_a_bug() {
        write_tensor(&pattern(5, 3), &IMAGENET, &mut [0.0; 44]);
    }
}
