//! How a folder of one's own is read: where its labels stand, which images belong together, and the seed that draws the
//! splits that it lacks.

use std::path::PathBuf;
use std::str::FromStr;

use regex::Regex;

/// How a folder is read. [`Reading::drawn`] reads labels and splits from its folders.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Draws the splits that are not there.
    pub seed: u64,
    /// A table with the columns `path,label[,split][,group]`; `None` where folders are the labels.
    pub labels: Option<PathBuf>,
    /// Says which images belong together by their paths.
    pub grouping: Option<Grouping>,
}

impl Reading {
    /// Labels by folders, no groups.
    pub fn drawn(seed: u64) -> Reading {
        Reading { seed, ..Reading::default() }
    }

    /// What is typed to read a folder this way again: ` --labels FILE.csv --group 'REGEX'`, or nothing.
    pub fn typed(&self) -> String {
        let labels = self.labels.as_ref().map(|table| format!(" --labels {}", quoted(&table.display().to_string())));
        let group = self.grouping.as_ref().map(|grouping| format!(" --group {}", quoted(grouping.as_str())));
        [labels, group].into_iter().flatten().collect()
    }

    /// Does it ask for more than folders say?
    pub fn is_special(&self) -> bool {
        self.labels.is_some() || self.grouping.is_some()
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,:+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A regular expression that finds an image's group in its path inside the data set.
#[derive(Debug, Clone)]
pub struct Grouping(Regex);

impl Grouping {
    /// The first capture group, or the whole match where the expression has none or that took no part; `None` where
    /// nothing matches, or nothing but an empty text.
    pub fn of(&self, path: &str) -> Option<String> {
        let found = self.0.captures(path)?;
        let group = found.get(1).or_else(|| found.get(0))?.as_str();
        (!group.is_empty()).then(|| group.to_owned())
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Grouping {
    type Err = String;

    fn from_str(text: &str) -> Result<Grouping, String> {
        if text.is_empty() {
            return Err("an empty expression groups nothing; as in '^[^/]+/([^_]+)_'".into());
        }
        Regex::new(text).map(Grouping).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("no regular expression ({reason}); as in '^[^/]+/([^_]+)_', the syntax of Rust's regex")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_capture_or_else_the_whole_match_is_the_group() {
        let group = |regex: &str, path: &str| regex.parse::<Grouping>().unwrap().of(path);
        assert_eq!(group("^[^/]+/([^_]+)_", "ant/clip7_001.jpg").as_deref(), Some("clip7"));
        assert_eq!(group(r"patient\d+", "ant/patient12-3.jpg").as_deref(), Some("patient12"));
        assert_eq!(group("(a)?b", "b.jpg").as_deref(), Some("b"), "the capture took no part");
        assert_eq!(group("clip", "ant/1.jpg"), None);
        assert_eq!(group("x*", "ant/1.jpg"), None, "an empty text is no group");
    }

    #[test]
    fn what_was_typed_is_one_word_each() {
        let reading =
            Reading { seed: 0, labels: Some("my scans.csv".into()), grouping: Some("^([^_']+)_".parse().unwrap()) };
        assert_eq!(reading.typed(), r" --labels 'my scans.csv' --group '^([^_'\'']+)_'");
        assert_eq!(Reading::drawn(3).typed(), "");
    }

    #[test]
    fn a_wrong_expression_says_why() {
        let error = "(clip".parse::<Grouping>().unwrap_err();
        assert!(error.contains("unclosed group") && error.contains("as in"), "{error}");
        assert!("".parse::<Grouping>().is_err());
    }
}
