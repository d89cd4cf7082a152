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
        "unlearnt: unseen (no image in train, so it can't be learnt: each of its 3 reported images counts as wrong)",
        "absent: unseen (no image in the fifth of train that selects)",
        "duplicate: val/checks/copy.png (in val, the same bytes as train/checks/00.png in",
        "contradiction: val/rectangles/copy.png (in val, the same bytes as train/stripes/01.png in",
        "where they are `stripes` and here `rectangles`)",
    ]);
    let page = super::one_line(&place.read("featbench-report/photos/report.md"));
    for text in [
        "unseen (no image in train, so it can't be learnt: each of its 3 reported images counts as wrong)",
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
        ("no/such/folder", vec!["there is no folder no/such/folder"]),
        ("photos/checks/00.png", vec!["there is no folder photos/checks/00.png"]),
        ("text", vec!["none of the 2 files in text is a readable image", "a/1.jpg", "add JPEG or PNG"]),
        ("alone", vec!["alone has images of one class only, `checks`: add a second class"]),
        (
            "same",
            vec![
                "1 class in same has fewer than the 3 different readable images that a drawn split needs (`checks` 1)",
            ],
        ),
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

#[test]
fn every_class_that_is_too_small_is_named_at_once() {
    let place = Place::with_photos();
    for (class, count) in [("rare", 1), ("rarer", 2), ("rarest", 1)] {
        (0..count)
            .for_each(|n| place.write(&format!("photos/{class}/{n}.png"), encode(&texture(class, 60 + n), ".png")));
    }
    place
        .run("measure --dataset photos --arms majority")
        .refused(&["3 classes in photos have fewer than the 3", "`rare` 1, `rarer` 2, `rarest` 1"]);
}

#[test]
fn accents_are_joined_and_names_that_differ_in_case_are_refused() {
    let place = Place::empty();
    let measure = "measure --dataset photos --arms majority";
    for (split, cafe, numbers) in [("train", "caf\u{e9}", 0..6), ("test", "cafe\u{301}", 6..9)] {
        place.draw(&format!("photos/{split}"), numbers.clone());
        numbers.for_each(|n| {
            place.write(&format!("photos/{split}/{cafe}/{n}.png"), encode(&texture(cafe, 90 + n), ".png"))
        });
    }
    place.run(measure).with(0).saying(&["4 classes", "joined: caf\u{e9} (its accents are written in 2 ways"]);
    fs::rename(place.path("photos/test/checks"), place.path("photos/test/Checks")).unwrap();
    place.run(measure).refused(&["differ only in case", "`Checks` and `checks`", "give each class one name"]);
}

#[test]
fn nothing_is_lost_unsaid() {
    let place = Place::with_photos();
    fs::create_dir(place.path("photos/hollow")).unwrap();
    place.write("photos/texts/readme.txt", "no image");
    place.write("photos/@eaDir/x/SYNO_THUMB.png", encode(&texture("checks", 50), ".png"));
    place.write("photos/#recycle/old.png", encode(&texture("checks", 51), ".png"));
    place.write("photos/checks/@eaDir/00.png/THUMB.png", encode(&texture("checks", 52), ".png"));
    fs::copy(place.path("photos/checks/00.png"), place.path("photos/stripes/checks.png")).unwrap();
    place.run("measure --dataset photos --arms majority").with(0).saying(&[
        "3 classes",
        "train/val/reported: checks 4/2/2, rectangles 4/2/2, stripes",
        "lost: texts (none of its 1 files is a readable image, the class is left out)",
        "empty: hollow (a class folder without a file, the class is left out)",
        "contradiction: ",
        "ignored: ",
        "more in the report",
    ]);
    let found = place.read("featbench-report/photos/dataset.json");
    assert!(
        found.contains("\"@eaDir\"") && found.contains("1 more of this name") && found.contains("#recycle"),
        "{found}"
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_or_too_long_cost_no_more_than_themselves() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with_photos();
    let odd = place.path("photos").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("1.png"), encode(&texture("checks", 70), ".png")).unwrap();
    place.write("photos/stripes/\u{1b}[31mred\n\u{202e}.png", "no image");
    // deeper than a path may be long
    let name = "d".repeat(200);
    let script = format!(
        "cd photos/checks; i=0; while [ $i -lt 25 ]; do mkdir {name} && cd {name} || break; i=$((i+1)); done 2> /dev/null; true"
    );
    assert!(
        std::process::Command::new("sh").args(["-c", &script]).current_dir(place.path("")).status().unwrap().success()
    );
    let ended = place.run("measure --dataset photos --arms majority").with(0);
    let ended = ended.saying(&[
        "lost: checks/ddd",
        "the folder can't be read (File name too long",
        "the folder's name is not UTF-8, its 1 files are left out",
        "\\u{1b}[31mred\\n\\u{202e}.png",
    ]);
    assert!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains('\u{202e}'), "{}", ended.stderr);
    let remove = format!("cd photos/checks && rm -rf {name}");
    assert!(
        std::process::Command::new("sh").args(["-c", &remove]).current_dir(place.path("")).status().unwrap().success()
    );
}

/// Names come from other people: none of them writes to the terminal or into a page.
#[cfg(unix)]
#[test]
fn names_act_neither_on_the_terminal_nor_in_a_page() {
    let place = Place::with_photos();
    let class = "a\u{1b}]0;x\u{7}`<img src=x onerror=alert(1)>\u{202e}|y";
    place.draw("drawn", 20..28);
    fs::rename(place.path("drawn/checks"), place.path("photos").join(class)).unwrap();
    let ended = place.run("report --dataset photos --arms majority,small-orb.toml").with(0);
    let mut texts = vec![("terminal".to_owned(), ended.stdout.clone() + &ended.stderr)];
    let pages = place.files("featbench-report/photos");
    let pages = pages.into_iter().filter(|name| [".md", ".svg", ".html"].iter().any(|end| name.ends_with(end)));
    texts.extend(pages.map(|name| (name.clone(), place.read(&format!("featbench-report/photos/{name}")))));
    assert!(texts.len() > 4, "{texts:?}");
    for (name, text) in texts {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{name}");
        let spans = |text: &str, mark: &str| text.split(mark).skip(1).step_by(2).map(str::to_owned).collect::<String>();
        let mark = |text: &str| if text.contains("``") { "``" } else { "`" };
        let shown = |text: &str| text.matches("<img").count();
        let in_code = |text: &str| shown(&spans(text, mark(text))) == shown(text);
        assert!(name == "terminal" || text.lines().all(|line| !line.contains("<img src=x") || in_code(line)), "{name}");
    }
}
