//! The code against numbers of well-known Python libraries.

mod generated;
mod metrics;
mod networks;
mod preprocessing;
