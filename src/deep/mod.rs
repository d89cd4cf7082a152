//! Deep features: networks as ONNX graphs, run by ONNX Runtime.
//! [`backbone`] finds a pretrained network by name, [`extract`] turns pixels into its features; [`session`] is the
//! only file that touches ONNX Runtime.

pub mod activation;
pub mod backbone;
pub mod cuda;
pub mod exported;
pub mod extract;
pub mod fetch;
pub mod kernels;
pub mod library;
pub mod mistaken;
pub mod network;
pub mod onnx;
pub mod precision;
pub mod quantise;
pub mod session;
pub mod settings;
pub mod weights;

/// Numbers with a shape, row-major: a parameter of a network, or what comes out of one.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

impl Tensor {
    /// # Panics
    /// When `data` does not fill `shape`.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Tensor {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "the data must fill the shape {shape:?}");
        Tensor { shape: shape.to_vec(), data }
    }
}
