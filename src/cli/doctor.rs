//! `featbench doctor`: what is installed, one line each with the remedy.

use std::fs;

use anyhow::Result;

use crate::dataset;
use crate::deep::backbone::Backbone;
use crate::deep::session::{Device, Runtime};
use crate::image::decode;
use crate::measure::cache::Cache;

use super::Outcome;

pub(super) fn run() -> Result<Outcome> {
    let mut healthy = true;
    let mut line = |what: &str, found: Result<String, String>| {
        healthy &= found.is_ok();
        let (mark, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("NO", text),
        };
        println!("{mark}  {what:14} {text}");
    };
    line("featbench", Ok(env!("CARGO_PKG_VERSION").into()));
    line("OpenCV", Ok(decode::version()));
    match Runtime::get() {
        Ok(runtime) => {
            line("ONNX Runtime", Ok(format!("{} ({})", runtime.version(), runtime.path.display())));
            let devices: Vec<&str> = runtime.devices().iter().map(|device| device.name()).collect();
            line("devices", Ok(devices.join(", ")));
        }
        Err(error) => line("ONNX Runtime", Err(error.to_string())),
    }
    line("backbone", embedded_backbone());
    line("cores", Ok(std::thread::available_parallelism().map_or(1, usize::from).to_string()));
    line("cache", writable_cache());
    for listed in dataset::list(None) {
        let state = listed.state.map(|found| found.folder.display().to_string());
        line(listed.name, state.map_err(|error| error.to_string().replace('\n', "; ")));
    }
    Ok(if healthy { Outcome::Complete } else { Outcome::Partial })
}

/// The embedded network, run once.
fn embedded_backbone() -> Result<String, String> {
    let backbone = Backbone::open("resnet18-cntk", &[]).map_err(|error| error.to_string())?;
    let mut extractor =
        crate::deep::extract::Extractor::new(&backbone, Device::Cpu, 32, 1).map_err(|error| error.to_string())?;
    let features = extractor.features(&vec![0.0; extractor.image_len()]).map_err(|error| error.to_string())?;
    Ok(format!("{} runs, {} features", backbone.name, features.len()))
}

fn writable_cache() -> Result<String, String> {
    let folder = Cache::default_folder().map_err(|error| error.to_string())?;
    let probe = folder.join(format!("probe.{}.tmp", std::process::id()));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe)).map_err(
        |error| format!("{} can't be written ({error}): set XDG_CACHE_HOME to another folder", folder.display()),
    )?;
    Ok(folder.display().to_string())
}
