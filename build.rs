//! Tells the program what it was built from: the commit, whether the sources differ from it, and the compiler.

use std::path::Path;
use std::process::Command;

/// What the binary is made of. Reports and pages may change without making it another one.
const SOURCES: [&str; 8] = ["src", "kernels", "arms", "datasets", "models", "Cargo.toml", "Cargo.lock", "build.rs"];

/// What a command prints; empty where it is not there or fails.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() {
    // An archive that was unpacked inside some other work tree has no commit of its own.
    let own = output_of("git", &["rev-parse", "--is-inside-work-tree", "--show-cdup"]) == "true";
    let git = |arguments: &[&str]| if own { output_of("git", arguments) } else { String::new() };
    // Without its locks, `status` leaves the index alone, which would start the next build.
    let status = [&["--no-optional-locks", "status", "--porcelain", "--"], &SOURCES[..]].concat();
    println!("cargo:rustc-env=FEATBENCH_COMMIT={}", git(&["rev-parse", "HEAD"]));
    println!("cargo:rustc-env=FEATBENCH_DIRTY={}", !git(&status).is_empty());
    println!("cargo:rustc-env=FEATBENCH_RUSTC={}", output_of(&variable("RUSTC"), &["--version"]));
    println!("cargo:rustc-env=FEATBENCH_PROFILE={}, opt-level {}", variable("PROFILE"), variable("OPT_LEVEL"));

    // The log of HEAD grows with every commit and every change of branch.
    let moves = ["HEAD", "logs/HEAD"].map(|name| git(&["rev-parse", "--git-path", name]));
    let watched = SOURCES.into_iter().chain(moves.iter().map(String::as_str));
    for path in watched.filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}
