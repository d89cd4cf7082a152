//! Names and folders as the user gives them, and what becomes of a folder.

use super::*;
use crate::image::Header;

fn message(name_or_folder: &str) -> String {
    Dataset::open(name_or_folder, Some(Path::new("no/such/place")), 0).unwrap_err().to_string()
}

#[test]
fn unknown_names_come_with_the_nearest() {
    for (typed, expected) in
        [("mini", "mini-natural-images"), ("mini_natural_images", "mini-natural-images"), ("hymenptera", "hymenoptera")]
    {
        let error = message(typed);
        assert!(error.contains(&format!("no data set `{typed}`, did you mean `{expected}`?")), "{error}");
    }
    let error = message("cifar");
    assert!(error.contains("no data set `cifar`; known are mini-natural-images, hymenoptera"), "{error}");
    assert!(message("./cifar").starts_with("there is no folder ./cifar"));
}

#[test]
fn the_reduction_is_the_side_or_what_nearly_all_images_have() {
    assert_eq!(reduction(96, vec![500; 10]), 96);
    assert_eq!(reduction(96, vec![95; 10]), 88);
    assert_eq!(reduction(96, vec![8; 10]), 32);
    assert_eq!(reduction(24, vec![8; 10]), 24);
    let mut sides = vec![200; 201];
    sides[7] = 70;
    assert_eq!(reduction(96, sides.clone()), 96, "one of 201 is within the 0.5 %");
    sides[5] = 60;
    assert_eq!(reduction(96, sides), 64);
}

fn header(bytes: &[u8]) -> Result<Inspected, DecodeError> {
    let width = 40 + u32::from(bytes[2]);
    Ok(Inspected::from(Header { format: "BMP", width, height: 90, orientation: 1 }))
}

/// `train` of 10, `val` of 4 images a class; each file is a byte of its own behind what a BMP begins with.
fn folder_without_test() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["train/ant", "train/bee"].into_iter().flat_map(|class| (0..10).map(move |n| format!("{class}/{n}")));
    let vals = ["val/ant", "val/bee"].into_iter().flat_map(|class| (0..4).map(move |n| format!("{class}/{n}")));
    for (byte, path) in (0u8..).zip(paths.chain(vals)) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, [b'B', b'M', byte]).unwrap();
    }
    folder
}

#[test]
fn a_folder_becomes_splits_and_a_record() {
    let folder = folder_without_test();
    let set = Dataset::folder(folder.path(), &Reading::drawn(0), header).unwrap();
    assert_eq!(set.splits.classes, ["ant", "bee"]);
    assert_eq!((set.splits.train.len(), set.splits.val.len(), set.splits.test.len()), (16, 4, 8));
    let all = set.splits.train.with(&set.splits.val);
    let truth = all.images().iter().map(|image| usize::from(image.id.contains("bee"))).collect::<Vec<_>>();
    assert_eq!(all.labels(), truth);
    assert_eq!(all.images()[0].bytes, 3);
    assert_eq!(set.refit, Refit::TrainAndVal);
    assert_eq!(Path::new(&set.name), folder.path().file_name().unwrap());

    let record = set.record(&[48, 32]);
    assert_eq!((record.reported_split.as_str(), record.selection_split.as_str()), ("val", "a fifth of train"));
    assert_eq!(record.canvas_reduce, BTreeMap::from([(32, 32), (48, 40)]));
    assert_eq!(record.manifest_sha256, set.manifest.sha256());
    assert_eq!((record.counts[1].train, record.counts[1].val, record.counts[1].test), (8, 2, 4));
    assert_eq!(record.findings, []);
    assert!(set.record(&[]).canvas_reduce.is_empty());
}

#[test]
fn small_images_are_counted() {
    let mut set = Dataset::folder(folder_without_test().path(), &Reading::drawn(0), header).unwrap();
    set.pinned.insert("96".into(), 45);
    let detail = "5 of 28 images have a shorter side below 45 pixels and are enlarged";
    assert_eq!(set.record(&[32, 96]).findings, [finding("small", "canvas 96", detail)]);
}
