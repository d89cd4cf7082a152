//! Vocabularies: the visual words that descriptors are counted by, learned from training images only.
//! Float descriptors use k-means, binary ones k-means on their bits or k-majority in Hamming space.

pub mod kmajority;
pub mod kmeans;

use serde::{Deserialize, Serialize};

/// Raised whenever the same descriptors and seed may give other words or other counts.
pub const VERSION: u32 = 1;

/// How a vocabulary is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Mini-batch k-means (Sculley 2010) followed by whole passes (Lloyd).
    KMeans,
    /// k-majority (Grana and others 2013): k-means with Hamming distance and a bitwise majority as centre.
    KMajority,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Method::KMeans => "k-means",
            Method::KMajority => "k-majority",
        })
    }
}
