//! A registered set of three toy files, found and checked; and the embedded ones.

use std::fs;

use super::*;

const DESCRIPTION: &str = r#"
title = "Toys"
repository = "https://example.org/toys"
commit = "c0ffee"
folder = "toy_data"
remarks = []
[canvas_reduce]
96 = 64
"#;

/// Three files whose text is their path, and one without a role that nobody needs to have.
fn toys() -> Registered {
    let mut csv = "path,label,split,role,sha256,width,height\n".to_string();
    for split in ["train", "val", "test"] {
        let path = format!("{split}/a/1.jpg");
        csv += &format!("{path},a,{split},{split},{},4,3\n", hex_sha256(path.as_bytes()));
    }
    csv += "train/a/x.gif,a,train,,,0,0\n";
    Registered::parse("toys", DESCRIPTION, &csv).unwrap()
}

/// A folder `toy_data` in a folder.
fn toys_on_disk() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for row in toys().manifest.used() {
        let path = folder.path().join("toy_data").join(&row.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &row.path).unwrap();
    }
    folder
}

fn header(_: &[u8]) -> Result<Header, DecodeError> {
    Ok(Header { format: "JPEG", width: 4, height: 3, orientation: 1 })
}

#[test]
fn the_embedded_sets_are_valid() {
    let names: Vec<_> = registered().iter().map(|set| set.name).collect();
    assert_eq!(names, ["mini-natural-images", "hymenoptera"]);
    for set in registered() {
        let side = set.description.canvas_reduce.get("96").expect("R is pinned for N = 96");
        assert!((32..=96).contains(side));
        assert!(set.description.commit.len() == 40 && set.description.repository.starts_with("https://github.com/"));
    }
}

#[test]
fn it_is_found_beside_others_or_as_the_folder_itself() {
    let folder = toys_on_disk();
    let set = folder.path().join("toy_data");
    let elsewhere = folder.path().join("elsewhere");
    assert_eq!(toys().locate(&[elsewhere.clone(), folder.path().into()]).unwrap(), set);
    assert_eq!(toys().locate(std::slice::from_ref(&set)).unwrap(), set);
    fs::rename(&set, &elsewhere).unwrap();
    assert_eq!(toys().locate(std::slice::from_ref(&elsewhere)).unwrap(), elsewhere);
    let error = toys().locate(&[folder.path().join("nothing")]).unwrap_err();
    assert!(matches!(error, DatasetError::NotFound(_)));
    let text = error.to_string();
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().nth(1).unwrap().starts_with("get it with `featbench fetch toys`; or "), "{text}");
    for part in ["nothing", "toy_data", "https://example.org/toys", "c0ffee", "--data-dir", "FEATBENCH_DATA"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn files_are_checked_and_others_counted() {
    let folder = toys_on_disk();
    let set = folder.path().join("toy_data");
    fs::write(set.join("readme.txt"), "hello").unwrap();
    let checked = toys().check(&set, header).unwrap();
    assert_eq!(checked.additional, 1);
    assert_eq!(checked.findings, [finding("unsupported", "train/a/x.gif", "listed in the manifest, never used")]);

    fs::write(set.join("val/a/1.jpg"), "changed").unwrap();
    fs::remove_file(set.join("test/a/1.jpg")).unwrap();
    let error = toys().check(&set, header).map(|_| ()).unwrap_err().to_string();
    let expected = "differs from its manifest: 1 file missing (test/a/1.jpg), 1 file with other bytes (val/a/1.jpg); \
                    move it away and get the published files again (https://example.org/toys at commit c0ffee) with \
                    `featbench fetch toys`, or name another copy";
    assert!(error.contains(expected), "{error}");
}
