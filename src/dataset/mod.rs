//! Data sets: which files there are, what they show and which split each belongs to.
//! A [`Manifest`] lists the files; [`Splits`] is what the rest of the program sees, with the wall between the
//! splits in its types.

pub mod folder;
pub mod manifest;
pub mod registry;
pub mod splits;

pub use manifest::Manifest;
pub use splits::{ImageFile, Split, Splits, Test, Train, Val};
