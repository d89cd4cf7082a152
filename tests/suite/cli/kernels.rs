//! `--kernels`: whose kernels compute a network on a CPU, what that changes, and that it is recorded.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{Ended, Place, Row};

const MEASURE: &str = "measure --dataset photos --arms resnet-frozen-svm --input 32 --device cpu";

/// The images of a run, by path, with what was predicted.
fn predicted(rows: &[Row], run_id: &str) -> BTreeMap<String, String> {
    let own = rows.iter().filter(|row| row["run_id"] == run_id);
    own.map(|row| (row["image"].clone(), row["predicted"].clone())).collect()
}

#[test]
fn both_kernels_predict_the_same_and_each_has_its_records() {
    let place = Place::with_photos();
    let measure = |kernels: &str| {
        place.run(&format!("{MEASURE} --kernels {kernels}")).with(0).saying(&["1 runs, 0 of them recorded"]);
        let run = place.rows("featbench-report/photos/runs.csv").remove(0);
        let rows = place.rows("featbench-report/photos/predictions.csv");
        let predictions = predicted(&rows, &run["run_id"]);
        assert!(!predictions.is_empty());
        (run, predictions, place.read("featbench-report/photos/environment.json"))
    };
    let (own, predictions, environment) = measure("featbench");
    assert_eq!(own["device"], "cpu (featbench 25, onnxruntime 1)", "a convolution that falls back is seen here");
    assert!(environment.contains("kernels=featbench"), "{environment}");
    let (library, same, _) = measure("onnxruntime");
    assert_eq!(library["device"], "cpu");
    assert_ne!(own["run_id"], library["run_id"]);
    assert_eq!(predictions, same);
    place.run(&format!("{MEASURE} --kernels onnxruntime")).with(0).saying(&["1 runs, 1 of them recorded"]);
    place.run(&format!("{MEASURE} --kernels fast")).with(2).saying(&["--kernels"]);
}

fn committed(folder: &Path, name: &str) -> Vec<Row> {
    let plain = folder.join(format!("{name}.csv"));
    let text = std::fs::read_to_string(&plain).unwrap_or_else(|_| {
        let mut text = String::new();
        let file = std::fs::File::open(folder.join(format!("{name}.csv.gz"))).unwrap();
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        text
    });
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.unwrap()).collect()
}

/// Minutes of work, so only where the photographs are.
#[test]
fn photographs_are_predicted_as_in_the_committed_records() {
    let Some(data) = std::env::var_os("FEATBENCH_DATA").filter(|list| !list.is_empty()) else {
        return eprintln!("skipped: FEATBENCH_DATA is not set");
    };
    let place = Place::empty();
    let arms = ["resnet-frozen-svm", "resnet-frozen-softmax"];
    let set = "mini-natural-images";
    let call = format!("measure --dataset {set} --arms {} --kernels featbench --device cpu", arms.join(","));
    Ended::of(place.command(&call).env("FEATBENCH_DATA", &data)).with(0);
    let found = place.path("featbench-report").join(set);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(set);
    let of = |folder: &Path, arm: &str| {
        let at = [("arm", arm), ("backbone", "resnet18-cntk"), ("canvas", "native"), ("seed", "0")];
        let is = |run: &&Row| at.iter().all(|&(column, value)| run[column] == value);
        let runs = committed(folder, "runs");
        predicted(&committed(folder, "predictions"), &runs.iter().find(is).unwrap()["run_id"])
    };
    for arm in arms {
        let (found, known) = (of(&found, arm), of(&known, arm));
        assert_eq!(found.len(), 1909);
        let differing: Vec<_> = found.iter().filter(|(image, class)| known[*image] != **class).collect();
        assert!(differing.is_empty(), "{arm}: {differing:?}");
    }
}
