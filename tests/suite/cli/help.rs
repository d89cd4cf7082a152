//! `--help`: every command explains its options and gives examples, and the examples work.

use std::path::Path;

use super::{Ended, Place};

/// Options that `measure` and `report` share.
const MEASURING: [&str; 18] = [
    "--dataset <NAME|FOLDER>",
    "--data-dir <FOLDER>",
    "--labels <FILE.csv>",
    "--group <REGEX>",
    "--arms <NAME,...|FILE.toml>",
    "--backbone <NAME,...>",
    "--model-dir <FOLDER>",
    "--input <PIXELS>",
    "--device <auto|cpu|cuda>",
    "--kernels <WHOSE>",
    "--seeds <N,...>",
    "--threads <N>",
    "--canvas <native|N>",
    "--refit <train|train+val>",
    "--out <FOLDER>",
    "--fresh",
    "--dry-run",
    "--help",
];

fn help(place: &Place, command: &str) -> String {
    place.run(&format!("{command} --help")).with(0).stdout
}

/// Names in the list of commands that `featbench --help` prints.
fn commands(place: &Place) -> Vec<String> {
    let help = help(place, "");
    let listed = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let name = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    listed.filter(|line| !line.starts_with("   ")).map(name).filter(|name| name != "help").collect()
}

/// The examples of a help text, without `featbench` and without the comment behind them.
fn examples(help: &str) -> Vec<String> {
    let lines = help.split("Examples:\n").nth(1).unwrap_or_default().lines();
    let example = |line: &str| line.trim().split("  ").next().unwrap_or_default().to_owned();
    lines.filter_map(|line| Some(example(line.strip_prefix("  featbench ")?))).collect()
}

#[test]
fn every_command_has_examples_that_parse() {
    let place = Place::empty();
    let commands = commands(&place);
    for name in
        ["list", "fetch", "measure", "report", "time", "lr-find", "export", "classify", "explain", "doctor", "cache"]
    {
        assert!(commands.iter().any(|command| command == name), "{name} is not among {commands:?}");
    }
    for command in commands.iter().map(String::as_str).chain([""]) {
        let examples = examples(&help(&place, command));
        assert!(!examples.is_empty(), "featbench {command} --help gives no example");
        for example in examples {
            assert!(example.starts_with(command), "`{example}` is no example of {command}");
            place.run(&format!("{example} --help")).with(0);
            // Shows that the line before would have failed had the example been wrong.
            place.run(&format!("{example} --no-such-option --help")).with(2);
        }
    }
}

#[test]
fn every_option_is_explained() {
    let place = Place::empty();
    let measuring: Vec<&str> = MEASURING.to_vec();
    let sharing = [&measuring[..], &["--shard <K/N>", "--repeats <K>"]].concat();
    let asking = ["--metric <accuracy|mean-class>", "--margin <POINTS>", "--budget <10ms,50MiB>", "--target <PERCENT>"];
    let reporting =
        [&sharing[..], &["--from <FOLDER>", "--check", "--curve <auto|always|never>"], &asking[..]].concat();
    let timing = [&measuring[..], &["--images <N>"]].concat();
    let sweeping = [
        "--start <RATE>",
        "--end <RATE>",
        "--steps <N>",
        "--loss <train|val>",
        "--linear",
        "--torch-lr-finder",
        "--grid [<RATE,...>]",
        "--grid-epochs <N>",
        "--plot <FILE.svg>",
        "--json",
    ];
    let sweeping = [&measuring[..], &sweeping].concat();
    let listing = vec!["--data-dir <FOLDER>", "--model-dir <FOLDER>"];
    let exporting = vec![
        "--output <FILE>",
        "--arm <NAME|FILE.toml>",
        "--dataset <NAME|FOLDER>",
        "--from <FOLDER>",
        "--budget <10ms,50MiB>",
        "--backbone <NAME,...>",
        "--input <PIXELS>",
        "--seed <N>",
        "--canvas <native|N>",
        "--device <auto|cpu|cuda>",
    ];
    let classifying = vec![
        "--top <N>",
        "--json",
        "--csv",
        "--min-confidence <PROBABILITY>",
        "-o, --output <FILE.csv>",
        "--device <auto|cpu|cuda>",
    ];
    let explaining = vec![
        "-o, --output <FILE.png|FOLDER>",
        "--arms <NAME,...|FILE.toml>",
        "--dataset <NAME|FOLDER>",
        "--input <PIXELS>",
        "--seed <N>",
        "--canvas <native|N>",
    ];
    let fetching = vec!["<NAME>", "--data-dir <FOLDER>", "--url <URL>"];
    for (command, options) in [
        ("measure", sharing),
        ("report", reporting),
        ("time", timing),
        ("lr-find", sweeping),
        ("list", listing),
        ("fetch", fetching),
        ("export", exporting),
        ("classify", classifying),
        ("explain", explaining),
        ("show", vec!["<NAME|FOLDER>", "--out <FILE>", "--columns <TRAIN,VAL,TEST>", "--data-dir <FOLDER>"]),
        ("sweep", vec!["--factors <NAME,...>", "--form <reduced|standard>", "--seeds <N,...>"]),
        ("records convert", vec!["--ids <FILE>"]),
        ("cache", vec!["--clear"]),
    ] {
        let help = help(&place, command);
        for option in options {
            let rest = help.split(option).nth(1);
            let rest = rest.unwrap_or_else(|| panic!("featbench {command} --help does not mention {option}"));
            let explained = rest.trim_start().starts_with(char::is_alphabetic);
            assert!(explained, "featbench {command} --help does not explain {option}");
        }
    }
    let help = help(&place, "report");
    for default in [
        "on procedural 128]",
        "[default: auto]",
        "[default: 0]",
        "[default: resnet18-cntk]",
        "[default: featbench-report]",
    ] {
        assert!(help.contains(default), "{default} is missing:\n{help}");
    }
}

/// The examples that measure, as a shell runs them, on drawn pictures and with `--dry-run`.
#[test]
fn examples_of_measuring_would_run() {
    let place = Place::with_photos();
    std::fs::rename(place.path("small-sift.toml"), place.path("my-sift.toml")).unwrap();
    std::fs::copy("arms/resnet-head-only.toml", place.path("my-training.toml")).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_featbench")).parent().unwrap();
    let mut run = 0;
    for command in ["measure", "report", "time", "lr-find", ""] {
        for example in examples(&help(&place, command)) {
            if example.contains("--dataset photos") {
                let line = format!("PATH={}:$PATH; featbench {example} --dry-run", folder.display());
                Ended::of(place.program("sh").args(["-c", &line])).with(0).saying(&["photos: "]);
                run += 1;
            }
        }
    }
    assert!(run >= 3, "only {run} examples use a folder of one's own");
    assert!(!place.path("featbench-report").exists());
}

#[test]
fn wrong_arguments_end_with_2_and_say_what_is_expected() {
    let place = Place::empty();
    for (arguments, text) in [
        ("", "Usage: featbench"),
        ("mesure", "a similar subcommand exists: 'measure'"),
        ("measure --arm majority", "a similar argument exists: '--arms'"),
        ("measure --threads 0", "'0' for '--threads <N>'"),
        ("measure --canvas 7", "`native` or a side from 32 to 1024 pixels"),
        ("measure --input 5000", "5000 is not in 32..=1024"),
        ("measure --seeds one", "invalid value 'one' for '--seeds"),
        ("measure --device gpu", "invalid value 'gpu' for '--device <auto|cpu|cuda>'"),
        ("measure --refit val", "`train` or `train+val`"),
        ("measure --group (clip", "no regular expression (unclosed group)"),
        ("measure --repeats 0", "0 is not in 1..=1000"),
        ("report --from reports --labels x.csv", "'--from <FOLDER>' cannot be used with '--labels <FILE.csv>'"),
        ("report --from reports --out elsewhere", "'--from <FOLDER>' cannot be used with"),
        ("time --images 0", "0 is not in 1..=100000"),
        ("lr-find --steps 1", "1 is not in 2..=100000"),
        ("lr-find --grid-epochs 2", "the following required arguments were not provided:"),
        ("lr-find --loss test", "invalid value 'test' for '--loss <train|val>'"),
        ("report --check", "the following required arguments were not provided: <--from <FOLDER>|--readme <FILE>>"),
        (
            "fetch bees",
            "possible values: mini-natural-images, hymenoptera, efficientnet-lite0, resnet18, resnet34, resnet50, vgg16_bn",
        ),
        ("report --from reports --fresh", "'--from <FOLDER>' cannot be used with"),
        ("report --from reports --seeds 1", "'--from <FOLDER>' cannot be used with '--seeds <N,...>'"),
    ] {
        let ended = place.run(arguments).with(2).saying(&[text]);
        assert_eq!(ended.stdout, "", "{arguments}: errors belong to standard error");
    }
}
