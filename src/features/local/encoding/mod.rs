//! Encodings: from the descriptors of an image to one vector. What descriptors add up to is counted in each cell of the
//! picture ([`Space`]) by itself, brought to a length of its own there, and all cells follow one another.

mod fisher;
mod space;
mod vlad;
pub mod words;

pub use fisher::Fisher;
pub use space::{Cells, Space};
pub use vlad::Vlad;
pub use words::Counts;

use serde::{Deserialize, Serialize};

use super::codebook::{Codebook, CodebookSettings};
use super::descriptor::Descriptors;

/// How descriptors and a codebook give a vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// How often each word is the nearest.
    #[default]
    Words,
    /// How far descriptors lie from their nearest word, summed up (Jegou and others 2010).
    Vlad,
    /// How a mixture would have to change to fit the image better (Perronnin and others 2010).
    Fisher,
}

/// An encoding with its codebook.
pub trait Encode {
    /// Numbers of one cell.
    fn length(&self) -> usize;

    /// Adds every descriptor to the sums of its cell: `cells` has one cell a descriptor, `sums` is cells x length.
    fn add(&self, descriptors: &Descriptors, cells: &[usize], sums: &mut [f32]);

    /// What each descriptor adds to the sums from which a cell's vector comes, up to a factor of each entry's own: calls
    /// `take` with the descriptor, the first entry, and the numbers for this and those behind it.
    fn parts(&self, descriptors: &Descriptors, take: &mut dyn FnMut(usize, usize, &[f32]));

    /// Makes the vector of a cell of the sums of its `count` descriptors, of which there is at least one.
    fn finish(&self, count: usize, sums: &mut [f32]);
}

impl Encoding {
    /// Name and version, which is raised when the same codebook and descriptors may give another vector.
    pub fn stage(self) -> (&'static str, u32) {
        match self {
            Encoding::Words => words::STAGE,
            Encoding::Vlad => vlad::STAGE,
            Encoding::Fisher => fisher::STAGE,
        }
    }

    /// Does it go with a codebook of such settings?
    pub fn takes(self, codebook: &CodebookSettings) -> bool {
        matches!(codebook, CodebookSettings::GaussianMixture(_)) == (self == Encoding::Fisher)
    }

    /// With this codebook; `None` where they don't go together.
    pub fn with(self, codebook: &Codebook) -> Option<Box<dyn Encode + '_>> {
        match (self, codebook) {
            (Encoding::Words, Codebook::KMeans(_) | Codebook::KMajority(_)) => Some(Box::new(Counts(codebook))),
            (Encoding::Vlad, Codebook::KMeans(_) | Codebook::KMajority(_)) => Some(Box::new(Vlad::of(codebook)?)),
            (Encoding::Fisher, Codebook::GaussianMixture(mixture)) => Some(Box::new(Fisher(mixture))),
            _ => None,
        }
    }
}

/// Brings a vector to length 1 (Euclidean); one of zeros stays.
fn to_length_one(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if square > 0.0 {
        let factor = (1.0 / square.sqrt()) as f32;
        vector.iter_mut().for_each(|v| *v *= factor);
    }
}

/// Square roots that keep their signs: large numbers count less (Perronnin and others 2010).
fn signed_root(vector: &mut [f32]) {
    vector.iter_mut().for_each(|v| *v = v.abs().sqrt().copysign(*v));
}
