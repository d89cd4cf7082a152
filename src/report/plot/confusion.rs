//! The confusion matrix of one arm: true classes down, predicted ones across, shaded by the share of the row.

use crate::report::format::{column_name, count, percent};
use crate::report::summary::{Entry, Summary};

use crate::stats::classification::ClassScores;

use super::figure::{Figure, MARGIN, text_width, widest};

/// Side of the whole grid that is aimed at, in pixels.
const GRID: f64 = 448.0;

pub fn figure(summary: &Summary, entry: &Entry) -> Option<Figure> {
    let run = summary.shown_run(entry)?;
    let confusion = run.confusion.as_ref()?;
    let classes = &summary.classes;
    let cell = (GRID / classes.len() as f64).clamp(14.0, 60.0);
    let scores: Vec<ClassScores> = confusion.per_class().collect();
    let name = |(class, scores): (&&str, &ClassScores)| format!("{class} ({})", count(scores.support as usize));
    let names: Vec<String> = classes.iter().zip(&scores).map(name).collect();
    let (left, grid) = (MARGIN + 8.0 + widest(names.iter().map(String::as_str), 12.0), cell * classes.len() as f64);
    let title = format!("{} on {}", entry.label, column_name(&entry.row.canvas));
    let width = (left + grid + (0.71 * widest(classes.iter().copied(), 12.0)).max(70.0) + MARGIN)
        .max(2.0 * MARGIN + text_width(&title, 16.0))
        .max(420.0);
    let description = format!(
        "Confusion matrix, seed {}: {} of {} images right ({} %). Rows: true class (images); columns: predicted class; \
         shade: share of the row.",
        run.row.seed,
        count(confusion.correct() as usize),
        count(confusion.total() as usize),
        percent(confusion.accuracy()?)
    );
    let (mut figure, top) = Figure::new(&format!("confusion-{}", entry.slug()), width, &title, &description);
    let top = top + 8.0 + column_heads(&mut figure, classes, (left, top + 8.0), cell);
    figure.rect((left, top), (grid, grid), 1.0, "cells", String::new());
    for (truth, name) in names.iter().enumerate() {
        let y = top + cell * truth as f64;
        figure.text(left - 8.0, y + cell / 2.0 + 4.0, name, "small end");
        for predicted in (0..classes.len()).filter(|&predicted| confusion.at(truth, predicted) > 0) {
            let n = confusion.at(truth, predicted) as usize;
            let share = n as f64 / scores[truth].support.max(1) as f64;
            let title = format!("{} as {}: {} ({} %)", classes[truth], classes[predicted], count(n), percent(share));
            let at = (left + cell * predicted as f64, y);
            draw_cell(&mut figure, at, cell, (n, share), (truth == predicted, title));
        }
        let recall = scores[truth].recall.map_or(String::new(), |recall| format!("{} %", percent(recall)));
        figure.text(left + grid + 8.0, y + cell / 2.0 + 4.0, &recall, "small muted");
    }
    figure.text(left + grid + 8.0, top + grid + 14.0, "recall", "small muted");
    figure.height = top + grid + 14.0 + MARGIN;
    Some(figure)
}

/// Names over the columns, turned where they would not fit; gives the height that they take.
fn column_heads(figure: &mut Figure, classes: &[&str], (left, top): (f64, f64), cell: f64) -> f64 {
    let longest = widest(classes.iter().copied(), 12.0);
    let turned = longest > cell - 6.0;
    let height = if turned { 0.71 * longest + 12.0 } else { 16.0 };
    for (i, class) in classes.iter().enumerate() {
        let middle = left + cell * (i as f64 + 0.5);
        if turned {
            figure.turned_text((middle + 3.0, top + height - 2.0), -45.0, class, "small");
        } else {
            figure.text(middle, top + height - 2.0, class, "small middle");
        }
    }
    height
}

fn draw_cell(figure: &mut Figure, at: (f64, f64), cell: f64, (n, share): (usize, f64), (right, title): (bool, String)) {
    // Errors are rare where it matters, so their shade rises with the root: one image in a hundred can be seen.
    let opacity = if right { 0.08 + 0.87 * share } else { 0.10 + 0.85 * share.sqrt() };
    let class = if right { "cell right" } else { "cell wrong" };
    figure.rect(at, (cell, cell), opacity, class, title);
    let text = count(n);
    if text_width(&text, 12.0) < cell - 4.0 {
        let on = if opacity > 0.55 { "small middle on" } else { "small middle" };
        figure.text(at.0 + cell / 2.0, at.1 + cell / 2.0 + 4.0, &text, on);
    }
}
