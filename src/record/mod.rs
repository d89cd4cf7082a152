//! Records: the only thing that is written while measuring and the only thing that a report reads.
//! [`rows`] says what one line means, [`details`] holds those of runs, [`records`] reads a folder, and [`store`] writes
//! it: any number of processes at once, of which one that is interrupted loses no more than its run.
//! The format is described for readers in `docs/RECORDS.md`.

pub mod audit;
pub mod claim;
pub mod details;
pub mod family;
pub(crate) mod files;
pub mod learning;
pub mod records;
pub mod rows;
mod run_file;
pub mod scores;
pub mod store;
mod table;
pub mod time;

pub use audit::{AuditRecord, LabelsRecord, PropertyRecord, SuspectRecord};
pub use details::Details;
pub use family::Family;
pub use learning::LearningRow;
pub use records::Records;
pub use rows::*;
pub use run_file::RunRecord;
pub use scores::{Scores, format_scores};
pub use store::{Start, Store};
pub use time::TimeRow;
