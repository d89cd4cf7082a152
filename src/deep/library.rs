//! Where ONNX Runtime's shared library is looked for: `ORT_DYLIB_PATH`, beside the program, then the user's data
//! folder, where `make setup` unpacks it. The build with CUDA, in `cuda` there, goes before the one without.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const NAME: &str = "libonnxruntime.so";

/// Why there is no library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    #[error("ONNX Runtime is not installed: no {NAME}.VERSION in {folders}; run `make setup`")]
    Missing { folders: String },
    #[error("ORT_DYLIB_PATH names {}, which is not a file; correct it, or unset it and run `make setup`", .0.display())]
    Stated(PathBuf),
}

/// Looks in the places of this machine.
pub fn find() -> Result<PathBuf, LibraryError> {
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let data = data_folder().into_iter().flat_map(|data| [data.join("cuda"), data]);
    let folders: Vec<PathBuf> = beside.into_iter().chain(data).collect();
    find_in(std::env::var_os("ORT_DYLIB_PATH").as_deref(), &folders)
}

/// `$XDG_DATA_HOME/featbench`, by default `~/.local/share/featbench`.
pub fn data_folder() -> Option<PathBuf> {
    let stated = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let data = stated.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))?;
    Some(data.join("featbench"))
}

/// The file that is stated, else the newest version in the first folder that has any.
fn find_in(stated: Option<&OsStr>, folders: &[PathBuf]) -> Result<PathBuf, LibraryError> {
    if let Some(stated) = stated.filter(|path| !path.is_empty()).map(PathBuf::from) {
        return if stated.is_file() { Ok(stated) } else { Err(LibraryError::Stated(stated)) };
    }
    folders.iter().find_map(|folder| newest(folder)).ok_or_else(|| LibraryError::Missing {
        folders: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" or "),
    })
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| version(path).is_some() && path.is_file()).max_by_key(|path| version(path))
}

/// The numbers behind `libonnxruntime.so`: empty for the bare name, `None` for any other file.
pub fn version(path: &Path) -> Option<Vec<u32>> {
    match path.file_name()?.to_str()?.strip_prefix(NAME)? {
        "" => Some(Vec::new()),
        rest => rest.strip_prefix('.')?.split('.').map(|number| number.parse().ok()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn the_newest_version_of_the_first_folder_is_taken() {
        let empty = folder(&["libonnxruntime.so.txt", "libonnxruntime_providers_shared.so"]);
        let first = folder(&["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime.so"]);
        let second = folder(&["libonnxruntime.so.2.0.0"]);
        let folders = [&empty, &first, &second].map(|f| f.path().to_owned());
        assert_eq!(find_in(None, &folders), Ok(first.path().join("libonnxruntime.so.1.32.0")));
        let stated = second.path().join("libonnxruntime.so.2.0.0");
        assert_eq!(find_in(Some(stated.as_os_str()), &folders), Ok(stated));
    }

    #[test]
    fn a_missing_library_is_an_error_with_the_remedy() {
        let error = find_in(None, &["/a/b".into(), "/c".into()]).unwrap_err().to_string();
        assert_eq!(
            error,
            "ONNX Runtime is not installed: no libonnxruntime.so.VERSION in /a/b or /c; run `make setup`"
        );
    }

    #[test]
    fn a_stated_library_that_is_not_there_is_not_replaced_by_another() {
        let there = folder(&["libonnxruntime.so.1.32.0"]);
        let error = find_in(Some(OsStr::new("/no/such.so")), &[there.path().to_owned()]).unwrap_err();
        assert_eq!(error, LibraryError::Stated("/no/such.so".into()));
    }
}
