//! Record folders: what is written is read back, and no interruption leaves a run without its rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use featbench::atomic;
use featbench::record::*;

/// Files of a folder in the order in which they are written.
const FILES: [&str; 7] =
    ["dataset.json", "arms.json", "environment.json", "selection.csv", "timings.csv", "predictions.csv", "runs.csv"];

fn dataset(manifest: &str) -> DatasetRecord {
    DatasetRecord {
        name: "shapes".into(),
        title: "Shapes".into(),
        source: "drawn by code".into(),
        remarks: vec!["Two classes, one of them \"rare\".".into()],
        manifest_sha256: manifest.into(),
        reported_split: "test".into(),
        selection_split: "val".into(),
        canvas_reduce: BTreeMap::from([(96, 64), (128, 64)]),
        counts: vec![ClassCount { class: "disc".into(), train: 3, val: 2, test: 2 }],
        findings: vec![Finding { kind: "unreadable".into(), what: "disc/a.jpg".into(), detail: "cut off".into() }],
        near_duplicate_rmse: Some(10),
        near_duplicates: vec![NearDuplicate {
            image: "disc/b.jpg".into(),
            other: "disc/c.jpg".into(),
            other_role: "train".into(),
            rmse: 1.0 / 3.0,
        }],
    }
}

fn arms(names: &[&str]) -> ArmRecords {
    let arm = |family: &str| ArmRecord {
        family: family.into(),
        title: "An arm".into(),
        expectation: String::new(),
        analysis: String::new(),
        settings: "words = 500\n".into(),
    };
    names.iter().map(|name| (name.to_string(), arm("floor"))).collect()
}

fn environment() -> Environment {
    Environment {
        commit: "0123abc".into(),
        dirty: false,
        featbench: "0.1.0".into(),
        rustc: "1.95.0".into(),
        profile: "release".into(),
        opencv: "4.6.0".into(),
        onnxruntime: String::new(),
        providers: vec!["cpu".into()],
        os: "linux".into(),
        cpu: "a processor".into(),
        cores: 2,
        memory_mib: 8000,
        gpu: String::new(),
    }
}

/// A run with two predictions, two time samples and a candidate; figures differ by `id`.
fn record(id: &str, family: &str, arm: &str, canvas: &str, seed: u64) -> RunRecord {
    let figure = id.bytes().map(f64::from).sum::<f64>() / 7.0;
    let prediction = |image: &str| PredictionRow {
        run_id: id.into(),
        image: image.into(),
        truth: "disc".into(),
        predicted: "ring, thin".into(),
        scores: format_scores(&[figure as f32, -0.1]),
    };
    let timing = |sample| TimingRow {
        run_id: id.into(),
        scenario: "single".into(),
        stage: "extract".into(),
        sample,
        images: 1,
        milliseconds: figure / (sample + 3) as f64,
    };
    RunRecord {
        run: RunRow {
            run_id: id.into(),
            dataset: "shapes".into(),
            arm: arm.into(),
            family: family.into(),
            backbone: String::new(),
            input_px: None,
            canvas: canvas.into(),
            seed,
            form: String::new(),
            epochs: None,
            protocol: "last".into(),
            refit: "train".into(),
            settings_hash: "5e77".into(),
            environment_id: "e1".into(),
            split: "test".into(),
            status: Status::Ok,
            reason: "line one\nline \"two\"".into(),
            n: 2,
            skipped: 0,
            without_keypoints: Some(0),
            dimension: 500,
            chosen: "c=1 kernel=linear".into(),
            val_accuracy: Some(1.0 / 3.0),
            select_s: figure * 1e-9,
            fit_s: figure * 1e21,
            peak_mib: None,
            threads: 2,
            device: "cpu".into(),
        },
        details: Details {
            predictions: vec![prediction("b.jpg"), prediction("a.jpg")],
            timings: vec![timing(1), timing(0)],
            selection: vec![SelectionRow {
                run_id: id.into(),
                candidate: 0,
                settings: "c=1".into(),
                correct: 1,
                n: 2,
                chosen: true,
            }],
            ..Details::default()
        },
    }
}

fn open(folder: &Path) -> Store {
    Store::open(folder, dataset("m1"), arms(&["majority", "sift"])).unwrap()
}

fn add(store: &mut Store, record: RunRecord) {
    store.add(record, ("e1", environment())).unwrap();
}

fn bytes_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn ids(records: &Records) -> Vec<&str> {
    records.runs.iter().map(|run| run.run_id.as_str()).collect()
}

#[test]
fn what_is_written_is_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    add(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    assert_eq!(&Records::read(folder.path()).unwrap(), store.records());
    let before = bytes_of(folder.path());
    assert_eq!(before.len(), FILES.len(), "no temporary file is left");
    let recorded = store.records().clone();
    drop(store);
    let again = open(folder.path());
    assert_eq!(again.records(), &recorded);
    assert_eq!(bytes_of(folder.path()), before);
    assert!(again.has("r1") && !again.has("r3"));
}

#[test]
fn json_is_indented_with_sorted_keys() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), record("r1", "floor", "majority", "native", 0));
    let text = fs::read_to_string(folder.path().join("environment.json")).unwrap();
    assert!(text.starts_with("{\n  \"e1\": {\n    \"commit\": \"0123abc\",\n    \"cores\": 2,"), "{text}");
    assert!(text.ends_with("}\n"));
}

#[test]
fn rows_have_one_order_whatever_order_runs_ended_in() {
    let runs = [
        record("a", "floor", "majority", "native", 0),
        record("z", "handcrafted", "orb", "native", 0),
        record("y", "handcrafted", "sift", "native", 2),
        record("x", "handcrafted", "sift", "native", 10),
        record("w", "handcrafted", "sift", "96", 0),
        record("v", "handcrafted", "sift", "128", 0),
        record("b", "deep", "a-network", "native", 0),
    ];
    let write = |order: &[usize]| {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        order.iter().for_each(|&i| add(&mut store, runs[i].clone()));
        assert_eq!(ids(store.records()), ["a", "z", "y", "x", "w", "v", "b"]);
        let images = store.records().details.predictions.iter().map(|row| row.image.as_str());
        assert_eq!(images.take(2).collect::<Vec<_>>(), ["a.jpg", "b.jpg"]);
        bytes_of(folder.path())
    };
    let straight = write(&[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(straight, write(&[6, 5, 4, 3, 2, 1, 0]));
    assert_eq!(straight, write(&[3, 0, 6, 2, 5, 1, 4]));
}

#[test]
fn a_run_replaces_the_older_one_with_all_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("old", "handcrafted", "sift", "native", 0));
    add(&mut store, record("other-seed", "handcrafted", "sift", "native", 1));
    add(&mut store, record("other-canvas", "handcrafted", "sift", "96", 0));
    add(&mut store, record("new", "handcrafted", "sift", "native", 0));
    let records = Records::read(folder.path()).unwrap();
    assert_eq!(ids(&records), ["new", "other-seed", "other-canvas"]);
    assert!(records.details.predictions.iter().all(|row| row.run_id != "old"));
    assert_eq!(
        (records.details.predictions.len(), records.details.timings.len(), records.details.selection.len()),
        (6, 6, 3)
    );
}

#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = Store::open(folder.path(), dataset("m1"), arms(&[])).unwrap_err().to_string();
    assert!(error.contains("another featbench is writing its records there"), "{error}");
    assert_eq!(&Records::read(folder.path()).unwrap(), store.records(), "others may read");
    drop(store);
    open(folder.path());
}

#[test]
fn a_failed_run_is_recorded_but_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut failed = record("r1", "floor", "majority", "native", 0);
    failed.run.status = Status::Failed;
    add(&mut store, failed);
    assert!(!store.has("r1"));
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    assert!(store.has("r1"));
    assert_eq!(store.records().details.predictions.len(), 2);
}

/// A full disk stops the write at each file in turn: the file beside it is a link to `/dev/full`.
#[cfg(target_os = "linux")]
#[test]
fn stopped_at_any_file_the_next_call_resumes_to_the_same_bytes() {
    let first = record("old", "handcrafted", "sift", "native", 0);
    let second = record("kept", "floor", "majority", "native", 0);
    let third = record("new", "handcrafted", "sift", "native", 0);
    let whole = tempfile::tempdir().unwrap();
    let mut store = open(whole.path());
    [&first, &second, &third].iter().for_each(|run| add(&mut store, (*run).clone()));

    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        [&first, &second].iter().for_each(|run| add(&mut store, (*run).clone()));
        std::os::unix::fs::symlink("/dev/full", atomic::beside(&folder.path().join(file))).unwrap();
        let error = store.add(third.clone(), ("e1", environment())).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains("free some space or choose another --out"), "{error}");
        assert!(!error.contains('\n'));

        let left = Records::read(folder.path()).unwrap();
        for run in &left.runs {
            assert_eq!(left.details.predictions.iter().filter(|row| row.run_id == run.run_id).count(), 2, "{file}");
            assert_eq!(left.details.timings.iter().filter(|row| row.run_id == run.run_id).count(), 2, "{file}");
        }
        assert!(!left.runs.iter().any(|run| run.run_id == "new"), "{file}");

        drop(store);
        let mut store = open(folder.path());
        assert!(store.has("kept") && !store.has("new"));
        add(&mut store, third.clone());
        assert_eq!(bytes_of(folder.path()), bytes_of(whole.path()), "{file}");
    }
}

#[test]
fn killed_before_the_runs_file_nothing_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    let before = bytes_of(folder.path());
    add(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    drop(store);
    fs::write(folder.path().join("runs.csv"), &before["runs.csv"]).unwrap();
    fs::write(folder.path().join(format!("runs.csv.{}.tmp", u32::MAX)), "run_id,data").unwrap();
    assert_eq!(ids(open(folder.path()).records()), ["r1"]);
    assert_eq!(bytes_of(folder.path()), before, "what was left behind is gone");

    fs::remove_file(folder.path().join("runs.csv")).unwrap();
    assert_eq!(ids(open(folder.path()).records()), Vec::<&str>::new());
}

#[test]
fn a_run_that_lost_predictions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.csv");
    add(&mut open(folder.path()), record("r1", "floor", "majority", "native", 0));
    let whole = fs::read_to_string(&path).unwrap();
    let cut: Vec<&str> = whole.lines().take(2).collect();
    fs::write(&path, cut.join("\n") + "\n").unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("predictions.csv: 1 predictions of run r1 (majority), which made 2; "), "{error}");
    assert!(error.ends_with("or measure again with --fresh"), "{error}");
}

#[test]
fn compressed_files_are_read_and_stay_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    add(&mut open(folder.path()), record("r1", "floor", "majority", "native", 0));
    for name in ["runs.csv", "predictions.csv"] {
        let file = fs::File::create(at(&format!("{name}.gz"))).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &fs::read(at(name)).unwrap()).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(at(name)).unwrap();
    }
    add(&mut open(folder.path()), record("r2", "handcrafted", "sift", "native", 0));
    assert_eq!(ids(&Records::read(folder.path()).unwrap()), ["r1", "r2"]);
    assert!(!at("runs.csv").exists() && !at("predictions.csv").exists() && at("timings.csv").exists());
    assert_eq!(Records::find(folder.path()).unwrap(), [folder.path()]);

    fs::write(at("runs.csv"), "").unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("delete one of them"), "{error}");
}

#[test]
fn folders_are_found_below_the_root() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b", "a/deeper"] {
        open(&root.path().join(name));
    }
    fs::create_dir(root.path().join("empty")).unwrap();
    assert_eq!(Records::find(root.path()).unwrap(), [root.path().join("a/deeper"), root.path().join("b")]);
    let error = Records::find(&root.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn prose_is_refreshed_and_runs_of_another_manifest_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    add(&mut open(folder.path()), record("r1", "floor", "majority", "native", 0));
    let renamed = DatasetRecord { title: "Shapes, second edition".into(), ..dataset("m1") };
    let store = Store::open(folder.path(), renamed, arms(&["orb"])).unwrap();
    assert_eq!(store.records().arms.keys().collect::<Vec<_>>(), ["majority", "orb"], "arms with runs stay described");
    let read = Records::read(folder.path()).unwrap();
    assert_eq!((read.dataset.title.as_str(), read.runs.len()), ("Shapes, second edition", 1));

    drop(store);
    let store = Store::open(folder.path(), dataset("m2"), arms(&["orb"])).unwrap();
    assert!(store.records().runs.is_empty() && store.records().environments.is_empty());
    assert_eq!(&Records::read(folder.path()).unwrap(), store.records());
}

#[test]
fn the_canvases_of_a_folder_are_those_of_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Store::canvases(folder.path()), Vec::<u32>::new());
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    add(&mut store, record("r2", "handcrafted", "sift", "128", 0));
    add(&mut store, record("r3", "handcrafted", "sift", "96", 0));
    assert_eq!(Store::canvases(folder.path()), [96, 128]);
}

#[test]
fn files_of_another_version_are_refused_in_one_line_and_fresh_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("runs.csv", "peak_mib", "memory_peak", "column `peak_mib` is missing"),
        ("timings.csv", "run_id,", "extra,run_id,", "column `extra` is unknown"),
        ("timings.csv", "single", "single,1", "found record with 7 fields"),
        ("predictions.csv", "run_id,image,truth,predicted,scores", "", "column `run_id` is missing"),
        ("runs.csv", ",ok,", ",fine,", "unknown variant `fine`"),
        ("dataset.json", "\"title\"", "\"headline\"", "unknown field `headline`"),
        ("arms.json", "{", "", "expected a map"),
    ];
    for (file, old, new, found) in cases {
        let mut store = Store::create(folder.path(), dataset("m1"), arms(&["majority"])).unwrap();
        assert!(store.records().runs.is_empty());
        add(&mut store, record("r1", "floor", "majority", "native", 0));
        drop(store);
        let path = folder.path().join(file);
        fs::write(&path, fs::read_to_string(&path).unwrap().replacen(old, new, 1)).unwrap();
        for error in [
            Records::read(folder.path()).unwrap_err(),
            Store::open(folder.path(), dataset("m1"), arms(&[])).unwrap_err(),
        ] {
            let error = format!("{error:#}");
            assert!(error.contains(file) && error.contains(found) && error.contains("--fresh"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
    Store::create(folder.path(), dataset("m1"), arms(&[])).unwrap();
    fs::remove_file(folder.path().join("selection.csv")).unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("selection.csv") && error.contains("--fresh"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_known_at_once() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("shapes"), dataset("m1"), arms(&[])).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.ends_with("choose another --out"), "{error}");
}

#[test]
fn rows_of_another_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut mixed = record("r1", "floor", "majority", "native", 0);
    mixed.details.timings[0].run_id = "r2".into();
    assert!(open(folder.path()).add(mixed, ("e1", environment())).is_err());
}
