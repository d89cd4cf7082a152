//! `featbench time`: every sample a row, stages that add up, and drawn images where there is no data set.

use std::collections::BTreeSet;

use super::{Ended, Place, Row};

/// Stages of an arm in a scenario, and how many samples each has.
fn stages(rows: &[Row], arm: &str, scenario: &str) -> Vec<(String, usize)> {
    let of_arm = || rows.iter().filter(|row| row["arm"] == arm && row["scenario"] == scenario);
    let names: BTreeSet<&String> = of_arm().map(|row| &row["stage"]).collect();
    names.into_iter().map(|name| (name.clone(), of_arm().filter(|row| row["stage"] == *name).count())).collect()
}

fn named(stages: &[&str], samples: usize) -> Vec<(String, usize)> {
    stages.iter().map(|stage| (stage.to_string(), samples)).collect()
}

#[test]
fn every_sample_is_a_row_and_stages_add_up() {
    let place = Place::with_photos();
    let ended = place.run("time --dataset photos --arms small-sift.toml,majority --images 3 --threads 2").with(0);
    ended.saying(&[
        "[1/2] small-sift, native",
        "photos: one image from encoded bytes to class",
        "many images, 2 threads",
    ]);
    let rows = place.rows("featbench-report/photos/time/time.csv");
    assert_eq!(
        stages(&rows, "small-sift", "single"),
        named(&["classify", "decode", "decoded", "describe", "encode", "total"], 3)
    );
    assert_eq!(stages(&rows, "majority", "single"), named(&["classify", "describe", "total"], 3));
    assert_eq!(stages(&rows, "small-sift", "batch"), named(&["decoded", "total"], 1));
    assert_eq!(stages(&rows, "majority", "batch"), named(&["total"], 1));
    assert_eq!(stages(&rows, "small-sift", "offline"), named(&["total"], 3));

    let time = |stage: &str, sample: usize| -> f64 {
        let wanted = |row: &&Row| {
            (&*row["arm"], &*row["scenario"], &*row["stage"]) == ("small-sift", "single", stage)
                && row["sample"] == sample.to_string()
        };
        rows.iter().find(wanted).unwrap()["milliseconds"].parse().unwrap()
    };
    for sample in 0..3 {
        let sum: f64 = ["decode", "describe", "encode", "classify"].iter().map(|stage| time(stage, sample)).sum();
        assert!((sum - time("total", sample)).abs() < 1e-9);
        assert!((sum - time("decode", sample) - time("decoded", sample)).abs() < 1e-9);
    }
    let environments = place.read("featbench-report/photos/time/environment.json");
    assert!(rows.iter().all(|row| environments.contains(&row["environment_id"])));
    assert!(rows.iter().all(|row| row["threads"] == if row["scenario"] == "single" { "1" } else { "2" }));
    assert!(!place.path("featbench-report/photos/runs.csv").exists(), "accuracy is not measured");
}

#[test]
fn a_network_is_timed_alone_beside_the_whole() {
    let place = Place::with_photos();
    let arguments = "time --dataset photos --arms resnet-frozen-svm --input 32 --images 2 --threads 1";
    place.run(arguments).with(0).saying(&["The network alone", "overhead, %", "share, %"]);
    let rows = place.rows("featbench-report/photos/time/time.csv");
    let single = ["classify", "decode", "decoded", "infer", "network", "resize", "total"];
    assert_eq!(stages(&rows, "resnet-frozen-svm", "single"), named(&single, 2));
    assert_eq!(stages(&rows, "resnet-frozen-svm", "batch"), named(&["decoded", "network", "total"], 1));
    assert_eq!(stages(&rows, "resnet-frozen-svm", "offline"), named(&["network", "total"], 3));
    assert!(rows.iter().all(|row| row["backbone"] == "resnet18-cntk" && row["input_px"] == "32"));
}

#[test]
fn without_a_data_set_drawn_images_are_timed_and_nothing_is_trained() {
    let place = Place::empty();
    let run = |arguments: &str| {
        let mut command = place.command(arguments);
        Ended::of(command.env("XDG_DATA_HOME", place.path("data")))
    };
    let ended = run("time --dry-run --out other").with(0).saying(&["procedural: would time", "thumbnail-1nn"]);
    assert!(!ended.stdout.contains("1cycle") && !place.path("other").exists());
    run("time --arms majority --images 2").with(0).saying(&["data set: procedural", "procedural: one image"]);
    assert!(!place.rows("featbench-report/procedural/time/time.csv").is_empty());
}

#[test]
fn an_arm_that_cant_be_timed_leaves_the_others() {
    let place = Place::with_photos();
    let arguments = "time --dataset photos --arms resnet-frozen-svm,majority --backbone resnet50 --images 2";
    place.run(arguments).with(1).saying(&["the backbone `resnet50` is not on this machine", "majority"]);
    let rows = place.rows("featbench-report/photos/time/time.csv");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["arm"] == "majority"));
}
