//! Every renderer of the report on records that are always the same, and on records that hardly are any.

use featbench::record::{Records, RunRecord, Status, Store};
use featbench::report;

use super::synthetic::{Arm, broken, empty, finding, measure, run};

#[test]
fn summary_csv() {
    insta::assert_snapshot!(file(&records(), "summary.csv"));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(file(&records(), "report.md"));
}

#[test]
fn terminal() {
    insta::assert_snapshot!("terminal_80", report::terminal(&records(), 80, false).unwrap());
    insta::assert_snapshot!("terminal_120", report::terminal(&records(), 120, false).unwrap());
    let lines = report::terminal(&records(), 120, true).unwrap();
    assert!(lines.contains("\u{1b}[36mresnet-frozen-svm"), "families have colours where they are wanted");
}

#[test]
fn pictures() {
    for picture in ["accuracy", "canvas", "latency", "confusion-sift-bovw-svm-native"] {
        insta::assert_snapshot!(picture, file(&records(), &format!("plots/{picture}.svg")));
    }
}

#[test]
fn equal_records_give_equal_bytes_and_a_second_report_leaves_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(report::files(&records()).unwrap(), report::files(&records()).unwrap());
    let many = report::write(&records(), folder.path()).unwrap();
    let few = report::write(&empty(&[("circle", 3), ("square", 3)]), folder.path()).unwrap();
    assert!(many.len() > few.len());
    assert_eq!(std::fs::read_dir(folder.path().join("plots")).unwrap().count(), 0);
    for path in few {
        assert!(path.is_file(), "{}", path.display());
    }
}

#[test]
fn a_recorded_folder_is_rendered_into_itself() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("shapes");
    let records = records();
    let mut store = Store::open(&folder, records.dataset.clone(), records.arms.clone()).unwrap();
    for run in &records.runs {
        let of_run = |id: &String| run.status == Status::Ok && *id == run.run_id;
        let record = RunRecord {
            run: run.clone(),
            predictions: records.predictions.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            timings: records.timings.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
            selection: records.selection.iter().filter(|row| of_run(&row.run_id)).cloned().collect(),
        };
        store.add(record, ("e1", records.environments["e1"].clone())).unwrap();
    }
    let paths = report::render(std::slice::from_ref(&folder)).unwrap();
    for file in report::files(store.records()).unwrap() {
        assert!(paths.contains(&folder.join(&file.path)), "{}", file.path);
        assert_eq!(std::fs::read(folder.join(&file.path)).unwrap(), file.bytes, "{}", file.path);
    }
}

#[test]
fn few_or_no_results_are_said_without_numbers_that_do_not_exist() {
    let mut one = empty(&[("circle", 20), ("square", 16)]);
    measure(&mut one, &SIFT, 1);
    one.runs.truncate(1);
    let mut failed = one.clone();
    failed.runs = vec![broken(failed.runs.remove(0), Status::Failed, "no space left | on <device>")];
    let mut nothing_judged = empty(&[("circle", 0), ("square", 0)]);
    nothing_judged.runs = vec![run(&SIFT, "empty".into(), "native", 0, 0, String::new(), 0.0)];
    for (name, records) in [
        ("no_run", empty(&[("circle", 20), ("square", 16)])),
        ("one_run", one),
        ("all_failed", failed),
        ("nothing_judged", nothing_judged),
        ("no_class", empty(&[])),
    ] {
        let files = report::files(&records).unwrap();
        let terminal = report::terminal(&records, 80, false).unwrap();
        for text in files.iter().map(|f| String::from_utf8_lossy(&f.bytes)).chain([terminal.clone().into()]) {
            assert!(!["NaN", "inf", "∞"].iter().any(|nonsense| text.contains(nonsense)), "{name}: {text}");
        }
        insta::assert_snapshot!(name, terminal);
    }
}

#[test]
fn the_head_of_an_empty_summary_is_that_of_a_full_one() {
    let head = |records: &Records| file(records, "summary.csv").lines().next().map(str::to_owned);
    assert_eq!(head(&empty(&[])), head(&records()));
}

#[test]
fn records_that_contradict_each_other_are_refused_by_name() {
    let mut lost = records();
    lost.predictions.truncate(30);
    let error = report::files(&lost).unwrap_err().to_string();
    assert!(error.contains("predictions.csv holds 30") && error.contains("--fresh"), "{error}");
    let mut renamed = records();
    renamed.predictions[0].predicted = "hexagon".into();
    let error = report::files(&renamed).unwrap_err().to_string();
    assert!(error.contains("\"hexagon\"") && error.contains("dataset.json"), "{error}");
}

const SIFT: Arm =
    Arm { name: "sift-bovw-svm", family: "handcrafted", backbone: "", native: 0.79, canvas: Some(0.58), ms: 13.0 };

/// Three classes, five arms on native images and a canvas, two seeds; one arm failed and one backbone is missing.
fn records() -> Records {
    let mut records = empty(&[("circle", 20), ("square", 16), ("triangle", 14)]);
    let orb = Arm { name: "orb-bovw-svm", native: 0.70, canvas: Some(0.38), ms: 6.4, ..SIFT };
    let majority = Arm { name: "majority", family: "floor", backbone: "", native: 0.40, canvas: Some(0.40), ms: 0.02 };
    let metadata = Arm { name: "metadata-1nn", native: 0.79, canvas: None, ms: 0.31, ..majority };
    let resnet = Arm {
        name: "resnet-frozen-svm",
        family: "deep",
        backbone: "resnet18-cntk",
        native: 0.99,
        canvas: Some(0.98),
        ms: 38.0,
    };
    for arm in [&majority, &metadata, &SIFT, &orb, &resnet] {
        measure(&mut records, arm, 2);
    }
    let last = records.runs.iter().position(|run| run.arm == "orb-bovw-svm" && run.canvas == "96").unwrap();
    for run in &mut records.runs[last..last + 2] {
        *run = broken(run.clone(), Status::Failed, "no image has a keypoint on this canvas");
    }
    let absent = Arm { backbone: "resnet50", ..resnet };
    let row = run(&absent, "absent".into(), "native", 0, 0, String::new(), 0.0);
    records.runs.push(broken(
        row,
        Status::Missing,
        "no weights for resnet50: put resnet50.safetensors into --model-dir",
    ));
    records.runs[1].skipped = 1;
    records.dataset.findings = vec![
        finding("small", "test/circle/circle_0003.jpg", "61 × 90 px"),
        finding("unsupported", "train/square/placeholder.gif", "GIF"),
    ];
    records
}

fn file(records: &Records, path: &str) -> String {
    let files = report::files(records).unwrap();
    let file = files.into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("the report has {path}"));
    String::from_utf8(file.bytes).unwrap()
}
