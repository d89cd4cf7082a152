//! Deep features: networks as ONNX graphs, run by ONNX Runtime.
//! [`backbone`] finds a pretrained network by name, [`session`] is the only file that touches ONNX Runtime.

pub mod backbone;
pub mod network;
pub mod onnx;
pub mod session;
pub mod weights;
