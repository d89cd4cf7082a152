//! Data sets: which files there are, what they show and which split each belongs to.
//! A [`Manifest`] lists the files; [`Splits`] is what the rest of the program sees, with the wall between the
//! splits in its types. [`Dataset::open`] is the way in.

pub mod download;
pub mod error;
pub mod file;
pub mod findings;
mod folder;
pub mod manifest;
mod nested;
pub mod open;
pub mod procedural;
pub mod reading;
pub mod registry;
pub mod resplit;
pub mod splits;
pub mod variant;

pub use error::DatasetError;
pub use folder::{Found, files_below};
pub use manifest::Manifest;
pub use open::{Dataset, Refit, list};
pub use reading::{Grouping, Reading};
pub use splits::{ImageFile, Source, Split, Splits, Test, Train, Val};
