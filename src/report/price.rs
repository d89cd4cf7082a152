//! What an arm costs, in one list of columns: `summary.csv`, the table of the page and the pictures of what accuracy costs
//! all go through it. A new cost is one line of [`PRICES`].

use crate::record::RunRow;
use crate::stats::latency::{median, quantile};

use super::format::{count, significant};
use super::summary::{Entry, Run, Times, mean};

const MIB: f64 = (1 << 20) as f64;

/// One cost of an arm.
pub struct Price {
    /// Its column in `summary.csv`.
    pub name: &'static str,
    /// Decimals there.
    pub decimals: usize,
    /// Its column in the table with its unit; empty for one that only `summary.csv` has.
    pub title: &'static str,
    /// `None` where it was not measured.
    of: fn(&Times, &RunRow) -> Option<f64>,
    over: Over,
    pub print: fn(f64) -> String,
}

/// What several seeds of an arm give.
#[derive(Clone, Copy)]
enum Over {
    /// One number of the time samples of all.
    Pooled,
    Mean,
    Most,
}

/// In the order of the columns.
pub const PRICES: [Price; 16] = [
    new("extract_ms_median", 3, "", Over::Pooled, two, |times, _| quantile(&times.extract, 0.5)),
    new("extract_ms_p90", 3, "", Over::Pooled, two, |times, _| quantile(&times.extract, 0.9)),
    new("classify_ms_median", 3, "", Over::Pooled, two, |times, _| quantile(&times.classify, 0.5)),
    new("ms_median", 3, "#ms an image, median", Over::Pooled, two, |times, _| median(&times.single)),
    new("ms_p90", 3, "#ms an image, p90", Over::Pooled, two, |times, _| quantile(&times.single, 0.9)),
    new("images_per_s", 3, "#images/s, offline", Over::Pooled, three, |times, _| times.images_per_s()),
    new("threads", 0, "#threads, offline", Over::Most, whole, |_, row| Some(row.threads as f64)),
    new("joules", 3, "#joules an image", Over::Mean, two, |_, row| row.joules),
    new("file_bytes", 0, "#file, MiB", Over::Mean, mib, |_, row| row.file_bytes.map(|bytes| bytes as f64)),
    new("parameters", 0, "#parameters, millions", Over::Mean, millions, |_, row| row.parameters.map(|n| n as f64)),
    new("multiply_adds", 0, "#multiply-adds, millions", Over::Mean, millions, |_, row| {
        row.multiply_adds.map(|n| n as f64)
    }),
    new("image_mib", 3, "#memory of one image, MiB", Over::Most, three, |_, row| row.image_mib),
    new("fit_s", 3, "#fit, s", Over::Mean, two, |_, row| Some(row.fit_s)),
    new("select_s", 3, "#selection, s", Over::Mean, two, |_, row| Some(row.select_s)),
    new("peak_mib", 3, "#peak memory, MiB", Over::Most, rounded, |_, row| row.peak_mib),
    new("dimension", 0, "#dimension", Over::Most, whole, |_, row| Some(row.dimension as f64)),
];

const fn new(
    name: &'static str,
    decimals: usize,
    title: &'static str,
    over: Over,
    print: fn(f64) -> String,
    of: fn(&Times, &RunRow) -> Option<f64>,
) -> Price {
    Price { name, decimals, title, of, over, print }
}

fn two(value: f64) -> String {
    significant(value, 2)
}

fn three(value: f64) -> String {
    significant(value, 3)
}

fn whole(value: f64) -> String {
    count(value as usize)
}

fn rounded(value: f64) -> String {
    format!("{value:.0}")
}

fn mib(bytes: f64) -> String {
    significant(bytes / MIB, 3)
}

fn millions(value: f64) -> String {
    significant(value / 1e6, 3)
}

impl Price {
    /// Of one run.
    pub fn of_run(&self, run: &Run) -> Option<f64> {
        (self.of)(&run.times, run.row)
    }

    /// Of an arm over its seeds that were judged.
    pub fn of_entry(&self, entry: &Entry, runs: &[Run]) -> Option<f64> {
        let judged = entry.runs.iter().map(|&i| &runs[i]).filter(|run| run.confusion.is_some());
        match self.over {
            Over::Pooled => (self.of)(&entry.times, entry.row),
            Over::Mean => mean(judged.filter_map(|run| self.of_run(run))),
            Over::Most => judged.filter_map(|run| self.of_run(run)).reduce(f64::max),
        }
    }
}

/// Size of an arm's exported file, MiB; `None` where it is not recorded.
pub fn file_mib(entry: &Entry, runs: &[Run]) -> Option<f64> {
    let sizes = entry.runs.iter().filter_map(|&i| runs[i].row.file_bytes).map(|bytes| bytes as f64 / MIB);
    mean(sizes)
}

/// Median milliseconds of one image on one thread.
pub fn ms(entry: &Entry) -> Option<f64> {
    median(&entry.times.single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_shown_ones_are_numbers() {
        let names: std::collections::BTreeSet<&str> = PRICES.iter().map(|price| price.name).collect();
        assert_eq!(names.len(), PRICES.len());
        assert!(PRICES.iter().all(|price| price.title.is_empty() || price.title.starts_with('#')));
    }
}
