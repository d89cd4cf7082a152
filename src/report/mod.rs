//! Reports: pages, tables and pictures made from records and nothing else. [`summary`] turns records into numbers
//! once, `view` puts them in the order of reading, and each format (`csv`, `markdown`, `terminal`, pictures) is a
//! small peer that writes the same view: the same records give the same bytes.

mod csv;
mod findings;
mod format;
mod markdown;
mod plot;
pub mod summary;
mod table;
mod tables;
mod templates;
mod terminal;
mod view;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::record::Records;

use summary::Summary;
use view::View;

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path inside the data set's record folder, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Every file of the report on one data set; nothing is read or written.
///
/// # Errors
/// Records that contradict each other.
pub fn files(records: &Records) -> Result<Vec<File>> {
    let summary = Summary::of(records)?;
    let view = View::of(&summary);
    let mut files = vec![
        File { path: "summary.csv".to_owned(), bytes: csv::csv(&summary)? },
        File { path: "report.md".to_owned(), bytes: markdown::markdown(&view)?.into_bytes() },
    ];
    for figure in &view.figures {
        files.push(File { path: format!("plots/{}.svg", figure.name), bytes: templates::svg(figure)?.into_bytes() });
    }
    Ok(files)
}

/// Writes the report into `folder`, each file beside its place and then renamed, and removes pictures of an earlier
/// report from `plots/`; gives the paths.
///
/// # Errors
/// As [`files`], and what the file system says, with the path.
pub fn write(records: &Records, folder: &Path) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = files(records)?.iter().map(|file| write_file(file, folder)).collect::<Result<_>>()?;
    remove_old_plots(&folder.join("plots"), &paths)?;
    Ok(paths)
}

/// The folder of the pictures belongs to the report: one that it no longer has would be taken for current.
fn remove_old_plots(plots: &Path, current: &[PathBuf]) -> Result<()> {
    let Ok(entries) = fs::read_dir(plots) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|extension| extension == "svg") && !current.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Renders the records of each folder into the same folder; gives the paths of the files.
///
/// # Errors
/// As [`write()`], and records that can't be read.
pub fn render(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in folders {
        let records = Records::read(folder)?;
        paths.extend(write(&records, folder).with_context(|| format!("rendering {}", folder.display()))?);
    }
    Ok(paths)
}

/// A readable summary for a terminal of `width` characters, with ANSI colours where they are wanted.
///
/// # Errors
/// Records that contradict each other.
pub fn terminal(records: &Records, width: usize, colour: bool) -> Result<String> {
    Ok(terminal::terminal(&View::of(&Summary::of(records)?), width, colour))
}

fn write_file(file: &File, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(&file.path);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let beside = path.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&beside, &file.bytes)
        .and_then(|()| fs::rename(&beside, &path))
        .with_context(|| format!("writing {}: is the folder writable and the disk not full?", path.display()))?;
    Ok(path)
}
