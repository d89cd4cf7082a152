//! Records: the only thing that is written while measuring and the only thing that a report reads.
//! [`rows`] says what one line means, [`store`] keeps them in a folder so that an interrupted run loses nothing.

pub mod rows;
pub mod store;

pub use rows::*;
pub use store::{Records, Store};
