//! `audit.json`: what is suspicious about the pictures of a data set, beside the near-duplicates of its description.

use serde::{Deserialize, Serialize};

/// `audit.json`, where the pictures were looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// Of what was looked for, and how: another one looks again.
    pub version: u32,
    /// Reported images whose properties were looked at.
    pub images: usize,
    /// Those of the class that most of them show.
    pub majority: usize,
    /// What each property by itself tells of the class.
    pub properties: Vec<PropertyRecord>,
    /// Labels that look wrong; null where no arm judged them.
    pub labels: Option<LabelsRecord>,
}

/// A property that has nothing to do with what an image shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyRecord {
    pub name: String,
    /// Different values of the images to learn from: with one there is nothing to tell classes by.
    pub values: usize,
    /// Reported images whose class it gives.
    pub correct: usize,
}

/// Labels held against the scores of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsRecord {
    /// The run whose settings were used, and its arm.
    pub run_id: String,
    pub arm: String,
    pub val_accuracy: f64,
    /// Parts of the images to learn from, each of which was judged by a fit on the others.
    pub folds: usize,
    /// Images to learn from that were judged, and those whose label was the answer.
    pub images: usize,
    pub correct: usize,
    /// Reported images that the run judged; 0 where it recorded no scores.
    pub reported: usize,
    /// The surest first.
    pub suspects: Vec<SuspectRecord>,
}

/// An image that looks like another class than its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspectRecord {
    /// Path inside the data set.
    pub image: String,
    /// `train`, `val` or `test`.
    pub role: String,
    pub label: String,
    pub looks_like: String,
    /// Score of the class that it looks like minus that of its label.
    pub margin: f64,
}
