//! Killed at any moment, the next call goes on; what is recorded is not measured again, and only what an arm's
//! change concerns is.

use std::process::Stdio;
use std::time::Duration;

use super::{Place, assert_same_records, recorded, small_arm};

const OUT: &str = "featbench-report/photos";

#[test]
fn a_killed_call_is_resumed_to_the_records_of_an_uninterrupted_one() {
    let place = Place::with_photos();
    let seeds = (0..25).map(|seed| seed.to_string()).collect::<Vec<_>>().join(",");
    let measure = format!("measure --dataset photos --arms small-sift.toml,small-orb.toml --seeds {seeds}");
    let recorded = || recorded(&place, OUT);

    // Killed twice: while the first arm is measured, and during the second one.
    for enough in [1, 30] {
        let mut child = place.command(&measure).stderr(Stdio::null()).spawn().unwrap();
        while recorded() < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!((enough..50).contains(&recorded()), "killed after {} of 50 runs", recorded());
        let reported = place.run("report --from featbench-report").with(0);
        reported.saying(&["small-sift"]);
    }
    let rest = format!("50 runs, {} of them recorded", recorded());
    place.run(&measure).with(0).saying(&[&rest]);

    let mut uninterrupted = place.command(&format!("{measure} --out whole"));
    let ended = uninterrupted.env("XDG_CACHE_HOME", place.path("other-cache")).output().unwrap();
    assert!(ended.status.success());
    assert_same_records(&place, OUT, "whole/photos");
    let left: Vec<_> =
        place.files(OUT).into_iter().filter(|file| !place.path("whole/photos").join(file).exists()).collect();
    assert!(
        left.iter().all(|file| file.starts_with("plots/") || file.contains("report.") || file == "summary.csv"),
        "{left:?}"
    );
}

#[test]
fn a_second_call_measures_nothing_and_changes_no_byte() {
    let place = Place::with_photos();
    let report = "report --dataset photos --arms majority,small-sift.toml,small-orb.toml --canvas native --canvas 64";
    place.run(report).with(0);
    let files = place.files(OUT);
    let before: Vec<String> = files.iter().map(|file| place.read(&format!("{OUT}/{file}"))).collect();
    let ended = place.run(report).with(0).saying(&["5 runs, 5 of them recorded"]);
    assert!(!ended.stderr.contains("[1/"), "{}", ended.stderr);
    assert_eq!(place.files(OUT), files);
    for (file, before) in files.iter().zip(before) {
        assert!(place.read(&format!("{OUT}/{file}")) == before, "{file} is another one");
    }
}

#[test]
fn fresh_starts_over() {
    let place = Place::with_photos();
    place.run("measure --dataset photos --arms majority,small-sift.toml").with(0);
    let ended = place.run("measure --dataset photos --arms small-sift.toml --fresh").with(0);
    ended.saying(&["1 runs, 0 of them recorded", "[1/1] small-sift"]);
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    assert_eq!(runs.iter().map(|run| run["arm"].as_str()).collect::<Vec<_>>(), ["small-sift"], "nothing old is left");
}

#[test]
fn a_changed_setting_measures_that_arm_anew_and_no_other() {
    let place = Place::with_photos();
    let measure = "measure --dataset photos --arms small-sift.toml,small-orb.toml";
    place.run(measure).with(0);
    let before = place.rows(&format!("{OUT}/runs.csv"));

    // Words are a setting; what was expected is prose.
    let sift = small_arm("small-sift", "root-sift", r#""k-means""#).replace("words = [10]", "words = [12]");
    place.write("small-sift.toml", &sift);
    let orb = place.read("small-orb.toml").replace("Enough to tell", "Hardly enough to tell");
    place.write("small-orb.toml", orb);
    place.run(measure).with(0).saying(&["2 runs, 1 of them recorded", "[1/1] small-sift"]);

    let after = place.rows(&format!("{OUT}/runs.csv"));
    assert_eq!(after.len(), 2, "the new run takes the old one's place");
    assert_eq!(before[0], after[0], "small-orb was left alone");
    assert_eq!((before[1]["dimension"].as_str(), after[1]["dimension"].as_str()), ("10", "12"));
    assert_ne!(before[1]["settings_hash"], after[1]["settings_hash"]);
    assert!(place.read(&format!("{OUT}/arms.json")).contains("Hardly enough"));
}

#[test]
fn changed_images_are_another_data_set() {
    let place = Place::with_photos();
    let measure = "measure --dataset photos --arms majority,thumbnail-1nn";
    place.run(measure).with(0);
    let before = place.files(OUT);
    let image = place.path("photos/checks/00.png");
    let bytes = std::fs::read(&image).unwrap();
    std::fs::remove_file(&image).unwrap();
    let changed =
        place.run(measure).with(0).saying(&["2 runs, 0 of them recorded", "is of other images and stays there"]);
    let folder = changed.stderr.lines().find_map(|line| line.split("the records of these are in ").nth(1)).unwrap();
    place.run(measure).with(0).saying(&["2 runs, 2 of them recorded"]);
    assert_eq!(place.rows(&format!("{folder}/manifest.csv")).len(), 23);
    assert_eq!(place.files(OUT), before, "nothing was dropped");
    std::fs::write(&image, bytes).unwrap();
    place.run(measure).with(0).saying(&["2 runs, 2 of them recorded"]);
}
