//! A manifest: every file of a data set with its label, split, hash and size, as CSV.
//! It is committed for the registered data sets and written for a user's folder, so that a result can name the
//! exact files behind it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use sha2::{Digest, Sha256};

use crate::record::files::replace;

/// The last is there only where images have groups: a manifest without them keeps its hash.
const COLUMNS: [&str; 8] = ["path", "label", "split", "role", "sha256", "width", "height", "group"];
const WITHOUT_GROUPS: usize = COLUMNS.len() - 1;

/// The three parts of a data set, by name. The order is that of the flow: fit, select, report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Train,
    Val,
    Test,
}

impl Part {
    pub(super) const ALL: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// One file. Only the dataset module sees rows: they hold the labels of the reported images.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Path inside the data set's folder, with `/`.
    pub path: String,
    pub label: String,
    /// The published split that the file stands in, or the one that was drawn; `None` only without a role.
    pub split: Option<Part>,
    /// What featbench uses it for: fitting, selection or the report; `None` for a file that is listed, never used.
    pub role: Option<Part>,
    /// Lower-case hex; empty only for a file without a role that could not be read at all.
    pub sha256: String,
    /// Pixels as stored; 0 only without a role.
    pub width: u32,
    pub height: u32,
    /// Images of one group stand on one side of a split; `None` for one that belongs to no other.
    pub group: Option<String>,
}

/// The files of a data set, sorted by path. Labels don't leave the dataset module this way either:
/// ```compile_fail
/// fn peek(manifest: &featbench::dataset::Manifest) -> usize { manifest.rows.len() }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(super) rows: Vec<Row>,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot read the manifest {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{file}, line {line}: {detail}; restore the file or have it written again")]
    Csv { file: String, line: u64, detail: String },
    #[error(
        "{file}, line {line}, field `{field}`: found `{found}`, expected {expected}; restore the file or have it \
         written again"
    )]
    Field { file: String, line: u64, field: &'static str, found: String, expected: &'static str },
    #[error("{file}: no file has the role `{role}`; every manifest needs train, val and test")]
    NoRole { file: String, role: &'static str },
}

impl Manifest {
    pub(super) fn new(mut rows: Vec<Row>) -> Manifest {
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        Manifest { rows }
    }

    /// Reads and validates a manifest file.
    ///
    /// # Errors
    /// A file that can't be read, or a line that is wrong: the message names file, line and field.
    pub fn read(path: &Path) -> Result<Manifest, ManifestError> {
        let text = fs::read(path).map_err(|source| ManifestError::Io { path: path.to_path_buf(), source })?;
        Manifest::parse(&path.display().to_string(), &text)
    }

    /// `file` is the name that error messages give.
    pub(super) fn parse(file: &str, text: &[u8]) -> Result<Manifest, ManifestError> {
        let csv_error = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            ManifestError::Csv { file: file.into(), line, detail: error.to_string() }
        };
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers().map_err(csv_error)?;
        if header != COLUMNS[..] && header != COLUMNS[..WITHOUT_GROUPS] {
            let found = header.iter().collect::<Vec<_>>().join(",");
            let expected = COLUMNS[..WITHOUT_GROUPS].join(",");
            let detail = format!("the columns are `{found}`, expected `{expected}`");
            return Err(ManifestError::Csv { file: file.into(), line: 1, detail });
        }
        let mut seen = HashSet::new();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(csv_error)?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = row_of(&record).and_then(|row| {
                if seen.insert(row.path.clone()) { Ok(row) } else { Err((0, "a path that is not listed twice")) }
            });
            rows.push(row.map_err(|(index, expected)| ManifestError::Field {
                file: file.into(),
                line,
                field: COLUMNS[index],
                found: record[index].into(),
                expected,
            })?);
        }
        let manifest = Manifest::new(rows);
        match Part::ALL.into_iter().find(|&role| manifest.with_role(role).next().is_none()) {
            Some(role) => Err(ManifestError::NoRole { file: file.into(), role: role.name() }),
            None => Ok(manifest),
        }
    }

    /// Writes the manifest beside `path` and renames it into place; missing folders are made.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        replace(path, &self.csv())
    }

    /// SHA-256 of the CSV that [`Manifest::write`] writes, lower-case hex.
    pub fn sha256(&self) -> String {
        hex_sha256(&self.csv())
    }

    /// Number of listed files, used or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.role.is_some())
    }

    pub(super) fn with_role(&self, role: Part) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.role == Some(role))
    }

    /// The published split of the images with this role.
    pub(super) fn published(&self, role: Part) -> Part {
        self.with_role(role).find_map(|row| row.split).unwrap_or(role)
    }

    /// Labels of the used files, sorted by name.
    pub(super) fn classes(&self) -> Vec<String> {
        self.used().map(|row| row.label.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many groups the used images belong to; 0 where none does.
    pub(super) fn groups(&self) -> usize {
        self.used().filter_map(|row| row.group.as_deref()).collect::<BTreeSet<_>>().len()
    }

    fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = if self.groups() > 0 { COLUMNS.len() } else { WITHOUT_GROUPS };
        let mut write = |fields: [&str; 8]| writer.write_record(&fields[..columns]).expect("memory takes every record");
        write(COLUMNS);
        for row in &self.rows {
            let name = |part: Option<Part>| part.map_or("", Part::name);
            let (width, height) = (row.width.to_string(), row.height.to_string());
            let group = row.group.as_deref().unwrap_or_default();
            write([&row.path, &row.label, name(row.split), name(row.role), &row.sha256, &width, &height, group]);
        }
        writer.into_inner().expect("memory needs no flushing")
    }
}

/// The counts only: rows hold labels of reported images.
impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Manifest({} files, {})", self.rows.len(), self.sha256())
    }
}

pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The row, or the index of the wrong field and what is expected there.
fn row_of(record: &StringRecord) -> Result<Row, (usize, &'static str)> {
    let role = part_of(&record[3]).ok_or((3, "train, val, test or nothing"))?;
    let split = part_of(&record[2]).ok_or((2, "train, val, test or nothing"))?;
    let pixels = |index: usize| match record[index].parse::<u32>() {
        Ok(side) if side > 0 || role.is_none() => Ok(side),
        _ => Err((index, "a number of pixels")),
    };
    let is_hash = record[4].len() == 64 && record[4].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let stays_inside = !record[0].contains('\\') && record[0].split('/').all(|name| !matches!(name, "" | "." | ".."));
    if !stays_inside {
        return Err((0, "a path inside the data set, with `/`"));
    }
    if record[1].is_empty() {
        return Err((1, "the name of a class"));
    }
    if split.is_none() && role.is_some() {
        return Err((2, "train, val or test, as the file has a role"));
    }
    if !(is_hash || record[4].is_empty() && role.is_none()) {
        return Err((4, "64 lower-case hexadecimal digits"));
    }
    Ok(Row {
        path: record[0].into(),
        label: record[1].into(),
        split,
        role,
        sha256: record[4].into(),
        width: pixels(5)?,
        height: pixels(6)?,
        group: record.get(WITHOUT_GROUPS).filter(|group| !group.is_empty()).map(str::to_owned),
    })
}

/// `None` where the text is no part's name; an empty text is no part.
fn part_of(text: &str) -> Option<Option<Part>> {
    if text.is_empty() { Some(None) } else { Part::ALL.into_iter().find(|part| part.name() == text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let hash = "0123456789abcdef".repeat(4);
        format!(
            "path,label,split,role,sha256,width,height\n\
             b/1.jpg,b,train,train,{hash},3,4\n\
             \"a, x/1.jpg\",\"a, x\",train,val,{hash},3,4\n\
             b/2.jpg,b,test,test,{hash},3,4\n\
             b/3.gif,b,,,,0,0\n"
        )
    }

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse("m.csv", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn is_sorted_and_survives_the_round_trip() {
        let manifest = parse(&text()).unwrap();
        assert_eq!(manifest.rows[0].path, "a, x/1.jpg");
        assert_eq!(manifest.classes(), ["a, x", "b"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/manifest.csv");
        manifest.write(&file).unwrap();
        assert_eq!(Manifest::read(&file).unwrap(), manifest);
        assert_eq!(hex_sha256(&fs::read(&file).unwrap()), manifest.sha256());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn groups_have_a_column_only_where_there_are_some() {
        let grouped =
            text().replace("height\n", "height,group\n").replace(",3,4\n", ",3,4,clip\n").replace("0,0", "0,0,");
        let manifest = parse(&grouped).unwrap();
        assert_eq!((manifest.groups(), manifest.rows[0].group.as_deref()), (1, Some("clip")));
        assert!(
            String::from_utf8(manifest.csv()).unwrap().starts_with("path,label,split,role,sha256,width,height,group\n")
        );
        assert_eq!(Manifest::parse("m.csv", &manifest.csv()).unwrap(), manifest);
        assert_ne!(manifest.sha256(), parse(&text()).unwrap().sha256());
        assert!(!String::from_utf8(parse(&text()).unwrap().csv()).unwrap().contains("group"));
    }

    #[test]
    fn errors_name_line_and_field() {
        for (find, replace, expected) in [
            ("b/2.jpg", "../2.jpg", "line 4, field `path`: found `../2.jpg`"),
            ("b/2.jpg", "b/1.jpg", "line 4, field `path`: found `b/1.jpg`, expected a path that is not listed twice"),
            ("b/2.jpg,b", "b/2.jpg,", "line 4, field `label`: found ``"),
            ("b,test,", "b,dev,", "line 4, field `split`: found `dev`"),
            ("b,test,test", "b,,test", "line 4, field `split`: found ``"),
            (",test,test,", ",test,tset,", "line 4, field `role`: found `tset`"),
            ("test,test,0", "test,test,G", "line 4, field `sha256`"),
            (",3,4\nb/3", ",3,0\nb/3", "line 4, field `height`: found `0`"),
            (",0,0", ",0,x", "line 5, field `height`: found `x`"),
            (",0,0", ",0", "line 5: "),
            ("path,label", "path,class", "line 1: the columns are `path,class,split"),
            ("test,test", "test,", "no file has the role `test`"),
        ] {
            let error = parse(&text().replacen(find, replace, 1)).unwrap_err();
            assert!(error.starts_with("m.csv") && error.contains(expected), "{find} -> {replace}: {error}");
        }
    }

    #[test]
    fn debug_output_shows_no_label() {
        let shown = format!("{:?}", parse(&text().replace(",b,", ",secret,")).unwrap());
        assert!(shown.starts_with("Manifest(4 files") && !shown.contains("secret"));
    }
}
