//! State dicts as they lie about, made by `tests/fixtures/state_dicts/make.py FOLDER` from PyTorch's, timm's and Hugging
//! Face's networks: each gives the features that its library computes, or is refused with what to do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::session::Device;

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

#[test]
fn every_state_dict_is_read_as_its_library_does_or_refused_with_the_remedy() {
    let Some(folder) = std::env::var_os("FEATBENCH_STATE_DICTS").map(PathBuf::from) else {
        println!("skipped: FEATBENCH_STATE_DICTS names no folder that tests/fixtures/state_dicts/make.py wrote");
        return;
    };
    let expected: BTreeMap<String, Option<Vec<f32>>> =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let folders = [folder.clone()];
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let backbone = match (Backbone::open(name, &folders), expected) {
            (Ok(backbone), Some(_)) => backbone,
            (Err(error), None) if error.to_string().contains("torch.") || error.to_string().contains("expected") => {
                println!("{name}: {error}");
                continue;
            }
            (Ok(_), None) => {
                wrong.push(format!("{name}: read, and should not be"));
                continue;
            }
            (Err(error), _) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let side = if name.contains("vgg") { 224 } else { 64 };
        let images = numbers(&std::fs::read(folder.join(format!("images-{side}.f32"))).unwrap());
        let found = Extractor::new(&backbone, Device::PLAIN, side, 1).unwrap().features(&images).unwrap();
        let expected = expected.as_ref().unwrap();
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        let apart = found.iter().zip(expected).fold(0f32, |most, (a, b)| most.max((a - b).abs())) / largest;
        println!("{name}: {apart:.1e} apart, {}", backbone.taken.unwrap_or_default());
        if found.len() < expected.len() || apart.is_nan() || apart > 1e-3 {
            wrong.push(format!("{name}: {apart} apart, {} numbers", found.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
