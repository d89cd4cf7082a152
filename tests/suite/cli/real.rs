//! The registered data sets as a user measures them, where their files are at hand: the floors' accuracies are known.

use std::path::PathBuf;

use super::report::SUMMARY_COLUMNS;
use super::{Ended, Place, Row};

/// The value of `FEATBENCH_DATA` (a path list), or `None`, said on stderr, where it is not set.
fn data() -> Option<PathBuf> {
    let list = std::env::var_os("FEATBENCH_DATA").filter(|list| !list.is_empty()).map(PathBuf::from);
    if list.is_none() {
        eprintln!("skipped: FEATBENCH_DATA is not set");
    }
    list
}

fn percent(run: &Row) -> f64 {
    100.0 * run["accuracy"].parse::<f64>().unwrap()
}

#[test]
fn the_floors_of_both_registered_sets_are_what_they_were_found_to_be() {
    let Some(data) = data() else { return };
    let place = Place::empty();
    let run = |arguments: &str| Ended::of(place.command(arguments).env("FEATBENCH_DATA", &data));
    run("list").with(0).saying(&["mini-natural-images ready", "hymenoptera ready"]);

    let sets = "--dataset mini-natural-images --dataset hymenoptera --arms majority,metadata-1nn";
    run(&format!("report {sets}")).with(0).saying(&[
        "mini-natural-images: 8 classes, 1022 train, 695 val, 1909 reported images",
        "hymenoptera: 2 classes, 195 train, 49 val, 153 reported images",
        "unsupported: train/ants/imageNotFound.gif",
    ]);
    // Accuracy in percent by another implementation (scikit-learn's nearest neighbour; counted by hand for majority).
    for (set, split, n, majority, metadata) in
        [("mini-natural-images", "test", "1909", 10.9, 79.5), ("hymenoptera", "val", "153", 45.8, 55.6)]
    {
        let summary = format!("featbench-report/{set}/summary.csv");
        assert_eq!(place.read(&summary).lines().next(), Some(SUMMARY_COLUMNS));
        let runs = place.rows(&summary);
        assert_eq!(runs.len(), 2);
        for (arm, expected) in [("majority", majority), ("metadata-1nn", metadata)] {
            let run = runs.iter().find(|run| run["arm"] == arm).unwrap();
            assert!((percent(run) - expected).abs() < 0.2, "{set}, {arm}: {} %, expected {expected} %", percent(run));
            assert_eq!((run["n"].as_str(), run["split"].as_str()), (n, split));
        }
    }
    let record: serde_json::Value =
        serde_json::from_str(&place.read("featbench-report/hymenoptera/dataset.json")).unwrap();
    let images =
        |role: &str| record["counts"].as_array().unwrap().iter().map(|c| c[role].as_u64().unwrap()).sum::<u64>();
    assert_eq!(images("train") + images("val"), 244, "the GIF is left out, all other published train images are used");
}
