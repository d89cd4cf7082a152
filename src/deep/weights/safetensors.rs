//! Safetensors files: a JSON header with names, types and offsets, then the numbers.
//! The header is checked by the `safetensors` crate (overlaps, gaps, sizes) before a number is read.

use safetensors::{Dtype, SafeTensors};

use super::{Float, WeightsError};
use crate::deep::{Tensor, mistaken};

/// Reads the header only.
pub fn open(file: &[u8]) -> Result<SafeTensors<'_>, WeightsError> {
    // a file with room for the header that its first 8 bytes state is meant to be one, whatever they look like
    let stated = file.first_chunk().map(|length| u64::from_le_bytes(*length));
    let meant = stated.is_some_and(|length| length < file.len() as u64);
    let mistaken = if meant { None } else { mistaken::instead(file) };
    let told = |error: safetensors::SafeTensorError| mistaken.map_or(error.to_string(), str::to_owned);
    SafeTensors::deserialize(file).map_err(|error| WeightsError::Safetensors(told(error)))
}

/// A tensor, widened to f32; `None` where there is none of this name.
///
/// # Errors
/// It is of another type than f64, f32, f16 and bf16.
pub fn tensor(file: &SafeTensors, name: &str) -> Result<Option<Tensor>, WeightsError> {
    let Ok(view) = file.tensor(name) else { return Ok(None) };
    let float = match view.dtype() {
        Dtype::F32 => Float::F32,
        Dtype::F16 => Float::F16,
        Dtype::BF16 => Float::Bf16,
        Dtype::F64 => Float::F64,
        other => return Err(WeightsError::Type { name: name.into(), found: format!("{other:?}") }),
    };
    Ok(Some(Tensor::new(view.shape(), float.widen(view.data()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file(dtype: Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        safetensors::serialize([("w", view)], None).unwrap()
    }

    fn read(file: &[u8]) -> Result<Option<Tensor>, WeightsError> {
        tensor(&open(file).unwrap(), "w")
    }

    #[test]
    fn every_float_becomes_f32() {
        let expected = Tensor::new(&[2], vec![1.0, -0.5]);
        let halves: Vec<u8> = [0x3c00u16, 0xb800].iter().flat_map(|b| b.to_le_bytes()).collect();
        let brains: Vec<u8> = [0x3f80u16, 0xbf00].iter().flat_map(|b| b.to_le_bytes()).collect();
        let singles: Vec<u8> = [1.0f32, -0.5].iter().flat_map(|b| b.to_le_bytes()).collect();
        let doubles: Vec<u8> = [1.0f64, -0.5].iter().flat_map(|b| b.to_le_bytes()).collect();
        for (dtype, data) in [(Dtype::F64, doubles), (Dtype::F16, halves), (Dtype::BF16, brains), (Dtype::F32, singles)]
        {
            assert_eq!(read(&file(dtype, &[2], &data)).unwrap(), Some(expected.clone()), "{dtype:?}");
        }
    }

    #[test]
    fn a_header_of_any_length_is_no_other_file() {
        for length in [u64::from(b'{'), 0x0280, 0x8b1f] {
            let whole = [&length.to_le_bytes()[..], &vec![b' '; length as usize], &[0; 8]].concat();
            let error = open(&whole).unwrap_err().to_string();
            assert!(!error.contains("it is a"), "{error}");
        }
        assert!(open(b"{\"error\": \"not found\"}").unwrap_err().to_string().contains("a text (JSON)"));
    }

    #[test]
    fn another_type_is_named() {
        let error = read(&file(Dtype::I64, &[1], &[0; 8])).unwrap_err();
        assert_eq!(error.to_string(), "tensor `w` has the type I64; f64, f32, f16 or bf16 is expected");
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let bytes: Vec<u8> = [1.0, f32::NAN, f32::INFINITY].into_iter().flat_map(f32::to_le_bytes).collect();
        let file = file(Dtype::F32, &[3], &bytes);
        let checkpoint = super::super::Format::Safetensors.open(&file).unwrap();
        assert_eq!(checkpoint.read(["w"]), Err(WeightsError::NotFinite { name: "w".into(), found: 2 }));
    }

    #[test]
    fn a_broken_file_is_refused() {
        let whole = file(Dtype::F32, &[2], &[0; 8]);
        for broken in [&whole[..4], &whole[..whole.len() - 1], b"PK\x03\x04 something else"] {
            assert!(matches!(open(broken), Err(WeightsError::Safetensors(_))));
        }
    }
}
