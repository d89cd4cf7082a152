//! Native images and canvases as slopes: one upright axis each, one line an arm.

use crate::report::format::percent;
use crate::report::summary::{Entry, Summary};

use super::figure::{Figure, MARGIN, widest};
use super::scale::Scale;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
/// Least distance between the baselines of two labels.
const LINE: f64 = 16.0;

/// An arm's entries, one a column, and where its accuracies lie.
struct Slope<'s, 'a> {
    label: &'s str,
    family: &'s str,
    /// Column and entry.
    points: Vec<(usize, &'s Entry<'a>)>,
}

pub fn figure(summary: &Summary) -> Option<Figure> {
    let slopes = slopes(summary);
    if !slopes.iter().any(|slope| slope.points.len() > 1) {
        return None;
    }
    let title = format!("{}: native images against canvases", summary.records.dataset.title);
    let description = "Accuracy, %, with 95 % intervals. The canvas takes size and shape away, and it \
                       crops and blurs: a line that falls may be owed to any of them.";
    let (mut figure, top) = Figure::new("slopes", WIDTH, &title, description);
    let (top, bottom) = (top + 30.0, top + 30.0 + HEIGHT);
    let lowest = slopes.iter().flat_map(|s| &s.points).filter_map(|(_, e)| Some(e.scores.as_ref()?.interval.low));
    let scale = Scale::of_accuracies(lowest.fold(1.0, f64::min), (bottom, top));
    let margin = MARGIN + widest(slopes.iter().map(|slope| slope.label), 13.0) + 60.0;
    let last = summary.columns.len() - 1;
    let x = |column: usize| margin + (WIDTH - 100.0 - margin) * column as f64 / last as f64;
    for (i, column) in summary.columns.iter().enumerate() {
        let name = if column.canvas == "native" { "native".to_owned() } else { format!("canvas {} px", column.canvas) };
        figure.text(x(i), top - 14.0, &name, "middle strong");
        figure.line((x(i), top), (x(i), bottom), "grid");
    }
    for slope in &slopes {
        slope.draw(&mut figure, &scale, x);
    }
    labels(&mut figure, &slopes, &scale, (x(0), x(last)), last);
    figure.height = bottom + MARGIN;
    Some(figure)
}

fn slopes<'s, 'a>(summary: &'s Summary<'a>) -> Vec<Slope<'s, 'a>> {
    let mut slopes: Vec<Slope> = Vec::new();
    for (i, column) in summary.columns.iter().enumerate() {
        for entry in column.entries.iter().map(|&i| &summary.entries[i]).filter(|e| e.scores.is_some()) {
            match slopes.iter_mut().find(|slope| slope.label == entry.label) {
                Some(slope) => slope.points.push((i, entry)),
                None => slopes.push(Slope { label: &entry.label, family: &entry.row.family, points: vec![(i, entry)] }),
            }
        }
    }
    slopes
}

impl Slope<'_, '_> {
    fn draw(&self, figure: &mut Figure, scale: &Scale, x: impl Fn(usize) -> f64) {
        let place = |(column, entry): &(usize, &Entry)| Some((x(*column), scale.at(entry.accuracy()?)));
        let points: Vec<(f64, f64)> = self.points.iter().filter_map(place).collect();
        figure.path(&points, &format!("slope {}", self.family));
        for ((_, entry), (x, y)) in self.points.iter().zip(points) {
            let Some(scores) = &entry.scores else { continue };
            let class = format!("interval {}", self.family);
            figure.line((x, scale.at(scores.interval.low)), (x, scale.at(scores.interval.high)), &class);
            let title = format!("{} ({}): {} %", self.label, entry.row.canvas, percent(scores.accuracy.mean));
            figure.marker(x, y, self.family, entry.row.canvas != "native", title);
        }
    }

    fn accuracy_in(&self, column: usize) -> Option<f64> {
        self.points.iter().find(|(at, _)| *at == column)?.1.accuracy()
    }
}

/// Names and values at the left, values at the right, moved apart where they would overlap.
fn labels(figure: &mut Figure, slopes: &[Slope], scale: &Scale, (left, right): (f64, f64), last: usize) {
    let spread_at = |column: usize| {
        let mut places: Vec<(f64, &Slope, f64)> = Vec::new();
        places.extend(slopes.iter().filter_map(|slope| {
            let accuracy = slope.accuracy_in(column)?;
            Some((scale.at(accuracy), slope, accuracy))
        }));
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ys = spread(&places.iter().map(|place| place.0).collect::<Vec<_>>());
        places.into_iter().zip(ys).map(|((_, slope, accuracy), y)| (y, slope, accuracy)).collect::<Vec<_>>()
    };
    for (y, slope, accuracy) in spread_at(0) {
        figure.text(left - 14.0, y + 4.5, &percent(accuracy), "end");
        figure.text(left - 56.0, y + 4.5, slope.label, &format!("end ink-{}", slope.family));
    }
    for (y, _, accuracy) in spread_at(last) {
        figure.text(right + 14.0, y + 4.5, &percent(accuracy), "");
    }
}

/// Moves rising positions apart to at least a line, each as little as a pass down and one up allow.
fn spread(ys: &[f64]) -> Vec<f64> {
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for &y in ys {
        // A group is lines that touch, centred on the mean of where its lines want to be.
        let mut group = (y, 1);
        while let Some(&(centre, size)) = groups.last() {
            if group.0 - centre >= LINE * (group.1 + size) as f64 / 2.0 {
                break;
            }
            groups.pop();
            group = ((centre * size as f64 + group.0 * group.1 as f64) / (size + group.1) as f64, size + group.1);
        }
        groups.push(group);
    }
    let lines =
        |(centre, size): (f64, usize)| (0..size).map(move |i| centre + LINE * (i as f64 - (size - 1) as f64 / 2.0));
    groups.into_iter().flat_map(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart_around_their_middle_and_no_further() {
        assert_eq!(spread(&[10.0, 100.0]), [10.0, 100.0]);
        assert_eq!(spread(&[50.0, 50.0, 50.0]), [34.0, 50.0, 66.0]);
        assert_eq!(spread(&[50.0, 54.0, 200.0]), [44.0, 60.0, 200.0]);
        assert_eq!(spread(&[]), [0.0; 0]);
    }
}
