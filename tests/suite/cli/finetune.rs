//! Arms with a network that is trained: through the same flow as every other arm, killed and resumed, whatever the threads.

use std::process::Stdio;
use std::time::Duration;

use super::{Place, Row, assert_same_records};

/// A few short epochs of the whole network, or of its head.
pub fn arm(name: &str, epochs: usize, more: &str, classifier: &str) -> String {
    format!(
        r#"
name = "{name}"
family = "deep"
title = "A short training"
expectation = "Stripes are not checks."

[features]
kind = "finetuned"
head = "batchnorm-linear"
epochs = {epochs}
batch = 8
lr = 0.005
{more}

[features.optimiser]
kind = "sgd"

[features.schedule]
kind = "one-cycle-fastai"

[classifier]
{classifier}
"#
    )
}

pub const HEAD: &str = "kind = \"head\"";
const SVM: &str = "kind = \"svm\"\nscale = \"standardise\"\nlinear_c = [0.01]";

/// The rows of a file of curves without its times.
fn curves(place: &Place, file: &str) -> Vec<Row> {
    let mut rows = place.rows(file);
    rows.iter_mut().for_each(|row| row.retain(|column, _| !column.ends_with("_s")));
    rows
}

fn assert_same(place: &Place, one: &str, other: &str) {
    assert_same_records(place, one, other);
    for file in ["steps.csv", "epochs.csv"] {
        assert_eq!(curves(place, &format!("{one}/{file}")), curves(place, &format!("{other}/{file}")), "{file}");
    }
}

#[test]
fn a_killed_training_goes_on_to_the_same_bits() {
    let place = Place::with_photos();
    place.write("short.toml", arm("short", 3, "mixup = 0.2\ndropout = 0.1", HEAD));
    let measure = "measure --dataset photos --arms short.toml --input 32 --seeds 3";
    let whole = place.run(&format!("{measure} --out whole --threads 1")).with(0);
    assert!(!whole.stdout.contains("diverged"));

    let checkpoints = || place.files("killed-cache/featbench/checkpoint").len();
    let killed = || {
        let mut command = place.command(&format!("{measure} --out killed --threads 2"));
        command.env("XDG_CACHE_HOME", place.path("killed-cache"));
        command
    };
    let mut child = killed().stderr(Stdio::null()).spawn().unwrap();
    while checkpoints() == 0 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(checkpoints() > 0, "killed after the first epoch");
    assert!(killed().stderr(Stdio::null()).status().unwrap().success());
    assert_same(&place, "whole/photos", "killed/photos");

    let epochs = place.rows("whole/photos/epochs.csv");
    assert_eq!(epochs.len(), 3);
    assert_eq!((epochs[2]["epoch"].as_str(), epochs[2]["training"].as_str()), ("3", "train"));
    assert_eq!(epochs.iter().filter(|epoch| epoch["chosen"] == "true").count(), 1);
    let steps: usize = epochs[2]["steps"].parse().unwrap();
    assert_eq!(place.rows("whole/photos/steps.csv").len(), steps);
    let run = &place.rows("whole/photos/runs.csv")[0];
    assert_eq!((run["epochs"].as_str(), run["protocol"].as_str(), run["dimension"].as_str()), ("3", "last", "512"));
    let val: f64 = run["val_accuracy"].parse().unwrap();
    let (correct, n) = (epochs[2]["val_correct"].parse::<f64>().unwrap(), epochs[2]["val_n"].parse::<f64>().unwrap());
    assert_eq!(val, correct / n, "the network's own head");
}

#[test]
fn the_same_training_serves_head_and_machine_and_the_best_epoch() {
    let place = Place::with_photos();
    place.write("head.toml", arm("head", 2, "layers = \"head\"", HEAD));
    place.write("machine.toml", arm("machine", 2, "layers = \"head\"", SVM));
    place.write("best.toml", arm("best", 2, "layers = \"head\"\nkeep = \"best\"", HEAD));
    place.run("measure --dataset photos --arms head.toml,machine.toml,best.toml --input 32 --refit train+val").with(0);
    let trained = place.files("cache/featbench/train").len();
    assert_eq!(trained, 2, "one on train, one on train and val");
    assert!(place.files("cache/featbench/checkpoint").is_empty());
    let records = "featbench-report/photos";
    let runs = place.rows(&format!("{records}/runs.csv"));
    let of = |arm: &str, column: &str| runs.iter().find(|run| run["arm"] == arm).unwrap()[column].clone();
    assert_eq!((of("head", "refit"), of("head", "val_accuracy")), ("train+val".into(), String::new()));
    assert_eq!((of("best", "refit"), of("best", "protocol")), ("train".into(), "selected".into()));
    assert_eq!((of("machine", "chosen"), of("machine", "status")), ("kernel=linear C=0.01".into(), "ok".into()));
    let epochs = place.rows(&format!("{records}/epochs.csv"));
    let of_machine: Vec<_> = epochs.iter().filter(|row| row["run_id"] == of("machine", "run_id")).collect();
    let images: Vec<&str> = of_machine.iter().map(|row| row["training"].as_str()).collect();
    assert_eq!(images, ["train", "train", "train+val", "train+val"]);
    place.run("report --from featbench-report").with(0).saying(&["machine", "best"]);
}

#[test]
fn settings_that_no_network_can_be_trained_with_are_refused() {
    let place = Place::with_photos();
    let refused = |more: &str, classifier: &str, texts: &[&str]| {
        place.write("wrong.toml", arm("wrong", 2, more, classifier));
        place.run("measure --dataset photos --arms wrong.toml --input 32").refused(texts);
    };
    refused("dropout = 1.5", HEAD, &["wrong.toml: dropout = 1.5 must be at least 0 and below 1"]);
    refused("scale = [0.5, 0.2]", HEAD, &["scale = [0.5, 0.2]"]);
    place.write("wrong.toml", arm("wrong", 2, "pacience = 3", HEAD));
    place.run("measure --dataset photos --arms wrong.toml").with(2).saying(&["wrong.toml", "unknown field `pacience`"]);
    place.write(
        "frozen.toml",
        "name = \"frozen\"\nfamily = \"deep\"\ntitle = \"\"\nexpectation = \"\"\n\
        features.kind = \"network\"\nclassifier.kind = \"head\"\n",
    );
    place.run("measure --dataset photos --arms frozen.toml").refused(&["kind = \"finetuned\""]);
    place.write("stage.toml", arm("stage", 2, "layers = { from = \"layer9\" }", HEAD));
    place.run("measure --dataset photos --arms stage.toml --input 32").with(1).saying(&[
        "no parameter's name begins with `layer9`; the network has conv1, bn1, layer1, layer2, layer3, layer4, head",
    ]);
}

/// Rates that stand in the lines of a rule or of a grid.
fn rates_in(line: &str) -> Vec<f64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_range_test_suggests_rates_and_a_grid_judges_them() {
    let place = Place::with_photos();
    place.write("short.toml", arm("short", 4, "layers = \"head\"", HEAD));
    let find = "lr-find --dataset photos --arms short.toml --input 32";
    let ended = place.run(&format!("{find} --steps 60 --grid 0.001,0.01,1e30 --grid-epochs 1 --plot lr.svg")).with(0);
    let line = |start: &str| ended.stdout.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
    assert!(line("photos, short, native").ends_with("over 3 seeds, by training loss"));
    let valley = line("valley");
    assert!(valley.contains("the grid's good rates") && rates_in(&valley)[0] > 1e-7, "{valley}");
    assert!(line("grid: ").ends_with("1 epochs at each rate, mean val accuracy"));
    assert!(line("1.0e-3").ends_with('%') && line("1.0e30").contains("diverged (3 of 3 seeds)"));
    assert!(line("time: ").contains("range test"));
    let picture = std::fs::read_to_string(place.path("lr.svg")).unwrap();
    for text in ["valley", "training loss", "val accuracy after 1 epochs", "3 diverged"] {
        assert!(picture.contains(text), "{text}");
    }
    assert_eq!(place.files("cache/featbench/lr-find").len(), 3, "one a seed");
    assert_eq!(place.files("cache/featbench/lr-grid").len(), 9, "one a rate and seed");
    assert!(place.files("cache/featbench/train").is_empty(), "weights that nobody asked for are not kept");
    assert!(place.files("cache/featbench/checkpoint").is_empty());

    // the second time everything is known; by the loss on val it is another test
    let again = place.run(&format!("{find} --steps 60 --grid 0.001,0.01,1e30 --grid-epochs 1")).with(0);
    assert_eq!(again.stdout, ended.stdout);
    let json = place.run(&format!("{find} --loss val --steps 30 --seeds 4 --json")).with(0).stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((found[0]["loss"].as_str(), found[0]["tests"][0]["seed"].as_u64()), (Some("val"), Some(4)));
    assert!(found[0]["tests"][0]["curve"]["points"].as_array().is_some_and(|points| points.len() > 20));
}

#[test]
fn auto_takes_what_range_tests_suggest_and_says_which_rate_that_is() {
    let place = Place::with_photos();
    let auto = arm("auto", 2, "layers = \"head\"", HEAD).replace("lr = 0.005", "lr = \"auto\"");
    place.write("auto.toml", &auto);
    let measure = "measure --dataset photos --input 32 --seeds 0,1";
    let said = place.run(&format!("{measure} --arms auto.toml --out auto")).with(0);
    assert!(said.stderr.contains("lr = \"auto\" takes ") && said.stderr.contains("lr/(1-momentum) up to"));
    let runs = place.rows("auto/photos/runs.csv");
    let chosen = &runs[0]["chosen"];
    let rate = chosen.split_whitespace().find_map(|part| part.strip_prefix("lr=")).unwrap();
    assert_eq!(&runs[1]["chosen"], chosen, "the same rate for every seed");
    assert_eq!(place.files("cache/featbench/lr-find").len(), 3);

    // stated as a number it is the same training, step by step
    place
        .write("stated.toml", arm("auto", 2, "layers = \"head\"", HEAD).replace("lr = 0.005", &format!("lr = {rate}")));
    place.run(&format!("{measure} --arms stated.toml --out stated")).with(0);
    let losses = |out: &str| -> Vec<String> {
        place.rows(&format!("{out}/photos/steps.csv")).into_iter().map(|row| row["loss"].clone()).collect()
    };
    assert_eq!(losses("auto"), losses("stated"));
    let steps = place.rows("auto/photos/steps.csv");
    let number = |row: &Row, column: &str| row[column].parse::<f64>().unwrap();
    let peak = steps.iter().map(|row| number(row, "learning_rate")).fold(0.0, f64::max);
    assert!((0.5..=1.0001).contains(&(peak / rate.parse::<f64>().unwrap())), "{peak} under a peak of {rate}");
    for row in &steps {
        let effective = number(row, "learning_rate") / (1.0 - number(row, "momentum"));
        assert_eq!(number(row, "effective"), effective);
    }

    // a schedule that does not fit is refused before anything is tested
    place.write("wrong.toml", auto.replace("kind = \"one-cycle-fastai\"", "kind = \"multi-step\"\nmilestones = [9.0]"));
    let fresh = place.run(&format!("{measure} --arms wrong.toml --out wrong --threads 1")).with(1);
    assert!(fresh.stderr.contains("milestones = [9.0]") && !fresh.stderr.contains("takes"), "{}", fresh.stderr);
}

#[test]
fn a_training_that_diverged_is_a_failed_run() {
    let place = Place::with_photos();
    for (lr, sign) in
        [("1e6", "the training has diverged at a learning rate of"), ("1e30", "the training has diverged")]
    {
        place.write("wild.toml", arm("wild", 2, "", HEAD).replace("lr = 0.005", &format!("lr = {lr}")));
        let ended = place.run("measure --dataset photos --arms wild.toml --input 32 --fresh").with(1);
        ended.saying(&[sign, "take a lower lr"]);
        let runs = place.rows("featbench-report/photos/runs.csv");
        assert!(runs[0]["status"] == "failed" && runs[0]["reason"].contains("take a lower lr"), "{runs:?}");
        assert_eq!(place.files("cache/featbench/train"), Vec::<String>::new(), "nothing of it is kept as a training");
        place.run("export --arm wild.toml --dataset photos --input 32 -o wild.onnx").with(2).saying(&["has diverged"]);
    }
}
