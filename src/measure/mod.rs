//! Measuring: the only room that puts data sets, features and classifiers together. [`plan`] says what would run,
//! [`run`] carries one run out and gives its record.

pub mod cache;
pub mod environment;
pub mod estimate;
pub mod export;
pub mod features;
pub mod memory;
pub mod near_duplicates;
pub mod parallel;
pub mod plan;
pub mod progress;
pub mod random;
pub mod range_test;
pub mod run;
pub mod stopwatch;
pub mod timing;
