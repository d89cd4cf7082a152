//! What every stage of a run stands on: a cache by content, workers in parallel, progress that is shown, a stopwatch.
//! It knows nothing of images or arms.

pub mod cache;
pub mod parallel;
pub mod progress;
pub mod stopwatch;
