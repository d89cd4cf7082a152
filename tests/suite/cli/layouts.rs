//! Folders that are laid out in another way than is meant: refused with what was seen and what is meant, or read with a
//! word about it where there is only one reading. Shapes decide, not names.

use std::fs;

use super::data::{CLASSES, encode, texture};
use super::{Ended, Place};

const MEASURE: &str = "measure --dataset photos --arms majority";

/// Files `photos/FOLDER/0.png` and so on. A layout is refused before any of them is read.
fn place(folders: &[(&str, u32)]) -> Place {
    let place = Place::empty();
    for (folder, count) in folders {
        (0..*count).for_each(|number| place.write(&format!("photos/{folder}/{number}.png"), "never read"));
    }
    place
}

fn refused(place: &Place, texts: &[&str]) {
    let ended: Ended =
        place.run(MEASURE).with(2).saying(texts).saying(&["photos is not laid out as it is read", "seen:", "meant:"]);
    assert!(ended.stdout.is_empty() && ended.stderr.starts_with("error: "), "{}", ended.stderr);
    assert!(!place.path("featbench-report").exists());
}

#[test]
fn splits_without_class_folders_are_refused() {
    let flat = place(&[("train", 9), ("test", 4)]);
    refused(&flat, &["`test`, `train` hold images and no class folders", "train/ 9 images", "SPLIT/CLASS/FILE"]);
    flat.write("photos/train.csv", "id,label\n0.png,bus\n1.png,car\n2.png,car\n");
    refused(&flat, &["train.csv"]);
    refused(
        &place(&[("Train_Images", 9), ("holdout", 4)]),
        &["`Train_Images`, `holdout` hold images and no class folders"],
    );
    let unlabelled = place(&[("train/bus", 4), ("train/car", 4), ("test", 3)]);
    refused(&unlabelled, &["`test` holds images but no class folders", "give photos/train", "test/ 3 images"]);
    let one = place(&[("train/bus", 4), ("train/car", 4), ("test/unknown", 3)]);
    refused(&one, &["`test` holds `unknown`, and none of the classes of train"]);
}

#[test]
fn folders_called_like_splits_in_other_words_are_to_be_renamed() {
    for (train, test) in
        [("seg_train", "seg_test"), ("training_set", "holdout"), ("TRAINSET", "Test2"), ("my-train", "eval")]
    {
        let folders = [train, test].map(|split| ["bus", "car"].map(|class| (format!("{split}/{class}"), 3)));
        let folders: Vec<(&str, u32)> =
            folders.iter().flatten().map(|(folder, count)| (folder.as_str(), *count)).collect();
        refused(&place(&folders), &[&format!("`{train}` to `train`"), &format!("`{test}` to `test`"), "Rename"]);
    }
    let twice = place(&[("train/bus", 3), ("train/car", 3), ("val/bus", 3), ("valid/bus", 3)]);
    refused(&twice, &["`val`, `valid` all mean the split `val`"]);
}

#[test]
fn classes_that_hold_the_same_folders_are_refused() {
    let turned = place(&[("bus/train", 4), ("bus/test", 2), ("car/train", 4), ("car/test", 2), ("van/train", 4)]);
    refused(&turned, &["splits inside classes", "bus/test becomes test/bus"]);
    let cameras = place(&[("left/bus", 4), ("left/car", 4), ("right/bus", 4), ("right/car", 4)]);
    refused(&cameras, &["the folders `left`, `right` hold the same folders, `bus`, `car`"]);
    let masks = place(&[("bus/images", 4), ("bus/masks", 4), ("car/images", 4), ("car/masks", 4)]);
    refused(&masks, &["hold the same folders, `images`, `masks`"]);
    let in_splits =
        place(&[("train/bus/a", 3), ("train/bus/b", 3), ("train/car/a", 3), ("train/car/b", 3), ("test/bus/a", 2)]);
    refused(&in_splits, &["hold the same folders, `a`, `b`"]);
}

#[test]
fn hierarchies_are_not_flattened_unsaid() {
    let deep = place(&[("cat/persian", 4), ("cat/siamese", 4), ("dog/beagle", 4), ("dog/poodle", 4)]);
    refused(&deep, &["2 of the 2 folders `cat`, `dog` hold folders with images", "if `persian` is one, move it up"]);
    let levels =
        place(&[("train/images/bus", 4), ("train/images/car", 4), ("test/images/bus", 2), ("test/images/car", 2)]);
    refused(&levels, &["holds one folder only, `images`", "one level too many"]);
}

#[test]
fn images_beside_class_folders_and_without_any_are_refused() {
    let beside = place(&[("bus", 4), ("car", 4)]);
    beside.write("photos/stray.jpg", "never read");
    refused(&beside, &["1 image lies beside the folders `bus`, `car`"]);
    let in_split = place(&[("train/bus", 4), ("train/car", 4), ("train", 2), ("test/bus", 2)]);
    refused(&in_split, &["in `train` 2 images lie beside class folders"]);
    let one = place(&[("", 5)]);
    refused(&one, &["it holds 5 images and no class folders", "If it is one class of several, give"]);
}

#[test]
fn a_table_of_labels_beside_the_images_is_named() {
    let table = "id,label\n".to_owned() + &(0..8).map(|i| format!("p{i}.png,{}\n", i % 2)).collect::<String>();
    let place = Place::empty();
    (0..8).for_each(|i| place.write(&format!("photos/images/p{i}.png"), "never read"));
    place.write("photos/labels.csv", &table);
    refused(&place, &["`labels.csv` names the images, and it does not name the folder `images`", "`id`, `label`"]);
    place.write("photos/labels.csv", "id,label\n");
    refused(&place, &["`labels.csv` lies beside the images, and it does not name the folder `images`"]);
    place.write("photos/labels.csv", &table);
    // another folder does not make labels of their names
    place.write("photos/masks/q.png", "never read");
    refused(&place, &["`labels.csv` names the images"]);
    // one that says what the folders say is no reason
    let agreeing = Place::with_photos();
    let row = |class: &&str| (0..8).map(|i| format!("{class}/{i:02}.png,{class}\n")).collect::<String>();
    agreeing.write("photos/list.csv", "path,class\n".to_owned() + &CLASSES.iter().map(row).collect::<String>());
    agreeing.run(MEASURE).with(0);
}

#[test]
fn where_there_is_only_one_reading_it_is_taken_and_said() {
    let place = Place::empty();
    place.draw("photos/unpacked/photos", 0..6);
    place.run(MEASURE).with(0).saying(&["3 classes", "wrapper: unpacked/photos (the only folder here"]);
    let inside = Place::empty();
    for class in CLASSES {
        (0..6)
            .for_each(|n| inside.write(&format!("photos/{class}/images/{n}.png"), encode(&texture(class, n), ".png")));
    }
    inside.run(MEASURE).with(0).saying(&["wrapper: images (the only folder in each of the 3 classes"]);
}

#[test]
fn a_class_may_be_called_train() {
    let place = Place::with_photos();
    fs::rename(place.path("photos/checks"), place.path("photos/train")).unwrap();
    fs::create_dir(place.path("photos/train/steam")).unwrap();
    fs::rename(place.path("photos/train/00.png"), place.path("photos/train/steam/00.png")).unwrap();
    place.run(MEASURE).with(0).saying(&[
        "rectangles 4/2/2, stripes 4/2/2, train 4/2/2",
        "named: train (called like a split, and taken for a class",
        "nested: train (1 image of this class lies further in, in `steam`)",
    ]);
}

#[test]
fn a_folder_beside_the_splits_is_ignored_and_said() {
    let place = Place::empty();
    place.draw("photos/train", 0..6);
    place.draw("photos/test", 6..8);
    place.write("photos/extra/1.png", encode(&texture("checks", 40), ".png"));
    fs::create_dir_all(place.path("photos/val")).unwrap();
    place
        .run(MEASURE)
        .with(0)
        .saying(&["ignored: extra (1 image in a folder that is no split", "empty: val (a split folder without"]);
}
