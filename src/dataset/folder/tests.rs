//! Folders of text files stand for folders of images: `BM image WIDTH HEIGHT NUMBER` is readable, all else is not.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::super::findings::of_manifest;
use super::*;
use crate::image::Header;

fn inspect(bytes: &[u8]) -> Result<Inspected, DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<_> = text.split(' ').collect();
    match words[..] {
        ["BM", "image", width, height, ..] => Ok(Inspected::from(Header {
            format: "BMP",
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            orientation: if words.contains(&"turned") { 6 } else { 1 },
        })),
        ["GIF89a"] => Err(DecodeError::Unsupported("GIF")),
        _ => Err(DecodeError::NotAnImage("text".into())),
    }
}

fn folder_with(files: &[(String, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// `count` different images in each class below `prefix`.
fn images(prefix: &str, classes: &[&str], count: usize) -> Vec<(String, String)> {
    let image = |class: &str, n| (format!("{prefix}{class}/{n:02}.jpg"), format!("BM image 40 30 {prefix}{class}{n}"));
    classes.iter().flat_map(|class| (0..count).map(move |n| image(class, n))).collect()
}

fn scanned(files: &[(String, String)], seed: u64) -> Result<Scan, DatasetError> {
    scan(folder_with(files).path(), &Reading::drawn(seed), inspect)
}

fn error_of(files: &[(String, String)]) -> String {
    scanned(files, 0).map(|scan| scan.manifest).unwrap_err().to_string()
}

/// Images by class, published split and role.
fn counts(manifest: &Manifest) -> BTreeMap<(&str, &str, &str), usize> {
    let mut counts = BTreeMap::new();
    let name = |part: Option<Part>| part.map_or("", Part::name);
    for row in &manifest.rows {
        *counts.entry((row.label.as_str(), name(row.split), name(row.role))).or_default() += 1;
    }
    counts
}

fn expect(scan: &Scan, expected: &[(&str, &str, &str, usize)]) {
    assert_eq!(counts(&scan.manifest), expected.iter().map(|&(c, s, r, n)| ((c, s, r), n)).collect());
}

#[test]
fn split_folders_are_taken_as_they_are_in_any_spelling() {
    let mut files = images("Train/", &["ant", "bee"], 3);
    files.extend(images("validation/", &["ant", "bee"], 2));
    files.extend(images("TEST/", &["ant", "bee"], 1));
    let scan = scanned(&files, 0).unwrap();
    expect(
        &scan,
        &[
            ("ant", "train", "train", 3),
            ("ant", "val", "val", 2),
            ("ant", "test", "test", 1),
            ("bee", "train", "train", 3),
            ("bee", "val", "val", 2),
            ("bee", "test", "test", 1),
        ],
    );
    assert_eq!(scan.manifest.rows[0].path, "TEST/ant/00.jpg");
    assert_eq!((scan.manifest.rows[0].width, scan.manifest.rows[0].height), (40, 30));
    assert_eq!(scan.findings, []);
}

#[test]
fn without_test_val_is_reported_and_a_fifth_of_train_selects() {
    let mut files = images("train/", &["ant", "bee"], 12);
    files.extend(images("val/", &["ant", "bee"], 4));
    let scan = scanned(&files, 0).unwrap();
    let class = |c| [(c, "train", "train", 10), (c, "train", "val", 2), (c, "val", "test", 4)];
    expect(&scan, &[class("ant"), class("bee")].concat());
}

#[test]
fn without_val_a_fifth_of_train_selects() {
    let mut files = images("train/", &["ant", "bee"], 1);
    files.extend(images("train/", &["ant"], 5));
    files.extend(images("test/", &["ant", "bee"], 2));
    let scan = scanned(&files, 0).unwrap();
    // the only image of a class stays for training
    expect(
        &scan,
        &[
            ("ant", "train", "train", 4),
            ("ant", "train", "val", 1),
            ("ant", "test", "test", 2),
            ("bee", "train", "train", 1),
            ("bee", "test", "test", 2),
        ],
    );
}

#[test]
fn class_folders_are_split_by_class_and_seed() {
    let files = images("", &["ant", "bee"], 10);
    let scan = scanned(&files, 0).unwrap();
    let class = |c| [(c, "train", "train", 6), (c, "val", "val", 2), (c, "test", "test", 2)];
    expect(&scan, &[class("ant"), class("bee")].concat());

    let mut reordered = files.clone();
    reordered.reverse();
    assert!(scanned(&reordered, 0).unwrap().manifest == scan.manifest, "the same seed, the same split");
    assert!(scanned(&files, 1).unwrap().manifest != scan.manifest, "another seed, another split");
    let class = |c| [(c, "train", "train", 1), (c, "val", "val", 1), (c, "test", "test", 1)];
    expect(&scanned(&images("", &["a", "b"], 3), 0).unwrap(), &[class("a"), class("b")].concat());
}

#[test]
fn a_class_may_be_called_like_a_split() {
    let scan = scanned(&images("", &["car", "train"], 5), 0).unwrap();
    assert_eq!(scan.manifest.classes(), ["car", "train"]);
}

#[test]
fn unusable_files_are_findings_and_stay_in_the_manifest_without_a_role() {
    let mut files = images("", &["ant", "bee"], 5);
    for (path, content) in [
        ("ant/a.gif", "GIF89a"),
        ("ant/deep/b.jpg", "nonsense"),
        ("ant/c.jpg", "BM image 9 9 turned"),
        ("ant/.hidden.jpg", "nonsense"),
        (".git/config", "nonsense"),
        ("bee/Thumbs.db", "nonsense"),
        ("readme.txt", "hello"),
        ("wasp/1.jpg", "nonsense"),
    ] {
        files.push((path.into(), content.into()));
    }
    let mut scan = scanned(&files, 0).unwrap();
    scan.findings.extend(of_manifest(&scan.manifest));
    let found = |kind: &str| -> Vec<_> {
        let of_kind = scan.findings.iter().filter(|finding| finding.kind == kind);
        of_kind.map(|finding| finding.what.as_str()).collect()
    };
    assert_eq!(found("unsupported"), ["readme.txt", "ant/a.gif"]);
    assert_eq!(found("unreadable"), ["ant/deep/b.jpg", "wasp/1.jpg"]);
    assert_eq!(found("rotated"), ["ant/c.jpg"]);
    assert_eq!(found("lost"), ["wasp"]);
    assert_eq!(found("nested"), ["ant"]);
    assert_eq!(found("ignored"), [".git"]);
    assert_eq!(scan.findings.len(), 8);
    let unused: Vec<_> = scan.manifest.rows.iter().filter(|row| row.role.is_none()).map(|row| &row.path).collect();
    assert_eq!(unused, ["ant/a.gif", "ant/deep/b.jpg", "wasp/1.jpg"]);
    assert_eq!(scan.manifest.classes(), ["ant", "bee"]);
}

#[test]
fn copies_across_splits_and_absent_classes_are_said() {
    let mut files = images("train/", &["ant", "bee"], 5);
    files.extend(images("val/", &["ant", "bee"], 1));
    files.extend(images("test/", &["ant"], 1));
    let copy = files[0].1.clone();
    files.push(("test/ant/copy.jpg".into(), copy.clone()));
    files.push(("train/ant/copy.jpg".into(), copy));
    let found = of_manifest(&scanned(&files, 0).unwrap().manifest);
    let expected = [
        finding("duplicate", "test/ant/copy.jpg", "in test, the same bytes as train/ant/00.jpg in train"),
        finding("unjudged", "bee", "no image in test, so nothing is known of how well it is recognised"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn copies_stay_on_one_side_of_a_drawn_split() {
    let mut files = images("", &["ant", "bee"], 12);
    let copies: Vec<_> = files.iter().map(|(path, content)| (format!("{path}.copy"), content.clone())).collect();
    files.extend(copies);
    let scan = scanned(&files, 0).unwrap();
    assert_eq!(of_manifest(&scan.manifest), []);
    assert_eq!(counts(&scan.manifest)[&("ant", "test", "test")], 4);
}

fn grouped(files: &[(String, String)], regex: &str) -> Result<Scan, DatasetError> {
    let reading = Reading { grouping: Some(regex.parse().unwrap()), ..Reading::drawn(0) };
    scan(folder_with(files).path(), &reading, inspect)
}

/// Ten clips of four frames in each class.
fn clips(prefix: &str) -> Vec<(String, String)> {
    let frame = |class: &str, n: usize| {
        (format!("{prefix}{class}/clip{}_{n:03}.jpg", n / 4), format!("BM image 40 30 {prefix}{class}{n}"))
    };
    ["ant", "bee"].iter().flat_map(|class| (0..40).map(move |n| frame(class, n))).collect()
}

#[test]
fn clips_that_a_draw_would_tear_are_warned_about_and_groups_keep_them_whole() {
    let scan = scanned(&clips(""), 0).unwrap();
    assert!(scan.drawn && scan.manifest.groups() == 0);
    assert_eq!(scan.findings.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["burst"]);
    let scan = grouped(&clips(""), "^([^/]+/[^_]+)_").unwrap();
    assert_eq!((scan.findings, scan.manifest.groups()), (vec![], 20));
    let class = |c| [(c, "train", "train", 24), (c, "val", "val", 8), (c, "test", "test", 8)];
    let expected = [class("ant"), class("bee")].concat();
    assert_eq!(counts(&scan.manifest), expected.iter().map(|&(c, s, r, n)| ((c, s, r), n)).collect());
    let mut roles = BTreeMap::<_, Vec<Option<Part>>>::new();
    scan.manifest.rows.iter().for_each(|row| roles.entry(&row.group).or_default().push(row.role));
    assert!(roles.values().all(|roles| roles.iter().all(|role| *role == roles[0])));
}

#[test]
fn a_fifth_of_train_is_drawn_by_groups_and_published_splits_may_not_tear_one() {
    let published = [clips("train/"), images("test/", &["ant", "bee"], 3)].concat();
    let scan = grouped(&published, "^[^/]+/([^/]+/[^_.]+)").unwrap();
    assert!(!scan.drawn);
    assert_eq!(counts(&scan.manifest)[&("ant", "train", "val")], 8);
    let torn = [clips("train/"), clips("test/")].concat();
    let error = grouped(&torn, "clip[0-9]+").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("group `clip0` stands in two splits") && error.contains("(and 9 more groups)"), "{error}");
    assert!(error.contains("`test/ant/clip0_000.jpg`") && error.contains("`train/ant/clip0_000.jpg`"), "{error}");
    let error = grouped(&clips(""), "patient").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("matches no path") && error.contains("the first is `ant/clip0_000.jpg`"), "{error}");
}

#[test]
fn a_table_says_labels_splits_and_groups_in_the_place_of_folders() {
    let mut files: Vec<(String, String)> =
        (0..20).map(|n| (format!("scans/{n}.jpg"), format!("BM image 40 30 {n}"))).collect();
    let lines: String = (0..20).map(|n| format!("scans/{n}.jpg,{},p{}\n", ["ant", "bee"][n % 2], n / 4)).collect();
    files.push(("labels.csv".into(), format!("path,label,group\n{lines}")));
    let folder = folder_with(&files);
    let reading = |grouping: Option<&str>| Reading {
        labels: Some(folder.path().join("labels.csv")),
        grouping: grouping.map(|regex| regex.parse().unwrap()),
        ..Reading::drawn(0)
    };
    let scan = |grouping| scan(folder.path(), &reading(grouping), inspect);
    let read = scan(None).unwrap();
    assert_eq!(
        (read.manifest.classes(), read.manifest.groups(), read.drawn),
        (vec!["ant".into(), "bee".into()], 5, true)
    );
    assert_eq!(counts(&read.manifest)[&("ant", "test", "test")], 2);
    let error = scan(Some("[0-9]")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("stated twice"), "{error}");
}

#[test]
fn errors_name_the_thing_and_the_remedy() {
    let missing = scan(Path::new("no/such/folder"), &Reading::drawn(0), inspect).map(|scan| scan.manifest).unwrap_err();
    assert!(matches!(missing, DatasetError::NoFolder(_)));
    assert!(missing.to_string().contains("no/such/folder"));

    let text = |path: &str| vec![(path.to_string(), "text".to_string())];
    let only_train = images("train/", &["a", "b"], 3);
    let no_train = [images("val/", &["a", "b"], 3), images("test/", &["a", "b"], 3)].concat();
    let small = [images("", &["a"], 3), images("", &["b"], 2), text("b/x.jpg")].concat();
    let cases: [(Vec<(String, String)>, &str); 7] = [
        (vec![], "holds no files in class folders"),
        (text("a.jpg"), "it holds 1 image and no class folders"),
        (text("a/1.jpg"), "none of the 1 files"),
        (images("", &["only"], 3), "images of one class only, `only`: add a second class"),
        (
            small,
            "fewer than the 3 different readable images that a drawn split needs (`b` 2): add images, remove the class",
        ),
        (only_train, "neither `val` nor `test`"),
        (no_train, "no `train`: add it"),
    ];
    for (files, expected) in cases {
        let error = error_of(&files);
        assert!(error.contains(expected), "{error}");
    }
    let unreadable_train = [images("val/", &["a", "b"], 3), images("test/", &["a", "b"], 3), text("train/a/1.jpg")];
    assert!(error_of(&unreadable_train.concat()).contains("no readable image is left for `train`"));
}

#[cfg(unix)]
#[test]
fn links_and_names_that_cannot_be_used_are_said() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder_with(&images("", &["ant", "bee"], 4));
    let at = |name: &[u8]| folder.path().join("ant").join(std::ffi::OsStr::from_bytes(name));
    std::os::unix::fs::symlink("..", at(b"circle")).unwrap();
    std::os::unix::fs::symlink("nowhere", at(b"dangling.jpg")).unwrap();
    std::os::unix::fs::symlink("00.jpg", at(b"link.jpg")).unwrap();
    fs::write(at(b"\xff.jpg"), "BM image 9 9 name").unwrap();
    let scan = scan(folder.path(), &Reading::drawn(0), inspect).unwrap();
    let mut found: Vec<_> = scan.findings.iter().map(|finding| (&*finding.kind, &*finding.what)).collect();
    found.sort();
    assert_eq!(
        found,
        [("unreadable", "ant/dangling.jpg"), ("unsupported", "ant/circle"), ("unsupported", "ant/\u{fffd}.jpg")]
    );
    assert_eq!(scan.manifest.len(), 9);
}
