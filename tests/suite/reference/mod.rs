//! The code against numbers of well-known Python libraries.

mod generated;
mod networks;
mod metrics;
