//! Writing and reading whole files of a record folder. A file is written beside the old one and renamed into its
//! place, so that a reader sees the old bytes or the new ones and never a part.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use crate::atomic::replace;

/// [`replace`] for a file of a record folder.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).map_err(|error| unwritable(path, &error))
}

/// Writes `value` as JSON: indented, keys sorted, a newline at the end.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    // By way of a `Value`, whose maps are sorted.
    let sorted = serde_json::to_value(value).with_context(|| path.display().to_string())?;
    write(path, format!("{sorted:#}\n").as_bytes())
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_str(&text).map_err(|error| other_version(path, &error.to_string()))
}

/// The same, or `None` where there is no such file.
pub(super) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() { read_json(path).map(Some) } else { Ok(None) }
}

/// The error for a file or folder that can't be written.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space or choose another --out",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make it writable or choose another --out",
        _ => "choose another --out",
    };
    anyhow!("cannot write {}: {error}; {remedy}", path.display())
}

/// The error for a file that can't be read at all.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    anyhow!("cannot read {}: {error}; bring it back, or start over with --fresh or another --out", path.display())
}

/// The error for a file whose content is not what this version writes.
pub(super) fn other_version(path: &Path, found: &str) -> Error {
    anyhow!(
        "{}: {found}; the file is damaged or from another version of featbench: start over with --fresh or use another --out",
        path.display()
    )
}
