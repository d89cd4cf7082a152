//! One file from the web into a folder: resumable, with progress, and whole or not there.
//! What has arrived stays in the folder until all of it has, so that an interrupted transfer costs what is missing.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

/// A connection that says nothing for so long counts as broken.
const SILENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 << 10;

/// A file on the web.
#[derive(Debug, Clone, Copy)]
pub struct Remote<'a> {
    /// `https://…` or `http://…`; redirects are followed.
    pub url: &'a str,
    /// What it is called in the folder.
    pub name: &'a str,
    /// Its SHA-256 or the beginning of it, in lower-case hex; `None` where only the content can be checked.
    pub sha256: Option<&'a str>,
    /// It has no more bytes than this: a server that goes on for ever fills no disk.
    pub most: u64,
}

/// What happens during a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The server answered. `kept` bytes are here already; `dropped` bytes were, and can't be continued.
    Begun { kept: u64, dropped: u64, total: Option<u64> },
    /// So many bytes more are on disk.
    Received(u64),
}

/// How a fetch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It was there, complete and right: this folder or file.
    Already(PathBuf),
    /// It came, to this place.
    Now(PathBuf),
}

/// Why a file is not here.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(
        "cannot reach {url} ({reason}): check the address and the network (HTTPS_PROXY names a proxy), or name another \
         place with --url"
    )]
    Unreachable { url: String, reason: String },
    #[error("{url} answered {status}: {}, or name another place with --url", .status.remedy())]
    Refused { url: String, status: Status },
    #[error(
        "the transfer of {url} broke off after {received} ({reason}): the same command {}",
        if *.resumable { "resumes it" } else { "starts it again" }
    )]
    Interrupted { url: String, received: Received, reason: String, resumable: bool },
    #[error(
        "{url} has the SHA-256 {found}, expected {expected}: it was not kept; try again or name another place with \
         --url"
    )]
    Hash { url: String, expected: String, found: String },
    #[error(
        "{url} has more than {}, the most that is taken for what is wanted: it was not kept; name another place with --url",
        HumanBytes(*.most)
    )]
    TooLarge { url: String, most: u64 },
    #[error("another featbench is fetching into {}: wait for it to end", .0.display())]
    Busy(PathBuf),
    #[error("cannot write {}: {error}; {}", path.display(), disk_remedy(.error))]
    Disk { path: PathBuf, error: io::Error },
}

/// Code of an answer that brought no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

/// How far a transfer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub bytes: u64,
    pub total: Option<u64>,
}

impl TransferError {
    /// What happened to the file or folder at `path`.
    pub fn disk(path: &Path) -> impl FnOnce(io::Error) -> TransferError {
        let path = path.to_path_buf();
        |error| TransferError::Disk { path, error }
    }
}

fn disk_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free space there, or name another folder with --data-dir; the same command goes on"
        }
        _ => "make the folder writable, or name another one with --data-dir",
    }
}

impl Status {
    fn remedy(self) -> &'static str {
        match self.0 {
            401 | 403 | 407 => "access to it is denied: check the address and the proxy",
            404 | 410 => "it is not there: check the address",
            408 | 429 | 500.. => "the server can't at the moment: try again later",
            _ => "no file came with it: check the address",
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let reason = StatusCode::from_u16(self.0).ok().and_then(|code| code.canonical_reason());
        write!(f, "{} {}", self.0, reason.unwrap_or("(unknown)"))
    }
}

impl Display for Received {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{} of {}", HumanBytes(self.bytes), HumanBytes(total)),
            None => write!(f, "{}", HumanBytes(self.bytes)),
        }
    }
}

/// A folder for what is under way. This process alone works in it until the value is dropped.
#[derive(Debug)]
pub struct Workplace {
    folder: PathBuf,
    /// Holds the lock; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Workplace {
    /// Makes the folder where it is missing; what an earlier process left there stays.
    ///
    /// # Errors
    /// [`TransferError::Busy`] where another process works in it, [`TransferError::Disk`] where it can't be made.
    pub fn open(folder: &Path) -> Result<Workplace, TransferError> {
        let open = || fs::create_dir_all(folder).and_then(|()| File::open(folder));
        let lock = open().map_err(TransferError::disk(folder))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(TransferError::Busy(folder.to_path_buf())),
            // Some network file systems know no locks: then it is left to the user to start one at a time.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Workplace { folder: folder.to_path_buf(), _lock: lock }),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gets a file and returns where it lies in the folder: whole, and with the hash that was asked for. A file that
    /// is whole already is not asked for again.
    ///
    /// Until it is whole, its beginning is `NAME.partial`, and `NAME.partial.json` says of which version. After an
    /// interruption or a kill the next call asks for the rest (`Range`), provided that the server named that version
    /// (`ETag` or `Last-Modified`) and still has it; otherwise it starts from the beginning. `on` hears of the
    /// progress. Moving the file to its place is up to the caller.
    ///
    /// # Errors
    /// See [`TransferError`]. A file with another hash is deleted.
    pub fn get(&self, remote: &Remote, on: &mut dyn FnMut(Event)) -> Result<PathBuf, TransferError> {
        let target = self.folder.join(remote.name);
        if !target.is_file() {
            let partial = Partial::of(&target);
            partial.complete(remote, on)?;
            fs::rename(&partial.path, &target).map_err(TransferError::disk(&target))?;
            partial.forget()?;
        }
        let Some(expected) = remote.sha256 else { return Ok(target) };
        let found = sha256_of(&target).map_err(TransferError::disk(&target))?;
        if found.starts_with(expected) {
            return Ok(target);
        }
        fs::remove_file(&target).map_err(TransferError::disk(&target))?;
        Err(TransferError::Hash { url: remote.url.into(), expected: expected.into(), found })
    }

    /// Deletes the folder and all that is in it.
    ///
    /// # Errors
    /// [`TransferError::Disk`].
    pub fn remove(self) -> Result<(), TransferError> {
        fs::remove_dir_all(&self.folder).map_err(TransferError::disk(&self.folder))
    }
}

/// An empty folder is no use to the next call.
impl Drop for Workplace {
    fn drop(&mut self) {
        // Fails where something is in it, as it should.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// SHA-256 of a file, lower-case hex.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

/// Which version of a remote file a beginning belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    url: String,
    /// Its `ETag`, or else its `Last-Modified`; without either it can't be told from another version.
    validator: Option<String>,
    total: Option<u64>,
}

/// The beginning of a file.
struct Partial {
    path: PathBuf,
    /// Its [`Version`].
    version: PathBuf,
}

/// A body to be written from a position on.
struct Answer {
    body: Body,
    from: u64,
    version: Version,
}

impl Partial {
    fn of(target: &Path) -> Partial {
        let beside = |ending| target.with_added_extension(ending);
        Partial { path: beside("partial"), version: beside("partial.json") }
    }

    /// What an earlier call left: how many bytes, and of which version.
    fn left(&self, url: &str) -> Option<(u64, Version)> {
        let version: Version = serde_json::from_slice(&fs::read(&self.version).ok()?).ok()?;
        let bytes = fs::metadata(&self.path).ok()?.len();
        (bytes > 0 && version.url == url).then_some((bytes, version))
    }

    /// Receives what is missing.
    fn complete(&self, remote: &Remote, on: &mut dyn FnMut(Event)) -> Result<(), TransferError> {
        let &Remote { url, most, .. } = remote;
        let left = self.left(url);
        let had = left.as_ref().map_or(0, |(bytes, _)| *bytes);
        if left.as_ref().is_some_and(|(bytes, version)| version.total == Some(*bytes)) {
            return Ok(());
        }
        let Answer { body, from, version } = ask(url, left)?;
        if version.total.is_some_and(|total| total > most) {
            return Err(TransferError::TooLarge { url: url.into(), most });
        }
        let mut file = self.cut(from, &version)?;
        on(Event::Begun { kept: from, dropped: had - from, total: version.total });

        let mut bytes = from;
        let interrupted = |bytes, reason: String| TransferError::Interrupted {
            url: url.into(),
            received: Received { bytes, total: version.total },
            reason,
            resumable: version.validator.is_some(),
        };
        let mut reader = body.into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(interrupted(bytes, reason(&ureq::Error::from(error)))),
            };
            file.write_all(&chunk[..read]).map_err(TransferError::disk(&self.path))?;
            bytes += read as u64;
            if bytes > most {
                drop(file);
                fs::remove_file(&self.path).map_err(TransferError::disk(&self.path))?;
                self.forget()?;
                return Err(TransferError::TooLarge { url: url.into(), most });
            }
            on(Event::Received(read as u64));
        }
        if version.total.is_some_and(|total| total != bytes) {
            return Err(interrupted(bytes, "the connection was closed".into()));
        }
        file.sync_all().map_err(TransferError::disk(&self.path))
    }

    /// The file, open at its end, with its first `from` bytes and nothing else.
    fn cut(&self, from: u64, version: &Version) -> Result<File, TransferError> {
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
            file.set_len(from)?;
            file.seek(SeekFrom::Start(from))?;
            Ok(file)
        };
        // Cut first: killed in between, an empty beginning of the version before is left, and that does no harm.
        let file = open().map_err(TransferError::disk(&self.path))?;
        let text = serde_json::to_vec(version).expect("texts and a number can be written as JSON");
        fs::write(&self.version, text).map_err(TransferError::disk(&self.version))?;
        Ok(file)
    }

    /// Deletes what is said of the version, once the file has its name.
    fn forget(&self) -> Result<(), TransferError> {
        match fs::remove_file(&self.version) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(TransferError::disk(&self.version)(error)),
            _ => Ok(()),
        }
    }
}

/// Asks for what is missing, or for all of it where the server can't go on from there.
fn ask(url: &str, left: Option<(u64, Version)>) -> Result<Answer, TransferError> {
    if let Some((bytes, version)) = left
        && let Some(validator) = version.validator.clone()
    {
        let response = send(url, Some((bytes, &validator)))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if continues(response.headers(), bytes, &validator, version.total) => {
                return Ok(Answer { body: response.into_body(), from: bytes, version });
            }
            StatusCode::OK => return Ok(whole(url, response)),
            // Another part than was asked for, or a server that refuses ranges (with 416, some with 403).
            _ => {}
        }
    }
    let response = send(url, None)?;
    match response.status() {
        StatusCode::OK => Ok(whole(url, response)),
        status => Err(TransferError::Refused { url: url.into(), status: Status(status.as_u16()) }),
    }
}

fn whole(url: &str, response: Response<Body>) -> Answer {
    let validator = validator(response.headers()).map(String::from);
    let body = response.into_body();
    let version = Version { url: url.into(), validator, total: body.content_length() };
    Answer { body, from: 0, version }
}

/// A GET request; `rest` is the first byte that is wanted and the version's validator.
fn send(url: &str, rest: Option<(u64, &str)>) -> Result<Response<Body>, TransferError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("featbench/", env!("CARGO_PKG_VERSION")));
    let agent = config.build().new_agent();
    // A range of a body that is compressed on the way would be a range of something else.
    let mut request = agent.get(url).header("Accept-Encoding", "identity");
    if let Some((from, validator)) = rest {
        request = request.header("Range", format!("bytes={from}-"));
        if is_strong(validator) {
            request = request.header("If-Range", validator);
        }
    }
    let unreachable = |error| TransferError::Unreachable { url: url.into(), reason: reason(&error) };
    request.call().map_err(unreachable)
}

/// Whether `If-Range` may carry it (RFC 9110, 13.1.5): no weak `ETag`.
fn is_strong(validator: &str) -> bool {
    !validator.starts_with("W/")
}

fn validator(headers: &HeaderMap) -> Option<&str> {
    headers.get("etag").or_else(|| headers.get("last-modified"))?.to_str().ok()
}

/// Whether a partial answer is the rest of the same version, from `bytes` on.
fn continues(headers: &HeaderMap, bytes: u64, expected: &str, total: Option<u64>) -> bool {
    let range = headers.get("content-range").and_then(|range| range.to_str().ok()).and_then(content_range);
    let Some((first, of)) = range else { return false };
    let same_total = total.is_none() || of.is_none() || total == of;
    // Where `If-Range` was sent the server has compared, and need not repeat the validator.
    let same_version = validator(headers).map_or(is_strong(expected), |found| found == expected);
    first == bytes && same_total && same_version
}

/// First byte and length of the whole from `bytes FIRST-LAST/LENGTH`, where `LENGTH` may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.parse().ok()?;
    Some((first, length.parse().ok()))
}

/// What went wrong on the way, in a few words.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer for {} seconds", SILENCE.as_secs()),
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
