//! What a report says of an experiment, on records that nobody measured.

use featbench::record::{Comparison, ExperimentRecord, Records};
use featbench::report::{self, Question};

use super::synthetic::{Arm, empty, measure, train};

fn comparison(first: &str, second: &str) -> Comparison {
    Comparison { first: first.into(), second: second.into(), about: "the schedule alone".into() }
}

/// Two arms of three seeds and two protocols; the first trained one was watched.
fn records(accuracies: [f64; 2]) -> Records {
    let mut records = empty(&[("ants", 70), ("bees", 83)]);
    for (name, native) in ["step", "1cycle"].into_iter().zip(accuracies) {
        let arm = Arm { name, family: "deep", backbone: "resnet18-cntk", native, canvas: None, ms: 3.0 };
        measure(&mut records, &arm, 3);
    }
    records.runs.iter_mut().for_each(|run| run.epochs = Some(3));
    train(&mut records, "step");
    let truths: Vec<String> = (0..153).map(|i| usize::from(i >= 70).to_string()).collect();
    for row in &mut records.details.epochs {
        // everything is an ant at first, and all is right from the second epoch on
        row.reported = if row.epoch == 1 { vec!["0"; 153].join(" ") } else { truths.join(" ") };
    }
    records.experiment = Some(ExperimentRecord {
        name: "one-cycle".into(),
        title: "1cycle against step decay".into(),
        form: "reduced".into(),
        source: "a publication".into(),
        question: "is 1cycle better?".into(),
        epochs: 3,
        published_epochs: 50,
        image_steps: 90,
        protocols: vec!["last".into(), "selected".into()],
        reach: vec![0.45, 0.9],
        comparisons: vec![comparison("1cycle", "step"), comparison("1cycle", "constant")],
    });
    records
}

fn report_of(records: &Records) -> String {
    let files = report::files(records, &[], &Question::default()).unwrap();
    String::from_utf8(files.into_iter().find(|file| file.path == "report.md").unwrap().bytes).unwrap()
}

#[test]
fn the_first_finding_answers_the_question() {
    let report = report_of(&records([0.85, 0.86]));
    let answer = report.split("## Findings").nth(1).unwrap().lines().find(|line| line.starts_with("- ")).unwrap();
    assert!(answer.contains("Is 1cycle better? Undecided: `1cycle` against `step`"), "{answer}");
    assert!(
        answer.contains("3 seeds on the same 153 images") && answer.contains("in four of five measurements"),
        "{answer}"
    );
    assert!(report.contains("\n- Not measured yet: `constant`; the same command goes on.\n"), "{report}");
    assert!(report.contains("Form `reduced`: 3 epochs a training where 50 were published, 90 image steps"));
    assert!(report.contains("featbench experiment one-cycle --form reduced"));
    // 70 of 153 are right at first; one comparison lacks an arm, one protocol has no run
    let reached = report.split("epochs to 45.0 %").nth(1).unwrap();
    let cells: Vec<&str> = reached.lines().find(|l| l.contains("`step`")).unwrap().split('|').map(str::trim).collect();
    assert_eq!(cells[2..4], ["1", "2"], "epochs to 45 and to 90 %");
    assert_eq!(report.matches("the schedule alone").count(), 2, "in the sentence and in the table");
}

#[test]
fn what_the_images_show_is_decided() {
    let better = report_of(&records([0.6, 0.95]));
    assert!(better.contains("Is 1cycle better? Better: `1cycle` against `step`"), "{better}");
    let worse = report_of(&records([0.95, 0.6]));
    assert!(worse.contains("Is 1cycle better? Worse: `1cycle` against `step`"), "{worse}");
}

#[test]
fn an_epoch_that_the_reported_images_chose_is_never_the_best() {
    let mut records = records([0.6, 0.95]);
    records.runs.iter_mut().filter(|run| run.arm == "1cycle").for_each(|run| run.protocol = "published".into());
    let report = report_of(&records);
    assert!(
        report.contains("- Best deep arm that ran on native images, chosen on the selection images: `step` "),
        "{report}"
    );
}

#[test]
fn a_seed_that_never_gets_there_counts_as_infinite() {
    let mut records = records([0.85, 0.86]);
    let slow: Vec<String> = records.runs.iter().filter(|run| run.seed > 0).map(|run| run.run_id.clone()).collect();
    let never = vec!["0"; 153].join(" ");
    let rows = records.details.epochs.iter_mut().filter(|row| slow.contains(&row.run_id));
    rows.for_each(|row| row.reported.clone_from(&never));
    let report = report_of(&records);
    let line = report.split("epochs to 45.0 %").nth(1).unwrap().lines().find(|line| line.contains("`step`")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!(cells[2..4], ["1", "over 3 (1 of 3 seeds)"], "one of three seeds got to 90 %");
}
