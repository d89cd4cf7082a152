//! Statistics: intervals, tests and metrics, computed from counts and samples.
//! Pure functions that use nothing of the rest of the program.

mod beta;
pub mod binomial;
pub mod calibration;
pub mod classification;
pub mod compare;
pub mod intervals;
pub mod latency;
pub mod learning;
pub mod outcome;
pub mod paired;
pub mod power_law;
pub mod resampled;
pub mod share;
