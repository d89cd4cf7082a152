//! Fetching a data set: its archive from the web, every file checked against the manifest, all of it or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tar::{Entry, EntryType};

use super::error::DatasetError;
use super::file::LARGEST;
use super::manifest::{Manifest, Row, hex_sha256};
use super::registry::{self, Registered};
use crate::image;
use crate::transfer::{self, Fetched, Remote, TransferError, Workplace};

/// No archive has more bytes; the largest that is registered has 92 MB.
const LARGEST_ARCHIVE: u64 = 1 << 30;

/// An archive (`.tar.gz`) that holds a data set.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub url: &'a str,
    /// Name of the set's folder: at the root of the archive or in the only folder there, and on disk.
    pub folder: &'a str,
    /// Its files. Those without a hash can't be checked and are left out.
    pub manifest: &'a Manifest,
}

/// What happens while a data set is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Transfer(transfer::Event),
    /// The archive is here.
    Unpacking,
    /// Another file of the manifest is on disk and is right.
    File,
}

/// Why a data set was not fetched. Nothing of it is left but what the next call can use.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("{} is there already: move it away, or name another folder with --data-dir", .0.display())]
    InTheWay(PathBuf),
    #[error("there is no home folder to fetch into: name a folder with --data-dir")]
    NoHome,
    #[error("what {url} gave is no whole .tar.gz archive ({reason}): try again or name another place with --url")]
    Damaged { url: String, reason: String },
    #[error("the archive {url} is refused, its entry `{entry}` {what}: name another place with --url")]
    Unsafe { url: String, entry: String, what: &'static str },
    #[error(
        "{file} in the archive {url} is another file: its SHA-256 is {found}, expected {expected}; name another place \
         with --url"
    )]
    Hash { url: String, file: String, expected: String, found: String },
    #[error(
        "the archive {url} lacks {missing} of the {listed} files of {folder}, the first is {first}; name another place \
         with --url"
    )]
    Lacks { url: String, folder: String, missing: usize, listed: usize, first: String },
}

/// Fetches a registered data set, from `url` or else from its public repository, into `data_dir` or else the user's
/// data folder, unless it is there already: in `data_dir`, or else in any folder where it is looked for.
///
/// # Errors
/// See [`FetchError`]; a copy that is there and differs from the manifest is one, and is left as it is.
pub fn fetch_registered(
    set: &Registered,
    data_dir: Option<&Path>,
    url: Option<&str>,
    on: &mut dyn FnMut(Event),
) -> Result<Fetched, FetchError> {
    let (folders, into) = match data_dir {
        Some(folder) => (vec![folder.to_path_buf()], folder.to_path_buf()),
        None => (registry::search_folders(None), registry::data_folder().ok_or(FetchError::NoHome)?),
    };
    match set.locate(&folders) {
        Ok(folder) => {
            set.check(&folder, image::header)?;
            // What is left of a call that was killed at its very end.
            let left = into.join(format!("{}.partial", set.description.folder));
            if left.exists() {
                Workplace::open(&left)?.remove()?;
            }
            Ok(Fetched::Already(folder))
        }
        Err(DatasetError::NotFound(_)) => {
            let public = set.description.archive();
            let url = url.unwrap_or(&public);
            let source = Source { url, folder: &set.description.folder, manifest: &set.manifest };
            fetch(&source, &into, on).map(Fetched::Now)
        }
        Err(error) => Err(error.into()),
    }
}

/// Fetches a data set and returns its folder, `INTO/FOLDER`. What is under way lies in `INTO/FOLDER.partial`: the
/// beginning of the archive, from which the next call goes on (see [`Workplace::get`]), then the files that are
/// unpacked. The folder gets its name when every file is there and has the hash of the manifest.
///
/// # Errors
/// See [`FetchError`]. An archive that turns out wrong is deleted.
pub fn fetch(source: &Source, into: &Path, on: &mut dyn FnMut(Event)) -> Result<PathBuf, FetchError> {
    let place = into.join(source.folder);
    if place.exists() {
        return Err(FetchError::InTheWay(place));
    }
    let workplace = Workplace::open(&into.join(format!("{}.partial", source.folder)))?;
    let remote = Remote { url: source.url, name: "archive.tar.gz", sha256: None, most: LARGEST_ARCHIVE };
    let archive = workplace.get(&remote, &mut |event| on(Event::Transfer(event)))?;

    let files = workplace.folder().join("files");
    remove_if_there(&files)?;
    if let Err(error) = unpack(source, &archive, &files, on) {
        remove_if_there(&files)?;
        // Where only the disk was at fault the archive is still good.
        if !matches!(error, FetchError::Transfer(TransferError::Disk { .. })) {
            fs::remove_file(&archive).map_err(TransferError::disk(&archive))?;
        }
        return Err(error);
    }
    fs::rename(&files, &place).map_err(TransferError::disk(&place))?;
    workplace.remove()?;
    Ok(place)
}

fn remove_if_there(folder: &Path) -> Result<(), TransferError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TransferError::disk(folder)(error)),
        _ => Ok(()),
    }
}

/// Unpacks the files that the manifest lists, each checked before it is written; others stay in the archive.
fn unpack(source: &Source, archive: &Path, to: &Path, on: &mut dyn FnMut(Event)) -> Result<(), FetchError> {
    let damaged = |error: io::Error| FetchError::Damaged { url: source.url.into(), reason: error.to_string() };
    let mut missing: BTreeMap<&str, &Row> = source.manifest.rows.iter().map(|row| (row.path.as_str(), row)).collect();
    missing.retain(|_, row| !row.sha256.is_empty());
    let listed = missing.len();
    on(Event::Unpacking);

    let packed = File::open(archive).map_err(TransferError::disk(archive))?;
    let mut unpacked = tar::Archive::new(MultiGzDecoder::new(BufReader::new(packed)));
    for entry in unpacked.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = path_of(source, &entry)?;
        let Some(row) = path.and_then(|path| missing.remove(path.as_str())) else { continue };
        let mut bytes = Vec::new();
        // what is larger is cut there and then has another hash than the manifest says
        entry.by_ref().take(LARGEST).read_to_end(&mut bytes).map_err(damaged)?;
        let found = hex_sha256(&bytes);
        if found != row.sha256 {
            let (url, file, expected) = (source.url.into(), row.path.clone(), row.sha256.clone());
            return Err(FetchError::Hash { url, file, expected, found });
        }
        write(&to.join(&row.path), &bytes)?;
        on(Event::File);
    }
    // What follows the last entry belongs to the archive's checksum.
    io::copy(&mut unpacked.into_inner(), &mut io::sink()).map_err(damaged)?;
    let Some((first, _)) = missing.first_key_value() else { return Ok(()) };
    let (url, folder, first) = (source.url.into(), source.folder.into(), first.to_string());
    Err(FetchError::Lacks { url, folder, missing: missing.len(), listed, first })
}

/// The path of a regular file inside the data set, with `/`; `None` for whatever else an archive may hold.
///
/// # Errors
/// [`FetchError::Unsafe`] for a link, and for a path that leads out of the folder in which an archive is unpacked.
fn path_of(source: &Source, entry: &Entry<impl Read>) -> Result<Option<String>, FetchError> {
    let path = entry.path_bytes();
    let path = String::from_utf8_lossy(&path);
    let refused = |what| FetchError::Unsafe { url: source.url.into(), entry: path.clone().into_owned(), what };
    let mut names = Vec::new();
    for component in Path::new(path.as_ref()).components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused("climbs out of the archive")),
            Component::RootDir | Component::Prefix(_) => return Err(refused("has an absolute path")),
        }
    }
    match entry.header().entry_type() {
        EntryType::Symlink | EntryType::Link => return Err(refused("is a link")),
        EntryType::Regular | EntryType::Continuous => {}
        _ => return Ok(None),
    }
    let inside = names.iter().take(2).position(|name| name == source.folder);
    Ok(inside.map(|at| names[at + 1..].join("/")))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TransferError> {
    let folder = path.parent().expect("a path inside a folder has one");
    fs::create_dir_all(folder).map_err(TransferError::disk(folder))?;
    fs::write(path, bytes).map_err(TransferError::disk(path))
}
