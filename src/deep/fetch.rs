//! Fetching the published weights of a registered network: from the web into a folder where every command finds them,
//! checked by the hash that the file's name carries.

use std::fs;
use std::path::{Path, PathBuf};

use super::backbone::{Published, data_folder, model_folders};
use crate::transfer::{Event, Fetched, Remote, TransferError, Workplace, sha256_of};

/// No published weights have more bytes; the largest that are registered have 528 MB.
const LARGEST: u64 = 2 << 30;

/// Why weights were not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("there is no home folder to fetch into: name a folder with --data-dir")]
    NoHome,
    #[error(
        "{} is there already and is another file: its SHA-256 is {found}, expected {expected} at the beginning; move it \
         away, and the same command gets the right one", path.display()
    )]
    Differs { path: PathBuf, found: String, expected: String },
}

/// Fetches published weights, from `url` or else from where they are published, into `data_dir` or else the user's data
/// folder, unless they are there already: in `data_dir`, or else in any folder where they are looked for. What is under
/// way lies in `FILE.partial`, and the next call goes on from there.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(
    published: &Published,
    data_dir: Option<&Path>,
    url: Option<&str>,
    on: &mut dyn FnMut(Event),
) -> Result<Fetched, FetchError> {
    let (folders, into) = match data_dir {
        Some(folder) => (vec![folder.to_owned()], folder.to_owned()),
        None => (model_folders(&[]), data_folder().ok_or(FetchError::NoHome)?),
    };
    let target = into.join(published.file);
    let work = into.join(format!("{}.partial", published.file));
    if let Some(path) = folders.iter().map(|folder| folder.join(published.file)).find(|path| path.exists()) {
        let found = sha256_of(&path).map_err(TransferError::disk(&path))?;
        if !found.starts_with(published.sha256) {
            return Err(FetchError::Differs { path, found, expected: published.sha256.into() });
        }
        // What is left of a call that was killed at its very end.
        if work.exists() {
            Workplace::open(&work)?.remove()?;
        }
        return Ok(Fetched::Already(path));
    }
    let workplace = Workplace::open(&work)?;
    let remote = Remote {
        url: url.unwrap_or(published.url),
        name: published.file,
        sha256: Some(published.sha256),
        most: LARGEST,
    };
    let file = workplace.get(&remote, on)?;
    fs::rename(&file, &target).map_err(TransferError::disk(&target))?;
    workplace.remove()?;
    Ok(Fetched::Now(target))
}
