//! Measuring: the only room that puts data sets, features and classifiers together. [`plan`] says what would run,
//! [`run`] carries one run out and gives its record, [`session`] does so for a whole plan.

pub mod audit;
mod calibrate;
mod chosen;
mod curves;
mod energy;
pub mod environment;
pub mod estimate;
pub mod explain;
pub mod export;
pub mod learning;
pub mod memory;
pub mod near_duplicates;
pub mod plan;
pub mod portable;
mod price;
pub mod range_test;
pub mod repeats;
pub mod run;
pub mod session;
pub mod timing;
mod told;
