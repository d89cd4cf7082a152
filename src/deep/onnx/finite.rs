//! Weights that are no numbers: nothing that is computed with them is one.

use half::{bf16, f16};

use super::{BFLOAT16, DOUBLE, FLOAT, FLOAT16, GraphProto, TensorProto};

/// Operators whose constants are weights; elsewhere an infinite constant may be meant, as a mask or a bound.
const LAYERS: [&str; 7] =
    ["Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "PRelu"];

impl GraphProto {
    /// Checks the constants.
    ///
    /// # Errors
    /// Names the first that holds a NaN, or of a layer's weights also an infinite number.
    pub fn finite_weights(&self) -> Result<(), String> {
        let layers = self.node.iter().filter(|node| LAYERS.contains(&node.op_type.as_str()));
        let weights: std::collections::HashSet<&str> =
            layers.flat_map(|node| &node.input).map(String::as_str).collect();
        for tensor in &self.initializer {
            let of_layer = weights.contains(tensor.name.as_str());
            let wrong = tensor.count_of(|number| number.is_nan() || (of_layer && number.is_infinite()));
            if wrong > 0 {
                return Err(format!(
                    "{wrong} numbers of its constant `{}` are no finite numbers: the network is damaged or its training \
                     diverged; export it again from weights that are whole",
                    tensor.name
                ));
            }
        }
        Ok(())
    }
}

impl TensorProto {
    /// How many of its numbers this holds of; none where they are no floats.
    fn count_of(&self, holds: impl Fn(f64) -> bool) -> usize {
        let raw = &self.raw_data[..];
        let two =
            |widen: fn([u8; 2]) -> f32| raw.as_chunks().0.iter().filter(|&&bytes| holds(widen(bytes).into())).count();
        match self.data_type {
            FLOAT => {
                let listed = self.float_data.iter().filter(|&&number| holds(number.into())).count();
                listed + raw.as_chunks().0.iter().filter(|&&bytes| holds(f32::from_le_bytes(bytes).into())).count()
            }
            DOUBLE => {
                let listed = self.double_data.iter().filter(|&&number| holds(number)).count();
                listed + raw.as_chunks().0.iter().filter(|&&bytes| holds(f64::from_le_bytes(bytes))).count()
            }
            FLOAT16 => two(|bytes| f16::from_le_bytes(bytes).to_f32()),
            BFLOAT16 => two(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            _ => 0,
        }
    }
}
