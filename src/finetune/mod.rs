//! Fine-tuning: a pretrained network learns another task, step by step.
//! A training step is an ONNX graph that is derived from the network's own graph: [`gradient`] has one backward rule an
//! operator, [`optimiser`] the updates, [`step`] puts them together, and [`schedule`] says how fast each step learns;
//! [`trainer`] takes the steps, epoch by epoch, as [`settings`] say.

mod batch;
pub mod gradient;
pub mod head;
pub mod optimiser;
pub mod parameters;
pub mod random;
pub mod range_test;
pub mod rates;
pub mod schedule;
pub mod settings;
pub mod step;
pub mod trainer;
