//! Codebooks: the visual words that descriptors are counted by, learned from training images only. A method is one file,
//! and one line in the list below.

pub mod kmajority;
pub mod kmeans;
pub mod mixture;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use std::borrow::Cow;

use ndarray::Array2;

use super::descriptor::{Descriptors, Layout};

/// The kinds of codebooks: each line is a name in TOML, the settings behind it, and the words that it learns.
macro_rules! codebooks {
    ($($(#[$doc:meta])* $kind:ident($settings:ty, $words:ty),)*) => {
        /// A `codebook` table of an arm.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum CodebookSettings {
            $($(#[$doc])* $kind($settings),)*
        }

        /// Visual words.
        #[expect(clippy::large_enum_variant, reason = "an arm has one of them")]
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Codebook {
            $($(#[$doc])* $kind($words),)*
        }

        impl CodebookSettings {
            /// The method.
            pub fn method(&self) -> &dyn Method {
                match self {
                    $(CodebookSettings::$kind(settings) => settings,)*
                }
            }
        }

        impl Codebook {
            fn words(&self) -> &dyn Words {
                match self {
                    $(Codebook::$kind(words) => words,)*
                }
            }
        }

        $(impl From<$words> for Codebook {
            fn from(words: $words) -> Codebook {
                Codebook::$kind(words)
            }
        })*
    };
}

codebooks! {
    /// k-means of descriptors as floats.
    KMeans(kmeans::KMeans, kmeans::Centres),
    /// k-majority of bits.
    KMajority(kmajority::KMajority, kmajority::Packed),
    /// A mixture of Gaussians of descriptors as floats.
    GaussianMixture(mixture::GaussianMixture, mixture::Mixture),
}

/// How words are learned; settings are what the arm's file says.
pub trait Method {
    /// Name and version: raised whenever the same descriptors and seed may give other words or other counts.
    fn version(&self) -> (&'static str, u32);

    /// Can it learn from such descriptors?
    ///
    /// # Errors
    /// A sentence that says which it needs.
    fn takes(&self, layout: Layout) -> Result<(), String>;

    /// Numbers of words, the candidates.
    fn sizes(&self) -> &[usize];

    /// At most `words` words of a sample; fewer where it has fewer descriptors.
    fn learn(&self, sample: &Descriptors, words: usize, rng: &mut ChaCha8Rng) -> Codebook;
}

/// Learned words.
pub trait Words {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nearest word of each descriptor, the first of equally near ones.
    fn assign(&self, descriptors: &Descriptors) -> Vec<usize>;

    /// Where words lie among descriptors as floats, k x d or with zeros behind; `None` where they have more than a place.
    fn centres(&self) -> Option<Cow<'_, Array2<f32>>> {
        None
    }
}

impl Words for Codebook {
    fn len(&self) -> usize {
        self.words().len()
    }

    fn assign(&self, descriptors: &Descriptors) -> Vec<usize> {
        if descriptors.is_empty() || self.is_empty() { Vec::new() } else { self.words().assign(descriptors) }
    }

    fn centres(&self) -> Option<Cow<'_, Array2<f32>>> {
        self.words().centres()
    }
}
