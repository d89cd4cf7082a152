//! The fast Hessian detector: where the determinant of second derivatives, approximated by boxes, is largest among its
//! neighbours in place and scale.

use super::integral::Integral;
use crate::product::vectorised;

/// Octaves, each of four filters, on grids of every pixel, every second, fourth and eighth.
const OCTAVES: usize = 4;
const LEVELS: usize = 4;

/// Weight of the mixed derivative, which makes up for boxes in the place of Gaussians.
const MIXED: f32 = 0.81;

/// The smallest determinant of a keypoint, in squared grey levels of filters divided by their area. dlib's default is
/// 30; that of OpenCV's contributed modules, which divide by the areas of boxes, is about 4 in this unit.
const THRESHOLD: f32 = 4.0;

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Keypoint {
    /// In pixels, (0, 0) is the middle of the first.
    pub x: f32,
    pub y: f32,
    /// Standard deviation of the Gaussian that its filter stands for.
    pub scale: f32,
    /// The determinant.
    pub response: f32,
}

/// Determinants of one filter at every `step`th pixel; 0 where the filter does not lie in the picture.
struct Level {
    filter: usize,
    columns: usize,
    rows: usize,
    values: Vec<f32>,
}

/// All keypoints, by octave, filter, row and column.
pub(super) fn keypoints(integral: &Integral) -> Vec<Keypoint> {
    let mut found = Vec::new();
    let mut levels: [Level; LEVELS] = std::array::from_fn(|level| determinants(integral, filter(0, level), 1));
    for octave in 0..OCTAVES {
        let step = 1 << octave;
        if octave > 0 {
            // its first two filters are the second and fourth of the octave below
            let [first, second] = [1, 3].map(|level| halved(&levels[level]));
            let [third, fourth] = [2, 3].map(|level| determinants(integral, filter(octave, level), step));
            levels = [first, second, third, fourth];
        }
        for level in 1..LEVELS - 1 {
            maxima([&levels[level - 1], &levels[level], &levels[level + 1]], step, &mut found);
        }
    }
    found
}

/// Side of a filter in pixels: 9, 15, 21, 27; 15, 27, 39, 51; 27, 51, 75, 99; 51, 99, 147, 195.
fn filter(octave: usize, level: usize) -> usize {
    3 * ((2 << octave) * (level + 1) + 1)
}

/// Every second value of every second row.
fn halved(level: &Level) -> Level {
    let (columns, rows) = (level.columns.div_ceil(2), level.rows.div_ceil(2));
    let row = |r: usize| level.values[2 * r * level.columns..][..level.columns].iter().step_by(2);
    Level { filter: level.filter, columns, rows, values: (0..rows).flat_map(row).copied().collect() }
}

/// The determinants of one filter. What the rows of boxes sum to is formed for whole rows first, so that all loops run
/// along rows.
fn determinants(integral: &Integral, filter: usize, step: usize) -> Level {
    let (columns, rows) = (integral.width.div_ceil(step), integral.height.div_ceil(step));
    let mut level = Level { filter, columns, rows, values: vec![0.0; columns * rows] };
    if filter > integral.width || filter > integral.height {
        return level;
    }
    let (reach, corners) = (filter / 2, integral.width + 1);
    let mut sums = Sums { wide: vec![0; corners], tall: vec![0; corners], mixed: vec![0; corners] };
    let mut line = vec![0.0; integral.width - 2 * reach];
    // the first column and row of the grid where the filter lies in the picture
    let first = reach.div_ceil(step);
    for y in (first * step..integral.height - reach).step_by(step) {
        vectorised(|| {
            sums.fill(integral, filter, y);
            sums.determinants(filter, &mut line);
        });
        let out = &mut level.values[y / step * columns + first..][..columns - first];
        let on_grid = line.iter().skip(first * step - reach).step_by(step);
        out.iter_mut().zip(on_grid).for_each(|(out, &value)| *out = value);
    }
    level
}

/// For every corner of pixels of one row, what lies left of it in the rows of a filter's boxes.
struct Sums {
    /// In the rows of the boxes of the second derivative in x.
    wide: Vec<u32>,
    /// In all rows of the filter, minus three times those of the box in the middle: second derivative in y.
    tall: Vec<u32>,
    /// In the rows of the lower boxes of the mixed derivative, minus those of the upper.
    mixed: Vec<u32>,
}

impl Sums {
    #[inline(always)]
    fn fill(&mut self, integral: &Integral, filter: usize, y: usize) {
        let (lobe, reach) = (filter / 3, filter / 2);
        let strip = |from: usize, to: usize| integral.row(from).iter().zip(integral.row(to));
        let sum = |(above, below): (&u32, &u32)| below.wrapping_sub(*above);
        for (out, strip) in self.wide.iter_mut().zip(strip(y + 1 - lobe, y + lobe)) {
            *out = sum(strip);
        }
        let (all, middle) = (strip(y - reach, y + reach + 1), strip(y - lobe / 2, y + lobe / 2 + 1));
        for ((out, all), middle) in self.tall.iter_mut().zip(all).zip(middle) {
            *out = sum(all).wrapping_sub(sum(middle).wrapping_mul(3));
        }
        let (upper, lower) = (strip(y - lobe, y), strip(y + 1, y + 1 + lobe));
        for ((out, upper), lower) in self.mixed.iter_mut().zip(upper).zip(lower) {
            *out = sum(lower).wrapping_sub(sum(upper));
        }
    }

    /// The determinants at all pixels of the row where the filter lies in the picture; negative ones, of saddles, as 0.
    #[inline(always)]
    fn determinants(&self, filter: usize, out: &mut [f32]) {
        let (lobe, reach, length) = (filter / 3, filter / 2, out.len());
        let share = 1.0 / (filter * filter) as f32;
        // the left corner of the filter at pixel `i` of the result is `i`
        let [wide, tall, mixed] =
            [&self.wide, &self.tall, &self.mixed].map(|sums| |from: usize| &sums[from..][..length]);
        let x = [0, reach - lobe / 2, reach + lobe / 2 + 1, 2 * reach + 1].map(wide);
        let y = [reach + 1 - lobe, reach + lobe].map(tall);
        let xy = [reach - lobe, reach, reach + 1, reach + 1 + lobe].map(mixed);
        for i in 0..length {
            let middle = x[2][i].wrapping_sub(x[1][i]).wrapping_mul(3);
            let xx = x[3][i].wrapping_sub(x[0][i]).wrapping_sub(middle) as i32;
            let yy = y[1][i].wrapping_sub(y[0][i]) as i32;
            let xy = xy[3][i].wrapping_sub(xy[2][i]).wrapping_sub(xy[1][i].wrapping_sub(xy[0][i])) as i32;
            let [xx, yy, xy] = [xx, yy, xy].map(|sum| sum as f32 * share);
            out[i] = (xx * yy - MIXED * (xy * xy)).max(0.0);
        }
    }
}

/// Keypoints at the filter in the middle of three: larger than all 26 neighbours.
fn maxima([below, level, above]: [&Level; 3], step: usize, found: &mut Vec<Keypoint>) {
    // neighbours count only where the largest of the three filters lies in the picture
    let margin = (above.filter / 2).div_ceil(step) + 1;
    for row in margin..level.rows.saturating_sub(margin) {
        for column in margin..level.columns.saturating_sub(margin) {
            let place = row * level.columns + column;
            let value = level.values[place];
            if value > THRESHOLD && is_largest([level, below, above], place) {
                found.extend(interpolated([below, level, above], place, step));
            }
        }
    }
}

/// Is the value at this place of the first level larger than all others around it?
fn is_largest(levels: [&Level; 3], place: usize) -> bool {
    let (columns, value) = (levels[0].columns, levels[0].values[place]);
    let larger = |level: &Level, skipped: usize| {
        let rows = [place - columns, place, place + columns];
        rows.iter().flat_map(|middle| middle - 1..=middle + 1).all(|i| i == skipped || level.values[i] < value)
    };
    larger(levels[0], place) && larger(levels[1], usize::MAX) && larger(levels[2], usize::MAX)
}

/// The top of the quadratic function through a maximum and its neighbours (Brown and Lowe 2002), if it lies less than
/// half way to them.
fn interpolated(levels: [&Level; 3], place: usize, step: usize) -> Option<Keypoint> {
    let columns = levels[1].columns;
    let at = |scale: isize, down: isize, across: isize| {
        let place = place as isize + down * columns as isize + across;
        f64::from(levels[(1 + scale) as usize].values[place as usize])
    };
    let value = at(0, 0, 0);
    let slope = [at(0, 0, 1) - at(0, 0, -1), at(0, 1, 0) - at(0, -1, 0), at(1, 0, 0) - at(-1, 0, 0)].map(|d| d / 2.0);
    let xx = at(0, 0, 1) + at(0, 0, -1) - 2.0 * value;
    let yy = at(0, 1, 0) + at(0, -1, 0) - 2.0 * value;
    let ss = at(1, 0, 0) + at(-1, 0, 0) - 2.0 * value;
    let xy = (at(0, 1, 1) + at(0, -1, -1) - at(0, 1, -1) - at(0, -1, 1)) / 4.0;
    let xs = (at(1, 0, 1) + at(-1, 0, -1) - at(1, 0, -1) - at(-1, 0, 1)) / 4.0;
    let ys = (at(1, 1, 0) + at(-1, -1, 0) - at(1, -1, 0) - at(-1, 1, 0)) / 4.0;
    let [x, y, s] = solve([[xx, xy, xs], [xy, yy, ys], [xs, ys, ss]], slope.map(|d| -d))?;
    if [x, y, s].iter().any(|offset| offset.abs() >= 0.5) {
        return None;
    }
    let position = |index: usize, offset: f64| ((index as f64 + offset) * step as f64) as f32;
    let between = (levels[2].filter - levels[1].filter) as f64;
    Some(Keypoint {
        x: position(place % columns, x),
        y: position(place / columns, y),
        // the filter of 9 pixels stands for a Gaussian of 1.2
        scale: (1.2 / 9.0 * (levels[1].filter as f64 + s * between)) as f32,
        response: value as f32,
    })
}

/// Solves a system of three equations by Cramer's rule; nothing where it has no single solution.
fn solve(rows: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let minor = |m: &[[f64; 3]; 3], a: usize, b: usize| m[1][a] * m[2][b] - m[1][b] * m[2][a];
    let determinant =
        |m: &[[f64; 3]; 3]| m[0][0] * minor(m, 1, 2) - m[0][1] * minor(m, 0, 2) + m[0][2] * minor(m, 0, 1);
    let all = determinant(&rows);
    let replaced = |column: usize| {
        let mut m = rows;
        m.iter_mut().zip(right).for_each(|(row, value)| row[column] = value);
        determinant(&m) / all
    };
    let solution = [0, 1, 2].map(replaced);
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::features::local::descriptor::surf::tests::leaves;

    #[derive(Deserialize)]
    struct Reference {
        /// x, y, scale and determinant.
        points: Vec<[f32; 4]>,
    }

    /// dlib looks for them no nearer to the border than the largest filter of an octave allows, so it finds fewer.
    #[test]
    fn keypoints_are_those_of_dlib() {
        let text = include_str!("../../../../../tests/fixtures/surf/surf.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let ours = keypoints(&Integral::new(&leaves()));
        for [x, y, scale, response] in &reference.points {
            let near = |point: &&Keypoint| {
                let place = (point.x - x).hypot(point.y - y) < 0.01;
                place && (point.scale / scale - 1.0).abs() < 0.001 && (point.response / response - 1.0).abs() < 0.01
            };
            assert_eq!(ours.iter().filter(near).count(), 1, "{x} {y} {scale} {response}");
        }
        let weakest = reference.points.iter().map(|point| point[3]).fold(f32::MAX, f32::min);
        let as_strong = ours.iter().filter(|point| point.response > weakest).count();
        assert!(as_strong * 20 <= reference.points.len() * 21, "{as_strong}");
    }

    #[test]
    fn filters_are_those_of_the_paper() {
        let sides: [[usize; LEVELS]; OCTAVES] =
            std::array::from_fn(|octave| std::array::from_fn(|level| filter(octave, level)));
        assert_eq!(sides, [[9, 15, 21, 27], [15, 27, 39, 51], [27, 51, 75, 99], [51, 99, 147, 195]]);
    }

    #[test]
    fn three_equations_are_solved() {
        assert_eq!(solve([[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.0, 1.0]], [2.0, 8.0, 4.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(solve([[1.0; 3]; 3], [1.0; 3]), None);
    }
}
