//! Fine-tuning: a pretrained network learns another task, step by step.
//! A training step is an ONNX graph that is derived from the network's own graph; [`schedule`] says how fast it learns.

pub mod schedule;
