//! Native images against the canvas: what is left of every arm once size, shape and resolution are the same for
//! all images.

use crate::report::format::{count, percent, points};
use crate::report::summary::{Column, Entry, Summary};
use crate::stats::intervals::Interval;

use super::family_rank;
use super::figure::{Figure, MARGIN, widest};
use super::scale::Scale;

const WIDTH: f64 = 860.0;
/// Pixels from one arm to the next, and before a new family.
const LINE: f64 = 32.0;
const GAP: f64 = 14.0;

/// One picture for the first canvas; the table has all of them.
pub fn figure(summary: &Summary) -> Option<Figure> {
    let native = summary.first_column().filter(|column| column.canvas == "native")?;
    let canvas = summary.columns.get(1)?;
    let mut rows: Vec<Row> = native.entries.iter().filter_map(|&i| Row::of(summary, i, canvas)).collect();
    rows.sort_by_key(|row| family_rank(row.native));
    if !rows.iter().any(|row| row.canvas.is_some()) {
        return None;
    }
    let title = format!(
        "{}: what is left on a canvas of {} × {} px",
        summary.records.dataset.title, canvas.canvas, canvas.canvas
    );
    let description = format!(
        "Accuracy on {} {} images, %. Solid: native images; hollow: the same images on a canvas, where size, aspect \
         ratio and resolution tell nothing. Bars: 95 % intervals.",
        count(summary.reported_images()),
        summary.records.dataset.reported_split
    );
    let (mut figure, top) = Figure::new("canvas", WIDTH, &title, &description);
    let left = MARGIN + widest(rows.iter().map(|row| row.native.label.as_str()), 13.0) + 24.0;
    let lowest = rows.iter().flat_map(|row| row.intervals()).map(|interval| interval.low).fold(1.0, f64::min);
    let scale = Scale::of_accuracies(lowest, (left, WIDTH - MARGIN - 190.0));
    let gaps: Vec<f64> = rows.iter().scan("", |before, row| Some(gap(before, row))).collect();
    let (top, bottom) = (top + 24.0, top + 24.0 + LINE * rows.len() as f64 + gaps.iter().sum::<f64>());
    scale.accuracy_axis(&mut figure, (top, bottom));
    for (right, text) in [(128.0, "native"), (62.0, "canvas"), (0.0, "points")] {
        figure.text(WIDTH - MARGIN - right, top - 8.0, text, "muted small end");
    }
    floor_line(summary, native, &mut figure, &scale, (top, bottom));
    let mut y = top - LINE / 2.0;
    for (row, gap) in rows.iter().zip(gaps) {
        y += LINE + gap;
        row.draw(&mut figure, y, &scale);
    }
    figure.height = bottom + 24.0 + MARGIN;
    Some(figure)
}

/// Extra room above a row whose family is not that of the row before it.
fn gap<'s>(before: &mut &'s str, row: &Row<'s, '_>) -> f64 {
    let gap = if before.is_empty() || *before == row.native.row.family { 0.0 } else { GAP };
    *before = &row.native.row.family;
    gap
}

fn floor_line(summary: &Summary, native: &Column, figure: &mut Figure, scale: &Scale, (top, bottom): (f64, f64)) {
    let floor = native.floor.map(|i| &summary.entries[i]);
    let Some((floor, accuracy)) = floor.and_then(|f| Some((f, f.accuracy()?))) else { return };
    let x = scale.at(accuracy);
    figure.line((x, top), (x, bottom), "floor-line");
    figure.text(x, top - 8.0, &floor.label, "muted small middle");
}

struct Row<'s, 'a> {
    native: &'s Entry<'a>,
    canvas: Option<&'s Entry<'a>>,
}

impl<'s, 'a> Row<'s, 'a> {
    fn of(summary: &'s Summary<'a>, native: usize, canvas: &Column) -> Option<Self> {
        let native = &summary.entries[native];
        native.scores.as_ref()?;
        let canvas = summary.same_arm(native, canvas).map(|i| &summary.entries[i]).filter(|e| e.scores.is_some());
        Some(Row { native, canvas })
    }

    fn intervals(&self) -> impl Iterator<Item = Interval> {
        [Some(self.native), self.canvas].into_iter().flatten().filter_map(|e| Some(e.scores.as_ref()?.interval))
    }

    fn draw(&self, figure: &mut Figure, y: f64, scale: &Scale) {
        let family = &self.native.row.family;
        figure.text(MARGIN, y + 4.5, &self.native.label, &format!("ink-{family}"));
        let accuracies = (self.native.accuracy().unwrap_or_default(), self.canvas.and_then(Entry::accuracy));
        if let Some(after) = accuracies.1 {
            figure.line((scale.at(accuracies.0), y), (scale.at(after), y), &format!("move {family}"));
            figure.text(WIDTH - MARGIN - 62.0, y + 4.5, &percent(after), "end");
            figure.text(WIDTH - MARGIN, y + 4.5, &points(after - accuracies.0), "end strong");
        } else {
            figure.text(WIDTH - MARGIN, y + 4.0, "not on a canvas", "muted small end italic");
        }
        figure.text(WIDTH - MARGIN - 128.0, y + 4.5, &percent(accuracies.0), "end");
        self.intervals().for_each(|i| figure.interval((scale.at(i.low), scale.at(i.high)), y, family));
        let title =
            |entry: &Entry, accuracy| format!("{} ({}): {} %", entry.label, entry.row.canvas, percent(accuracy));
        figure.marker(scale.at(accuracies.0), y, family, false, title(self.native, accuracies.0));
        if let (Some(entry), Some(after)) = (self.canvas, accuracies.1) {
            figure.marker(scale.at(after), y, family, true, title(entry, after));
        }
    }
}
