//! Pictures: each file of this folder places the marks of one kind of picture, a template writes them as SVG.

mod accuracy;
mod canvas;
mod confusion;
mod figure;
mod latency;
pub mod range_test;
mod scale;
mod slopes;
pub mod sweep;
mod training;

use super::summary::{Entry, Summary};

pub use figure::Figure;
pub use slopes::figure as slopes;

/// The pictures of a report, in the order of reading; a picture that would show nothing is left out.
pub fn figures(summary: &Summary) -> Vec<Figure> {
    let single = [accuracy::figure, canvas::figure, latency::figure, training::figure];
    let mut figures: Vec<Figure> = single.iter().filter_map(|figure| figure(summary)).collect();
    let column = summary.first_column().map_or(&[][..], |column| &column.entries);
    figures.extend(column.iter().filter_map(|&i| confusion::figure(summary, &summary.entries[i])));
    figures
}

/// Families as pictures list them, the best on top.
fn family_rank(entry: &Entry) -> Option<usize> {
    ["deep", "handcrafted", "floor"].iter().position(|family| *family == entry.row.family)
}
