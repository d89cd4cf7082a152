//! Pictures: each file of this folder places the marks of one kind of picture, a template writes them as SVG.

mod accuracy;
mod canvas;
mod confusion;
mod coverage;
mod figure;
mod fusion;
mod latency;
pub mod learning;
pub mod range_test;
mod reliability;
mod scale;
mod slopes;
pub mod sweep;
mod training;

use super::summary::{Entry, Summary};
use crate::record::Family;

pub use figure::Figure;
pub use slopes::figure as slopes;

/// The pictures of a report, in the order of reading; a picture that would show nothing is left out.
pub fn figures(summary: &Summary) -> Vec<Figure> {
    let single = [
        accuracy::figure,
        canvas::figure,
        fusion::figure,
        latency::figure,
        latency::by_size,
        reliability::figure,
        coverage::figure,
        training::figure,
    ];
    let mut figures: Vec<Figure> = single.iter().filter_map(|figure| figure(summary)).collect();
    let column = summary.first_column().map_or(&[][..], |column| &column.entries);
    figures.extend(column.iter().filter_map(|&i| confusion::figure(summary, &summary.entries[i])));
    figures
}

/// Families as pictures list them, the last of a table on top.
fn family_rank(entry: &Entry) -> std::cmp::Reverse<usize> {
    std::cmp::Reverse(Family::rank(&entry.row.family))
}

/// A style sheet with the colours of the families, `$NAME` on a light and `$NAME-dark` on a dark ground.
pub fn coloured(style: &str) -> String {
    Family::ALL.iter().fold(style.to_owned(), |style, family| {
        let [light, dark] = family.colours();
        style.replace(&format!("${}-dark", family.name()), dark).replace(&format!("${}", family.name()), light)
    })
}
