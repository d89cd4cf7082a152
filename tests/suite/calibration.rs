//! Probabilities, prices and fronts on records that nobody measured.

use featbench::record::Records;
use featbench::report::{self, Budget, Question};

use super::synthetic::{Arm, SIFT, empty, measure};

/// Three arms of 2,000 images: one dear and best, one cheap, and one that is as dear as the best and worse than the cheap.
fn records() -> Records {
    let mut records = empty(&[("circle", 1000), ("square", 1000)]);
    for (name, family, native, ms, mib) in [
        ("dear", "deep", 0.96, 40.0, 45.0),
        ("cheap", "handcrafted", 0.9, 1.0, 2.0),
        ("off", "handcrafted", 0.8, 40.0, 60.0),
    ] {
        measure(&mut records, &Arm { name, family, native, canvas: None, ms, ..SIFT }, 2);
        for run in records.runs.iter_mut().filter(|run| run.arm == name) {
            (run.file_bytes, run.parameters) = (Some((mib * f64::from(1 << 20)) as u64), Some(11_200_000));
            (run.temperature, run.thresholds) = (Some(0.3), "90=0.6 95=0.75".to_owned());
        }
    }
    records
}

fn file(records: &Records, path: &str) -> String {
    let files = report::files(records, &[], &Question::default()).unwrap();
    let found = files.into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(found.bytes).unwrap()
}

fn verdict(records: &Records, budget: Budget) -> String {
    let question = Question { budget, ..Question::default() };
    let text = report::terminal(records, 100, false, &question).unwrap();
    let verdict = text.split("Verdict\n").nth(1).unwrap().split("\n\n").next().unwrap();
    verdict.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn within_mib(mib: f64) -> Budget {
    Budget { ms: None, mib: Some(mib) }
}

/// By hand: softmax of the recorded scores / 0.3, of the first seed of an arm.
fn by_hand(records: &Records, arm: &str) -> (Vec<(f64, bool)>, f64) {
    let run = records.runs.iter().find(|run| run.arm == arm && run.seed == 0).unwrap();
    let (mut answers, mut loss) = (Vec::new(), 0.0);
    for row in records.details.predictions.iter().filter(|row| row.run_id == run.run_id) {
        let scores: Vec<f64> = row.scores.split(' ').map(|score| score.parse::<f64>().unwrap() / 0.3).collect();
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        let p = |class: &str| scores[usize::from(class == "square")].exp() / sum;
        answers.push((p(&row.predicted), row.predicted == row.truth));
        loss -= p(&row.truth).ln() / 2000.0;
    }
    (answers, loss)
}

#[test]
fn metrics_and_what_is_answered_are_those_of_the_recorded_scores() {
    let records = records();
    let summary = file(&records, "summary.csv");
    let mut reader = csv::Reader::from_reader(summary.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}"));
    let row = reader.records().map(Result::unwrap).find(|row| &row[column("arm")] == "dear").unwrap();
    let (mut answers, loss) = by_hand(&records, "dear");
    let number = |name: &str| row[column(name)].parse::<f64>().unwrap();
    assert!((number("log_loss") - loss).abs() < 1e-5, "{} {loss}", number("log_loss"));
    answers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let error: f64 = (0..15)
        .map(|bin| {
            let bin = &answers[bin * 2000 / 15..(bin + 1) * 2000 / 15];
            let right = bin.iter().filter(|answer| answer.1).count() as f64;
            (right - bin.iter().map(|answer| answer.0).sum::<f64>()).abs() / 2000.0
        })
        .sum();
    assert!((number("ece") - error).abs() < 1e-5, "{} {error}", number("ece"));
    assert_eq!((number("temperature"), number("file_bytes")), (0.3, 45.0 * f64::from(1 << 20)));

    let report = file(&records, "report.md");
    let line = report.lines().find(|line| line.contains("`dear`") && line.contains(" 0.75 |")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let given = answers.iter().filter(|answer| answer.0 >= 0.75).count() as f64;
    let coverage: f64 = cells[cells.iter().position(|cell| *cell == "0.75").unwrap() + 1].parse().unwrap();
    assert!((coverage - 100.0 * given / 2000.0).abs() < 3.0, "a mean over seeds: {coverage}, {given}");
    for name in ["plots/reliability.svg", "plots/coverage.svg", "plots/size.svg"] {
        assert!(file(&records, name).contains("dear"), "{name}");
    }
    let said = verdict(&records, Budget::default());
    assert!(said.contains("Let it answer") && said.contains("95 % of its answers on the selection images"), "{said}");
}

#[test]
fn records_without_a_temperature_say_so() {
    let mut records = records();
    let report = |records: &Records| file(records, "report.md");
    assert!(!report(&records).contains("No temperature is recorded"));
    records.runs.iter_mut().filter(|run| run.arm == "cheap").for_each(|run| run.temperature = None);
    assert!(report(&records).contains("No temperature is recorded for `cheap`: "), "{}", report(&records));
    records.runs.iter_mut().for_each(|run| run.temperature = None);
    let text = report(&records);
    assert!(text.contains("No temperature is recorded for `cheap`, `dear` and `off`: ") && !text.contains("log loss"));
    assert!(!verdict(&records, Budget::default()).contains("Let it answer"));
}

#[test]
fn an_arm_is_off_the_front_only_where_that_is_shown() {
    let records = records();
    let report = file(&records, "report.md");
    let price = report.split("## The price").nth(1).unwrap();
    let standing = |arm: &str| {
        let line = price.lines().find(|line| line.contains(&format!("`{arm}`"))).unwrap();
        line.matches("off: worse than").count()
    };
    assert_eq!([standing("dear"), standing("cheap"), standing("off")], [0, 0, 2], "{price}");
    assert!(price.contains("off: worse than dear") && price.contains("Energy was not measured"));
    // a few images show nothing
    let mut few = empty(&[("circle", 8), ("square", 8)]);
    for (name, native, ms) in [("a", 0.9, 1.0), ("b", 0.8, 2.0)] {
        measure(&mut few, &Arm { name, family: "handcrafted", native, canvas: None, ms, ..SIFT }, 1);
    }
    let report = file(&few, "report.md");
    let price = report.split("## The price").nth(1).unwrap();
    let line = |arm: &str| price.lines().find(|line| line.contains(&format!("`{arm}`"))).unwrap().to_owned();
    assert!(line("a").contains("| on ") && line("b").contains("undecided"), "{price}");
}

#[test]
fn a_budget_of_mib_is_kept_and_unknown_sizes_are_named() {
    let mut records = records();
    let said = verdict(&records, within_mib(10.0));
    assert!(said.starts_with("- Take cheap: ") && said.contains("within 10 MiB"), "{said}");
    assert!(said.contains("and with a file of 2.00 MiB"), "{said}");
    let none = verdict(&records, within_mib(1.0));
    assert!(none.contains("No arm is within the budget of 1 MiB: the smallest takes 2.00 MiB."), "{none}");
    let both = verdict(&records, Budget { ms: Some(0.1), mib: Some(50.0) });
    assert!(both.contains("No arm is within the budget of 0.1 ms an image and 50 MiB"), "{both}");
    records.runs.iter_mut().filter(|run| run.arm == "dear").for_each(|run| run.file_bytes = None);
    let said = verdict(&records, within_mib(50.0));
    assert!(said.contains("Not within the budget of 50 MiB") && said.contains(": dear."), "{said}");
    records.runs.iter_mut().for_each(|run| run.file_bytes = None);
    let said = verdict(&records, within_mib(50.0));
    assert!(said.contains("The budget of 50 MiB was not applied"), "{said}");
}

#[test]
fn the_report_ends_with_the_command_that_takes_it_home() {
    let mut records = records();
    records.dataset.reading = " --labels scans.csv --group '^([^_]+)_'".into();
    let question = Question { budget: within_mib(10.0), ..Question::default() };
    let text = report::terminal(&records, 100, false, &question).unwrap();
    let command =
        "featbench export --dataset shapes --labels scans.csv --group '^([^_]+)_' --budget 10MiB -o shapes.featbench";
    assert!(text.trim_end().ends_with(command), "{text}");
    let report = file(&records, "report.md");
    assert!(
        report.contains("featbench report --dataset shapes --labels scans.csv --group '^([^_]+)_' --arms"),
        "{report}"
    );
    let run = report::recommendation(&records, &question).unwrap().unwrap();
    assert_eq!((run.run.arm.as_str(), run.why.contains("Take `cheap`")), ("cheap", true));
}
