//! The verdict on records that nobody measured: which arm is to be taken, and why.

use featbench::record::Records;
use featbench::report::{self, Budget, Question};
use featbench::stats::outcome::Rule;

use super::synthetic::{Arm, SIFT, empty, measure};

/// Three arms of 2,000 images: the dear one is best, the middle one hardly worse, the cheap one clearly.
fn records() -> Records {
    let mut records = empty(&[("circle", 1000), ("square", 1000)]);
    for (name, family, native, ms) in
        [("dear", "deep", 0.960, 40.0), ("middle", "handcrafted", 0.958, 8.0), ("cheap", "handcrafted", 0.9, 1.0)]
    {
        measure(&mut records, &Arm { name, family, native, canvas: None, ms, ..SIFT }, 1);
    }
    records
}

fn verdict(question: Question) -> String {
    let text = report::terminal(&records(), 100, false, &question).unwrap();
    let verdict = text.split("Verdict\n").nth(1).unwrap().split("\n\n").next().unwrap();
    verdict.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn margin(points: f64) -> Question {
    Question { rule: Rule { margin: points / 100.0, ..Rule::default() }, ..Question::default() }
}

#[test]
fn the_cheapest_that_is_shown_to_be_good_enough_is_taken() {
    let said = verdict(margin(3.0));
    assert!(said.starts_with("- Take middle: "), "{said}");
    assert!(
        said.contains(
            "the cheapest of 3 arms that is shown not to be worse than the best, dear, by more than 3 points"
        )
    );
    assert!(said.contains("The best of the cheaper: cheap") && said.contains("against it, worse."), "{said}");
    assert!(verdict(margin(10.0)).starts_with("- Take cheap: "));
}

#[test]
fn where_nothing_is_shown_the_best_is_taken_and_it_is_said_what_could_be_shown() {
    let said = verdict(margin(0.1));
    assert!(said.starts_with("- Take dear: "), "{said}");
    assert!(said.contains("none of the cheaper is shown not to be worse by more than 0.1 points"), "{said}");
    assert!(said.contains("in four of five measurements"), "{said}");
}

#[test]
fn a_budget_is_kept() {
    let within = |ms| verdict(Question { budget: Budget { ms: Some(ms), mib: None }, ..Question::default() });
    assert!(within(10.0).starts_with("- Take middle: "), "{}", within(10.0));
    assert!(within(2.0).starts_with("- Take cheap: "));
    assert!(within(0.01).starts_with("- No arm is within the budget of 0.01 ms an image"), "{}", within(0.01));
}
