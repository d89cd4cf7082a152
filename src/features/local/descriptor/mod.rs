//! Local descriptors: what a picture looks like at many places. A method is one file, and one line in the list below.
//! One detector a worker: detectors are `Send`, not shared.

mod akaze;
mod brief;
mod brisk;
mod colour_statistics;
pub mod dense;
mod dense_sift;
mod hog_cells;
mod kaze;
mod keypoints;
mod opponent_sift;
mod orb;
mod patches;
mod root_sift;
mod surf;

pub use akaze::Akaze;
pub use brief::Brief;
pub use brisk::Brisk;
pub use colour_statistics::ColourStatistics;
pub use dense::{Grid, Sizes};
pub use dense_sift::DenseSift;
pub use hog_cells::HogCells;
pub use kaze::Kaze;
pub use opponent_sift::OpponentSift;
pub use orb::Orb;
pub use patches::{Patches, Stride};
pub use root_sift::{RootSift, root_sift};
pub use surf::Surf;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::features::Cost;
pub use crate::features::picture::Picture;

/// The kinds of descriptors: each line is a name in TOML and the settings behind it.
macro_rules! descriptors {
    ($($(#[$doc:meta])* $kind:ident($settings:ty),)*) => {
        /// The `descriptor` table of an arm.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum DescriptorSettings {
            $($(#[$doc])* $kind($settings),)*
        }

        impl DescriptorSettings {
            /// The method: the only place where descriptors are told apart.
            pub fn method(&self) -> &dyn Descriptor {
                match self {
                    $(DescriptorSettings::$kind(settings) => settings,)*
                }
            }
        }
    };
}

descriptors! {
    /// SIFT at keypoints, as RootSIFT.
    RootSift(RootSift),
    /// ORB at keypoints.
    Orb(Orb),
    /// AKAZE at keypoints.
    Akaze(Akaze),
    /// RootSIFT on a dense grid.
    DenseSift(DenseSift),
    /// RootSIFT of three opponent colours on a dense grid.
    OpponentSift(OpponentSift),
    /// Means and deviations of colours on a dense grid.
    ColourStatistics(ColourStatistics),
    /// Contrast-normalised pixels on a dense grid.
    Patches(Patches),
    /// Histograms of oriented gradients in cells.
    HogCells(HogCells),
    /// KAZE at keypoints.
    Kaze(Kaze),
    /// BRISK at keypoints.
    Brisk(Brisk),
    /// SURF at keypoints.
    Surf(Surf),
    /// BRIEF at corners.
    Brief(Brief),
}

/// What every method is; its settings are what the arm's file says.
pub trait Descriptor {
    /// What is wrong with the settings, if anything is.
    ///
    /// # Errors
    /// A sentence that names the setting and what it may be.
    fn check(&self) -> Result<(), String>;

    /// Name and version: raised whenever the descriptors of the same picture may come out differently.
    fn version(&self) -> (&'static str, u32);

    fn layout(&self) -> Layout;

    /// Does it look at colours? If not, pictures come in grey.
    fn in_colour(&self) -> bool {
        false
    }

    /// Are descriptors kept in the cache? Not where there are so many that making them anew takes less time.
    fn kept(&self) -> bool {
        true
    }

    /// Of one picture of ordinary size, without decoding.
    fn cost(&self) -> Cost;

    /// A detector for one worker; `canvas` is the side of the canvas in pixels, where there is one.
    ///
    /// # Errors
    /// OpenCV lacks the method.
    fn open(&self, canvas: Option<u32>) -> Result<Box<dyn Describe>, DescribeError>;
}

/// Describes one picture after the other.
pub trait Describe: Send {
    /// The descriptors of a picture; none where it has no keypoint.
    ///
    /// # Errors
    /// What OpenCV says of a picture that it can't describe.
    fn describe(&mut self, picture: &Picture) -> Result<Descriptors, DescribeError>;
}

#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// What the descriptors of a method are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// So many whole numbers from 0 to 255, which stand for the square roots of their shares.
    Roots(usize),
    /// So many bytes of bits.
    Bits(usize),
    /// So many numbers of any kind.
    Floats(usize),
}

/// Where a descriptor was made, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub x: f32,
    pub y: f32,
    /// Diameter of what it describes.
    pub size: f32,
}

/// The descriptors of one image, or a selection of those of many, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptors {
    layout: Layout,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// In the place of bytes where the layout is numbers, which no cache keeps.
    #[serde(skip)]
    floats: Vec<f32>,
}

impl Layout {
    /// Bytes of one descriptor; numbers have none.
    pub fn bytes(self) -> usize {
        match self {
            Layout::Roots(length) | Layout::Bits(length) => length,
            Layout::Floats(_) => 0,
        }
    }

    /// Numbers of one descriptor as floats.
    pub fn floats(self) -> usize {
        match self {
            Layout::Roots(length) | Layout::Floats(length) => length,
            Layout::Bits(bytes) => 8 * bytes,
        }
    }
}

impl Descriptors {
    pub fn none(layout: Layout) -> Descriptors {
        Descriptors { layout, bytes: Vec::new(), places: Vec::new(), floats: Vec::new() }
    }

    /// Descriptors of [`Layout::Floats`], `length` numbers each.
    ///
    /// # Panics
    /// Where there are not as many descriptors as places.
    pub fn of_floats(length: usize, floats: Vec<f32>, places: Vec<Place>) -> Descriptors {
        assert_eq!(floats.len(), places.len() * length, "one descriptor a place");
        Descriptors { layout: Layout::Floats(length), bytes: Vec::new(), places, floats }
    }

    /// # Panics
    /// Where there are not as many descriptors as places.
    pub fn new(layout: Layout, bytes: Vec<u8>, places: Vec<Place>) -> Descriptors {
        assert_eq!(bytes.len(), places.len() * layout.bytes(), "one descriptor a place");
        Descriptors { layout, bytes, places, floats: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// All descriptors as they are kept, [`Layout::bytes`] each.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds descriptor `i` of others of the same layout.
    pub fn push(&mut self, others: &Descriptors, i: usize) {
        let length = self.layout.bytes();
        self.bytes.extend_from_slice(&others.bytes[i * length..][..length]);
        if let Layout::Floats(length) = self.layout {
            self.floats.extend_from_slice(&others.floats[i * length..][..length]);
        }
        self.places.push(others.places[i]);
    }

    /// Descriptors as floats with where they lie behind them, multiplied by `factor`.
    pub fn with_places(&self, shares: &[[f32; 2]], factor: f32) -> Descriptors {
        let length = self.layout.floats();
        let floats = self.floats();
        let rows = floats.chunks_exact(length).zip(shares);
        let all = rows.flat_map(|(row, share)| row.iter().copied().chain(share.map(|at| at * factor))).collect();
        Descriptors::of_floats(length + 2, all, self.places.clone())
    }

    /// All descriptors as floats, one after the other: square roots of shares, bits as 0 and 1, or the numbers that they
    /// are.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        let mut floats = Vec::with_capacity(self.len() * self.layout.floats());
        match self.layout {
            Layout::Floats(_) => return Cow::Borrowed(&self.floats),
            Layout::Roots(length) => {
                let roots = |descriptor: &[u8]| floats.extend(root_sift(descriptor.iter().map(|&x| f32::from(x))));
                self.bytes.chunks_exact(length).for_each(roots);
            }
            Layout::Bits(_) => {
                let bits = |byte: &u8| -> [f32; 8] { std::array::from_fn(|bit| f32::from(byte >> bit & 1)) };
                floats.extend(self.bytes.iter().flat_map(bits));
            }
        }
        Cow::Owned(floats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { x: 1.0, y: 2.0, size: 3.0 };

    #[test]
    fn roots_have_length_1_and_zero_stays_zero() {
        let mut bytes = vec![0; 2 * 128];
        bytes[3] = 9;
        bytes[77] = 16;
        let described = Descriptors::new(Layout::Roots(128), bytes, vec![PLACE; 2]);
        let floats = described.floats();
        assert_eq!((floats[3], floats[77]), (0.6, 0.8));
        assert!(floats[128..].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn bits_come_out_one_by_one() {
        let described = Descriptors::new(Layout::Bits(32), [&[0b101u8][..], &[0; 31]].concat(), vec![PLACE]);
        let floats = described.floats();
        assert_eq!((described.len(), floats.len(), &floats[..4]), (1, 256, &[1.0, 0.0, 1.0, 0.0][..]));
    }

    #[test]
    fn a_selection_keeps_bytes_and_places_together() {
        let other = Place { x: 9.0, ..PLACE };
        let all = Descriptors::new(Layout::Bits(2), vec![1, 2, 3, 4], vec![PLACE, other]);
        let mut chosen = Descriptors::none(Layout::Bits(2));
        chosen.push(&all, 1);
        assert_eq!((chosen.bytes(), chosen.places()), (&[3, 4][..], &[other][..]));
    }
}
