//! Accuracy of every arm with its interval, native images and canvases one under the other.

use crate::record::Family;
use crate::report::findings::status_name;
use crate::report::format::{count, percent};
use crate::report::summary::{Entry, Summary};

use super::family_rank;
use super::figure::{Figure, MARGIN, text_width, widest};
use super::scale::Scale;

const WIDTH: f64 = 860.0;
/// Pixels from one line to the next.
const LINE: f64 = 19.0;

pub fn figure(summary: &Summary) -> Option<Figure> {
    let lowest = summary.entries.iter().filter_map(|e| Some(e.scores.as_ref()?.interval.low)).reduce(f64::min)?;
    let description = format!(
        "Accuracy on {} {} images, %; bars: 95 % intervals of the mean over seeds. Dashed: the highest floor \
         on native images.",
        count(summary.reported_images()),
        summary.records.dataset.reported_split
    );
    let title = format!("{}: accuracy of every arm", summary.records.dataset.title);
    let (mut figure, top) = Figure::new("accuracy", WIDTH, &title, &description);
    let labels = widest(summary.entries.iter().map(|e| e.label.as_str()), 13.0);
    let left = MARGIN + labels + 64.0;
    let scale = Scale::of_accuracies(lowest, (left, WIDTH - MARGIN - 130.0));
    let top = top + 16.0;
    let lines = lines(summary);
    let bottom = top + lines.iter().map(Line::height).sum::<f64>();
    scale.accuracy_axis(&mut figure, (top, bottom));
    floor_line(summary, &mut figure, &scale, (top, bottom));
    let mut y = top;
    for line in &lines {
        line.draw(&mut figure, y, &scale, left);
        y += line.height();
    }
    figure.height = bottom + 24.0 + MARGIN;
    Some(figure)
}

/// A dashed line at the highest floor of the first column.
fn floor_line(summary: &Summary, figure: &mut Figure, scale: &Scale, (top, bottom): (f64, f64)) {
    let floor = summary.first_column().and_then(|column| column.floor).map(|i| &summary.entries[i]);
    let Some((floor, accuracy)) = floor.and_then(|f| Some((f, f.accuracy()?))) else { return };
    let x = scale.at(accuracy);
    let text = format!("{} {} %", floor.label, percent(accuracy));
    figure.line((x, top - 4.0), (x, bottom), "floor-line");
    let half = text_width(&text, 12.0) / 2.0;
    let middle = x.clamp(scale.pixels.0 + half, scale.pixels.1.max(x + 1.0) + 100.0 - half);
    figure.text(middle, top - 9.0, &text, "muted small middle");
}

enum Line<'s, 'a> {
    Family(&'s str),
    /// An entry; the label is written where the arm's lines begin.
    Entry(&'s Entry<'a>, bool),
}

/// Families with their arms, an arm's columns below each other.
fn lines<'s, 'a>(summary: &'s Summary<'a>) -> Vec<Line<'s, 'a>> {
    let mut lines = Vec::new();
    let mut done: Vec<(&str, &str)> = Vec::new();
    let mut entries: Vec<&Entry> = summary.entries.iter().collect();
    // The entries stand by column; here families come first. The sort keeps the order within a family.
    entries.sort_by_key(|e| family_rank(e));
    for entry in &entries {
        if !done.iter().any(|(family, _)| *family == entry.row.family) {
            lines.push(Line::Family(&entry.row.family));
        }
        if done.contains(&(&entry.row.family, &entry.label)) {
            continue;
        }
        done.push((&entry.row.family, &entry.label));
        let of_arm = entries.iter().filter(|e| e.label == entry.label);
        lines.extend(of_arm.enumerate().map(|(i, e)| Line::Entry(e, i == 0)));
    }
    lines
}

impl Line<'_, '_> {
    fn height(&self) -> f64 {
        match self {
            Line::Family(_) => 30.0,
            Line::Entry(_, first) => {
                if *first {
                    LINE + 5.0
                } else {
                    LINE
                }
            }
        }
    }

    fn draw(&self, figure: &mut Figure, top: f64, scale: &Scale, left: f64) {
        let y = top + self.height() - LINE / 2.0;
        match self {
            Line::Family(family) => {
                let title = Family::of(family).map_or_else(|| (*family).to_owned(), |family| family.title().to_owned());
                figure.text(MARGIN, y + 4.0, &title, &format!("strong ink-{family}"));
            }
            Line::Entry(entry, first) => {
                if *first {
                    figure.text(MARGIN, y + 4.5, &entry.label, "");
                }
                let canvas = match entry.row.canvas.as_str() {
                    "native" => "native".to_owned(),
                    side => format!("{side} px"),
                };
                figure.text(left - 12.0, y + 4.0, &canvas, "muted small end");
                draw_entry(figure, entry, y, scale);
            }
        }
    }
}

fn draw_entry(figure: &mut Figure, entry: &Entry, y: f64, scale: &Scale) {
    let Some(scores) = &entry.scores else {
        figure.text(scale.pixels.0 + 6.0, y + 4.0, status_name(entry.row.status), "muted small italic");
        return;
    };
    let (low, high) = (scores.interval.low, scores.interval.high);
    let values = format!("{}  [{}, {}]", percent(scores.accuracy.mean), percent(low), percent(high));
    let title = format!("{} ({}): {} %", entry.label, entry.row.canvas, values);
    figure.interval((scale.at(low), scale.at(high)), y, &entry.row.family);
    figure.marker(scale.at(scores.accuracy.mean), y, &entry.row.family, entry.row.canvas != "native", title);
    figure.text(WIDTH - MARGIN, y + 4.0, &values, "small end");
}
