//! Labels that a table states: `path,label[,split][,group]`, one line an image, for folders that don't say what an image
//! shows. Every line is checked before an image is read; each message names the file, the line and what to do.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use csv::StringRecord;

use super::DatasetError;
use super::seen::Placed;
use super::split_folders::split_named;
use super::tree::{images, is_picture};
use super::walk::Found;
use crate::dataset::findings::finding;
use crate::dataset::manifest::Part;
use crate::names::{printable, suggestion};
use crate::record::Finding;

/// Columns that are read; others are passed over.
const COLUMNS: [&str; 4] = ["path", "label", "split", "group"];

/// What a table's messages name.
struct Table<'a> {
    file: &'a Path,
    folder: &'a Path,
    found: &'a Found,
    /// Places of the columns; `split` and `group` need not be there.
    columns: [Option<usize>; 4],
}

/// One line that was checked by itself.
struct Line {
    number: u64,
    placed: Placed,
}

/// The images that a table lists, with their labels, splits and groups, and what is said of those it does not list.
///
/// # Errors
/// [`DatasetError::Labels`], with the line; a table that can't be read.
pub(super) fn read(folder: &Path, file: &Path, found: &Found) -> Result<(Vec<Placed>, Vec<Finding>), DatasetError> {
    let bytes = fs::read(file).map_err(|error| DatasetError::io(file, error))?;
    let delimiter =
        if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(bytes.as_slice());
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        wrong(file, line, format!("{error}; write every line with as many fields as the first, text in UTF-8"))
    };
    let columns = columns(file, reader.headers().map_err(broken)?)?;
    let table = Table { file, folder, found, columns };
    let mut lines = Vec::new();
    for record in reader.records() {
        lines.push(table.line(&record.map_err(broken)?)?);
    }
    if lines.is_empty() {
        return Err(wrong(file, 1, "no line follows the names of the columns; list one image a line".into()));
    }
    table.check_paths(&lines)?;
    table.check_splits(&lines)?;
    table.check_groups(&lines)?;
    let unlisted = table.unlisted(&lines);
    Ok((lines.into_iter().map(|line| line.placed).collect(), unlisted.into_iter().collect()))
}

fn wrong(file: &Path, line: u64, detail: String) -> DatasetError {
    DatasetError::Labels { file: file.to_path_buf(), line, detail }
}

/// Where the columns stand.
fn columns(file: &Path, header: &StringRecord) -> Result<[Option<usize>; 4], DatasetError> {
    let names: Vec<String> = header.iter().map(str::to_lowercase).collect();
    for name in COLUMNS {
        if names.iter().filter(|found| *found == name).count() > 1 {
            return Err(wrong(file, 1, format!("two columns are called `{name}`; rename or remove one")));
        }
    }
    let place = COLUMNS.map(|name| names.iter().position(|found| found == name));
    for (name, place) in COLUMNS.iter().zip(place).take(2) {
        if place.is_none() {
            let found: Vec<String> = header.iter().map(|name| format!("`{}`", printable(name))).collect();
            let detail = format!(
                "no column is called `{name}`, there are {}; the first line names the columns: path,label and, where \
                 they are known, split and group",
                found.join(", ")
            );
            return Err(wrong(file, 1, detail));
        }
    }
    Ok(place)
}

impl Table<'_> {
    fn wrong(&self, line: u64, detail: String) -> DatasetError {
        wrong(self.file, line, detail)
    }

    fn line(&self, record: &StringRecord) -> Result<Line, DatasetError> {
        let number = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| self.columns[column].and_then(|place| record.get(place)).unwrap_or_default();
        let path = self.path(number, field(0))?;
        if field(1).is_empty() {
            let detail = format!("`{}` has no label; fill it in, or remove the line", printable(&path));
            return Err(self.wrong(number, detail));
        }
        let split = match (field(2), split_named(field(2))) {
            ("", _) => None,
            (_, Some((part, true))) => Some(part),
            (word, _) => {
                let detail = format!(
                    "`{}` is no split; write train, val or test, or nothing in every line for a drawn split",
                    printable(word)
                );
                return Err(self.wrong(number, detail));
            }
        };
        let group = Some(field(3).to_owned()).filter(|group| !group.is_empty());
        Ok(Line { number, placed: Placed { path, split, label: field(1).to_owned(), group } })
    }

    /// The path as records name it, checked.
    fn path(&self, line: u64, path: &str) -> Result<String, DatasetError> {
        let (shown, folder) = (printable(path), printable(&self.folder.display().to_string()));
        let path = path.strip_prefix("./").unwrap_or(path);
        if path.is_empty() {
            return Err(self.wrong(line, "the path is empty; fill it in, or remove the line".into()));
        }
        if Path::new(path).is_absolute() || path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            let detail = format!("`{shown}` leads out of the data set; write paths as they are inside {folder}");
            return Err(self.wrong(line, detail));
        }
        let file = self.folder.join(path);
        if file.is_dir() {
            let detail = format!("`{shown}` is a folder; list each image in it on a line of its own");
            return Err(self.wrong(line, detail));
        }
        if !file.is_file() {
            let nearest = suggestion(path, self.found.files.iter().take(10_000).map(String::as_str));
            let slashes = if path.contains('\\') { " with `/` between folders" } else { "" };
            let detail = format!(
                "`{shown}` is not in {folder}{nearest}; write its path inside that folder{slashes}, or remove the line"
            );
            return Err(self.wrong(line, detail));
        }
        Ok(path.to_owned())
    }

    /// No image twice.
    fn check_paths(&self, lines: &[Line]) -> Result<(), DatasetError> {
        let mut first = HashMap::new();
        for Line { number, placed } in lines {
            if let Some(earlier) = first.insert(placed.path.as_str(), *number) {
                let detail =
                    format!("`{}` is listed in line {earlier} already; keep one of them", printable(&placed.path));
                return Err(self.wrong(*number, detail));
            }
        }
        Ok(())
    }

    /// Splits in every line or in none, and both sides of a comparison.
    fn check_splits(&self, lines: &[Line]) -> Result<(), DatasetError> {
        let Some(stated) = lines.iter().find(|line| line.placed.split.is_some()) else { return Ok(()) };
        if let Some(blank) = lines.iter().find(|line| line.placed.split.is_none()) {
            let detail = format!(
                "no split, but line {} has one; fill it in, or leave the column empty in every line for a drawn split",
                stated.number
            );
            return Err(self.wrong(blank.number, detail));
        }
        let has = |part| lines.iter().any(|line| line.placed.split == Some(part));
        let lacking = match (has(Part::Train), has(Part::Val) || has(Part::Test)) {
            (false, _) => "no line has the split train",
            (true, false) => "every line has the split train, so nothing could be reported",
            (true, true) => return Ok(()),
        };
        let detail = format!(
            "{lacking}; state train and test (val too, where it is known), or leave the column empty for a drawn split"
        );
        Err(self.wrong(stated.number, detail))
    }

    /// No group in two splits.
    fn check_groups(&self, lines: &[Line]) -> Result<(), DatasetError> {
        let mut first = BTreeMap::<&str, (Part, u64)>::new();
        for Line { number, placed } in lines {
            let (Some(group), Some(split)) = (&placed.group, placed.split) else { continue };
            let (there, line) = *first.entry(group).or_insert((split, *number));
            if there != split {
                let detail = format!(
                    "group `{}` stands in {} here and in {} in line {line}; put all images of a group into one split",
                    printable(group),
                    split.name(),
                    there.name()
                );
                return Err(self.wrong(*number, detail));
            }
        }
        Ok(())
    }

    /// Images that no line names.
    fn unlisted(&self, lines: &[Line]) -> Option<Finding> {
        let listed: HashSet<&str> = lines.iter().map(|line| line.placed.path.as_str()).collect();
        let mut rest = self.found.files.iter().filter(|file| is_picture(file) && !listed.contains(file.as_str()));
        let first = rest.next()?;
        let detail =
            format!("{} in the folder without a line in {}, ignored", images(1 + rest.count()), self.file.display());
        Some(finding("ignored", first, &detail))
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::files_below;
    use super::*;

    /// What is read of a table beside `one.jpg`, `two.jpg` and `deep/three.jpg`.
    fn stated(table: &str) -> Result<(Vec<Placed>, Vec<Finding>), String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        ["one.jpg", "two.jpg", "deep/three.jpg"]
            .iter()
            .for_each(|name| fs::write(folder.path().join(name), "x").unwrap());
        let file = folder.path().join("labels.csv");
        fs::write(&file, table).unwrap();
        let found = files_below(folder.path()).unwrap();
        let inside = format!("{}/", folder.path().display());
        read(folder.path(), &file, &found).map_err(|error| error.to_string().replace(&inside, ""))
    }

    #[test]
    fn columns_stand_in_any_order_and_others_are_passed_over() {
        let table =
            "\u{feff}Group,id,path, label ,split\np1,7,./one.jpg,\"ant, red\",train\n,8,deep/three.jpg,bee,Test\n";
        let (placed, findings) = stated(table).unwrap();
        let read: Vec<_> =
            placed.iter().map(|p| (p.path.as_str(), p.label.as_str(), p.split, p.group.as_deref())).collect();
        assert_eq!(
            read,
            [("one.jpg", "ant, red", Some(Part::Train), Some("p1")), ("deep/three.jpg", "bee", Some(Part::Test), None)]
        );
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].kind.as_str(), findings[0].what.as_str()), ("ignored", "two.jpg"));
        assert!(findings[0].detail.starts_with("1 image in the folder"), "{}", findings[0].detail);
        assert!(stated("path,label\none.jpg,ant\ntwo.jpg,bee\n").unwrap().0.iter().all(|p| p.split.is_none()));
    }

    #[test]
    fn every_error_names_file_line_and_remedy() {
        for (table, expected) in [
            (
                "path,class\none.jpg,ant\n",
                "labels.csv, line 1: no column is called `label`, there are `path`, `class`; the",
            ),
            ("image,label\none.jpg,ant\n", "line 1: no column is called `path`"),
            ("path,label,label\none.jpg,ant,b\n", "line 1: two columns are called `label`; rename"),
            ("path,label\n", "line 1: no line follows the names of the columns; list"),
            ("path,label\none.jpg,ant\none.jpg\n", "line 3: "),
            ("path,label\none.jpg,ant\n,bee\n", "line 3: the path is empty; fill it in"),
            ("path,label\none.jpg,ant\n../two.jpg,bee\n", "line 3: `../two.jpg` leads out of the data set; write"),
            ("path,label\n/one.jpg,ant\n", "line 2: `/one.jpg` leads out"),
            ("path,label\ndeep,ant\n", "line 2: `deep` is a folder; list each image"),
            ("path,label\none.jpeg,ant\n", "line 2: `one.jpeg` is not in "),
            ("path,label\none.jpeg,ant\n", ", did you mean `one.jpg`?; write its path inside that folder, or remove"),
            ("path,label\ndeep\\three.jpg,ant\n", "with `/` between folders"),
            ("path,label\none.jpg,\n", "line 2: `one.jpg` has no label; fill it in"),
            ("path,label,split\none.jpg,ant,tset\n", "line 2: `tset` is no split; write train, val or test"),
            (
                "path,label\none.jpg,ant\ntwo.jpg,bee\none.jpg,bee\n",
                "line 4: `one.jpg` is listed in line 2 already; keep",
            ),
            ("path,label,split\none.jpg,ant,train\ntwo.jpg,bee,\n", "line 3: no split, but line 2 has one; fill it in"),
            ("path,label,split\none.jpg,ant,train\ntwo.jpg,bee,train\n", "line 2: every line has the split train, so"),
            ("path,label,split\none.jpg,ant,val\ntwo.jpg,bee,test\n", "line 2: no line has the split train; state"),
            (
                "path,label,split,group\none.jpg,ant,train,p1\ntwo.jpg,bee,test,p1\n",
                "line 3: group `p1` stands in test here and in train in line 2; put all images of a group into one split",
            ),
        ] {
            let error = stated(table).map(|_| ()).unwrap_err();
            assert!(error.starts_with("labels.csv, line ") && error.contains(expected), "{table}: {error}");
        }
    }
}
