//! What the documents tell a reader to type must exist, and they must be true on any machine.
//! Commands are taken from `sh` and `console` blocks and from code spans, and asked for their `--help`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use featbench::protocol::arm::Arm;

/// The documents that tell a reader what to type.
const DOCUMENTS: [&str; 5] = ["README.md", "METHODOLOGY.md", "CONTRIBUTING.md", "docs/RECORDS.md", "docs/CLUSTER.md"];

/// Names of package registries; with an ending they are host names, and those are the clients' business.
const REGISTRIES: [&str; 5] = ["pypi", "pythonhosted", "crates", "npmjs", "debian"];

/// Beginnings of paths that exist on one machine and not on the reader's.
const PLACES: [&str; 4] = ["/home/", "/root/", "/tmp/", "/Users/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Lines of `sh` and `console` blocks, and code spans of the prose, without prompt and comment.
fn typed_lines(markdown: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut block: Option<&str> = None;
    for line in markdown.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim()) };
            continue;
        }
        match block {
            Some("sh" | "console") => lines.push(line.to_string()),
            Some(_) => {}
            None => lines.extend(line.split('`').skip(1).step_by(2).map(str::to_string)),
        }
    }
    let command = |l: &String| l.split(" #").next().unwrap_or(l).trim().trim_start_matches("$ ").to_string();
    lines.iter().map(command).collect()
}

/// The arguments of a call of featbench, however it is called; none where a line calls something else.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let after_dashes = || Some(line.strip_prefix("cargo run")?.split_once("-- ")?.1);
    Some(line.strip_prefix("featbench ").or_else(after_dashes)?.split_whitespace().collect())
}

/// What `featbench SUBCOMMAND --help` prints; panics where there is no such subcommand.
fn help_of(subcommand: Option<&str>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_featbench")).args(subcommand).arg("--help").output().unwrap();
    assert!(output.status.success(), "`featbench {}` does not exist", subcommand.unwrap_or_default());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut commands = 0;
    for document in DOCUMENTS {
        for line in typed_lines(&read(&root().join(document))) {
            let Some(arguments) = arguments(&line) else { continue };
            let subcommand = arguments.first().copied().filter(|a| !a.starts_with('-'));
            let help = help_of(subcommand);
            let known: BTreeSet<&str> = help.split(|c: char| !(c.is_alphanumeric() || c == '-')).collect();
            for option in arguments.iter().filter(|a| a.starts_with("--")) {
                let name = option.split('=').next().unwrap_or(option);
                assert!(known.contains(name), "{document}: `{line}`: the command has no {name}");
            }
            commands += 1;
        }
    }
    assert!(commands >= 5, "only {commands} commands found: is the search for them broken?");
}

#[test]
fn every_make_target_in_the_documents_exists() {
    let makefile = read(&root().join("Makefile"));
    for document in DOCUMENTS {
        for line in typed_lines(&read(&root().join(document))) {
            let Some(target) = line.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next()) else {
                continue;
            };
            assert!(makefile.contains(&format!("\n{target}:")), "{document}: `{line}`: no such target");
        }
    }
}

#[test]
fn every_link_to_a_file_of_the_project_leads_somewhere() {
    for document in DOCUMENTS {
        for link in read(&root().join(document)).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or(link);
            let ours = !file.is_empty() && !file.contains("://");
            let beside = root().join(document).with_file_name(file);
            assert!(!ours || beside.exists(), "{document}: {link} does not exist");
        }
    }
}

/// Documents and set-up files: whatever a reader reads or runs before anything is built.
fn read_by_people() -> Vec<PathBuf> {
    let folder = |name: &str| std::fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap().path());
    let peers = folder("benches/peers").filter(|p| p.is_file());
    let documents = folder(".").filter(|p| p.extension().is_some_and(|e| e == "md"));
    documents.chain(folder("setup")).chain(peers).chain(["Makefile", ".ci/run"].map(|name| root().join(name))).collect()
}

#[test]
fn documents_and_set_up_name_no_registry_host_and_no_place_of_one_machine() {
    let endings = ["org", "io", "com"];
    let hosts = REGISTRIES.iter().flat_map(|name| endings.map(|ending| format!("{name}.{ending}")));
    let here = ["FEATBENCH_DATA", "FEATBENCH_FIXTURES"].into_iter().filter_map(|name| std::env::var(name).ok());
    let unwanted: Vec<String> = hosts.chain(here).chain(PLACES.map(String::from)).filter(|s| !s.is_empty()).collect();
    for file in read_by_people() {
        let text = read(&file);
        for word in &unwanted {
            assert!(!text.contains(word.as_str()), "{} contains {word}", file.display());
        }
    }
}

#[test]
fn the_benchmarks_are_what_their_records_give() {
    let call = ["benches/peers/render.py", "reports/benchmarks", "BENCHMARKS.md", "--check"];
    match Command::new("python3").args(call).current_dir(root()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => eprintln!("skipped: no python3 ({error})"),
    }
}

/// Every arm has one row in METHODOLOGY's table, with the numbers of its file that decide how long a vector is.
#[test]
fn the_table_of_arms_has_every_arm_as_its_file_says() {
    fn numbers(value: &toml::Value, named: &str, found: &mut Vec<i64>) {
        match value {
            toml::Value::Integer(number) if ["pca", "words", "components"].contains(&named) => found.push(*number),
            toml::Value::Array(values) => values.iter().for_each(|value| numbers(value, named, found)),
            toml::Value::Table(table) => table.iter().for_each(|(name, value)| numbers(value, name, found)),
            _ => {}
        }
    }
    let text = read(&root().join("METHODOLOGY.md"));
    for arm in Arm::embedded().unwrap() {
        let name = format!("`{}`", arm.name);
        let of_arm =
            |line: &&str| line.split(" | ").next().is_some_and(|cell| cell.starts_with("| `") && cell.contains(&name));
        let rows: Vec<&str> = text.lines().filter(of_arm).collect();
        assert_eq!(rows.len(), 1, "rows of {name} in METHODOLOGY.md");
        let features = &toml::Value::try_from(&arm).unwrap()["features"];
        let mut wanted = Vec::new();
        if features.get("member").is_none() {
            numbers(features, "", &mut wanted);
        }
        let row = rows[0].replace(',', "");
        let words: BTreeSet<&str> = row.split([' ', ';']).collect();
        for number in wanted {
            assert!(words.contains(&*number.to_string()), "the row of {name} lacks {number}: {}", rows[0]);
        }
    }
}
