//! Splits that a user says more about: labels from a table, groups that stay whole, and draws that are repeated.

use std::collections::{BTreeMap, BTreeSet};

use super::data::{CLASSES, encode, texture};
use super::{Place, one_line, recorded};

const OUT: &str = "featbench-report/photos";
const ARMS: &str = "--arms majority,small-sift.toml";

/// Pictures without class folders, and a table with these lines behind `path,label`.
fn scans(place: &Place, columns: &str, more: impl Fn(&str, u32) -> String) {
    let mut table = format!("path,label{columns}\n");
    for class in CLASSES {
        for number in 0..8 {
            place.write(&format!("photos/{class}-{number}.png"), encode(&texture(class, number), ".png"));
            table.push_str(&format!("{class}-{number}.png,{class}{}\n", more(class, number)));
        }
    }
    place.write("labels.csv", table);
}

#[test]
fn a_table_labels_what_folders_do_not() {
    let place = Place::empty();
    scans(&place, "", |_, _| String::new());
    place.run("measure --dataset photos --arms majority").with(2).saying(&["is not laid out as it is read"]);
    let measure = format!("measure --dataset photos --labels labels.csv {ARMS}");
    place.run(&measure).with(0).saying(&["3 classes, 12 train, 6 val, 6 reported images"]);
    place.run(&measure).with(0).saying(&["2 runs, 2 of them recorded"]);
    let dataset = place.read(&format!("{OUT}/dataset.json"));
    assert!(dataset.contains("the folder photos, labels of labels.csv"), "{dataset}");

    scans(&place, ",split", |_, number| [",train", ",val", ",test"][number as usize % 3].to_owned());
    place.run(&measure).with(0).saying(&["3 classes, 9 train, 9 val, 6 reported images"]);
    scans(&place, ",split", |_, _| ",tets".to_owned());
    place.run(&measure).refused(&["labels.csv, line 2: `tets` is no split; write train, val or test"]);
    place
        .run("measure --labels labels.csv --arms majority")
        .refused(&["--labels is for one folder: name it with --dataset"]);
    place
        .run("measure --dataset procedural --group x --arms majority")
        .refused(&["procedural has splits and labels of its own"]);
}

#[test]
fn groups_stand_on_one_side() {
    let place = Place::empty();
    for class in CLASSES {
        for number in 0..12 {
            let name = format!("photos/{class}/clip{}_{number:03}.png", number / 4);
            place.write(&name, encode(&texture(class, number), ".png"));
        }
    }
    place.run("measure --dataset photos --arms majority --out other").with(0).saying(&[
        "burst: ",
        "are called like frames of a video or shots of a burst",
        "--group '^(.*?)[-_ .]?[0-9]+\\.[^.]*$'",
    ]);
    let measure = "measure --dataset photos --arms majority --group ^(.*?)[-_.]?[0-9]+\\.[^.]*$";
    let ended = place.run(measure).with(0).saying(&["12 train, 12 val, 12 reported images"]);
    assert!(!ended.stderr.contains("burst"), "{}", ended.stderr);
    let mut sides: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in place.rows(&format!("{OUT}/manifest.csv")) {
        assert!(row["path"].starts_with(&row["group"]), "{row:?}");
        sides.entry(row["group"].clone()).or_default().insert(row["role"].clone());
    }
    assert_eq!(sides.len(), 9);
    assert!(sides.values().all(|roles| roles.len() == 1), "{sides:?}");
    assert!(place.read(&format!("{OUT}/dataset.json")).contains("The 36 images are 9 groups by --group"));
    place.run(&measure.replace("[0-9]+", "[0-9]+x")).refused(&["matches no path in photos"]);
}

#[test]
fn splits_are_drawn_again_and_reported_over_all_draws() {
    let place = Place::with_photos();
    let report = format!("report --dataset photos --repeats 3 {ARMS}");
    place.run(&format!("{report} --dry-run")).with(0).saying(&["4 runs more on 2 further draws of its splits"]);
    let ended = place.run(&report).with(0).saying(&["splits drawn again, 2 of 3; 2 runs, 0 of them recorded"]);
    ended.saying(&["Over 3 draws of the splits small-sift has the highest mean accuracy"]);
    assert_eq!(recorded(&place, OUT), 6);
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    let names: BTreeSet<&str> = runs.iter().map(|run| run["dataset"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["photos", "photos;split=1", "photos;split=2"]));
    let ids: BTreeSet<&str> = runs.iter().map(|run| run["run_id"].as_str()).collect();
    assert_eq!(ids.len(), 6, "each draw has runs of its own");
    let manifests: BTreeSet<String> = ["manifest.csv", "splits/1/manifest.csv", "splits/2/manifest.csv"]
        .map(|file| place.read(&format!("{OUT}/{file}")))
        .into();
    assert_eq!(manifests.len(), 3);
    let page = one_line(&place.read(&format!("{OUT}/report.md")));
    for text in
        ["## Over 3 draws of the splits", "(Nadeau and Bengio 2003)", "--repeats 3", "| majority | small-sift |"]
    {
        assert!(page.replace('`', "").contains(text), "report.md does not say `{text}`");
    }
    let summary = place.rows(&format!("{OUT}/summary.csv"));
    assert_eq!(summary.len(), 2, "all else is of the first draw");

    // nothing is measured twice, and the page is what the records give
    place.run(&report).with(0).saying(&["2 runs, 2 of them recorded"]);
    place.run("report --check --from featbench-report").with(0);
    // fewer draws leave what is recorded
    place.run(&format!("report --dataset photos --repeats 1 {ARMS}")).with(0);
    assert_eq!(recorded(&place, OUT), 6);
}

#[test]
fn small_folders_are_drawn_five_times_unless_told_otherwise() {
    let place = Place::with_photos();
    let run =
        |arguments: &str| super::Ended::of(place.program(env!("CARGO_BIN_EXE_featbench")).args(arguments.split(' ')));
    run("measure --dataset photos --arms majority --dry-run")
        .with(0)
        .saying(&["8 images a class are few", "4 runs more on 4 further draws"]);
    place.draw("large", 0..30);
    let ended = run("measure --dataset large --arms majority --dry-run").with(0);
    assert!(!ended.stdout.contains("draws") && !ended.stderr.contains("few"), "{}{}", ended.stdout, ended.stderr);
    for part in ["train", "test"] {
        place.draw(&format!("published/{part}"), 0..6);
    }
    run("measure --dataset published --arms majority --repeats 3").refused(&["published has splits of its own"]);
}
