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
            // a parser that is not exact reads another number
            rmse: 9.540574901149535,
            change: "mirrored".into(),
        }],
        near_duplicate_changes: 1,
        reading: String::new(),
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
        scores: format_scores(&[figure as f32, -0.1], 0, None),
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
            temperature: Some(figure * 1e-3),
            thresholds: "95=0.5".into(),
            select_s: figure * 1e-9,
            fit_s: figure * 1e21,
            gap: Some(figure * 1e-4),
            peak_mib: None,
            parameters: Some(11_000_000),
            multiply_adds: None,
            file_bytes: Some(45_000_000),
            image_mib: Some(figure),
            joules: None,
            threads: 2,
            network: String::new(),
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
    Store::open(folder, |_| dataset("m1"), arms(&["majority", "sift"])).unwrap()
}

/// Adds a run as its process would, and merges it.
fn add(store: &mut Store, record: RunRecord) {
    add_loose(store, record);
    Store::merge(store.folder()).unwrap();
}

/// The same without merging.
fn add_loose(store: &mut Store, record: RunRecord) {
    store.add(record, environment()).unwrap();
}

fn read(store: &Store) -> Records {
    Records::read(store.folder()).unwrap()
}

/// Every file of a folder, those of its runs too.
fn bytes_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let all = paths(folder).into_iter().flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] });
    all.map(|path| (path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap())).collect()
}

fn ids(records: &Records) -> Vec<&str> {
    records.runs.iter().map(|run| run.run_id.as_str()).collect()
}

#[test]
fn what_is_written_is_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add_loose(&mut store, record("r1", "floor", "majority", "native", 0));
    add_loose(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    let loose = read(&store);
    assert_eq!(ids(&loose), ["r1", "r2"]);
    assert_eq!(Store::merge(folder.path()).unwrap(), 2);
    assert_eq!(read(&store), loose, "merged they are what they were beside the tables");
    let before = bytes_of(folder.path());
    assert_eq!(before.len(), FILES.len(), "no file of a run and no temporary one is left");
    let again = open(folder.path());
    assert_eq!(read(&again), loose);
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
        order.iter().for_each(|&i| add_loose(&mut store, runs[i].clone()));
        let records = read(&store);
        assert_eq!(ids(&records), ["a", "z", "y", "x", "w", "v", "b"]);
        let images = records.details.predictions.iter().map(|row| row.image.as_str());
        assert_eq!(images.take(2).collect::<Vec<_>>(), ["a.jpg", "b.jpg"]);
        Store::merge(folder.path()).unwrap();
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
fn what_loses_its_place_is_kept_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let superseded = folder.path().join("superseded/old.run");
    let mut store = open(folder.path());
    add(&mut store, record("old", "handcrafted", "sift", "native", 0));
    let before = read(&store);
    add(&mut store, record("new", "handcrafted", "sift", "native", 0));
    assert!(superseded.exists());

    let mut store = open(folder.path());
    assert!(matches!(store.start("old").unwrap(), Start::Restored));
    assert_eq!(read(&store), before, "also before it is merged");
    Store::merge(folder.path()).unwrap();
    assert_eq!(read(&store), before);
    assert!(!superseded.exists() && folder.path().join("superseded/new.run").exists());

    assert_eq!(Store::prune(folder.path()).unwrap(), 1);
    assert!(matches!(open(folder.path()).start("new").unwrap(), Start::Own(_)));
    assert_eq!(read(&store), before);
}

#[test]
fn of_one_identity_the_latest_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("first", "handcrafted", "sift", "native", 0));
    for id in ["z-second", "a-third"] {
        add_loose(&mut store, record(id, "handcrafted", "sift", "native", 0));
        let file = fs::File::options().write(true).open(folder.path().join(format!("runs/{id}.run"))).unwrap();
        let seconds = if id == "a-third" { 20 } else { 10 };
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    }
    assert_eq!(ids(&read(&store)), ["a-third"]);
    Store::merge(folder.path()).unwrap();
    assert_eq!(ids(&read(&store)), ["a-third"]);
    let kept = bytes_of(&folder.path().join("superseded"));
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["first.run", "z-second.run"]);
}

#[test]
fn several_write_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (open(folder.path()), open(folder.path()));
    let Start::Own(claim) = one.start("r1").unwrap() else { panic!("nobody has it") };
    assert!(matches!(other.start("r1").unwrap(), Start::Held(_)));
    add_loose(&mut one, record("r1", "floor", "majority", "native", 0));
    drop(claim);
    assert!(matches!(other.start("r1").unwrap(), Start::Recorded(Status::Ok)));
    Store::merge(folder.path()).unwrap();
    add(&mut other, record("r2", "handcrafted", "sift", "native", 0));
    assert!(matches!(one.start("r2").unwrap(), Start::Recorded(Status::Ok)), "also when it is merged");
    assert_eq!(ids(&read(&one)), ["r1", "r2"]);
    let mut failed = record("r3", "floor", "majority", "native", 3);
    failed.run.status = Status::Failed;
    add_loose(&mut one, failed);
    assert!(matches!(other.start("r3").unwrap(), Start::Recorded(Status::Failed)), "once is enough");
    assert!(matches!(open(folder.path()).start("r3").unwrap(), Start::Own(_)), "a new call tries again");
}

#[test]
fn readers_see_every_run_while_others_write_and_merge() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for i in 0..40 {
                add_loose(&mut store, record(&format!("r{i}"), "floor", "majority", "native", i));
                if i % 3 == 0 {
                    Store::merge(store.folder()).unwrap();
                }
            }
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let found = Records::read(folder.path()).unwrap().runs.len();
            assert!(found >= seen, "{found} runs after {seen}");
            seen = found;
        }
    });
    assert_eq!(Records::read(folder.path()).unwrap().runs.len(), 40);
}

#[test]
fn adding_a_run_writes_nothing_but_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    let before = bytes_of(folder.path());
    add_loose(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    let mut after = bytes_of(folder.path());
    assert!(after.remove("runs/r2.run").is_some());
    assert_eq!(after, before);
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
    assert_eq!(read(&store).details.predictions.len(), 2);
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

    let files = ["runs/new.run", "superseded/old.run"].into_iter().chain(FILES);
    for file in files {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        [&first, &second].iter().for_each(|run| add(&mut store, (*run).clone()));
        let beside = atomic::beside(&folder.path().join(file));
        fs::create_dir_all(beside.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
        let added = store.add(third.clone(), environment());
        let stopped = added.and_then(|()| Store::merge(folder.path()).map(drop));
        let error = stopped.unwrap_err().to_string();
        assert!(error.contains(file) && error.contains("free some space or choose another --out"), "{error}");
        assert!(!error.contains('\n'));

        let left = Records::read(folder.path()).unwrap();
        for run in &left.runs {
            assert_eq!(left.details.predictions.iter().filter(|row| row.run_id == run.run_id).count(), 2, "{file}");
            assert_eq!(left.details.timings.iter().filter(|row| row.run_id == run.run_id).count(), 2, "{file}");
        }
        let finished = if file == "runs/new.run" { ["kept", "old"] } else { ["kept", "new"] };
        assert_eq!(ids(&left), finished, "{file}: a run whose file stands is not lost");

        let mut store = open(folder.path());
        if !store.has("new") {
            store.add(third.clone(), environment()).unwrap();
        }
        Store::merge(folder.path()).unwrap();
        assert_eq!(bytes_of(folder.path()), bytes_of(whole.path()), "{file}");
    }
}

#[test]
fn killed_before_the_runs_file_no_run_is_lost_or_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    let before = bytes_of(folder.path());
    add_loose(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    let run = fs::read(folder.path().join("runs/r2.run")).unwrap();
    Store::merge(folder.path()).unwrap();
    let after = bytes_of(folder.path());
    fs::write(folder.path().join("runs.csv"), &before["runs.csv"]).unwrap();
    fs::write(folder.path().join(format!("runs.csv.{}.tmp", u32::MAX)), "run_id,data").unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    fs::write(folder.path().join("runs/r2.run"), run).unwrap();
    assert_eq!(ids(&read(&open(folder.path()))), ["r1", "r2"]);
    Store::merge(folder.path()).unwrap();
    assert_eq!(bytes_of(folder.path()), after, "what was left behind is gone");

    // rows of runs that no file names
    fs::write(folder.path().join("runs.csv"), &before["runs.csv"]).unwrap();
    assert_eq!(ids(&read(&open(folder.path()))), ["r1"]);
    fs::remove_file(folder.path().join("runs.csv")).unwrap();
    assert_eq!(ids(&read(&open(folder.path()))), Vec::<&str>::new());
}

#[test]
fn a_cut_file_of_a_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    add_loose(&mut open(folder.path()), record("r1", "floor", "majority", "native", 0));
    let path = folder.path().join("runs/r1.run");
    let whole = fs::read(&path).unwrap();
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = Records::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("r1.run: not a whole record of a run"), "{error}");
    }
    fs::rename(&path, folder.path().join("runs/r2.run")).unwrap();
    fs::write(folder.path().join("runs/r2.run"), &whole).unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("r2.run: some of its rows name another run"), "{error}");
}

/// Two runs of the same 13,000 images: 1.2 MB of predictions.
#[test]
fn long_predictions_are_compressed_in_the_same_bytes_whoever_writes() {
    let long = |id: &str, seed| {
        let mut long = record(id, "floor", "majority", "native", seed);
        let row = long.details.predictions[0].clone();
        long.details.predictions =
            (0..13_000).map(|i| PredictionRow { image: format!("disc/{i:05}.jpg"), ..row.clone() }).collect();
        long.run.n = 13_000;
        long
    };
    let write = |order: [(&str, u64); 2]| {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        order.iter().for_each(|(id, seed)| add(&mut store, long(id, *seed)));
        assert_eq!(read(&store).details.predictions.len(), 26_000);
        bytes_of(folder.path())
    };
    let files = write([("r1", 1), ("r2", 2)]);
    assert!(files.contains_key("predictions.csv.gz") && !files.contains_key("predictions.csv"));
    assert!(files == write([("r2", 2), ("r1", 1)]));

    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, long("r1", 1));
    let plain = fs::read(folder.path().join("predictions.csv")).unwrap();
    add(&mut store, long("r2", 2));
    fs::write(folder.path().join("predictions.csv"), plain).unwrap();
    assert_eq!(ids(&read(&store)), ["r1", "r2"], "killed before the shorter one went, the compressed one counts");
}

/// Rows that no run has take no memory and are no error; rows that a run can't have are refused at the first.
#[test]
fn rows_beyond_what_the_runs_have_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    let path = folder.path().join("predictions.csv");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.clone() + &"r9,a.jpg,disc,disc,\n".repeat(100_000)).unwrap();
    assert_eq!(read(&store).details.predictions.len(), 2);
    fs::write(&path, whole.clone() + &"r1,z.jpg,disc,disc,\n".repeat(3)).unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("predictions.csv: more than 2 rows of run r1"), "{error}");
    fs::write(&path, whole + "r9,\"" + &"a".repeat(65 << 20)).unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("predictions.csv: ") && error.contains("a row of more than 64 MiB"), "{error}");
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
fn prose_is_refreshed_and_other_images_have_another_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("shapes");
    add(&mut open(&folder), record("r1", "floor", "majority", "native", 0));
    let renamed = |_: &[u32]| DatasetRecord { title: "Shapes, second edition".into(), ..dataset("m1") };
    let store = Store::open(&folder, renamed, arms(&["orb"])).unwrap();
    assert_eq!(read(&store).arms.keys().collect::<Vec<_>>(), ["majority", "orb"], "arms with runs stay described");
    assert_eq!((read(&store).dataset.title.as_str(), read(&store).runs.len()), ("Shapes, second edition", 1));

    let before = bytes_of(&folder);
    let other = |_: &[u32]| dataset("0123456789abcdef");
    let mut store = Store::open(&folder, other, arms(&["majority"])).unwrap();
    assert_eq!(store.folder(), root.path().join("shapes-01234567"));
    add(&mut store, record("r2", "floor", "majority", "native", 0));
    let fresh = Store::create(&folder, other, arms(&["majority"])).unwrap();
    assert!(fresh.folder() == store.folder() && read(&fresh).runs.is_empty(), "what starts over is the same folder");
    assert_eq!(bytes_of(&folder), before, "nothing is dropped");
    assert_eq!(open(&folder).folder(), folder);
}

#[test]
fn canvases_that_are_in_use_stay_described() {
    let folder = tempfile::tempdir().unwrap();
    let with = |canvas: u32| {
        move |recorded: &[u32]| DatasetRecord {
            canvas_reduce: recorded.iter().copied().chain([canvas]).map(|side| (side, 64)).collect(),
            ..dataset("m1")
        }
    };
    Store::open(folder.path(), with(96), arms(&["sift"])).unwrap();
    let store = Store::open(folder.path(), with(128), arms(&["sift"])).unwrap();
    assert_eq!(store.dataset().unwrap().canvas_reduce.keys().copied().collect::<Vec<_>>(), [96, 128]);
    let store = Store::create(folder.path(), with(128), arms(&["sift"])).unwrap();
    assert_eq!(store.dataset().unwrap().canvas_reduce.keys().copied().collect::<Vec<_>>(), [128]);
}

#[test]
fn runs_get_other_ids_in_every_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, record("r1", "floor", "majority", "native", 0));
    add(&mut store, record("r2", "handcrafted", "sift", "native", 0));
    let before = read(&store);
    let swapped = |run: &RunRow| (run.run_id == "r1").then(|| "new".to_owned());
    Store::rewrite(folder.path(), |records| records.rekey(swapped)).unwrap();
    assert_eq!(ids(&read(&store)), ["new", "r2"]);
    let back = |run: &RunRow| (run.run_id == "new").then(|| "r1".to_owned());
    let rows: Vec<_> = read(&store).details.timings.iter().map(|row| row.run_id.clone()).collect();
    assert_eq!(rows, ["new", "new", "r2", "r2"]);
    Store::rewrite(folder.path(), |records| records.rekey(back)).unwrap();
    assert_eq!(read(&store), before);
    let both = Store::rewrite(folder.path(), |records| records.rekey(|_| Some("one".into())));
    assert!(both.unwrap_err().to_string().contains("would both be called one"));
    assert_eq!(read(&store), before);
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
        let mut store = Store::create(folder.path(), |_| dataset("m1"), arms(&["majority"])).unwrap();
        assert!(read(&store).runs.is_empty());
        add(&mut store, record("r1", "floor", "majority", "native", 0));
        drop(store);
        let path = folder.path().join(file);
        fs::write(&path, fs::read_to_string(&path).unwrap().replacen(old, new, 1)).unwrap();
        for error in [
            Records::read(folder.path()).unwrap_err(),
            Store::open(folder.path(), |_| dataset("m1"), arms(&[])).unwrap_err(),
        ] {
            let error = format!("{error:#}");
            assert!(error.contains(file) && error.contains(found) && error.contains("--fresh"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
    Store::create(folder.path(), |_| dataset("m1"), arms(&[])).unwrap();
    fs::remove_file(folder.path().join("selection.csv")).unwrap();
    let error = Records::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("selection.csv") && error.contains("--fresh"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_known_at_once() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("shapes"), |_| dataset("m1"), arms(&[])).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.ends_with("choose another --out"), "{error}");
}

#[test]
fn rows_of_another_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut mixed = record("r1", "floor", "majority", "native", 0);
    mixed.details.timings[0].run_id = "r2".into();
    assert!(open(folder.path()).add(mixed, environment()).is_err());
}
