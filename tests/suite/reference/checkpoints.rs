//! Files of weights as PyTorch and safetensors write them, and broken or hostile ones, from the folder of fixtures: the
//! same tensors in every format, and nothing of the others executed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use featbench::deep::weights::{Format, WeightsError};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::support::folder_of;

#[derive(Deserialize)]
struct Expected {
    tensors: BTreeMap<String, Described>,
    to_refuse: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<usize>,
    /// The first of them.
    values: Vec<serde_json::Value>,
    /// Of all its numbers in order, little-endian.
    sha256_contiguous_le: String,
}

fn fixtures() -> Option<(PathBuf, Expected)> {
    let folder = folder_of("FEATBENCH_FIXTURES")?.join("checkpoints");
    let expected = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    Some((folder, expected))
}

/// Everything else is a pickle.
fn format(path: &Path) -> Format {
    Format::of(path).unwrap_or(Format::Torch)
}

#[test]
fn every_format_holds_the_same_tensors() {
    let Some((folder, expected)) = fixtures() else { return };
    for file in ["state_zip.pt", "state_legacy.pt", "nested_zip.pt", "state.safetensors"] {
        let path = folder.join(file);
        let bytes = fs::read(&path).unwrap();
        let checkpoint = format(&path).open(&bytes).unwrap();
        // what lies deeper has the keys on the way before its name
        let own = |name: &str| if file.starts_with("nested") { format!("state_dict.{name}") } else { name.to_owned() };
        let shapes = expected.tensors.iter().map(|(name, tensor)| (own(name), tensor.shape.clone())).collect();
        assert_eq!(checkpoint.shapes(), shapes, "{file}");
        for (name, expected) in &expected.tensors {
            let name = &own(name);
            let read = checkpoint.read([name.as_str()]);
            if !["float64", "float32", "float16", "bfloat16"].contains(&expected.dtype.as_str()) {
                assert!(matches!(read, Err(WeightsError::Type { .. })), "{file}: {name}");
                continue;
            }
            let read = &read.unwrap()[name].data;
            assert_eq!(read.len(), expected.shape.iter().product::<usize>(), "{file}: {name}");
            let values: Vec<f32> = expected.values.iter().map(|value| value.as_f64().unwrap() as f32).collect();
            assert_eq!(read[..values.len()], values, "{file}: {name}");
            if expected.dtype == "float32" {
                let bytes: Vec<u8> = read.iter().flat_map(|value| value.to_le_bytes()).collect();
                assert_eq!(format!("{:x}", Sha256::digest(bytes)), expected.sha256_contiguous_le, "{file}: {name}");
            }
        }
    }
}

#[test]
fn broken_and_hostile_files_are_refused_with_a_reason() {
    let Some((folder, expected)) = fixtures() else { return };
    let reasons = BTreeMap::from([
        ("bad_dtype.safetensors", "unknown variant"),
        ("bad_empty.pt", "it is empty"),
        ("bad_gap.safetensors", "invalid offset"),
        ("bad_header_length.safetensors", "header too large"),
        ("bad_json.safetensors", "invalid JSON"),
        ("bad_overlap.safetensors", "invalid offset"),
        ("bad_shape.safetensors", "invalid shape"),
        ("bad_shape_overflow.safetensors", "overflow"),
        ("bad_truncated.safetensors", "incomplete metadata"),
        ("bad_truncated_legacy.pt", "it is cut off: the numbers of its storage"),
        ("bad_truncated_zip.pt", "it is cut off: the end of its zip container is missing"),
        ("deep_nesting.pkl", "nested too deeply"),
        ("malicious_legacy.pt", "the Python object `os.system`"),
        ("malicious_plain.pkl", "the Python object `os.system`"),
        ("malicious_posix.pkl", "the Python object `posix.system`"),
        ("malicious_zip.pt", "the Python object `os.system`"),
        ("unknown_global.pkl", "the Python object `builtins.eval`"),
    ]);
    assert!(expected.to_refuse.keys().eq(reasons.keys()), "every file that is to be refused has a reason here");
    for (file, reason) in reasons {
        let path = folder.join(file);
        let bytes = fs::read(&path).unwrap();
        let error = format(&path).open(&bytes).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{file}: {error}");
    }
    assert!(!Path::new("SHOULD_NOT_EXIST").exists());
}

/// The containers survive any damage: an error, or tensors within the file.
#[test]
fn a_changed_byte_is_no_panic() {
    let Some((folder, expected)) = fixtures() else { return };
    let names: Vec<&str> = expected.tensors.keys().map(String::as_str).collect();
    let bytes = fs::read(folder.join("state_zip.pt")).unwrap();
    for at in 0..bytes.len() {
        for byte in [0, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = byte;
            if let Ok(checkpoint) = Format::Torch.open(&changed) {
                names.iter().for_each(|name| drop(checkpoint.read([*name])));
            }
        }
    }
}
