//! `featbench report --check`: it tells a committed report from its records, and writes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use featbench::record::Records;
use featbench::report::{self, Question};

use super::synthetic::{record, small};

/// A folder with two recorded data sets, rendered.
fn rendered() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folders = ["shapes", "deeper/shapes"].map(|name| root.path().join(name));
    folders.iter().for_each(|folder| drop(record(&small(), folder)));
    folders
        .iter()
        .for_each(|folder| drop(report::write(&Records::read(folder).unwrap(), folder, &Question::default()).unwrap()));
    root
}

/// Exit code and what was printed.
fn check(root: &Path) -> (i32, String) {
    let mut command = Command::cargo_bin("featbench").unwrap();
    let output = command.args(["report", "--check", "--from"]).arg(root).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

fn files_below(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for path in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

#[test]
fn a_report_that_its_records_give_passes() {
    let root = rendered();
    let before = files_below(root.path());
    let (code, text) = check(root.path());
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("the report is what its records give").count(), 2, "{text}");
    assert_eq!(files_below(root.path()), before);
}

#[test]
fn every_kind_of_difference_is_named_and_nothing_is_written() {
    let root = rendered();
    let folder = root.path().join("shapes");
    let markdown = fs::read_to_string(folder.join("report.md")).unwrap();
    fs::write(folder.join("report.md"), markdown.replacen("Source: drawn", "Source: made up", 1)).unwrap();
    fs::remove_file(folder.join("summary.csv")).unwrap();
    fs::write(folder.join("plots/confusion-old-arm.svg"), "<svg/>").unwrap();
    let before = files_below(root.path());

    let (code, text) = check(root.path());
    assert_eq!(code, 1, "{text}");
    let expected = [
        "report.md: line 3\n  is       ",
        "Source: made up by the tests",
        "\n  expected ",
        "Source: drawn by the tests",
        "summary.csv: missing",
        "confusion-old-arm.svg: the report has no such picture",
        "shapes: differs",
        "deeper/shapes: the report is what its records give",
    ];
    expected.iter().for_each(|part| assert!(text.contains(part), "{part} is not in:\n{text}"));
    assert_eq!(files_below(root.path()), before);
}

#[test]
fn a_changed_record_is_a_difference() {
    let root = rendered();
    let path = root.path().join("shapes/predictions.csv");
    let rows = fs::read_to_string(&path).unwrap();
    let row = rows.lines().find(|row| row.contains(",circle,circle,")).unwrap();
    fs::write(&path, rows.replacen(row, &row.replacen(",circle,circle,", ",circle,square,", 1), 1)).unwrap();
    let (code, text) = check(root.path());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("summary.csv: line "), "{text}");
}

#[test]
fn without_records_or_a_folder_nothing_can_be_checked() {
    let empty = tempfile::tempdir().unwrap();
    let (code, text) = check(empty.path());
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("no records (runs.csv) in or below"), "{text}");
    let mut command = Command::cargo_bin("featbench").unwrap();
    let output = command.args(["report", "--check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--from"));
}

#[test]
fn results_in_a_text_are_what_the_records_give() {
    let root = rendered();
    let text = root.path().join("TEXT.md");
    let template = "{% set shapes = record('shapes') %}\n{{ shapes.arms.native['sift-bovw-svm'].accuracy }} % of \
                    {{ shapes.test }}\n";
    fs::write(root.path().join("part.md.in"), template).unwrap();
    let written = |part: &str| format!("# Text\n\n<!-- results: part.md.in -->\n{part}\n<!-- /results -->\n\nEnd.\n");
    fs::write(&text, written("99.9 % of 50")).unwrap();
    let splice = |more: &[&str]| {
        let mut command = Command::cargo_bin("featbench").unwrap();
        let output = command.args(["report", "--readme"]).arg(&text).args(more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = splice(&["--check"]);
    assert!(code == 1 && said.contains("line 4 is not what the records give"), "{said}");
    assert_eq!(fs::read_to_string(&text).unwrap(), written("99.9 % of 50"), "a check writes nothing");
    assert_eq!(splice(&[]).0, 0);
    assert_eq!(fs::read_to_string(&text).unwrap(), written("78.0 % of 50"));
    assert_eq!(splice(&["--check"]).0, 0);
}
