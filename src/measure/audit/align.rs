//! Is one picture another one, or a part of it? Both are small here. Where the part lies is found by moving its four
//! edges until the pictures differ least: steps of Gauss and Newton, on smoothed pictures first (Lucas and Kanade, An
//! iterative image registration technique, 1981).

/// Side of the small pictures in pixels.
pub const SIDE: usize = 48;

const EDGE: f32 = SIDE as f32;
const CORNERS: usize = SIDE + 1;
/// Pixels that are averaged in the first and in the second round, and steps of each.
const ROUNDS: [(usize, usize); 2] = [(4, 4), (2, 4)];
/// A step that moves no edge by so much is the last; none moves one by more than the second, in pixels.
const STILL: f32 = 0.02;
const LONGEST: f32 = 2.5;
/// Pictures that differ by more after the first round (root mean square, 0 to 255) are not looked at again.
const UNLIKE: f32 = 16.0;
/// A part is no smaller than this share of a side.
const SMALLEST: f32 = 0.5;
/// Means on each side that are compared in the end.
const CELLS: usize = 24;
/// Largest root mean square difference of a copy, 0 to 255, and as a share of the picture's contrast: two plain pictures
/// differ by little, whatever they show.
const RMSE: f32 = 7.0;
const OF_CONTRAST: f32 = 0.15;
/// What is missing of a width or height where a picture is called a part: less is rounding.
const MISSING: f32 = 0.015;

/// Edges of a part: left, right, top and bottom, in pixels of the small picture.
pub type Part = [f32; 4];

pub const WHOLE: Part = [0.0, EDGE, 0.0, EDGE];

type Colour = [f32; 3];

/// Sums of all values left of and above each corner of a picture, of which the mean of any rectangle follows.
pub struct Sums(Vec<Colour>);

impl Sums {
    /// Of red, green and blue of each of [`SIDE`] x [`SIDE`] pixels, row by row.
    pub fn of(pixels: &[u8]) -> Sums {
        let mut sums = vec![[0.0; 3]; CORNERS * CORNERS];
        for (y, row) in pixels.chunks_exact(3 * SIDE).enumerate() {
            let mut line = [0.0; 3];
            for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
                let above = sums[y * CORNERS + x + 1];
                for c in 0..3 {
                    line[c] += f32::from(pixel[c]);
                    sums[(y + 1) * CORNERS + x + 1][c] = above[c] + line[c];
                }
            }
        }
        Sums(sums)
    }

    /// Between corners the sums grow evenly, as pixels are squares of one colour.
    fn at(&self, x: f32, y: f32) -> Colour {
        let (x, y) = (x.clamp(0.0, EDGE), y.clamp(0.0, EDGE));
        let (i, j) = ((x as usize).min(SIDE - 1), (y as usize).min(SIDE - 1));
        let (dx, dy) = (x - i as f32, y - j as f32);
        let line = |j: usize| between(self.0[j * CORNERS + i], self.0[j * CORNERS + i + 1], dx);
        between(line(j), line(j + 1), dy)
    }

    /// Means of `cells` x `cells` equal rectangles of a part, row by row.
    pub fn means(&self, [left, right, top, bottom]: Part, cells: usize) -> Vec<Colour> {
        let (width, height) = ((right - left) / cells as f32, (bottom - top) / cells as f32);
        let line = |j: usize| -> Vec<Colour> {
            (0..=cells).map(|i| self.at(left + i as f32 * width, top + j as f32 * height)).collect()
        };
        let mut means = Vec::with_capacity(cells * cells);
        let mut above = line(0);
        for j in 1..=cells {
            let below = line(j);
            let sums = below.windows(2).zip(above.windows(2));
            let mean = |(b, a): (&[Colour], &[Colour])| {
                std::array::from_fn(|c| (b[1][c] - b[0][c] - a[1][c] + a[0][c]) / (width * height))
            };
            means.extend(sums.map(mean));
            above = below;
        }
        means
    }
}

fn between(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|c| a[c] + share * (b[c] - a[c]))
}

/// Means of squares of pixels around every corner that has as many.
struct Smooth {
    by: usize,
    side: usize,
    means: Vec<Colour>,
}

impl Smooth {
    fn of(sums: &Sums, by: usize) -> Smooth {
        let side = CORNERS - by;
        let mean = |place: usize| {
            let corner = place / side * CORNERS + place % side;
            let [a, b, c, d] = [0, by, by * CORNERS, by * CORNERS + by].map(|step| sums.0[corner + step]);
            std::array::from_fn(|i| (d[i] - c[i] - b[i] + a[i]) / (by * by) as f32)
        };
        Smooth { by, side, means: (0..side * side).map(mean).collect() }
    }

    /// Mean around a place, and how it changes to the right and downwards.
    fn at(&self, x: f32, y: f32) -> [Colour; 3] {
        let (half, last) = (self.by as f32 / 2.0, (self.side - 1) as f32);
        let (x, y) = ((x - half).clamp(0.0, last), (y - half).clamp(0.0, last));
        let (i, j) = ((x as usize).min(self.side - 2), (y as usize).min(self.side - 2));
        let (dx, dy) = (x - i as f32, y - j as f32);
        let at = &self.means[j * self.side + i..];
        let (a, b, c, d) = (at[0], at[1], at[self.side], at[self.side + 1]);
        let (above, below) = (between(a, b, dx), between(c, d, dx));
        let (left, right) = (between(a, c, dy), between(b, d, dy));
        [
            between(above, below, dy),
            std::array::from_fn(|k| right[k] - left[k]),
            std::array::from_fn(|k| below[k] - above[k]),
        ]
    }
}

/// Two pictures laid upon each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    pub part: Part,
    /// Root mean square difference of `CELLS` x `CELLS` means, 0 to 255.
    pub rmse: f32,
    /// The same of the picture and its mean colour.
    contrast: f32,
}

impl Fit {
    pub fn is_copy(&self) -> bool {
        self.rmse <= RMSE && self.rmse <= OF_CONTRAST * self.contrast
    }

    /// Is anything cut off?
    pub fn is_part(&self) -> bool {
        let [left, right, top, bottom] = self.part;
        [right - left, bottom - top].iter().any(|side| *side < (1.0 - MISSING) * EDGE)
    }
}

/// Moves the edges of a part of `one`, from a first guess on, until it is most like the whole of `other`, or of that
/// mirrored. `None` where they stay unlike.
pub fn fit(one: &Sums, start: Part, other: &Sums, mirrored: bool) -> Option<Fit> {
    let mut part = start;
    for (round, (by, steps)) in ROUNDS.into_iter().enumerate() {
        let (from, to) = (Smooth::of(one, by), Smooth::of(other, by));
        let mut rmse = f32::INFINITY;
        for _ in 0..steps {
            let (step, before) = improvement(&from, part, &to, mirrored)?;
            (part, rmse) = (moved(part, step)?, before);
            if step.iter().all(|moved| moved.abs() < STILL) {
                break;
            }
        }
        if round == 0 && rmse > UNLIKE {
            return None;
        }
    }
    let part = part.map(|edge| edge.clamp(0.0, EDGE));
    Some(compared(&one.means(part, CELLS), &other.means(WHOLE, CELLS), mirrored, part))
}

/// `None` where too little is left. An edge may lie a little outside meanwhile.
fn moved(part: Part, step: Part) -> Option<Part> {
    let moved: Part =
        std::array::from_fn(|k| (part[k] + step[k].clamp(-LONGEST, LONGEST)).clamp(-LONGEST, EDGE + LONGEST));
    let wide = |low: f32, high: f32| high - low > SMALLEST * EDGE;
    (wide(moved[0], moved[1]) && wide(moved[2], moved[3])).then_some(moved)
}

fn compared(one: &[Colour], other: &[Colour], mirrored: bool, part: Part) -> Fit {
    let squares = |a: &Colour, b: &Colour| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let facing = |place: usize| &other[if mirrored { flipped(place, CELLS) } else { place }];
    let n = (3 * CELLS * CELLS) as f32;
    let difference: f32 = one.iter().enumerate().map(|(place, a)| squares(a, facing(place))).sum();
    let mean: Colour = std::array::from_fn(|c| other.iter().map(|v| v[c]).sum::<f32>() / other.len() as f32);
    let spread: f32 = other.iter().map(|v| squares(v, &mean)).sum();
    Fit { part, rmse: (difference / n).sqrt(), contrast: (spread / n).sqrt() }
}

/// The cell at the same height, as far from the other edge.
pub fn flipped(place: usize, cells: usize) -> usize {
    place / cells * cells + cells - 1 - place % cells
}

/// The step of Gauss and Newton for the four edges, and the root mean square difference before it.
fn improvement(from: &Smooth, [left, right, top, bottom]: Part, to: &Smooth, mirrored: bool) -> Option<(Part, f32)> {
    let cells = SIDE / to.by;
    let middle = |i: usize| (i as f32 + 0.5) / cells as f32;
    let (mut normal, mut gradient, mut squares) = ([[0.0_f32; 4]; 4], [0.0_f32; 4], 0.0);
    for place in 0..cells * cells {
        let (u, v) = (middle(place % cells), middle(place / cells));
        let [value, dx, dy] = from.at(left + (right - left) * u, top + (bottom - top) * v);
        let facing = if mirrored { flipped(place, cells) } else { place };
        let target = to.means[facing / cells * to.by * to.side + facing % cells * to.by];
        // an edge moves a place by its share of the way
        let shares = [1.0 - u, u, 1.0 - v, v];
        for c in 0..3 {
            let slope = [dx[c], dx[c], dy[c], dy[c]];
            let moves: [f32; 4] = std::array::from_fn(|k| shares[k] * slope[k]);
            let rest = value[c] - target[c];
            squares += rest * rest;
            for (k, row) in normal.iter_mut().enumerate() {
                gradient[k] += moves[k] * rest;
                row.iter_mut().zip(moves).for_each(|(sum, other)| *sum += moves[k] * other);
            }
        }
    }
    // a plain picture says nothing of where its edges are
    (0..4).for_each(|k| normal[k][k] = normal[k][k] * 1.001 + 1.0);
    let rmse = (squares / (3 * cells * cells) as f32).sqrt();
    solved(normal, gradient).map(|step| (step.map(|edge| -edge), rmse))
}

/// Four equations by elimination; the matrix is symmetric and positive definite but for rounding.
fn solved(mut a: [[f32; 4]; 4], mut b: [f32; 4]) -> Option<[f32; 4]> {
    for k in 0..4 {
        let pivot = a[k];
        if pivot[k] <= 0.0 {
            return None;
        }
        for i in k + 1..4 {
            let by = a[i][k] / pivot[k];
            a[i].iter_mut().zip(pivot).for_each(|(value, other)| *value -= by * other);
            b[i] -= by * b[k];
        }
    }
    for k in (0..4).rev() {
        let rest: f32 = (k + 1..4).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - rest) / a[k][k];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth scene, seen through a window: left, top, width and height in shares of it.
    fn scene(window: [f32; 4], mirrored: bool) -> Vec<u8> {
        let value = |x: f32, y: f32, c: usize| {
            let c = c as f32;
            128.0 + 60.0 * (7.0 * x + c).sin() * (5.0 * y - c).cos() + 50.0 * (11.0 * x * y + 3.0 * y).sin()
        };
        let place = |i: usize| (i as f32 + 0.5) / EDGE;
        let pixels = (0..SIDE * SIDE).flat_map(|p| {
            let column = if mirrored { SIDE - 1 - p % SIDE } else { p % SIDE };
            let (x, y) = (window[0] + window[2] * place(column), window[1] + window[3] * place(p / SIDE));
            [0, 1, 2].map(|c| value(x, y, c).round() as u8)
        });
        pixels.collect()
    }

    #[test]
    fn a_part_is_found_from_a_guess_nearby() {
        let (whole, part) = (Sums::of(&scene([0.0, 0.0, 1.0, 1.0], false)), [0.11, 0.04, 0.85, 0.81]);
        for mirrored in [false, true] {
            let fit = fit(&whole, [3.0, 45.0, 3.0, 43.0], &Sums::of(&scene(part, mirrored)), mirrored).unwrap();
            let expected = [0.11, 0.96, 0.04, 0.85].map(|edge| edge * EDGE);
            assert!(fit.part.iter().zip(expected).all(|(found, edge)| (found - edge).abs() < 0.3), "{fit:?}");
            assert!(fit.rmse < 2.0 && fit.is_copy() && fit.is_part(), "{fit:?}");
        }
    }

    #[test]
    fn the_same_picture_is_no_part_and_another_no_copy() {
        let whole = Sums::of(&scene([0.0, 0.0, 1.0, 1.0], false));
        let same = fit(&whole, WHOLE, &whole, false).unwrap();
        assert!(same.is_copy() && !same.is_part() && same.rmse < 0.1, "{same:?}");
        let other = Sums::of(&scene([0.9, 0.2, 0.7, 0.9], false));
        assert!(fit(&whole, WHOLE, &other, false).is_none_or(|fit| !fit.is_copy()));
        // two plain pictures are alike and show nothing
        let plain = |value| Sums::of(&[value; 3 * SIDE * SIDE]);
        assert!(fit(&plain(100), WHOLE, &plain(102), false).is_none_or(|fit| !fit.is_copy()));
    }

    #[test]
    fn means_are_those_of_the_pixels() {
        let pixels = scene([0.0, 0.0, 1.0, 1.0], false);
        let sums = Sums::of(&pixels);
        let exact = sums.means([5.0, 6.0, 7.0, 8.0], 1)[0];
        assert_eq!(exact.map(|v| v.round() as u8), pixels[3 * (7 * SIDE + 5)..][..3]);
        let all: f32 = sums.means(WHOLE, 8).iter().flatten().sum::<f32>() / 192.0;
        let mean = pixels.iter().map(|&v| f32::from(v)).sum::<f32>() / pixels.len() as f32;
        assert!((all - mean).abs() < 0.01);
    }
}
