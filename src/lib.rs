//! featbench compares handcrafted image features with deep ones on the same splits of the same images.
//! Data flows one way: dataset, image, features, classify, record, report; `measure` composes the first four and writes
//! records, `report` reads records and nothing else.

pub mod atomic;
pub mod budget;
mod catalogue;
pub mod classify;
pub mod cli;
pub mod dataset;
pub mod deep;
pub mod features;
pub mod finetune;
pub mod image;
pub mod measure;
pub mod names;
pub mod nearest;
mod product;
pub mod protocol;
pub mod random;
pub mod record;
pub mod report;
pub mod stage;
pub mod stats;
pub mod transfer;
