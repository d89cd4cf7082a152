//! The fences between modules: data flows one way, and two native libraries stay where they belong. The source is read
//! as text, without comments, so that a crossing fails here before it becomes a habit.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of ours. A new module needs a line here.
const ALLOWED: [(&str, &[&str]); 23] = [
    ("budget", &[]),
    ("names", &[]),
    ("atomic", &[]),
    ("random", &[]),
    ("product", &[]),
    ("stage", &["atomic", "names"]),
    ("image", &["budget", "product"]),
    ("nearest", &["random"]),
    ("stats", &[]),
    ("record", &["atomic"]),
    ("transfer", &[]),
    // names and families of the arms, which a report needs to say what did not run
    ("catalogue", &["record"]),
    ("dataset", &["budget", "image", "names", "random", "record", "transfer"]),
    ("deep", &["image", "names", "transfer"]),
    ("finetune", &["deep", "image", "random"]),
    ("classify", &["nearest", "product", "stats"]),
    ("features", &["budget", "classify", "dataset", "deep", "finetune", "image", "product", "random", "stage"]),
    ("protocol", &["catalogue", "classify", "dataset", "features", "finetune", "image", "names", "record"]),
    (
        "measure",
        &[
            "budget", "classify", "dataset", "deep", "features", "finetune", "image", "names", "nearest", "protocol",
            "record", "stage", "stats",
        ],
    ),
    ("report", &["catalogue", "names", "record", "stats"]),
    (
        "cli",
        &[
            "budget", "classify", "dataset", "deep", "features", "finetune", "image", "measure", "names", "protocol",
            "record", "report", "stage", "stats", "transfer",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Crates that may be named in a few places only.
const WALLED: [(&str, &[&str]); 3] = [
    ("opencv", &["src/image/", "src/features/local/descriptor/"]),
    ("ort", &["src/deep/session.rs", "src/deep/session/"]),
    ("featbench_kernels", &["src/deep/session/operators/"]),
];

const LINES_OF_A_FILE: usize = 450;

struct Source {
    /// With `/`, from the project's root.
    path: String,
    text: String,
}

/// Every Rust file below `src`, sorted.
fn sources() -> Vec<Source> {
    below("src")
}

fn below(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let parts = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap());
                found.push(Source {
                    path: parts.collect::<Vec<_>>().join("/"),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "the source was not found");
    found
}

/// Names of the modules from the crate's root down to this file.
fn modules(path: &str) -> Vec<&str> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod").collect()
}

/// The code without its comments. (A `//` inside a string ends the line as well: no harm, nothing is used there.)
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What follows each `name::` in the code, where `name` is a whole word at the start of a path.
fn after<'a>(code: &'a str, name: &str) -> Vec<&'a str> {
    let starts_path = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let separator = format!("{name}::");
    let hits = code.match_indices(&separator).filter(|(at, _)| starts_path(&code[..*at]));
    hits.map(|(at, _)| &code[at + separator.len()..]).collect()
}

/// First names of a path's rest: `a::b` names `a`, `{a::b, c::{d, e}}` names `a` and `c`.
fn first_names(rest: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(group) = rest.strip_prefix('{') else { return vec![&rest[..word(rest)]] };
    let mut names = Vec::new();
    let (mut depth, mut expecting) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => expecting = true,
            c if expecting && !c.is_whitespace() => {
                names.push(&group[at..at + word(&group[at..])]);
                expecting = false;
            }
            _ => {}
        }
    }
    names
}

/// Modules at the crate's root that a file names, through `crate::`, the crate's name, or enough `super::`.
fn used(path: &str, code: &str) -> BTreeSet<String> {
    let up = vec!["super"; modules(path).len()].join("::");
    // `super` in a test module at the end of the file is one step lower than in the file.
    let file_itself = code.split("#[cfg(test)]").next().unwrap_or_default();
    let rests = ["crate", "featbench"].into_iter().flat_map(|name| after(code, name)).chain(after(file_itself, &up));
    let is_module = |name: &&str| ALLOWED.iter().any(|(module, _)| module == name);
    rests.flat_map(first_names).filter(is_module).map(str::to_owned).collect()
}

#[test]
fn the_readers_of_source_see_what_is_used() {
    let seen = |path, code| used(path, code).into_iter().collect::<Vec<_>>();
    assert_eq!(seen("src/report/table.rs", "use crate::record::RunRow;"), ["record"]);
    assert_eq!(seen("src/report/mod.rs", "use crate::{\n    image::{Rgb, deep},\n    stats,\n};"), ["image", "stats"]);
    assert_eq!(seen("src/names.rs", "use super::classify::Svm; let x = crate::deep::run();"), ["classify", "deep"]);
    assert_eq!(seen("src/names.rs", "#[cfg(test)]\nmod tests { use super::image; }"), Vec::<String>::new());
    assert_eq!(seen("src/deep/weights/torch.rs", "use super::super::super::image::Rgb;"), ["image"]);
    assert_eq!(seen("src/deep/weights/torch.rs", "use super::super::image::Rgb; mycrate::image"), Vec::<String>::new());
    assert_eq!(seen("src/main.rs", &code("use featbench::cli; // crate::image")), ["cli"]);
    assert!(after("use crate::report::x; sort::by", "ort").is_empty());
    assert_eq!(after("use ort::Session;", "ort").len(), 1);
}

#[test]
fn modules_use_only_what_lies_before_them() {
    let mut crossings = Vec::new();
    for Source { path, text } in sources() {
        let module = modules(&path)[0];
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            panic!("{path}: module `{module}` has no line in the table of allowed uses");
        };
        let used = used(&path, &code(&text));
        let forbidden = used.iter().filter(|name| *name != module && !allowed.contains(&name.as_str()));
        crossings.extend(forbidden.map(|name| format!("{path} uses `{name}`")));
    }
    assert!(crossings.is_empty(), "{crossings:#?}");
}

#[test]
fn native_libraries_stay_behind_their_walls() {
    for (library, homes) in WALLED {
        for Source { path, text } in sources() {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            assert!(at_home || after(&code(&text), library).is_empty(), "{path} uses `{library}`");
        }
    }
}

/// The other half of the wall, that `labels` of `Split<Test>` does not compile, is an example in `splits.rs`.
#[test]
fn labels_of_the_reported_split_leave_one_file_through_one_function() {
    let home = "src/dataset/splits.rs";
    for Source { path, text } in sources() {
        let code = code(&text);
        if path != home {
            let blocks = code.lines().filter(|line| line.starts_with("impl") && line.contains("Split<"));
            assert_eq!(blocks.count(), 0, "{path}: an impl of a split belongs into {home}");
            continue;
        }
        assert!(!code.contains("pub labels") && !code.contains("pub(super) labels"), "{home}: labels are private");
        let blocks: Vec<&str> = code.split("\nimpl").skip(1).map(|block| block.split("\n}").next().unwrap()).collect();
        for block in blocks {
            let head = block.lines().next().unwrap();
            let functions = after_each(block, "fn ");
            if head.contains("Split<Test>") {
                assert_eq!(functions, ["evaluate"], "{home}: the only reader of these labels");
            } else if !head.contains("Split<Train>") && !head.contains("Split<Val>") {
                assert!(!block.contains(".labels"), "{home}: `impl{head}` is for every split, labels are not");
            }
        }
    }
}

fn after_each<'a>(code: &'a str, keyword: &str) -> Vec<&'a str> {
    code.match_indices(keyword).flat_map(|(at, _)| first_names(&code[at + keyword.len()..])).collect()
}

#[test]
fn files_are_short_introduced_and_finished() {
    let mut found = Vec::new();
    for Source { path, text } in sources().into_iter().chain(below("kernels/src")) {
        let lines = text.lines().count();
        if lines > LINES_OF_A_FILE {
            found.push(format!("{path} has {lines} lines, at most {LINES_OF_A_FILE}: it is probably two things"));
        }
        if !text.lines().next().is_some_and(|line| line.starts_with("//! ") && line != "//! stub") {
            found.push(format!("{path} does not say in its first line what it is (`//! …`)"));
        }
        let code = code(&text);
        let unfinished = ["todo!(", "unimplemented!(", "#[allow(", "#![allow("];
        let unfinished = unfinished.iter().filter(|word| code.contains(**word));
        found.extend(unfinished.map(|word| format!("{path} holds `{word}`")));
    }
    assert!(found.is_empty(), "{found:#?}");
}
