//! What the long benches found, in `reports/benchmarks`: a table of comma-separated values each, and pages made of them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports/benchmarks").join(name)
}

/// What the file holds; nothing where it is not there.
pub fn read<R: DeserializeOwned>(name: &str) -> Result<Vec<R>> {
    if !file(name).exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(file(name))?;
    reader.deserialize().map(|row| row.with_context(|| format!("{name}: delete it"))).collect()
}

pub fn write<R: Serialize>(name: &str, rows: &[R]) -> Result<()> {
    let mut writer = csv::Writer::from_path(file(name))?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    Ok(writer.flush()?)
}
