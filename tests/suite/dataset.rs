//! The registered data sets against the real files, and a folder of awkward ones, where they are at hand.

use std::fs;
use std::path::Path;

use featbench::dataset::{Dataset, DatasetError, Refit};

use crate::support::folder_of;

/// The set, or `None`, said on stderr, where its files are not on this machine.
fn open(name: &str) -> Option<Dataset> {
    match Dataset::open(name, None, 0) {
        Ok(set) => Some(set),
        Err(error @ DatasetError::NotFound(_)) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The committed manifest is what featbench itself makes of the published folder.
fn manifest_can_be_made_again(set: &Dataset) {
    let folder = set.folder.as_ref().and_then(|folder| folder.to_str()).expect("a folder whose name is UTF-8");
    let made = Dataset::open(folder, None, 0).unwrap();
    assert!(made.manifest == set.manifest, "the folder's manifest differs from datasets/{}.csv", set.name);
    assert_eq!(made.refit, set.refit);
    assert_eq!((made.reported_split(), made.selection_split()), (set.reported_split(), set.selection_split()));
    assert_eq!(made.reduce(96), set.reduce(96), "R is pinned to what its rule gives");
}

#[test]
fn mini_natural_images() {
    let Some(set) = open("mini-natural-images") else { return };
    assert_eq!((set.splits.train.len(), set.splits.val.len(), set.splits.test.len()), (1022, 695, 1909));
    assert_eq!(set.refit, Refit::Train);
    manifest_can_be_made_again(&set);

    let record = set.record(&[96]);
    assert_eq!((record.reported_split.as_str(), record.selection_split.as_str()), ("test", "val"));
    assert_eq!(record.canvas_reduce[&96], 64);
    let small = record.findings.iter().find(|finding| finding.kind == "small").unwrap();
    assert!(small.detail.starts_with("14 of 3626 images have a shorter side below 64 pixels"), "{}", small.detail);
    let counts: Vec<_> = record.counts.iter().map(|c| (c.class.as_str(), c.train, c.val, c.test)).collect();
    assert_eq!(
        counts,
        [
            ("airplane", 150, 100, 107),
            ("car", 140, 96, 288),
            ("cat", 114, 94, 215),
            ("dog", 129, 54, 232),
            ("flower", 109, 110, 223),
            ("fruit", 95, 76, 350),
            ("motorbike", 160, 63, 208),
            ("person", 125, 102, 286),
        ]
    );
}

#[test]
fn hymenoptera() {
    let Some(set) = open("hymenoptera") else { return };
    let fit = set.splits.train.with(&set.splits.val);
    assert_eq!((fit.len(), set.splits.val.len(), set.splits.test.len()), (244, 49, 153));
    assert_eq!(set.refit, Refit::TrainAndVal);
    manifest_can_be_made_again(&set);

    let record = set.record(&[]);
    assert_eq!((record.reported_split.as_str(), record.selection_split.as_str()), ("val", "a fifth of train"));
    let counts: Vec<_> = record.counts.iter().map(|c| (c.class.as_str(), c.train + c.val, c.val, c.test)).collect();
    assert_eq!(counts, [("ants", 123, 25, 70), ("bees", 121, 24, 83)]);
    let unsupported: Vec<_> = record.findings.iter().filter(|finding| finding.kind == "unsupported").collect();
    assert_eq!(unsupported.len(), 1);
    assert_eq!(unsupported[0].what, "train/ants/imageNotFound.gif");
    assert!(fit.images().iter().all(|image| !image.id.ends_with(".gif")));
}

fn copy_all(from: &Path, to: &Path) -> usize {
    fs::create_dir(to).unwrap();
    let files: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    for file in &files {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    files.len()
}

#[test]
fn awkward_files_are_used_or_listed_with_their_reason() {
    let Some(fixtures) = folder_of("FEATBENCH_FIXTURES") else { return };
    let folder = tempfile::tempdir().unwrap();
    let plain = copy_all(&fixtures.join("preprocessing/decoded"), &folder.path().join("plain"));
    let awkward = copy_all(&fixtures.join("preprocessing/special"), &folder.path().join("awkward"));
    let set = Dataset::open(folder.path().to_str().unwrap(), None, 0).unwrap();

    let found = |kind: &str| -> Vec<_> {
        let of_kind = set.findings.iter().filter(|finding| finding.kind == kind && !finding.detail.is_empty());
        of_kind.map(|finding| finding.what.trim_start_matches("awkward/")).collect()
    };
    assert_eq!(found("unsupported"), ["animated.gif", "still.gif"]);
    let unreadable = [
        "bad_crc.png",
        "empty.jpg",
        "no_eoi.jpg",
        "text.jpg",
        "truncated.png",
        "truncated_body.jpg",
        "truncated_header.jpg",
    ];
    assert_eq!(found("unreadable"), unreadable);
    assert_eq!(found("rotated"), ["exif3.jpg", "exif6.jpg"]);
    assert_eq!(set.findings.len(), 2 + unreadable.len() + 2);
    assert_eq!(set.manifest.len(), plain + awkward);
    let used = set.splits.train.len() + set.splits.val.len() + set.splits.test.len();
    assert_eq!(used, plain + awkward - 2 - unreadable.len());
}
