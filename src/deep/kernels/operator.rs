//! The operators of featbench's own: names, and what goes in and comes out. Maps are images x rows x columns x channels,
//! weights are as ONNX has them; a `?` may be left out.
//!
//! | operator | inputs | outputs | attributes |
//! |---|---|---|---|
//! | `Conv` | map, weights, bias?, map to be added? | map | window, `group`, `relu` |
//! | `ConvDataGradient` | gradient of the output, weights | map | window, `group`, `sides` of the map |
//! | `ConvWeightGradient` | map, gradient of the output | weights | window, `group` |
//! | `BatchNorm` | map, scale, bias, map to be added? | map, mean, variance | `epsilon`, `relu` |
//! | `BatchNormGradient` | gradient of the output, map, scale, mean, variance, output?, gradient to be added? | map, scale, bias, gradient of what was added? | `epsilon` |
//! | `FixedNorm` | map, scale, bias, mean, variance, map to be added? | map | `epsilon`, `relu` |
//! | `FixedNormGradient` | as `BatchNormGradient`, whose statistics are given | map, scale?, bias?, gradient of what was added? | `epsilon` |
//! | `MaxPool` | map | map, places? | window |
//! | `MaxPoolGradient` | gradient of the output, places | map | window, `sides` |
//! | `GlobalAveragePool` | map | images x channels (x 1 x 1) | `keepdims` |
//! | `GlobalAveragePoolGradient` | gradient of the output | map | `sides` |
//! | `ChannelsLast`, `ChannelsFirst` | a tensor in one layout | in the other | |
//! | `Adam` | parameter, gradient, both moments, step size, first share, second correction, kept share? | parameter, both moments | `beta2`, `epsilon`, `weight_decay` |
//! | `Sgd` | parameter, gradient, velocity, learning rate, momentum | parameter, velocity | `weight_decay` |
//!
//! Where the gradient of a norm is given the output, the gradient passes where that is above 0. A window is `kernel_shape`,
//! `strides`, `pads` (top, left, bottom, right) and `dilations`, as in ONNX.

pub const CONV: &str = "Conv";
pub const CONV_DATA_GRADIENT: &str = "ConvDataGradient";
pub const CONV_WEIGHT_GRADIENT: &str = "ConvWeightGradient";
pub const BATCH_NORM: &str = "BatchNorm";
pub const BATCH_NORM_GRADIENT: &str = "BatchNormGradient";
pub const FIXED_NORM: &str = "FixedNorm";
pub const FIXED_NORM_GRADIENT: &str = "FixedNormGradient";
pub const MAX_POOL: &str = "MaxPool";
pub const MAX_POOL_GRADIENT: &str = "MaxPoolGradient";
pub const GLOBAL_AVERAGE_POOL: &str = "GlobalAveragePool";
pub const GLOBAL_AVERAGE_POOL_GRADIENT: &str = "GlobalAveragePoolGradient";
pub const CHANNELS_LAST: &str = "ChannelsLast";
pub const CHANNELS_FIRST: &str = "ChannelsFirst";
pub const SGD: &str = "Sgd";
pub const ADAM: &str = "Adam";
/// Of two maps of one shape. Alone it stays the standard operator; it is there to become part of others.
pub const ADD: &str = "Add";
/// Of a map: gradient of the output, output. Likewise.
pub const RELU_GRADIENT: &str = "ReluGradient";

/// Which inputs and outputs of an operator are maps.
pub struct Maps {
    pub inputs: &'static [usize],
    pub outputs: &'static [usize],
}

/// `None` for an operator that runs as a standard one.
pub fn maps(operator: &str) -> Option<Maps> {
    let (inputs, outputs): (&[usize], &[usize]) = match operator {
        CONV => (&[0, 3], &[0]),
        CONV_DATA_GRADIENT => (&[0], &[0]),
        CONV_WEIGHT_GRADIENT => (&[0, 1], &[]),
        BATCH_NORM => (&[0, 3], &[0]),
        FIXED_NORM => (&[0, 5], &[0]),
        BATCH_NORM_GRADIENT | FIXED_NORM_GRADIENT => (&[0, 1, 5, 6], &[0, 3]),
        MAX_POOL => (&[0], &[0, 1]),
        MAX_POOL_GRADIENT => (&[0, 1], &[0]),
        GLOBAL_AVERAGE_POOL => (&[0], &[]),
        GLOBAL_AVERAGE_POOL_GRADIENT => (&[], &[0]),
        SGD | ADAM => (&[], &[]),
        _ => return None,
    };
    Some(Maps { inputs, outputs })
}
