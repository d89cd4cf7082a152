//! Is a committed report what its records give? Every file is rendered in memory and compared byte for byte with the
//! one that is there; nothing is written.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::record::Records;

/// Characters of a line that are shown around the place where it differs.
const SHOWN: usize = 60;

/// How one file differs from what the records give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub path: PathBuf,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The report has this file, the folder has not.
    Missing,
    /// A picture that the report no longer has.
    Surplus,
    /// The first line that differs, from 1, as it is in the file and as it is rendered; `None` where one of them ends.
    Line { number: usize, found: Option<String>, rendered: Option<String> },
}

/// Differences between the report on `records`, as it is without options, and the files in `folder`, in the order of
/// [`super::files`].
///
/// # Errors
/// Records that contradict each other, and files that are there but can't be read.
pub fn check(records: &Records, folder: &Path) -> Result<Vec<Difference>> {
    let files = super::files(records, &super::sweeps_beside(folder)?, &super::Question::default())?;
    let mut differences = Vec::new();
    for file in &files {
        let path = folder.join(&file.path);
        let kind = match fs::read(&path) {
            Ok(found) if found == file.bytes => continue,
            Ok(found) => first_difference(&found, &file.bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Kind::Missing,
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        differences.push(Difference { path, kind });
    }
    let current: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
    let surplus = super::old_plots(folder, &current).into_iter();
    differences.extend(surplus.map(|path| Difference { path, kind: Kind::Surplus }));
    Ok(differences)
}

/// Where two texts that are not equal first differ.
fn first_difference(found: &[u8], rendered: &[u8]) -> Kind {
    let (found, rendered) = (lines(found), lines(rendered));
    let common = found.iter().zip(&rendered).take_while(|(a, b)| a == b).count();
    let (found, rendered) = (found.get(common).copied(), rendered.get(common).copied());
    // Long lines (a page's data) are shown where they part.
    let pairs = found.unwrap_or_default().iter().zip(rendered.unwrap_or_default());
    let apart = pairs.take_while(|(a, b)| a == b).count();
    let show = |line: Option<&[u8]>| line.map(|line| shown(line, apart));
    Kind::Line { number: common + 1, found: show(found), rendered: show(rendered) }
}

/// Lines with what ends them, so that a missing last newline is a difference.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// A line around byte `at`, printable.
fn shown(line: &[u8], at: usize) -> String {
    let start = at.saturating_sub(SHOWN / 2);
    let end = (start + SHOWN).min(line.len());
    let printable = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let text: String = String::from_utf8_lossy(&line[start.min(end)..end]).chars().map(printable).collect();
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < line.len() { "…" } else { "" });
    format!("{before}{text}{after}")
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Missing => write!(f, "{path}: missing"),
            Kind::Surplus => write!(f, "{path}: the report has no such picture"),
            Kind::Line { number, found, rendered } => {
                let text = |line: &Option<String>| line.clone().unwrap_or_else(|| "(ends)".into());
                write!(f, "{path}: line {number}\n  is       {}\n  expected {}", text(found), text(rendered))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, found: Option<&str>, rendered: Option<&str>) -> Kind {
        Kind::Line { number, found: found.map(str::to_owned), rendered: rendered.map(str::to_owned) }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference(b"a\nb\nc\n", b"a\nx\ny\n"), line(2, Some("b\\n"), Some("x\\n")));
        assert_eq!(first_difference(b"a\n", b"a\nb\n"), line(2, None, Some("b\\n")));
        assert_eq!(first_difference(b"a\nb\n", b"a\n"), line(2, Some("b\\n"), None));
        assert_eq!(first_difference(b"a\nb", b"a\nb\n"), line(2, Some("b"), Some("b\\n")));
        assert_eq!(first_difference(b"a\r\n", b"a\n"), line(1, Some("a\\r\\n"), Some("a\\n")));
        assert_eq!(first_difference(b"", b"a"), line(1, None, Some("a")));
    }

    #[test]
    fn long_lines_are_shown_where_they_part() {
        let (x, mut y) = ("x".repeat(500), "x".repeat(500));
        y.replace_range(400..401, "é");
        let Kind::Line { found: Some(found), rendered: Some(rendered), .. } =
            first_difference(x.as_bytes(), y.as_bytes())
        else {
            panic!("both have a line");
        };
        assert_eq!(found, format!("…{}…", "x".repeat(SHOWN)));
        assert!(rendered.contains("xéx") && rendered.chars().count() < SHOWN + 2, "{rendered}");
    }
}
