//! `list`, `doctor` and `cache`: what there is, what is missing and what to do about it.

use std::process::Stdio;

use super::{Ended, Place};

/// A place where neither data sets nor the ONNX Runtime library are found, whatever this machine has.
fn bare(place: &Place, arguments: &str) -> Ended {
    let mut command = place.command(arguments);
    Ended::of(command.env("XDG_DATA_HOME", place.path("data")).env_remove("ORT_DYLIB_PATH"))
}

#[test]
fn list_shows_everything_and_how_to_get_what_is_missing() {
    let place = Place::empty();
    let ended = bare(&place, "list").with(0).saying(&[
        "mini-natural-images -",
        "hymenoptera -",
        "get it with `featbench fetch hymenoptera`; or unpack https://",
        "majority* ready",
        "sift-bovw-svm* ready",
        "orb-bovw-svm* ready",
        "resnet-frozen-svm* -",
        "run `make setup`",
        "* runs when no arms are named",
        "resnet18-cntk ready 512 features; resnet18-cntk@layer1 to @layer4: cut there",
        "resnet50 -",
        "data/featbench/models): get it with `featbench fetch resnet50`; or put resnet50-0676ba61.pth, resnet50.safeten",
    ]);
    assert_eq!(ended.stderr, "");
    place.run("list").with(0).saying(&["resnet-frozen-svm* ready"]);
}

#[test]
fn list_looks_into_the_folders_that_are_named() {
    let place = Place::empty();
    place.write("models/broken.onnx", "no model");
    place.write("images/hymenoptera_data/train/ants/1.jpg", "no image");
    bare(&place, "list --model-dir models --data-dir images").with(0).saying(&[
        "broken - models/broken.onnx: not an ONNX file",
        "hymenoptera - ",
        "images/hymenoptera_data differs from its manifest: ",
        "mini-natural-images - ",
    ]);
}

#[test]
fn doctor_says_a_line_a_thing_and_fails_where_something_is_missing() {
    let place = Place::empty();
    let ended = bare(&place, "doctor")
        .with(1)
        .saying(&["NO ONNX Runtime", "run `make setup`", "NO hymenoptera"])
        .saying(&["ok networks resnet18-cntk; `featbench fetch NAME` gets efficientnet-lite0, resnet18, resnet34, resnet50, vgg16_bn"]);
    let whole = |line: &str| line.starts_with("ok  ") || line.starts_with("NO  ");
    assert!(ended.stdout.lines().all(whole), "{}", ended.stdout);

    let ended =
        place.run("doctor").saying(&["ok featbench", "ok OpenCV", "ok ONNX Runtime", "ok backbone", "ok cache"]);
    let missing = ended.stdout.lines().any(|line| line.starts_with("NO"));
    ended.with(if missing { 1 } else { 0 });
}

/// ONNX Runtime would: it keeps an identifier and a queue of reports in the cache folder.
#[test]
fn the_network_is_run_without_a_report_to_anybody() {
    let place = Place::with_photos();
    place.run("doctor").saying(&["ok backbone resnet18-cntk runs"]);
    assert_eq!(place.files("cache"), Vec::<String>::new());
    place.run("measure --dataset photos --arms resnet-frozen-svm --input 32").with(0);
    let files = place.files("cache");
    assert!(!files.is_empty() && files.iter().all(|file| file.starts_with("featbench/")), "{files:?}");
}

#[test]
fn a_cache_that_cant_be_written_is_named_with_the_remedy() {
    let place = Place::with_photos();
    place.write("file", "");
    let with_bad_cache = |arguments: &str| {
        let mut command = place.command(arguments);
        Ended::of(command.env("XDG_CACHE_HOME", place.path("file")))
    };
    with_bad_cache("doctor").with(1).saying(&["NO cache", "can't be written", "set XDG_CACHE_HOME to another folder"]);
    let measure = "measure --dataset photos --arms majority,thumbnail-1nn";
    with_bad_cache(measure).with(1).saying(&["can't write the cache at", "set XDG_CACHE_HOME"]);
    let runs = place.rows("featbench-report/photos/runs.csv");
    assert!(runs.iter().all(|run| run["status"] == "failed"), "{runs:?}");
}

#[test]
fn the_cache_is_shown_cleared_and_filled_again() {
    let place = Place::with_photos();
    place.run("cache").with(0).saying(&["cache/featbench", "all 0 entries"]);
    let measure = "measure --dataset photos --arms small-sift.toml --out";
    place.run(&format!("{measure} filled")).with(0);
    place.run("cache").with(0).saying(&["describe", "vocabulary", "words", "select", "fit"]);
    assert!(!place.files("cache").is_empty());

    place.run("cache --clear").with(0).saying(&["cleared"]);
    assert_eq!(place.files("cache"), Vec::<String>::new());
    place.run(&format!("{measure} filled")).with(0).saying(&["1 runs, 1 of them recorded"]);
    assert_eq!(place.files("cache"), Vec::<String>::new(), "what is recorded needs no cache");
    place.run(&format!("{measure} again")).with(0);
    super::assert_same_records(&place, "filled/photos", "again/photos");
}

#[test]
fn output_that_nobody_reads_any_more_ends_the_program_quietly() {
    let place = Place::empty();
    for arguments in ["list", "doctor", "cache", "--help"] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "featbench {arguments} | head -0");
    }
}
