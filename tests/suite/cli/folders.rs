//! A folder of one's own: both layouts, the drawn split, and what is said about classes and copies.

use std::collections::BTreeMap;
use std::fs;

use super::Place;
use super::data::{CLASSES, encode, texture};

const MANIFEST: &str = "featbench-report/photos/manifest.csv";

/// Files of each split, as `published split:role`.
fn splits(place: &Place, manifest: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in place.rows(manifest) {
        *counts.entry(format!("{}:{}", row["split"], row["role"])).or_insert(0) += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(split, files)| (split.to_owned(), files)).collect()
}

/// Role of every image by its hash.
fn roles(place: &Place, manifest: &str) -> BTreeMap<(String, String), String> {
    place
        .rows(manifest)
        .into_iter()
        .map(|row| ((row["label"].clone(), row["sha256"].clone()), row["role"].clone()))
        .collect()
}

#[test]
fn class_folders_get_the_same_split_on_every_machine() {
    let place = Place::empty();
    place.draw("photos", 0..10);
    place.run("measure --dataset photos --arms majority").with(0).saying(&["18 train, 6 val, 6 reported images"]);
    assert_eq!(splits(&place, MANIFEST), counts([("train:train", 18), ("val:val", 6), ("test:test", 6)]));
    for class in CLASSES {
        let of_class = place.rows(MANIFEST).into_iter().filter(|row| row["label"] == class && row["role"] == "test");
        assert_eq!(of_class.count(), 2, "a fifth of every class");
    }

    // Neither the folder nor the names of the files decide, nor the seed of the arms.
    for class in CLASSES {
        for number in 0..10 {
            let name = format!("elsewhere/photos/{class}/picture {}.png", 9 - number);
            place.write(&name, encode(&texture(class, number), ".png"));
        }
    }
    place.run("measure --dataset elsewhere/photos --arms majority --seeds 7 --out other").with(0);
    assert_eq!(roles(&place, MANIFEST), roles(&place, "other/photos/manifest.csv"));
}

#[test]
fn split_folders_are_used_as_they_are_named() {
    let place = Place::empty();
    for (split, numbers) in [("Train", 0..6), ("validation", 6..8), ("test", 8..11)] {
        place.draw(&format!("photos/{split}"), numbers);
    }
    place.run("report --dataset photos --arms small-sift.toml").with(0).saying(&["18 train, 6 val, 9 reported images"]);
    assert_eq!(splits(&place, MANIFEST), counts([("train:train", 18), ("val:val", 6), ("test:test", 9)]));
    let run = &place.rows("featbench-report/photos/runs.csv")[0];
    assert_eq!((run["split"].as_str(), run["refit"].as_str(), run["n"].as_str()), ("test", "train", "9"));
}

#[test]
fn without_test_the_val_images_are_reported_and_a_fifth_of_train_selects() {
    let place = Place::empty();
    place.draw("photos/train", 0..10);
    place.draw("photos/val", 10..13);
    let report = "report --dataset photos --arms small-sift.toml";
    place.run(report).with(0).saying(&["24 train, 6 val, 9 reported images", "a fifth of train", "report on (val)"]);
    assert_eq!(splits(&place, MANIFEST), counts([("train:train", 24), ("train:val", 6), ("val:test", 9)]));
    let run = &place.rows("featbench-report/photos/runs.csv")[0];
    assert_eq!((run["split"].as_str(), run["refit"].as_str(), run["n"].as_str()), ("val", "train+val", "9"));

    // The final fit can be told to leave the selecting images out: another result, hence another run.
    place.run(&format!("{report} --refit train")).with(0).saying(&["1 runs, 0 of them recorded"]);
    assert_eq!(place.rows("featbench-report/photos/runs.csv")[0]["refit"], "train");
}

#[test]
fn absent_classes_and_copies_are_said_on_the_terminal_and_in_the_report() {
    let place = Place::empty();
    place.draw("photos/train", 0..6);
    place.draw("photos/val", 6..9);
    // One class that was never trained on, one copy of a training image and one with another name and class.
    for number in 20..23 {
        place.write(&format!("photos/val/unseen/{number}.png"), encode(&texture("stripes", number), ".png"));
    }
    fs::copy(place.path("photos/train/checks/00.png"), place.path("photos/val/checks/copy.png")).unwrap();
    fs::copy(place.path("photos/train/stripes/01.png"), place.path("photos/val/rectangles/copy.png")).unwrap();

    let arms = "majority,metadata-1nn,thumbnail-1nn,small-sift.toml,small-orb.toml";
    place.run(&format!("report --dataset photos --arms {arms}")).with(0).saying(&[
        "absent: unseen (no image in the fifth of train that selects); 1 more in the report",
        "duplicate: val/checks/copy.png (in val, the same bytes as train/checks/00.png in",
        "1 more in the report",
    ]);
    let page = super::one_line(&place.read("featbench-report/photos/report.md"));
    for text in [
        "unseen (no image in train)",
        "val/rectangles/copy.png (in val, the same bytes as train/stripes/01.png in",
        "| unseen | 0 | 0 | 3 |",
    ] {
        assert!(page.contains(text), "report.md does not say `{text}`");
    }
    for run in place.rows("featbench-report/photos/runs.csv") {
        assert_eq!((run["status"].as_str(), run["n"].as_str()), ("ok", "14"), "{}", run["arm"]);
    }
    let unseen = |row: &&super::Row| row["predicted"] == "unseen";
    assert_eq!(place.rows("featbench-report/photos/predictions.csv").iter().filter(unseen).count(), 0);
}

#[test]
fn a_folder_that_cant_be_used_is_refused_in_one_line() {
    let place = Place::with_photos();
    fs::create_dir(place.path("nothing")).unwrap();
    fs::create_dir_all(place.path("hollow/train/checks")).unwrap();
    place.write("text/a/1.jpg", "no image");
    place.write("text/b/2.jpg", "");
    for number in 0..4 {
        place.write(&format!("alone/checks/{number}.png"), encode(&texture("checks", number), ".png"));
        place.write(&format!("same/checks/{number}.png"), encode(&texture("checks", 1), ".png"));
        place.write(&format!("same/stripes/{number}.png"), encode(&texture("stripes", number), ".png"));
    }
    place.draw("untrained/val", 0..3);
    place.draw("unjudged/train", 0..3);
    for (folder, texts) in [
        ("nothing", vec!["nothing holds no files in class folders", "CLASS/FILE"]),
        ("hollow", vec!["hollow holds no files in class folders"]),
        ("photos/checks", vec!["photos/checks holds no files in class folders"]),
        ("no/such/folder", vec!["there is no folder no/such/folder"]),
        ("photos/checks/00.png", vec!["there is no folder photos/checks/00.png"]),
        ("text", vec!["none of the 2 files in text is a readable image", "a/1.jpg", "add JPEG or PNG"]),
        ("alone", vec!["alone has images of one class only, `checks`: add a second class"]),
        ("same", vec!["class `checks` in same has 1 different readable image(s), a drawn split needs 3"]),
        ("untrained", vec!["untrained has a split folder but no `train`"]),
        (
            "unjudged",
            vec!["unjudged has `train` but neither `val` nor `test`", "give unjudged/train for a drawn split"],
        ),
    ] {
        place.run(&format!("report --dataset {folder} --arms majority")).refused(&texts);
    }
    assert!(!place.path("featbench-report").exists());
}

#[test]
fn reports_do_not_end_up_among_the_images() {
    let place = Place::with_photos();
    let before = place.files("photos");
    for out in ["photos", "photos/report", "photos/checks/../new/report", "./photos"] {
        place.run(&format!("report --dataset photos --arms majority --out {out}")).refused(&[
            "--out",
            "lies in the folder of photos",
            "choose another --out",
        ]);
    }
    place.run("report --dataset photos --arms majority --out photos-report").with(0);
    assert_eq!(place.files("photos"), before);
}
