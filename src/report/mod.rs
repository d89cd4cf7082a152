//! Reports: pages, tables and pictures made from records and nothing else. [`summary`] turns records into numbers
//! once, `view` puts them in the order of reading, and each format (`csv`, `html`, `terminal`; Markdown and pictures by
//! `templates` alone) is a small peer that writes the same view: the same records give the same bytes.

mod audit;
mod check;
mod cost;
mod csv;
mod errors;
mod experiment;
mod facts;
mod findings;
mod format;
mod front;
mod html;
mod learning;
mod markdown;
mod metrics;
mod near_duplicates;
mod plot;
mod precision;
mod price;
mod readme;
mod repeats;
mod said;
pub mod summary;
mod sure;
mod suspects;
mod sweep;
mod table;
mod tables;
mod templates;
mod terminal;
pub mod time;
mod trainings;
mod verdict;
mod view;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::record::files::replace;
use crate::record::{Records, RunRow};

pub use check::{Difference, Kind, check};
pub use html::Thumbnails;
pub use plot::range_test;
pub use readme::spliced;
use summary::Summary;
pub use summary::{Aim, Budget, Question};
use view::View;

const PAGE: &str = "report.html";

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path inside the data set's record folder, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Every file of the report on one data set; nothing is read or written. A sweep is compared with `others`, those of
/// other images.
///
/// # Errors
/// Records that contradict each other.
pub fn files(records: &Records, others: &[Records], question: &Question) -> Result<Vec<File>> {
    if let Some(sweep) = &records.sweep {
        return sweep::files(records, sweep, others, question);
    }
    seen(records, question, |summary, view| {
        let mut files = vec![
            File { path: "summary.csv".to_owned(), bytes: csv::csv(summary)? },
            File { path: "report.md".to_owned(), bytes: templates::markdown("report.md", view)?.into_bytes() },
            File { path: PAGE.to_owned(), bytes: html::html(summary, view, &Thumbnails::new())?.into_bytes() },
        ];
        for figure in &view.figures {
            files.push(picture(figure)?);
        }
        Ok(files)
    })
}

/// Does something with the numbers and the view of one data set: those of the first draw of its splits, with what all
/// draws say in the view.
fn seen<T>(records: &Records, question: &Question, with: impl FnOnce(&Summary, &View) -> Result<T>) -> Result<T> {
    let first = repeats::first(records);
    let summary = Summary::of(&first, question)?;
    let mut view = View::of(&summary);
    if let Some(repeats) = repeats::repeats(records, &summary) {
        repeats.sentence.iter().for_each(|sentence| view.findings.insert(0, sentence.clone()));
        view.command = format!("{} {}", view.command, repeats.option);
        view.repeats = Some(repeats);
    }
    with(&summary, &view)
}

/// The arm that the verdict takes.
#[derive(Debug, Clone)]
pub struct Recommendation {
    /// Its first run.
    pub run: RunRow,
    /// Which it is, and why.
    pub why: String,
}

/// The arm that the verdict on these records takes; `None` where it takes none.
///
/// # Errors
/// Records that contradict each other.
pub fn recommendation(records: &Records, question: &Question) -> Result<Option<Recommendation>> {
    let first = repeats::first(records);
    let summary = Summary::of(&first, question)?;
    let taken = verdict::taken(&summary).zip(verdict::why(&summary));
    Ok(taken.map(|(entry, why)| Recommendation { run: summary.entries[entry].row.clone(), why }))
}

/// Ids of the runs whose learning curves are worth measuring, one an arm, by what is recorded of the first draw.
///
/// # Errors
/// Records that contradict each other.
pub fn worth_a_curve(records: &Records, question: &Question) -> Result<Vec<String>> {
    let first = repeats::first(records);
    let summary = Summary::of(&first, question)?;
    Ok(learning::worthy(&summary).into_iter().map(str::to_owned).collect())
}

/// A figure as a file of its own.
fn picture(figure: &plot::Figure) -> Result<File> {
    Ok(File { path: format!("plots/{}.svg", figure.name), bytes: templates::svg(figure)?.into_bytes() })
}

/// Writes the report into `folder`, where its records are, each file beside its place and then renamed, and removes
/// pictures of an earlier report from `plots/`; gives the paths.
///
/// # Errors
/// As [`files`], and what the file system says, with the path.
pub fn write(records: &Records, folder: &Path, question: &Question) -> Result<Vec<PathBuf>> {
    let files = files(records, &sweeps_beside(folder)?, question)?;
    let paths: Vec<PathBuf> = files.iter().map(|file| write_file(file, folder)).collect::<Result<_>>()?;
    for path in old_plots(folder, &paths) {
        match fs::remove_file(&path) {
            // another process renders the same report
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("removing {}", path.display()))?,
        }
    }
    Ok(paths)
}

/// The other sweeps that a page speaks of. One that can't be read is its own error, not this page's.
fn sweeps_beside(folder: &Path) -> Result<Vec<Records>> {
    Ok(Records::sweeps_beside(folder)?.iter().filter_map(|folder| Records::read(folder).ok()).collect())
}

/// Paths, inside the data set, of the images that the page lists one by one.
///
/// # Errors
/// Records that contradict each other.
pub fn listed_images(records: &Records) -> Result<BTreeSet<String>> {
    seen(records, &Question::default(), |summary, view| Ok(html::listed(summary, view)))
}

/// Writes the page of [`write()`] again, with thumbnails. It is no longer what the records alone give.
///
/// # Errors
/// As [`write()`].
pub fn write_page(records: &Records, folder: &Path, thumbnails: &Thumbnails, question: &Question) -> Result<PathBuf> {
    let page = seen(records, question, |summary, view| html::html(summary, view, thumbnails))?;
    write_file(&File { path: PAGE.to_owned(), bytes: page.into_bytes() }, folder)
}

/// Pictures in `plots/` that are not among the `current` files, sorted. The folder belongs to the report: one that it
/// no longer has would be taken for current.
fn old_plots(folder: &Path, current: &[PathBuf]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("plots")) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_picture = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "svg");
    let mut old: Vec<PathBuf> = paths.filter(|path| is_picture(path) && !current.contains(path)).collect();
    old.sort();
    old
}

/// A readable summary for a terminal of `width` characters, with ANSI colours where they are wanted.
///
/// # Errors
/// Records that contradict each other.
pub fn terminal(records: &Records, width: usize, colour: bool, question: &Question) -> Result<String> {
    if let Some(sweep) = &records.sweep {
        return Ok(terminal::sentences(&sweep::answers(records, sweep, question), width));
    }
    seen(records, question, |_, view| Ok(terminal::terminal(view, width, colour)))
}

fn write_file(file: &File, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(&file.path);
    replace(&path, &file.bytes)
        .with_context(|| format!("writing {}: is the folder writable and the disk not full?", path.display()))?;
    Ok(path)
}
