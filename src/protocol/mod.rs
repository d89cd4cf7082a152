//! What is measured, as files say it: arms, published experiments, sweeps. All of them are TOML, read by one loader.

pub mod arm;
pub mod experiment;
pub mod sweep;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// Reads a file's text; `origin` names it in errors.
fn read_toml<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T> {
    toml::from_str(text).with_context(|| format!("{origin} can't be read"))
}
