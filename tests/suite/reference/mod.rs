//! The code against numbers of well-known Python libraries.

mod encodings;
mod generated;
mod hex;
mod metrics;
mod networks;
mod opencv_features;
mod preprocessing;
mod schedules;
mod training_steps;
