//! Kernels for training and running convolutional networks on a CPU: convolutions and their gradients, batch norm with
//! ReLU and a residual fused, pooling, SGD and Adam. The crate knows slices of `f32` and nothing of networks.
//!
//! # Conventions
//!
//! - Images are images x rows x columns x channels (NHWC), contiguous; [`layout`] converts from and to NCHW. How many
//!   images there are follows from the length of the slices.
//! - Weights are as ONNX has them: filters x channels of a group x kernel rows x kernel columns (OIHW).
//! - Outputs are written, never added to; what stood there does not matter.
//! - Every function takes a [`Run`]: the instructions, the caller's threads, and memory to work in that is kept between
//!   calls. Tasks and the order of sums follow from shapes alone: the same bits with any [`Pool`]. AVX2 and AVX-512 give
//!   the same bits, too; the portable form of x86-64 rounds in another way, since it has no fused multiplication.
//! - How a convolution is computed ([`conv::Method`]) follows from its shape, never from the number of images: an image
//!   gives the same bits in any batch.
//! - Slices of wrong lengths panic before anything is written.
//!
//! # Example
//!
//! ```
//! use featbench_kernels::{Isa, Run, Scratch, Serial, conv::{Convolution, Epilogue, Shape}};
//!
//! let scratch = Scratch::new();
//! let run = Run { isa: Isa::detect(), pool: &Serial, scratch: &scratch };
//! // 3x3, stride 1, padding 1, from 4 channels to 8
//! let convolution = Convolution::new(Shape::new([6, 6], 4, 8, 3).with(1, 1))?;
//! let (x, weights) = (vec![1.0; 2 * 6 * 6 * 4], vec![0.5; 8 * 4 * 3 * 3]);
//! let mut y = vec![0.0; 2 * 6 * 6 * 8];
//! convolution.forward(run, &x, &weights, &Epilogue { relu: true, ..Epilogue::default() }, &mut y);
//! assert_eq!((y[0], y[(6 + 1) * 8]), (0.5 * 4.0 * 4.0, 0.5 * 4.0 * 9.0));
//! let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
//! convolution.input_gradient(run, &weights, &y, &mut dx);
//! convolution.weight_gradient(run, &x, &y, &mut dw);
//! # Ok::<(), featbench_kernels::conv::ShapeError>(())
//! ```

pub mod conv;
mod isa;
pub mod layout;
pub mod norm;
pub mod optimiser;
mod pool;
pub mod pooling;
mod scratch;
mod shared;
mod simd;
#[cfg(test)]
mod testing;
mod tile;

pub use isa::Isa;
pub use pool::{Pool, Serial, Threads};
pub use scratch::Scratch;

/// What a kernel runs with.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub isa: Isa,
    pub pool: &'a dyn Pool,
    pub scratch: &'a Scratch,
}
