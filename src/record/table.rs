//! A CSV file of records, plain or compressed, with exactly the columns of its row type.
//! The columns are the fields of the row's struct: a file with one more or one less is from another version and is
//! refused rather than guessed at.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

use super::files;

/// A row type that has a file of its own.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// Name of the file, without `.csv` or `.csv.gz`.
    const NAME: &'static str;

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
        (true, true) => bail!("{} stands beside {}; delete one of them", plain.display(), compressed.display()),
        (_, true) => Ok(compressed),
        (_, false) => Ok(plain),
    }
}

/// All rows of the file of `R` in `folder`.
pub(super) fn read<R: Row>(folder: &Path) -> Result<Vec<R>> {
    let path = path_of::<R>(folder)?;
    let file = File::open(&path).map_err(|error| files::unreadable(&path, &error))?;
    let bytes: Box<dyn Read> = if is_compressed(&path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(bytes);
    let refuse = |found: &str| files::other_version(&path, found);
    let found = reader.headers().map_err(|error| refuse(&error.to_string()))?;
    if let Some(column) = R::columns().iter().find(|column| !found.iter().any(|name| name == **column)) {
        return Err(refuse(&format!("column `{column}` is missing")));
    }
    if let Some(name) = found.iter().find(|name| !R::columns().contains(name)) {
        return Err(refuse(&format!("column `{name}` is unknown")));
    }
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| refuse(&error.to_string()))
}

/// The same for a file that is there only where it has rows.
pub(super) fn read_if_there<R: Row>(folder: &Path) -> Result<Vec<R>> {
    if path_of::<R>(folder)?.exists() { read(folder) } else { Ok(Vec::new()) }
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

/// Writes the file of `R` anew, in the form (plain or compressed) that stands there.
pub(super) fn write<R: Row>(folder: &Path, rows: &[R]) -> Result<()> {
    let path = path_of::<R>(folder)?;
    let mut bytes = to_csv(rows).with_context(|| path.display().to_string())?;
    if is_compressed(&path) {
        // Neither time nor file name goes into the header: the same rows give the same bytes.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        bytes = encoder.finish()?;
    }
    files::write(&path, &bytes)
}

fn to_csv<R: Row>(rows: &[R]) -> Result<Vec<u8>> {
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
