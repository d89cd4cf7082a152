//! Records: the only thing that is written while measuring and the only thing that a report reads.
//! [`rows`] says what one line means, [`details`] holds those of runs, [`store`] keeps them in a folder so that an
//! interrupted run loses nothing.
//! The format is described for readers in `docs/RECORDS.md`.

pub mod details;
pub(crate) mod files;
pub mod rows;
pub mod scores;
pub mod store;
mod table;
pub mod time;

pub use details::Details;
pub use rows::*;
pub use scores::{format_score, format_scores, parse_scores};
pub use store::{Records, RunRecord, Store};
pub use time::TimeRow;
