//! Learning curves: measured with a report, recorded beside its runs, shown with forecasts.

use super::{Place, one_line};

const OUT: &str = "out/many";
const REPORT: &str = "report --dataset many --arms small-sift.toml,small-orb.toml,thumbnail-1nn --out out";

/// Forty pictures of each of three classes, three fifths of them to train on.
fn place() -> Place {
    let place = Place::empty();
    place.draw("many", 0..40);
    place
}

#[test]
fn a_report_says_whether_more_images_would_help() {
    let place = place();
    place.run(&format!("{REPORT} --dry-run")).with(0).saying(&["then learning curves of the best arms"]);
    let ended = place.run(&format!("{REPORT} --target 90")).with(0);
    ended.saying(&["learning curve: small-sift, native, seed 0", "More training images like these", "90 %"]);
    let rows = place.rows(&format!("{OUT}/learning.csv"));
    assert_eq!(rows.len(), 2 * (6 * 10 + 1), "two arms, six sizes of ten draws and all images; no floor");
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    let sizes: std::collections::BTreeSet<usize> = rows.iter().map(|row| row["images"].parse().unwrap()).collect();
    let train = place.rows(&format!("{OUT}/manifest.csv")).iter().filter(|row| row["role"] == "train").count();
    assert_eq!((sizes.len(), *sizes.first().unwrap(), *sizes.last().unwrap()), (7, 9, train));
    for run in runs.iter().filter(|run| run["arm"] != "thumbnail-1nn") {
        let all = rows.iter().find(|row| row["run_id"] == run["run_id"] && row["images"] == train.to_string());
        let all = all.unwrap();
        let predictions = place.rows(&format!("{OUT}/predictions.csv"));
        let predictions = predictions.iter().filter(|row| row["run_id"] == run["run_id"]);
        let right: String = predictions.map(|row| if row["truth"] == row["predicted"] { '1' } else { '0' }).collect();
        let apart = right.chars().zip(all["right"].chars()).filter(|(a, b)| a != b).count();
        assert!(apart <= 1, "all images give what the run gave: {right} {}", all["right"]);
    }
    let page = one_line(&place.read(&format!("{OUT}/report.md")));
    for text in ["## Would more images help?", "![Learning curves](plots/learning.svg)", "`small-orb`", "--target 90"] {
        assert!(page.contains(text), "report.md does not say `{text}`: {page}");
    }
    assert!(place.read(&format!("{OUT}/report.html")).contains("id=\"more\""));
    assert!(place.read(&format!("{OUT}/plots/learning.svg")).contains("look-"));
}

#[test]
fn curves_are_measured_once_and_only_where_they_are_wanted() {
    let place = place();
    place.run(&format!("{REPORT} --curve never")).with(0);
    assert!(!place.path(&format!("{OUT}/learning.csv")).exists());
    assert!(!place.read(&format!("{OUT}/report.md")).contains("more images"));
    let runs = place.rows(&format!("{OUT}/runs.csv"));
    let before = place.read(&format!("{OUT}/predictions.csv"));

    place.run(REPORT).with(0).saying(&["3 runs, 3 of them recorded", "learning curve: small-orb"]);
    let curves = place.read(&format!("{OUT}/learning.csv"));
    assert_eq!(place.rows(&format!("{OUT}/runs.csv")), runs, "the runs stay what they are");
    assert_eq!(place.read(&format!("{OUT}/predictions.csv")), before);
    let again = place.run(REPORT).with(0);
    assert!(!again.stderr.contains("learning curve"), "{}", again.stderr);
    place.run("report --check --from out").with(0);

    // started over they are the same
    place.run(&format!("{REPORT} --fresh --threads 1")).with(0);
    assert_eq!(place.read(&format!("{OUT}/learning.csv")), curves);
    // and without it nothing is said
    std::fs::remove_file(place.path(&format!("{OUT}/learning.csv"))).unwrap();
    place.run("report --from out").with(0);
    assert!(!place.read(&format!("{OUT}/report.md")).contains("more images"));
}

#[test]
fn few_images_have_no_curve() {
    let place = Place::with_photos();
    let ended = place.run("report --dataset photos --arms small-sift.toml,majority --curve always").with(0);
    assert!(!ended.stderr.contains("learning curve"), "{}", ended.stderr);
    place.run("report --dataset photos --target 0").with(2).saying(&["it must be above 0 and below 100 %"]);
}
