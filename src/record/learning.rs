//! `learning.csv`: an arm's learning curve, what fits on ever fewer of its training images get right.

use serde::{Deserialize, Serialize};

use super::table::Row;

/// One fit on some of a run's training images, its settings and features as the run chose them on all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearningRow {
    pub run_id: String,
    /// Training images of the fit.
    pub images: usize,
    /// Number of the draw within the size, from 0; the fewer images of a draw are among its more.
    pub draw: usize,
    /// A character a reported image, in the order of `predictions.csv`: `1` where it is right, else `0`.
    pub right: String,
}

impl Row for LearningRow {
    const NAME: &'static str = "learning";
    const COMPRESSED_WHEN_LONG: bool = true;
}
