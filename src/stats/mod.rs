//! Statistics: intervals, tests and metrics, computed from counts and samples.
//! Pure functions that use nothing of the rest of the program.

pub mod binomial;
pub mod classification;
pub mod crossed;
pub mod intervals;
pub mod latency;
pub mod paired;
