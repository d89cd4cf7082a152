//! `featbench doctor`: what is installed, one line each with the remedy.

use std::fs;

use anyhow::Result;

use crate::dataset;
use crate::deep::backbone::{self, Backbone, BackboneError};
use crate::deep::cuda::CudaError;
use crate::deep::extract;
use crate::deep::session::{Device, Runtime, SessionError};
use crate::image::decode;
use crate::names::printable;
use crate::stage::cache::Cache;

use super::Outcome;

pub(super) fn run() -> Result<Outcome> {
    let mut healthy = true;
    let mut line = |what: &str, found: Result<String, String>| {
        healthy &= found.is_ok();
        let (mark, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("NO", text),
        };
        println!("{mark}  {what:14} {}", printable(&text));
    };
    line("featbench", Ok(env!("CARGO_PKG_VERSION").into()));
    line("OpenCV", Ok(decode::version()));
    match Runtime::get() {
        Ok(runtime) => {
            line("ONNX Runtime", Ok(format!("{} ({})", runtime.version(), runtime.path.display())));
            line(
                "backbone",
                extract::probe(Device::cpu()).map(|name| format!("{name} runs")).map_err(|e| e.to_string()),
            );
            line("CUDA", cuda());
        }
        Err(error) => line("ONNX Runtime", Err(error.to_string())),
    }
    let (networks, broken) = networks();
    line("networks", Ok(networks));
    broken.into_iter().for_each(|error| line("network", Err(error)));
    line("cores", Ok(std::thread::available_parallelism().map_or(1, usize::from).to_string()));
    line("cache", writable_cache());
    for listed in dataset::list(None) {
        let state = listed.state.map(|found| found.place());
        line(listed.name, state.map_err(|error| error.to_string().replace('\n', "; ")));
    }
    Ok(if healthy { Outcome::Complete } else { Outcome::Partial })
}

/// Which backbones are here and what gets the others, then what is wrong with those that are here and can't be used.
fn networks() -> (String, Vec<String>) {
    let folders = backbone::model_folders(&[]);
    let (mut here, mut absent, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for name in backbone::names(&folders) {
        match Backbone::open(&name, &folders) {
            Ok(_) => here.push(name),
            Err(BackboneError::NotHere { .. }) => absent.push(name),
            Err(error) => broken.push(error.to_string()),
        }
    }
    let fetched = format!("; `featbench fetch NAME` gets {}", absent.join(", "));
    (here.join(", ") + if absent.is_empty() { "" } else { &fetched }, broken)
}

/// A machine without an NVIDIA driver lacks nothing.
fn cuda() -> Result<String, String> {
    match extract::probe(Device::Cuda) {
        Ok(name) => Ok(format!("{name} runs, and computes what the CPU computes ({})", Device::Cuda.provider())),
        Err(SessionError::Cuda(CudaError::NoDriver)) => Ok(format!("not used: {}", CudaError::NoDriver)),
        Err(error) => Err(error.to_string()),
    }
}

fn writable_cache() -> Result<String, String> {
    let folder = Cache::default_folder().map_err(|error| error.to_string())?;
    let probe = folder.join(format!("probe.{}.tmp", std::process::id()));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe)).map_err(
        |error| format!("{} can't be written ({error}): set XDG_CACHE_HOME to another folder", folder.display()),
    )?;
    Ok(folder.display().to_string())
}
