//! Names that look like frames of a video or shots of a burst: such images are nearly the same, and on two sides of a
//! split they make every accuracy too high. Nothing but names is looked at; whoever knows better says `--group`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::split_folders::split_named;
use crate::dataset::findings::finding;
use crate::dataset::manifest::{Part, Row};
use crate::names::printable;
use crate::record::Finding;

/// So many images at least, and this share of all.
const FEWEST: usize = 3;
const SHARE: f64 = 0.05;

/// Digits of a number that a machine gave: people write `ant 7`, cameras `IMG_0007`.
const DIGITS: usize = 3;

/// Seconds between two shots of a burst.
const APART: u64 = 2;

/// Year, month, day, hour, minute and second, as cameras and telephones write them.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"(?:^|[^0-9])((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?([0-3]\d)[-_ .T]*([01]\d|2[0-3])[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)";
    Regex::new(time).expect("a test reads it")
});

/// What groups the names that a video's frames have, and those of one minute.
const BEFORE_THE_NUMBER: &str = r"^(.*?)[-_ .]?[0-9]+\.[^.]*$";
const MINUTE: &str = "([0-9]{8}[-_ ]?[0-9]{4})";

/// Images that look as if they were taken one after the other, and what would group them.
#[derive(Default)]
struct Suspects<'a> {
    paths: BTreeSet<&'a str>,
    regex: Option<&'static str>,
}

/// A warning, where images with such names stand on two sides.
pub(super) fn warning(rows: &[Row]) -> Option<Finding> {
    let used: Vec<&Row> = rows.iter().filter(|row| row.role.is_some()).collect();
    let (timed, numbered): (Vec<&Row>, Vec<&Row>) = used.iter().copied().partition(|row| seconds(&row.path).is_some());
    let found = [of_times(&timed), of_numbers(&numbered)].into_iter().max_by_key(|found| found.paths.len())?;
    let count = found.paths.len();
    if count < FEWEST || (count as f64) < SHARE * used.len() as f64 {
        return None;
    }
    let mut examples = found.paths.iter().map(|path| format!("`{}`", printable(path)));
    let first = examples.next()?;
    let regex = found.regex.map_or(String::new(), |regex| format!(", as in --group '{regex}'"));
    let detail = format!(
        "{count} of {} images are called like frames of a video or shots of a burst ({first}, {}), and such neighbours stand on \
         two sides of the splits: where they show the same scene, accuracies are too high; --group REGEX{regex} or a column \
         `group` (--labels) keeps them together",
        used.len(),
        examples.next().unwrap_or_default()
    );
    Some(finding("burst", found.paths.first()?, &detail))
}

/// Shots of one class within moments.
fn of_times<'a>(rows: &[&'a Row]) -> Suspects<'a> {
    let mut shots: Vec<(&str, u64, &'a Row)> =
        rows.iter().filter_map(|row| Some((row.label.as_str(), seconds(&row.path)?, *row))).collect();
    shots.sort_by_key(|(label, time, row)| (*label, *time, &row.path));
    let mut found = Suspects::default();
    for burst in shots.chunk_by(|a, b| a.0 == b.0 && b.1 - a.1 <= APART) {
        if on_two_sides(burst.iter().map(|(.., row)| *row)) {
            found.paths.extend(burst.iter().map(|(.., row)| row.path.as_str()));
        }
    }
    let minute: Regex = Regex::new(MINUTE).expect("a test reads it");
    found.regex = found.paths.iter().all(|path| minute.is_match(path)).then_some(MINUTE);
    found
}

/// Images of one class that are called alike but for a number, in even steps.
fn of_numbers<'a>(rows: &[&'a Row]) -> Suspects<'a> {
    let mut series = BTreeMap::<(&str, String), BTreeMap<u64, &'a Row>>::new();
    for &row in rows {
        if let Some((before, number)) = number(row) {
            series.entry((row.label.as_str(), before)).or_default().insert(number, row);
        }
    }
    let mut found = Suspects::default();
    let (mut classes, mut names) = (BTreeSet::new(), 0);
    for ((label, _), shots) in &series {
        if in_even_steps(shots.keys().copied()) && on_two_sides(shots.values().copied()) {
            found.paths.extend(shots.values().map(|row| row.path.as_str()));
            classes.insert(*label);
            names += 1;
        }
    }
    // one name a class would make one group of each class
    found.regex = (names > 2 * classes.len()).then_some(BEFORE_THE_NUMBER);
    found
}

/// What stands before the last number of an image's name, with folders below its class, and the number; `None` where
/// nothing does, or only the name of its class.
fn number(row: &Row) -> Option<(String, u64)> {
    let mut parts: Vec<&str> = row.path.split('/').collect();
    let name = parts.pop()?;
    parts.retain(|folder| *folder != row.label && split_named(folder).is_none());
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &stem[before.len()..];
    if digits.len() < DIGITS {
        return None;
    }
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect::<String>();
    let (own, class) = (letters(before), letters(&row.label));
    let of_class = own.is_empty() || class.starts_with(&own) || (own.starts_with(&class) && !class.is_empty());
    let clip = before.chars().any(|c| c.is_ascii_digit()) && !before.starts_with(&row.label);
    if parts.is_empty() && of_class && !clip {
        return None;
    }
    parts.push(before);
    Some((parts.join("/"), digits.parse().ok()?))
}

/// At least three, and half of the steps or more are of one size.
fn in_even_steps(numbers: impl Iterator<Item = u64>) -> bool {
    let numbers: Vec<u64> = numbers.collect();
    let mut steps = BTreeMap::<u64, usize>::new();
    numbers.windows(2).for_each(|pair| *steps.entry(pair[1] - pair[0]).or_default() += 1);
    numbers.len() >= FEWEST && steps.values().max().is_some_and(|often| 2 * often >= numbers.len() - 1)
}

fn on_two_sides<'a>(mut rows: impl Iterator<Item = &'a Row>) -> bool {
    let first: Option<Option<Part>> = rows.next().map(|row| row.role);
    first.is_some_and(|role| rows.any(|row| row.role != role))
}

/// When the name says that the image was taken, in seconds since no certain time.
fn seconds(path: &str) -> Option<u64> {
    let found = TIME.captures(path.rsplit('/').next()?)?;
    let number = |place: usize| found[place].parse::<u64>().unwrap_or_default();
    let days = (number(1) * 12 + number(2)) * 31 + number(3);
    Some(((days * 24 + number(4)) * 60 + number(5)) * 60 + number(6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::reading::Grouping;

    /// Rows of these paths, every third one reported.
    fn rows(paths: impl IntoIterator<Item = String>) -> Vec<Row> {
        let row = |(i, path): (usize, String)| Row {
            label: path.split('/').next().unwrap().into(),
            split: None,
            role: Some(if i % 3 == 2 { Part::Test } else { Part::Train }),
            sha256: path.clone(),
            width: 1,
            height: 1,
            group: None,
            path,
        };
        paths.into_iter().enumerate().map(row).collect()
    }

    fn said(paths: impl IntoIterator<Item = String>) -> Option<String> {
        warning(&rows(paths)).map(|finding| finding.detail)
    }

    #[test]
    fn frames_of_clips_are_named_with_what_groups_them() {
        let clips = || (0..24).map(|i| format!("ant/clip{}_{:04}.jpg", i / 6, 10 * i));
        let detail = said(clips()).unwrap();
        assert!(detail.starts_with("24 of 24 images"), "{detail}");
        assert!(detail.contains(&format!("--group '{BEFORE_THE_NUMBER}'")), "{detail}");
        let grouping: Grouping = BEFORE_THE_NUMBER.parse().unwrap();
        let groups: BTreeSet<_> = clips().map(|path| grouping.of(&path).unwrap()).collect();
        assert_eq!(groups.first().map(String::as_str), Some("ant/clip0"));
        assert_eq!(groups.len(), 4);
        assert!(said((0..24).map(|i| format!("ant/clip {}/{:05}.png", i / 6, i))).is_some(), "a folder a clip");
    }

    #[test]
    fn a_camera_that_counts_has_no_expression_to_offer() {
        let detail = said((0..20).map(|i| format!("ant/IMG_{:04}.JPG", 100 + i))).unwrap();
        assert!(!detail.contains("as in") && detail.contains("column `group`"), "{detail}");
    }

    #[test]
    fn shots_of_one_second_are_a_burst() {
        let names = (0..20).map(|i| format!("bee/20240501_1230{:02}_{i}.jpg", 10 * (i / 5)));
        let detail = said(names).unwrap();
        assert!(detail.contains(&format!("--group '{MINUTE}'")), "{detail}");
        assert_eq!(said((0..20).map(|i| format!("bee/2024-05-01 12.{i:02}.00.jpg"))), None, "a minute apart");
    }

    #[test]
    fn plain_numbers_and_names_of_classes_say_nothing() {
        assert_eq!(said((0..20).map(|i| format!("ant/{i:04}.jpg"))), None);
        assert_eq!(said((0..20).map(|i| format!("ant/ants_{i:04}.jpg"))), None);
        assert_eq!(said((0..20).map(|i| format!("ant/photo {i}.jpg"))), None);
        assert_eq!(said((0..20).map(|i| format!("ant/IMG_{:04}.jpg", i * i * 7))), None, "picked here and there");
        assert_eq!(said((0..20).map(|i| format!("n0144/n0144_{}.jpg", 100 + i * (i + 13)))), None);
    }

    #[test]
    fn clips_on_one_side_are_no_matter() {
        let mut rows = rows((0..24).map(|i| format!("ant/clip{}_{:04}.jpg", i / 6, i)));
        for (i, row) in rows.iter_mut().enumerate() {
            row.role = Some(if i < 18 { Part::Train } else { Part::Test });
        }
        assert_eq!(warning(&rows), None);
    }
}
