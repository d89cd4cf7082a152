//! Fine-tuning: a pretrained network learns another task, step by step.
//! A training step is an ONNX graph that is derived from the network's own graph: [`gradient`] has one backward rule an
//! operator, [`optimiser`] the updates, [`step`] puts them together, and [`schedule`] says how fast each step learns.

pub mod gradient;
pub mod optimiser;
pub mod schedule;
pub mod step;
