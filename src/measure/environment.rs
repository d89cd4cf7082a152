//! The machine and the build that a measurement comes from. What can't be found out is empty, never guessed.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use crate::record::Environment;

/// This machine and build, with the libraries that the caller loaded.
///
/// `onnxruntime` is empty where the library is not installed; `providers` are its execution providers with their options.
pub fn environment(opencv: String, onnxruntime: String, providers: Vec<String>) -> Environment {
    Environment {
        commit: env!("FEATBENCH_COMMIT").to_owned(),
        dirty: env!("FEATBENCH_DIRTY") == "true",
        featbench: env!("CARGO_PKG_VERSION").to_owned(),
        rustc: env!("FEATBENCH_RUSTC").to_owned(),
        profile: env!("FEATBENCH_PROFILE").to_owned(),
        opencv,
        onnxruntime,
        providers,
        os: os(),
        cpu: field("/proc/cpuinfo", "model name", ':').unwrap_or_default(),
        cores: available_parallelism().map_or(1, usize::from),
        memory_mib: memory_mib().unwrap_or(0),
        gpu: gpu(),
    }
}

/// Key of an environment in `environment.json`: twelve hex digits of the BLAKE3 hash of its JSON.
pub fn environment_id(environment: &Environment) -> String {
    let json = serde_json::to_vec(environment).expect("strings and numbers are JSON");
    blake3::hash(&json).to_hex()[..12].to_owned()
}

/// Value of the first line `name <separator> value` of a file.
fn field(file: &str, name: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

fn os() -> String {
    let name = field("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(|| std::env::consts::OS.to_owned());
    format!("{name}, {}", std::env::consts::ARCH)
}

fn memory_mib() -> Option<u64> {
    let kib = field("/proc/meminfo", "MemTotal", ':')?;
    Some(kib.strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

/// Model and driver of every NVIDIA GPU; empty without one.
fn gpu() -> String {
    let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).output().ok().filter(|output| output.status.success());
    let found = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    found.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_until_something_changes() {
        let here = || environment("4.6.0".into(), String::new(), vec![]);
        let id = environment_id(&here());
        assert_eq!((id.len(), environment_id(&here())), (12, id.clone()));
        assert_ne!(environment_id(&Environment { opencv: "4.10.0".into(), ..here() }), id);
        assert!(here().rustc.starts_with("rustc ") && here().profile.contains("opt-level"));
        assert!(here().cores > 0 && here().os.ends_with(std::env::consts::ARCH));
        assert!(here().commit.is_empty() || here().commit.len() >= 40, "{}", here().commit);
    }
}
