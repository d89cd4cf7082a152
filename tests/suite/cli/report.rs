//! `measure` and `report`: what is written, what is only said, and what happens when an ingredient is missing.

use std::fs;

use super::{Ended, Place};

const OUT: &str = "featbench-report/photos";

/// As DESIGN and METHODOLOGY define them.
pub const SUMMARY_COLUMNS: &str = "dataset,arm,family,backbone,input_px,canvas,seed,form,epochs,protocol,settings_hash,\
    environment_id,split,status,reason,n,skipped,correct,accuracy,accuracy_low,accuracy_high,mean_class_accuracy,\
    mean_class_accuracy_low,mean_class_accuracy_high,macro_f1,ece,log_loss,temperature,extract_ms_median,extract_ms_p90,\
    classify_ms_median,ms_median,ms_p90,images_per_s,threads,joules,file_bytes,parameters,multiply_adds,image_mib,fit_s,\
    select_s,peak_mib,dimension,device";

#[test]
fn a_report_is_measured_written_and_rendered_again_byte_for_byte() {
    let place = Place::with_photos();
    let arms = "majority,metadata-1nn,thumbnail-1nn,small-sift.toml,small-orb.toml,resnet-frozen-svm";
    let report = format!("report --dataset photos --arms {arms} --input 32 --canvas native --canvas 64");
    let ended = place.run(&report).with(0).saying(&[
        "photos: 3 classes, 12 train, 6 val, 6 reported images; 10 runs, 0 of them recorded",
        "[10/10] resnet-frozen-svm, canvas 64, seed 0",
        "Native images",
        "On a canvas of 64 × 64 px",
        "Findings",
        "featbench-report/photos/report.md",
    ]);
    assert!(!ended.stdout.contains('\x1b'), "no colours where nobody looks");

    let files = place.files(OUT);
    for file in [
        "arms.json",
        "dataset.json",
        "environment.json",
        "manifest.csv",
        "predictions.csv",
        "report.html",
        "report.md",
        "runs.csv",
        "selection.csv",
        "summary.csv",
        "timings.csv",
    ] {
        assert!(files.iter().any(|found| found == file), "{file} is not among {files:?}");
    }
    assert!(files.iter().filter(|file| file.starts_with("plots/") && file.ends_with(".svg")).count() > 3, "{files:?}");
    let markdown = place.read(&format!("{OUT}/report.md"));
    for plot in files.iter().filter(|file| file.starts_with("plots/confusion")) {
        assert!(markdown.contains(plot.as_str()), "report.md does not show {plot}");
    }

    let summary = place.read(&format!("{OUT}/summary.csv"));
    assert_eq!(summary.lines().next(), Some(SUMMARY_COLUMNS));
    assert_eq!(summary.lines().count(), 1 + 10);
    assert_eq!(place.rows(&format!("{OUT}/predictions.csv")).len(), 10 * 6);

    let before: Vec<String> = files.iter().map(|file| place.read(&format!("{OUT}/{file}"))).collect();
    for file in
        files.iter().filter(|file| file.starts_with("plots/") || file.contains("report.") || *file == "summary.csv")
    {
        fs::remove_file(place.path(&format!("{OUT}/{file}"))).unwrap();
    }
    let again = place.run("report --from featbench-report").with(0);
    assert_eq!(again.stdout, ended.stdout);
    assert_eq!(again.stderr, "", "nothing is measured");
    assert_eq!(place.files(OUT), files);
    for (file, before) in files.iter().zip(before) {
        assert!(place.read(&format!("{OUT}/{file}")) == before, "{file} is another one");
    }
}

#[test]
fn thumbnails_stand_in_the_page_where_the_images_are_at_hand() {
    let place = Place::with_photos();
    let report = "report --dataset photos --arms thumbnail-1nn,metadata-1nn";
    let page = |place: &Place| place.read(&format!("{OUT}/report.html"));
    place.run(report).with(0);
    let plain = page(&place);
    assert!(!plain.contains("data:image/"));
    place.run(&format!("{report} --thumbnails")).with(0).saying(&["2 runs, 2 of them recorded"]);
    assert!(page(&place).contains("src=\"data:image/jpeg;base64,/9j/"));
    let ended = place.run("report --check --from featbench-report").with(1);
    assert!(ended.stdout.contains("report.html"), "{}", ended.stdout);
    place.run("report --thumbnails --from featbench-report").with(0);
    assert!(page(&place).contains("data:image/jpeg"), "the folder is here under its name");
    fs::rename(place.path("photos"), place.path("elsewhere")).unwrap();
    place
        .run("report --thumbnails --from featbench-report")
        .with(2)
        .saying(&["--thumbnails needs the images of photos"]);
    place.run("report --from featbench-report").with(0);
    assert!(page(&place) == plain, "without the option the page is the old one");
}

#[test]
fn a_dry_run_measures_nothing_and_writes_nothing() {
    let place = Place::with_photos();
    let before = place.files("");
    for command in ["measure", "report"] {
        let options = "--dataset photos --arms majority,small-sift.toml --canvas native --canvas 64 --seeds 3,4";
        let ended = place.run(&format!("{command} {options} --dry-run")).with(0).saying(&[
            "photos: 6 runs, 0 of them recorded",
            "majority, native, seed 3",
            "small-sift, canvas 64, seed 4",
            "about ",
            " with an empty cache, and ",
        ]);
        assert!(!ended.stdout.contains("majority, canvas"), "an arm without pixels has no canvas");
        assert_eq!(ended.stderr, "");
    }
    assert_eq!(place.files(""), before);
    place.run("measure --dataset photos --arms majority").with(0);
    let options = "--dataset photos --arms majority,thumbnail-1nn --dry-run";
    place
        .run(&format!("measure {options}"))
        .with(0)
        .saying(&["photos: 2 runs, 1 of them recorded", "2/2 thumbnail-1nn, native, seed 0"]);
    let fresh = place.run(&format!("measure {options} --fresh")).with(0);
    fresh.saying(&["2 runs, 0 of them recorded", "2/2 majority, native, seed 0 thumbnail-1nn, native, seed 0"]);
    assert_eq!(place.rows(&format!("{OUT}/runs.csv")).len(), 1, "also --fresh waits for the real run");
}

#[test]
fn several_data_sets_have_a_folder_each_and_are_found_below_from() {
    let place = Place::with_photos();
    place.draw("prints", 5..10);
    place
        .run("report --dataset photos --dataset prints --arms majority --out all")
        .with(0)
        .saying(&["all/photos/report.md", "all/prints/report.md"]);
    place.run("report --from all").with(0).saying(&["all/photos/report.md", "all/prints/report.md"]);
    let one = place.run("report --from all/prints").with(0).saying(&["all/prints/report.md"]);
    assert!(!one.stdout.contains("photos"));
}

#[test]
fn nothing_to_render_is_an_error() {
    let place = Place::empty();
    place.write("reports/readme.md", "");
    for from in ["reports", "nowhere", "reports/readme.md"] {
        place.run(&format!("report --from {from}")).refused(&[
            "no records (runs.csv) in or below",
            from,
            "name the --out folder of an earlier run",
        ]);
    }
}

#[test]
fn a_data_set_that_is_not_here_is_two_lines_that_say_how_to_get_it() {
    let place = Place::empty();
    let mut command = place.command("report --dataset hymenoptera");
    let ended = Ended::of(command.env("XDG_DATA_HOME", place.path("data"))).with(2);
    assert_eq!((ended.stdout.as_str(), ended.stderr.trim_end().lines().count()), ("", 2), "{}", ended.stderr);
    ended.saying(&["is not on this machine", "get it with `featbench fetch ", "--data-dir or in FEATBENCH_DATA"]);
    assert!(!place.path("featbench-report").exists());
}

/// What carries no content can't tell the classes of drawn images apart.
#[test]
fn without_any_data_drawn_images_are_measured() {
    let place = Place::empty();
    let mut command = place.command("measure --arms metadata-1nn,thumbnail-1nn");
    let ended = Ended::of(command.env("XDG_DATA_HOME", place.path("data"))).with(0);
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("data set: procedural, drawn images, since mini-natural-images is not on"), "{first}");
    assert!(first.ends_with("`featbench fetch mini-natural-images` gets it"), "{first}");
    for row in place.rows("featbench-report/procedural/runs.csv") {
        let judged = place.rows("featbench-report/procedural/predictions.csv");
        let judged: Vec<_> = judged.iter().filter(|p| p["run_id"] == row["run_id"]).collect();
        let correct = judged.iter().filter(|p| p["truth"] == p["predicted"]).count();
        let accuracy = correct as f64 / judged.len() as f64;
        let highest = if row["arm"] == "metadata-1nn" { 0.175 } else { 0.5 };
        assert!(judged.len() == 1600 && accuracy <= highest, "{}: {accuracy}", row["arm"]);
    }
}

#[test]
fn unknown_names_come_with_the_nearest() {
    let place = Place::with_photos();
    place.run("report --dataset hymenoptra").refused(&["no data set `hymenoptra`, did you mean `hymenoptera`?"]);
    place
        .run("report --dataset photos --arms majority,sift-bow-svm")
        .refused(&["no arm is called `sift-bow-svm`, did you mean `sift-bovw-svm`?", "there are majority, "]);
    let ended = place.run("measure --dataset photos --arms resnet-frozen-svm --backbone resnet18-ctnk");
    ended.with(1).saying(&["no backbone is called `resnet18-ctnk`, did you mean `resnet18-cntk`?"]);
}

/// Runs a deep arm and a floor; the first can't be measured, the second is.
fn deep_arm_is_missing(place: &Place, mut command: std::process::Command, reason: &[&str]) {
    Ended::of(&mut command).with(1).saying(reason);
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    let of = |arm: &str| runs.iter().find(|run| run["arm"] == arm).unwrap();
    assert_eq!((of("majority")["status"].as_str(), of("majority")["n"].as_str()), ("ok", "6"));
    let missing = of("resnet-frozen-svm");
    assert_eq!((missing["status"].as_str(), missing["n"].as_str()), ("missing", "0"));
    let page = super::one_line(&place.read(&format!("{OUT}/report.md")));
    for text in reason {
        assert!(missing["reason"].contains(text), "{text}: {}", missing["reason"]);
        assert!(page.contains(text), "report.md does not say `{text}`");
    }
    assert!(page.contains("What is missing and why"));
    place.run("report --from featbench-report").with(0).saying(&["Not measured", "majority"]);
}

const DEEP_AND_FLOOR: &str = "report --dataset photos --arms resnet-frozen-svm,majority --input 32";

#[test]
fn a_missing_backbone_is_a_row_with_the_remedy_and_the_rest_is_measured() {
    let place = Place::with_photos();
    let command = place.command(&format!("{DEEP_AND_FLOOR} --backbone resnet50"));
    let remedy = ["the backbone `resnet50` is not on this machine", "get it with `featbench fetch resnet50`"];
    deep_arm_is_missing(&place, command, &remedy);
    // Once it can be measured, the row is an ordinary one.
    place.run(DEEP_AND_FLOOR).with(0).saying(&["2 runs, 1 of them recorded"]);
}

#[test]
fn a_damaged_network_is_a_row_that_names_its_file() {
    let place = Place::with_photos();
    place.write("models/resnet50.safetensors", "no weights");
    let command = place.command(&format!("{DEEP_AND_FLOOR} --backbone resnet50 --model-dir models"));
    deep_arm_is_missing(&place, command, &["models/resnet50.safetensors: not a safetensors file"]);
    place.write("models/own.onnx", "no graph");
    let ended = place.run(&format!("{DEEP_AND_FLOOR} --backbone own --model-dir models"));
    ended.with(1).saying(&["models/own.onnx: not an ONNX file"]);
}

#[test]
fn a_missing_library_is_a_row_with_the_remedy() {
    let place = Place::with_photos();
    let mut command = place.command(DEEP_AND_FLOOR);
    command.env("XDG_DATA_HOME", place.path("data")).env_remove("ORT_DYLIB_PATH");
    deep_arm_is_missing(&place, command, &["ONNX Runtime is not installed", "run `make setup`"]);
}

#[test]
fn an_input_that_does_not_fit_fails_that_arm_alone() {
    let place = Place::with_photos();
    let ended = place.run("report --dataset photos --arms resnet-frozen-svm,majority --input 100");
    ended.with(1).saying(&["an input of 100 px does not fit; its side must be a multiple of 32 px"]);
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    let states: Vec<_> = runs.iter().map(|run| run["status"].as_str()).collect();
    assert_eq!(states, ["ok", "failed"]);
}
