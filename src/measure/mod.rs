//! stub

pub mod environment;
pub mod memory;
