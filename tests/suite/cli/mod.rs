//! Black-box tests of the commands: the program as a user starts it, in a folder of its own, with pictures drawn by
//! code, an empty cache and small arms.

mod backbones;
mod bad_input;
mod blind;
mod classify;
mod curve;
mod data;
mod determinism;
mod device;
mod explain;
mod export;
mod finetune;
mod folders;
mod help;
mod kernels;
mod layouts;
mod list_doctor_cache;
mod pictures;
mod precision;
mod real;
mod report;
mod resume;
mod side_by_side;
mod splits;
mod sweep;
mod time;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use featbench::deep::library;
use tempfile::TempDir;

use data::{CLASSES, encode, texture};

/// Handcrafted arms with settings so small that a run takes a few milliseconds.
const SMALL_ARMS: [(&str, &str, &str); 2] =
    [("small-sift", "root-sift", r#""k-means""#), ("small-orb", "orb", r#""k-majority", "k-means""#)];

/// Variables of the developer's, or of cargo's, that would change what a test sees.
const VARIABLES: [&str; 5] =
    ["FEATBENCH_DATA", "FEATBENCH_MODELS", "COLUMNS", "RUST_BACKTRACE", "ORT_DISABLE_TELEMETRY"];

/// A folder in which the program is run; its cache lies there too.
pub struct Place {
    folder: TempDir,
}

/// One row of a CSV file, by column.
type Row = BTreeMap<String, String>;

impl Place {
    /// With `small-sift.toml` and `small-orb.toml`, and nothing else.
    fn empty() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        for (name, descriptor, vocabulary) in SMALL_ARMS {
            place.write(&format!("{name}.toml"), small_arm(name, descriptor, vocabulary));
        }
        place
    }

    /// Also with `photos/CLASS/FILE`, eight drawn pictures a class.
    fn with_photos() -> Place {
        let place = Place::empty();
        place.draw("photos", 0..8);
        place
    }

    /// Draws pictures of every class as `FOLDER/CLASS/NUMBER.png`.
    fn draw(&self, folder: &str, numbers: std::ops::Range<u32>) {
        for class in CLASSES {
            for number in numbers.clone() {
                self.write(&format!("{folder}/{class}/{number:02}.png"), encode(&texture(class, number), ".png"));
            }
        }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn write(&self, inside: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    fn rows(&self, inside: &str) -> Vec<Row> {
        let mut reader = csv::Reader::from_path(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"));
        reader.deserialize().map(|row| row.unwrap()).collect()
    }

    /// Names of all files at and below a folder, with `/`, sorted.
    fn files(&self, inside: &str) -> Vec<String> {
        let (mut found, mut open) = (Vec::new(), vec![self.path(inside)]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(self.path(inside)).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// A program in this folder, with its cache and its data there and none of the developer's settings.
    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.path("cache"));
        if let Ok(library) = library::find() {
            command.env("XDG_DATA_HOME", self.path("data")).env("ORT_DYLIB_PATH", library);
        }
        for name in VARIABLES {
            command.env_remove(name);
        }
        command
    }

    /// featbench; `arguments` are separated by spaces. The splits of a small folder are drawn once unless a test says how
    /// often: draws are measured in `splits`.
    fn command(&self, arguments: &str) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_featbench"));
        command.args(arguments.split_whitespace());
        let measures = arguments.starts_with("measure ") || arguments.starts_with("report ");
        let says = ["--repeats", "--from", "--readme", "--help"].iter().any(|option| arguments.contains(option));
        if measures && !says {
            command.args(["--repeats", "1"]);
        }
        command
    }

    fn run(&self, arguments: &str) -> Ended {
        Ended::of(&mut self.command(arguments))
    }
}

fn small_arm(name: &str, descriptor: &str, vocabulary: &str) -> String {
    let codebook = |kind: &str| format!("{{ kind = {kind}, words = [10] }}");
    let codebooks = vocabulary.split(", ").map(codebook).collect::<Vec<_>>().join(", ");
    format!(
        r#"
name = "{name}"
family = "handcrafted"
title = "A few words"
expectation = "Enough to tell stripes from checks."

[features]
kind = "local"
sample = 2000
descriptor = {{ kind = "{descriptor}", max_keypoints = 60 }}
codebook = [{codebooks}]

[classifier]
kind = "svm"
scale = "none"
linear_c = [0.3, 1.0]
rbf_c = [1.0]
rbf_gamma = [1.0]
"#
    )
}

/// What a call left behind.
#[derive(Debug)]
pub struct Ended {
    call: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(command: &mut Command) -> Ended {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let call = command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "featbench {call}:\n{stderr}");
        Ended { call, code: output.status.code(), stdout, stderr }
    }

    /// Fails unless the call ended with this exit code.
    fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "exit code of featbench {}\n{}{}", self.call, self.stdout, self.stderr);
        self
    }

    /// Fails unless every text stands somewhere in what was printed, lines joined.
    fn saying(self, texts: &[&str]) -> Ended {
        let printed = one_line(&format!("{} {}", self.stdout, self.stderr));
        for text in texts {
            assert!(printed.contains(text), "featbench {} does not say `{text}`:\n{printed}", self.call);
        }
        self
    }

    /// Exit code 2, one line on standard error with these texts, nothing on standard output.
    fn refused(self, texts: &[&str]) {
        let ended = self.with(2).saying(texts);
        assert_eq!((ended.stdout.as_str(), ended.stderr.trim_end().lines().count()), ("", 1), "{}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

/// The words with single spaces between them, however the text was broken into lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Number of runs in a record folder, merged into its tables or not yet.
fn recorded(place: &Place, folder: &str) -> usize {
    let beside = place.files(&format!("{folder}/runs"));
    let beside = beside.iter().filter_map(|file| Some(file.strip_suffix(".run")?.to_owned()));
    let table = fs::read_to_string(place.path(&format!("{folder}/runs.csv"))).unwrap_or_default();
    let merged = table.lines().skip(1).filter_map(|line| Some(line.split_once(',')?.0.to_owned()));
    beside.chain(merged).collect::<std::collections::BTreeSet<String>>().len()
}

/// The rows of `runs.csv` without what may differ between two equal measurements: times, memory, number of threads.
fn without_times(rows: Vec<Row>) -> Vec<Row> {
    let differing = ["select_s", "fit_s", "peak_mib", "image_mib", "joules", "threads"];
    let strip = |mut row: Row| {
        differing.iter().for_each(|column| drop(row.remove(*column).expect("the column is there")));
        row
    };
    rows.into_iter().map(strip).collect()
}

/// Fails unless two record folders hold the same but for times.
fn assert_same_records(place: &Place, one: &str, other: &str) {
    for file in ["predictions.csv", "selection.csv", "manifest.csv", "dataset.json", "arms.json", "environment.json"] {
        assert_eq!(place.read(&format!("{one}/{file}")), place.read(&format!("{other}/{file}")), "{file}");
    }
    let runs = |folder: &str| without_times(place.rows(&format!("{folder}/runs.csv")));
    assert_eq!(runs(one), runs(other));
    let samples = |folder: &str| -> Vec<Row> {
        let mut rows = place.rows(&format!("{folder}/timings.csv"));
        rows.iter_mut().for_each(|row| drop(row.remove("milliseconds").expect("the column is there")));
        rows
    };
    assert_eq!(samples(one), samples(other), "the samples are the same but for their durations");
}
