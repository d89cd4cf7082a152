//! Splits that are drawn again: the draws themselves, how they are recorded, and what the report says over all of them.

use std::fs;

use featbench::dataset::Dataset;
use featbench::image::Rgb;
use featbench::image::encode::encode_png;
use featbench::record::{DrawRecord, PredictionRow, Records, RunRow, Store};
use featbench::report;

use crate::synthetic::{Arm, SIFT, empty, run};

/// The first draw has the data set's name.
fn draw(seed: u64) -> DrawRecord {
    let dataset = if seed == 0 { "shapes".to_owned() } else { format!("shapes;split={seed}") };
    DrawRecord { dataset, seed, manifest_sha256: format!("{seed}"), train: 300, val: 100, test: 100 }
}

/// Two arms on five draws of 100 reported images, of which so many are right.
fn drawn(sift: [usize; 5], resnet: [usize; 5]) -> Records {
    let mut records = empty(&[("circle", 50), ("square", 50)]);
    records.draws = (0..5).map(draw).collect();
    let frozen = Arm { name: "resnet-frozen-svm", family: "deep", backbone: "resnet18-cntk", ..SIFT };
    for (arm, right) in [(&SIFT, sift), (&frozen, resnet)] {
        for (draw, right) in records.draws.iter().zip(right) {
            let run_id = format!("{}-{}", arm.name, draw.seed);
            let row = run(arm, run_id.clone(), "native", 0, 100, String::new(), 0.0);
            records.runs.push(RunRow { dataset: draw.dataset.clone(), ..row });
            records.details.predictions.extend((0..100).map(|image| PredictionRow {
                run_id: run_id.clone(),
                image: format!("circle/{:04}.jpg", 100 * draw.seed + image),
                truth: "circle".into(),
                predicted: if (image as usize) < right { "circle" } else { "square" }.into(),
                scores: String::new(),
            }));
        }
    }
    records
}

fn file(records: &Records, name: &str) -> String {
    let files = report::files(records, &[], &report::Question::default()).unwrap();
    let file = files.into_iter().find(|file| file.path == name).unwrap();
    String::from_utf8(file.bytes).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_report_gives_means_over_draws_with_corrected_intervals() {
    let records = drawn([80, 82, 78, 84, 76], [90, 94, 87, 95, 86]);
    let page = file(&records, "report.md");
    for text in [
        "## Over 5 draws of the splits",
        // S² 0.001, (1/5 + 100/300) S² = 0.00053333, t(4) 2.776: ± 6.41 points
        "| `sift-bovw-svm` | handcrafted | 5 | 80.0 | 73.6 to 86.4 | 76.0 to 84.0 |",
        // differences of 10, 12, 9, 11 and 10 points: S² 0.00013, ± 2.31 points
        "| `sift-bovw-svm` | `resnet-frozen-svm` | 5 | −10.4 | −12.7 to −8.1 | 0 |",
        "- Over 5 draws of the splits `resnet-frozen-svm` has the highest mean accuracy, 90.4 % (95 % interval ",
        "; on every draw it is ahead of 1 of 1 other arm",
        "into train (300), selection (100) and report (100)",
        "--repeats 5",
    ] {
        assert!(page.contains(text), "report.md does not say `{text}`:\n{page}");
    }
    let first = file(&records, "summary.csv");
    assert_eq!(first.matches("sift-bovw-svm").count(), 1, "{first}");
    assert!(
        report::terminal(&records, 120, false, &report::Question::default())
            .unwrap()
            .contains("Over 5 draws of the splits\narm")
    );
    assert!(file(&records, "report.html").contains("id=\"repeats\""));
}

#[test]
fn draws_that_agree_have_no_interval_and_one_draw_is_no_repeat() {
    let mut records = drawn([80; 5], [80; 5]);
    let page = file(&records, "report.md");
    assert!(page.contains("| `sift-bovw-svm` | `resnet-frozen-svm` | 5 | 0.0 | 0 |"), "{page}");
    assert!(page.contains("80.0 % (all draws give the same)"), "{page}");
    records.draws.clear();
    records.runs.retain(|run| run.dataset == "shapes");
    assert!(!file(&records, "report.md").contains("draws of the splits"));
}

#[test]
fn draws_are_recorded_beside_those_that_were() {
    let folder = tempfile::tempdir().unwrap();
    let records = drawn([80; 5], [80; 5]);
    let store = Store::open(folder.path(), |_| records.dataset.clone(), records.arms.clone()).unwrap();
    store.name_draws(vec![draw(0), draw(2)]).unwrap();
    store.name_draws(vec![draw(0), draw(1)]).unwrap();
    let read = Records::read(folder.path()).unwrap();
    assert_eq!(read.draws, [0, 1, 2].map(draw));
    Store::create(folder.path(), |_| records.dataset.clone(), records.arms.clone()).unwrap();
    assert!(Records::read(folder.path()).unwrap().draws.is_empty(), "started over");
}

#[test]
fn a_draw_is_the_folder_opened_with_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    for (class, shade) in [("dark", 0), ("light", 128)] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..12 {
            let picture = Rgb { width: 4, height: 4, data: vec![shade + number; 48] };
            fs::write(folder.path().join(format!("{class}/{number}.png")), encode_png(&picture)).unwrap();
        }
    }
    let open = |seed| Dataset::open(folder.path().to_str().unwrap(), None, seed).unwrap();
    let first = open(0);
    assert!(first.has_drawn_splits());
    assert_eq!(first.images_a_class(), 12.0);
    let third = first.resplit(3).unwrap();
    assert_eq!(third.manifest, open(3).manifest);
    assert_ne!(third.manifest, first.manifest);
    assert_eq!(third.name, format!("{};split=3", first.name));
    assert_eq!(first.resplit(0).unwrap().manifest, first.manifest);
    let error = Dataset::open("procedural,classes=2,train=3,val=1,test=2", None, 0).unwrap().resplit(1).unwrap_err();
    assert!(error.to_string().contains("has splits of its own: --repeats draws those of a folder"), "{error}");
}
