//! Local descriptors at keypoints, by OpenCV. One detector a worker: detectors are `Send`, not shared.

mod opencv_features;

use serde::{Deserialize, Serialize};

pub use opencv_features::{Orb, Sift, orb_border};

use crate::image::Grey;

/// Raised whenever the descriptors of the same picture may come out differently.
pub const VERSION: u32 = 2;

/// Length of a SIFT descriptor.
pub const SIFT_LENGTH: usize = 128;
/// Bytes of an ORB descriptor.
pub const ORB_BYTES: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// The descriptors of one image, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Descriptors {
    /// 128 numbers each. OpenCV's are whole numbers from 0 to 255, so bytes lose nothing.
    Sift(Vec<u8>),
    /// 256 bits each.
    Orb(Vec<u8>),
}

/// Finds keypoints and describes them.
pub trait Describe: Send {
    /// The descriptors of a picture; none where it has no keypoint.
    fn describe(&mut self, picture: &Grey) -> Result<Descriptors, DescribeError>;
}

impl Descriptors {
    pub fn len(&self) -> usize {
        match self {
            Descriptors::Sift(bytes) => bytes.len() / SIFT_LENGTH,
            Descriptors::Orb(bytes) => bytes.len() / ORB_BYTES,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends descriptor `i` as floats: RootSIFT, or the bits as 0 and 1.
    pub fn extend_floats(&self, i: usize, out: &mut Vec<f32>) {
        match self {
            Descriptors::Sift(bytes) => {
                let descriptor = bytes[i * SIFT_LENGTH..][..SIFT_LENGTH].iter();
                out.extend(root_sift(descriptor.map(|&x| f32::from(x))));
            }
            Descriptors::Orb(bytes) => {
                let bits = |byte: &u8| -> [f32; 8] { std::array::from_fn(|bit| f32::from(byte >> bit & 1)) };
                out.extend(bytes[i * ORB_BYTES..][..ORB_BYTES].iter().flat_map(bits));
            }
        }
    }

    /// Length of a descriptor as floats.
    pub fn float_length(&self) -> usize {
        match self {
            Descriptors::Sift(_) => SIFT_LENGTH,
            Descriptors::Orb(_) => 8 * ORB_BYTES,
        }
    }

    /// Descriptor `i` as bits; `None` for descriptors that are not binary.
    pub fn bits(&self, i: usize) -> Option<[u8; ORB_BYTES]> {
        match self {
            Descriptors::Sift(_) => None,
            Descriptors::Orb(bytes) => bytes.chunks_exact(ORB_BYTES).nth(i)?.try_into().ok(),
        }
    }
}

/// RootSIFT: `sqrt(x / (L1 + 1e-12))`, whose Euclidean distance is the Hellinger distance of the original
/// (Arandjelovic and Zisserman 2012). A descriptor of zeros stays one.
pub fn root_sift(descriptor: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = f32> {
    let length = descriptor.clone().sum::<f32>() + 1e-12;
    descriptor.map(move |x| (x / length).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_sift_has_length_1_and_zero_stays_zero() {
        let mut bytes = vec![0u8; 2 * SIFT_LENGTH];
        bytes[3] = 9;
        bytes[77] = 16;
        let described = Descriptors::Sift(bytes);
        let mut floats = Vec::new();
        (0..2).for_each(|i| described.extend_floats(i, &mut floats));
        assert_eq!((floats[3], floats[77]), (0.6, 0.8));
        assert!(floats[SIFT_LENGTH..].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn bits_come_out_one_by_one() {
        let described = Descriptors::Orb([&[0b101u8][..], &[0; 31]].concat());
        let mut floats = Vec::new();
        described.extend_floats(0, &mut floats);
        assert_eq!((described.len(), floats.len(), &floats[..4]), (1, 256, &[1.0, 0.0, 1.0, 0.0][..]));
    }
}
