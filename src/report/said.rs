//! Outcomes of comparisons in words, the same wherever two arms are compared.

use crate::stats::compare::Difference;
use crate::stats::outcome::{Judged, Outcome, Rule};

use super::format::{points, trimmed};

/// `1 point`, `0.5 points`
pub fn margin(rule: Rule) -> String {
    match trimmed(100.0 * rule.margin, 2).as_str() {
        "1" => "1 point".to_owned(),
        points => format!("{points} points"),
    }
}

/// Of the first against the second: `better`, `equivalent within 1 point`
pub fn outcome(outcome: Outcome, rule: Rule) -> String {
    match outcome {
        Outcome::Equivalent => format!("equivalent within {}", margin(rule)),
        other => other.name().to_owned(),
    }
}

/// `+0.4 to +3.1`
pub fn interval(difference: &Difference, level: f64) -> String {
    let (low, high) = difference.bounds(level);
    format!("{} to {}", points(low), points(high))
}

/// What may be detected, where nothing was shown: a sentence with a blank before it, or nothing.
pub fn detectable(judged: &Judged, rule: Rule) -> String {
    let known = judged.difference.detectable(rule.level).filter(|_| judged.outcome == Outcome::Undecided);
    known.map_or_else(String::new, |detectable| {
        format!(
            " Images and seeds like these show a difference of {:.1} points in four of five measurements.",
            100.0 * detectable
        )
    })
}

/// How the comparisons of a table were made, in sentences.
pub fn method(rule: Rule) -> String {
    format!(
        "All seeds on the same images; with three seeds or more these are counted as drawn at random, as the images are, \
         with fewer the statement is about these fits. *Better* and *worse* go by p after Holm's correction over the \
         table, *equivalent within {}* by two one-sided tests, corrected likewise; else *undecided*, which does not say \
         that there is no difference. 95 % intervals are those of each comparison by itself.",
        margin(rule)
    )
}
