//! A CSV file of records, plain or compressed, with exactly the columns of its row type.
//! The columns are the fields of the row's struct: a file with one more or one less is from another version and is
//! refused rather than guessed at, but for columns that came later and may be unknown.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

use super::files;

/// Bytes of the text from which on a table that may be long is compressed.
pub const LONG: usize = 1 << 20;
/// Bytes of a row; one that is longer is refused before it fills the memory.
const LONGEST_ROW: usize = 64 << 20;
/// Rows of a table, those of unknown runs among them.
const MOST_ROWS: usize = 100_000_000;

/// A row type that has a file of its own.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// Name of the file, without `.csv` or `.csv.gz`.
    const NAME: &'static str;

    /// Is the file compressed from [`LONG`] bytes on?
    const COMPRESSED_WHEN_LONG: bool = false;
    /// Columns that older files lack, and whose values are not known there.
    const LATER: &'static [&'static str] = &[];

    /// Columns of the file, in order.
    fn columns() -> &'static [&'static str] {
        fields_of::<Self>()
    }
}

/// The file of `R` in `folder`: `NAME.csv.gz` where that is there, else `NAME.csv`, be it there or not.
pub(super) fn path_of<R: Row>(folder: &Path) -> Result<PathBuf> {
    let plain = folder.join(format!("{}.csv", R::NAME));
    let compressed = folder.join(format!("{}.csv.gz", R::NAME));
    match (plain.exists(), compressed.exists()) {
        (true, true) if !R::COMPRESSED_WHEN_LONG => {
            bail!("{} stands beside {}; delete one of them", plain.display(), compressed.display())
        }
        (_, true) => Ok(compressed),
        (_, false) => Ok(plain),
    }
}

/// How many rows each run may have in a table; runs that are not named have none.
pub(super) type Limits<'a> = HashMap<&'a str, usize>;

/// All rows of the file of `R` in `folder`.
pub(super) fn read<R: Row>(folder: &Path) -> Result<Vec<R>> {
    let path = path_of::<R>(folder)?;
    parse(open(&path)?, &path, None)
}

/// The rows of known runs. The others are passed over while reading, and take no memory.
pub(super) fn read_of<R: Row>(folder: &Path, limits: &Limits) -> Result<Vec<R>> {
    let path = path_of::<R>(folder)?;
    parse(open(&path)?, &path, Some(limits))
}

/// The same for a file that is there only where it has rows.
pub(super) fn read_of_if_there<R: Row>(folder: &Path, limits: &Limits) -> Result<Vec<R>> {
    if path_of::<R>(folder)?.exists() { read_of(folder, limits) } else { Ok(Vec::new()) }
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|error| files::unreadable(path, &error))?;
    Ok(if is_compressed(path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Rows from their text; `path` is for messages.
pub(super) fn parse<R: Row>(text: impl Read, path: &Path, limits: Option<&Limits>) -> Result<Vec<R>> {
    let refuse = |found: &str| files::other_version(path, found);
    let left = Cell::new(LONGEST_ROW);
    let mut reader = csv::Reader::from_reader(Bounded { text, left: &left });
    let header = reader.headers().map_err(|error| refuse(&error.to_string()))?.clone();
    let may_lack = |column: &str| R::LATER.contains(&column);
    let lacks = |column: &str| !may_lack(column) && !header.iter().any(|name| name == column);
    if let Some(column) = R::columns().iter().find(|column| lacks(column)) {
        return Err(refuse(&format!("column `{column}` is missing")));
    }
    if let Some(name) = header.iter().find(|name| !R::columns().contains(name)) {
        return Err(refuse(&format!("column `{name}` is unknown")));
    }
    let run_id = header.iter().position(|name| name == "run_id").unwrap_or_default();
    // rows that runs may still have: the one of the row before, and those before it
    let (mut current, mut left_of): (Option<(&str, usize)>, Limits) = (None, Limits::new());
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    for number in 1.. {
        left.set(LONGEST_ROW);
        if !reader.read_record(&mut record).map_err(|error| refuse(&error.to_string()))? {
            break;
        }
        if number > MOST_ROWS {
            return Err(refuse(&format!("more than {MOST_ROWS} rows")));
        }
        if let Some(limits) = limits {
            // the rows of a run stand together
            let run = &record[run_id];
            if current.is_none_or(|(id, _)| id != run) {
                left_of.extend(current);
                let known = limits.get_key_value(run);
                current = known.map(|(&id, &limit)| (id, left_of.get(id).copied().unwrap_or(limit)));
            }
            let Some((id, left)) = &mut current else { continue };
            let Some(fewer) = left.checked_sub(1) else {
                return Err(refuse(&format!("more than {} rows of run {id}", limits[id])));
            };
            *left = fewer;
        }
        rows.push(record.deserialize(Some(&header)).map_err(|error| refuse(&error.to_string()))?);
    }
    Ok(rows)
}

/// A text of which so much may be read until somebody allows more.
struct Bounded<'a, T> {
    text: T,
    left: &'a Cell<usize>,
}

impl<T: Read> Read for Bounded<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        match self.left.get().checked_sub(read) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other(format!("a row of more than {} MiB", LONGEST_ROW >> 20))),
        }
        Ok(read)
    }
}

/// Writes the file of `R` where there are rows, and removes it where there are none.
pub(super) fn write_if_any<R: Row>(folder: &Path, rows: &[R]) -> Result<()> {
    let path = path_of::<R>(folder)?;
    match rows {
        [] if path.exists() => std::fs::remove_file(&path).map_err(|error| files::unwritable(&path, &error)),
        [] => Ok(()),
        _ => write(folder, rows),
    }
}

/// Writes the file of `R` anew, compressed where it stands compressed or its text is long.
pub(super) fn write<R: Row>(folder: &Path, rows: &[R]) -> Result<()> {
    let path = path_of::<R>(folder)?;
    let text = to_csv(rows).with_context(|| path.display().to_string())?;
    if is_compressed(&path) {
        return files::write(&path, &compressed(&text)?);
    }
    if !R::COMPRESSED_WHEN_LONG || text.len() < LONG {
        return files::write(&path, &text);
    }
    files::write(&folder.join(format!("{}.csv.gz", R::NAME)), &compressed(&text)?)?;
    // Killed before this, both stand there, and the compressed one counts.
    if path.exists() { fs::remove_file(&path).map_err(|error| files::unwritable(&path, &error)) } else { Ok(()) }
}

/// Neither time nor file name goes into the header: the same rows give the same bytes.
fn compressed(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

/// Rows as the text of their file.
pub(super) fn to_csv<R: Row>(rows: &[R]) -> Result<Vec<u8>> {
    // The header is written by hand, since the csv crate leaves it out where there are no rows.
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(R::columns())?;
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(writer.into_inner()?)
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// Names of the fields of a struct, in order.
pub(super) fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // Derived code says its fields before it reads anything; `Fields` notes them and stops it there.
    let _ = T::deserialize(Fields(&mut fields));
    fields
}

/// Notes the fields that a derived `Deserialize` asks for, and gives it nothing.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Stop;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        *self.0 = fields;
        Err(Stop::custom("only the names were wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
