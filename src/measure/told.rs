//! What is told of a data set before anything is measured: how many images each class has, and what is to be known of
//! its files. What can make a result wrong is told first, and of that nothing is left to the report.

use crate::dataset::findings::is_important;
use crate::names::printable;
use crate::record::{ClassCount, Finding};

/// So many classes are listed one by one.
const CLASSES: usize = 20;
/// Of a kind of finding so many are told in full.
const IN_FULL: usize = 3;
/// Characters of a name.
const LONGEST: usize = 200;
/// Names in a line.
const NAMES: usize = 40;

/// Classes with their images for fitting, selection and report; of many only the smallest and the largest.
pub fn classes(counts: &[ClassCount]) -> Vec<String> {
    let numbers = |count: &ClassCount| format!("{}/{}/{}", count.train, count.val, count.test);
    let line = |text: String| vec![format!("  train/val/reported: {text}")];
    if counts.len() <= CLASSES {
        let class = |count: &ClassCount| format!("{} {}", printable(&count.class), numbers(count));
        return line(counts.iter().map(class).collect::<Vec<_>>().join(", "));
    }
    let all = |count: &&ClassCount| count.train + count.val + count.test;
    let (smallest, largest) = (counts.iter().min_by_key(all), counts.iter().rev().max_by_key(all));
    let class = |count: &ClassCount| format!("{} {}", printable(&count.class), numbers(count));
    let ends = smallest.zip(largest).map(|(smallest, largest)| (class(smallest), class(largest)));
    ends.map_or_else(Vec::new, |(smallest, largest)| {
        line(format!("from {smallest} (smallest) to {largest} (largest class)"))
    })
}

/// One line a kind of finding; they come in the order of what they do to the result.
pub fn findings(findings: &[Finding]) -> Vec<String> {
    findings.chunk_by(|a, b| a.kind == b.kind).flat_map(of_one_kind).collect()
}

fn of_one_kind(found: &[Finding]) -> Vec<String> {
    let kind = &found[0].kind;
    let full = |finding: &Finding| format!("{} ({})", short(&finding.what), printable(&finding.detail));
    if !is_important(kind) {
        let more = if found.len() > 1 { format!("; {} more in the report", found.len() - 1) } else { String::new() };
        return vec![format!("  {kind}: {}{more}", full(&found[0]))];
    }
    if found.len() <= IN_FULL {
        return found.iter().map(|finding| format!("  {kind}: {}", full(finding))).collect();
    }
    let first = format!("  {kind}, {} of them: {}", found.len(), full(&found[0]));
    let names: Vec<String> = found[1..].iter().map(|finding| short(&finding.what)).collect();
    let rest = |names: &[String]| format!("    also {}", names.join(", "));
    [first].into_iter().chain(names.chunks(NAMES).map(rest)).collect()
}

/// A name that fits on a terminal: of an endless path the two ends.
fn short(name: &str) -> String {
    let letters: Vec<char> = printable(name).chars().collect();
    let text = |part: &[char]| part.iter().collect::<String>();
    match letters.len() {
        ..=LONGEST => text(&letters),
        length => format!("{}…{}", text(&letters[..LONGEST / 2]), text(&letters[length - LONGEST / 2..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: &str, what: &str) -> Finding {
        Finding { kind: kind.into(), what: what.into(), detail: "why".into() }
    }

    #[test]
    fn nothing_important_is_left_to_the_report() {
        let lost: Vec<Finding> = (0..100).map(|i| finding("unlearnt", &format!("class {i}"))).collect();
        let told =
            findings(&[&lost[..], &[finding("rotated", "a.jpg"), finding("rotated", "b\n.jpg")]].concat()).join("\n");
        assert!((0..100).all(|i| told.contains(&format!("class {i}"))), "{told}");
        assert!(told.contains("unlearnt, 100 of them: class 0 (why)"), "{told}");
        assert!(told.ends_with("rotated: a.jpg (why); 1 more in the report"), "{told}");
        assert_eq!(findings(&[finding("lost", "a\n")]), ["  lost: a\\n (why)"]);
    }

    #[test]
    fn of_many_classes_the_ends_are_told() {
        let count = |i: usize| ClassCount { class: format!("c{i}"), train: i, val: 1, test: 2 };
        let few: Vec<ClassCount> = (1..3).map(count).collect();
        assert_eq!(classes(&few), ["  train/val/reported: c1 1/1/2, c2 2/1/2"]);
        let many: Vec<ClassCount> = (1..1000).map(count).collect();
        assert_eq!(classes(&many), ["  train/val/reported: from c1 1/1/2 (smallest) to c999 999/1/2 (largest class)"]);
    }
}
