//! featbench compares handcrafted image features with deep ones on the same splits of the same images.
//! Data flows one way: dataset, image, features (handcrafted or deep), classify, record, report; `measure`
//! composes the first five, `report` reads records and nothing else.

pub mod arm;
pub mod classify;
pub mod cli;
pub mod dataset;
pub mod deep;
pub mod experiment;
pub mod finetune;
pub mod handcrafted;
pub mod image;
pub mod measure;
pub mod names;
mod random;
pub mod record;
pub mod report;
pub mod stats;
pub mod sweep;
pub mod transfer;
