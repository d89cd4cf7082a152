//! Safetensors files: a JSON header with names, types and offsets, then the numbers.
//! The header is checked by the `safetensors` crate (overlaps, gaps, sizes) before a number is read.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Shapes, Weights, WeightsError};
use crate::deep::Tensor;

/// Names and shapes; reads the header only.
pub fn shapes(bytes: &[u8]) -> Result<Shapes, WeightsError> {
    Ok(open(bytes)?.iter().map(|(name, view)| (name.into(), view.shape().to_vec())).collect())
}

/// All floating-point tensors, widened to f32 where they are f16 or bf16.
///
/// # Errors
/// A broken file, or a tensor of another type (`num_batches_tracked`, an integer, is left out).
pub fn read(bytes: &[u8]) -> Result<Weights, WeightsError> {
    let file = open(bytes)?;
    let counted = file.iter().filter(|(name, _)| !name.ends_with(".num_batches_tracked"));
    counted.map(|(name, view)| Ok((name.to_owned(), Tensor::new(view.shape(), floats(name, &view)?)))).collect()
}

fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, WeightsError> {
    SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))
}

fn floats(name: &str, view: &TensorView) -> Result<Vec<f32>, WeightsError> {
    let two = |widen: fn([u8; 2]) -> f32| view.data().as_chunks().0.iter().map(|&b| widen(b)).collect();
    match view.dtype() {
        Dtype::F32 => Ok(view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        Dtype::F16 => Ok(two(|b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Ok(two(|b| bf16::from_le_bytes(b).to_f32())),
        other => Err(WeightsError::Type { name: name.into(), found: format!("{other:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dtype: Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        safetensors::serialize([("w", view)], None).unwrap()
    }

    #[test]
    fn three_types_are_widened() {
        let expected = Tensor::new(&[2], vec![1.0, -0.5]);
        let halves: Vec<u8> = [0x3c00u16, 0xb800].iter().flat_map(|b| b.to_le_bytes()).collect();
        let brains: Vec<u8> = [0x3f80u16, 0xbf00].iter().flat_map(|b| b.to_le_bytes()).collect();
        let singles: Vec<u8> = [1.0f32, -0.5].iter().flat_map(|b| b.to_le_bytes()).collect();
        for (dtype, data) in [(Dtype::F16, halves), (Dtype::BF16, brains), (Dtype::F32, singles)] {
            assert_eq!(read(&file(dtype, &[2], &data)).unwrap()["w"], expected, "{dtype:?}");
        }
    }

    #[test]
    fn another_type_is_named() {
        let error = read(&file(Dtype::I64, &[1], &[0; 8])).unwrap_err();
        assert_eq!(error.to_string(), "tensor `w` has the type I64; F32, F16 or BF16 is expected");
    }

    #[test]
    fn a_broken_file_is_refused() {
        let whole = file(Dtype::F32, &[2], &[0; 8]);
        for broken in [&whole[..4], &whole[..whole.len() - 1], b"PK\x03\x04 something else"] {
            assert!(matches!(shapes(broken), Err(WeightsError::Format(_))));
        }
    }
}
