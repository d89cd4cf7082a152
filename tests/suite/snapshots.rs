//! Every renderer of the report on records that are always the same, and on records that hardly are any.

use featbench::record::{Records, Status};
use featbench::report::{self, Question};

use super::synthetic::{Arm, SIFT, broken, empty, measure, record, run, small, train};

#[test]
fn summary_csv() {
    insta::assert_snapshot!(file(&small(), "summary.csv"));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(file(&small(), "report.md"));
}

/// Its markup; style, script and pictures are looked at by themselves.
#[test]
fn page() {
    let page = file(&small(), "report.html");
    let body = page.split("<header>").nth(1).unwrap().split("<script").next().unwrap();
    let mut parts = body.split("<svg");
    let before = parts.next().unwrap().to_owned();
    let markup = parts.fold(before, |done, part| done + "<svg/>" + part.split_once("</svg>").unwrap().1);
    insta::assert_snapshot!(markup);
    assert_eq!(body.matches("<svg").count(), 3, "accuracy, slopes, latency");
    for outside in ["http://", "https://", "src=", "url(", "@import"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "the page needs nothing else, but holds {outside}");
    }
}

#[test]
fn the_page_of_a_large_record_is_small() {
    let mut records =
        empty(&["airplane", "car", "cat", "dog", "flower", "fruit", "motorbike", "person"].map(|c| (c, 239)));
    for name in ["sift", "orb", "akaze", "kaze", "brisk", "hog"] {
        measure(&mut records, &Arm { name, ..SIFT }, 1);
    }
    assert_eq!(records.details.predictions.len(), 1912 * 12);
    let bytes = file(&records, "report.html").len();
    assert!(bytes < 1_000_000, "{bytes} bytes; a page that goes by mail stays far below 3 MB");
}

#[test]
fn terminal() {
    insta::assert_snapshot!("terminal_80", report::terminal(&small(), 80, false, &Question::default()).unwrap());
    insta::assert_snapshot!("terminal_120", report::terminal(&small(), 120, false, &Question::default()).unwrap());
    let lines = report::terminal(&small(), 120, true, &Question::default()).unwrap();
    assert!(lines.contains("\u{1b}[36mresnet-frozen-svm"), "families have colours where they are wanted");
}

#[test]
fn pictures() {
    for picture in ["accuracy", "canvas", "latency", "confusion-sift-bovw-svm-native"] {
        insta::assert_snapshot!(picture, file(&small(), &format!("plots/{picture}.svg")));
    }
}

#[test]
fn trainings() {
    let mut records = small();
    train(&mut records, "resnet-frozen-svm");
    let folder = tempfile::tempdir().unwrap();
    let recorded = record(&records, folder.path());
    insta::assert_snapshot!("training", file(&recorded, "plots/training.svg"));
    let report = file(&recorded, "report.md");
    let section = report.split("## How the networks were trained").nth(1).unwrap().split("\n## ").next().unwrap();
    insta::assert_snapshot!("trainings", section);
    let page = file(&recorded, "report.html");
    assert!(page.contains("id=\"training\"") && page.contains(".thick"), "the section, and the rules of its curves");
    assert!(!file(&small(), "report.html").contains(".thick"), "no page without a training changes");
}

#[test]
fn equal_records_give_equal_bytes_and_a_second_report_leaves_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        report::files(&small(), &[], &Question::default()).unwrap(),
        report::files(&small(), &[], &Question::default()).unwrap()
    );
    let many = report::write(&small(), folder.path(), &Question::default()).unwrap();
    let few = report::write(&empty(&[("circle", 3), ("square", 3)]), folder.path(), &Question::default()).unwrap();
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
    let recorded = record(&small(), &folder);
    let paths = report::write(&Records::read(&folder).unwrap(), &folder, &Question::default()).unwrap();
    for file in report::files(&recorded, &[], &Question::default()).unwrap() {
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
        let files = report::files(&records, &[], &Question::default()).unwrap();
        let terminal = report::terminal(&records, 80, false, &Question::default()).unwrap();
        for text in files.iter().map(|f| String::from_utf8_lossy(&f.bytes)).chain([terminal.clone().into()]) {
            assert!(!["NaN", "inf", "∞"].iter().any(|nonsense| text.contains(nonsense)), "{name}: {text}");
        }
        insta::assert_snapshot!(name, terminal);
    }
}

#[test]
fn the_head_of_an_empty_summary_is_that_of_a_full_one() {
    let head = |records: &Records| file(records, "summary.csv").lines().next().map(str::to_owned);
    assert_eq!(head(&empty(&[])), head(&small()));
}

#[test]
fn records_that_contradict_each_other_are_refused_by_name() {
    let mut lost = small();
    lost.details.predictions.truncate(30);
    let error = report::files(&lost, &[], &Question::default()).unwrap_err().to_string();
    assert!(error.contains("predictions.csv holds 30") && error.contains("--fresh"), "{error}");
    let mut renamed = small();
    renamed.details.predictions[0].predicted = "hexagon".into();
    let error = report::files(&renamed, &[], &Question::default()).unwrap_err().to_string();
    assert!(error.contains("\"hexagon\"") && error.contains("dataset.json"), "{error}");
}

fn file(records: &Records, path: &str) -> String {
    let files = report::files(records, &[], &Question::default()).unwrap();
    let file = files.into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("the report has {path}"));
    String::from_utf8(file.bytes).unwrap()
}

#[test]
fn what_guessing_gets_is_said_where_it_is_known() {
    let findings = |classes: &[(&str, usize)]| {
        let mut records = empty(classes);
        measure(&mut records, &Arm { native: 0.5, ..SIFT }, 1);
        measure(&mut records, &Arm { name: "good", native: 0.95, ..SIFT }, 1);
        file(&records, "report.md")
    };
    let known = findings(&[("circle", 30), ("square", 30)]);
    let line = known.lines().find(|line| line.starts_with("- Chance is 50.0 %")).unwrap();
    assert!(
        line.contains("`sift-bovw-svm` (")
            && line.contains("is not shown to differ from it")
            && !line.contains("`good`"),
        "{line}"
    );
    assert!(!findings(&[("circle", 30), ("square", 20)]).contains("Chance is"), "it depends on the guesses");
}
