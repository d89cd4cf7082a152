//! What several tests share.

use std::path::PathBuf;

/// A folder that an environment variable points at, or `None`, said on stderr, where the test is to be skipped.
pub fn folder_of(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|f| f.is_dir());
    if folder.is_none() {
        eprintln!("skipped: {variable} does not point at a folder");
    }
    folder
}
