//! How often each colour occurs (Swain and Ballard 1991): joint histograms of three axes over the cells of a pyramid, as
//! shares, with the square root that makes Euclidean distance the Hellinger distance.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::image::lab::lab;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::picture::{Picture, check_longer};
use super::pyramid::{self, Codes, Grid};
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColourHistogram {
    /// Pixels of the longer side at most: a larger picture is made smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longer: Option<u32>,
    /// Bins of hue, saturation and value; each triple is a candidate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bins: Vec<[usize; 3]>,
    /// Bins of lightness, a* and b*; likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lab: Vec<[usize; 3]>,
    /// Bins of intensity, red against green and yellow against blue; likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    opponent: Vec<[usize; 3]>,
    /// Rows and columns of the grids whose cells are counted; without it the whole picture is one.
    #[serde(default = "one_cell", skip_serializing_if = "is_one_cell")]
    cells: Vec<Grid>,
}

/// What the axes of a histogram are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Space {
    #[default]
    Hsv,
    Lab,
    Opponent,
}

/// One candidate.
#[derive(Debug, Clone, Serialize)]
struct Histogram {
    bins: [usize; 3],
    #[serde(skip_serializing_if = "Space::is_hsv")]
    space: Space,
    #[serde(skip_serializing_if = "is_one_cell")]
    cells: Vec<Grid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longer: Option<u32>,
}

/// Bins of one axis.
const MOST: usize = 64;

fn one_cell() -> Vec<Grid> {
    vec![[1, 1]]
}

fn is_one_cell(cells: &[Grid]) -> bool {
    cells == [[1, 1]]
}

impl ColourHistogram {
    /// Every space with each of its triples.
    fn histograms(&self) -> impl Iterator<Item = Histogram> {
        let spaces = [(Space::Hsv, &self.bins), (Space::Lab, &self.lab), (Space::Opponent, &self.opponent)];
        spaces.into_iter().flat_map(move |(space, all)| {
            all.iter().map(move |&bins| Histogram { bins, space, cells: self.cells.clone(), longer: self.longer })
        })
    }
}

impl Kind for ColourHistogram {
    fn check(&self) -> Result<(), String> {
        check_longer(self.longer)?;
        if self.histograms().next().is_none() {
            return Err("bins, lab or opponent needs at least one candidate, such as [8, 4, 4]".into());
        }
        for (name, bins) in [("bins", &self.bins), ("lab", &self.lab), ("opponent", &self.opponent)] {
            if let Some(count) = bins.iter().flatten().find(|count| !(1..=MOST).contains(*count)) {
                return Err(format!("{count} in {name} must be from 1 to {MOST}"));
            }
        }
        pyramid::check("cells", &self.cells)
    }

    fn versions(&self) -> Vec<Version> {
        vec![Histogram::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        let lengths = self.histograms().map(|histogram| histogram.length());
        Cost { milliseconds: 2.0, bytes: 4.0 * lengths.sum::<usize>() as f64, bytes_a_pixel: 10.0 }
    }

    fn candidates(&self) -> Vec<Choice> {
        Choice::all(self.histograms().map(|histogram| {
            let [first, second, third] = histogram.bins;
            format!("{}={first}x{second}x{third}", histogram.space.setting())
        }))
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, choice: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(self.histograms().nth(choice.place).context("there is no such candidate")?))
    }
}

impl Whole for Histogram {
    const STAGE: Version = ("colour-histogram", 1);
    const TIME: Stage = Stage::Describe;
    const IN_COLOUR: bool = true;

    fn length(&self) -> usize {
        pyramid::cells(&self.cells) * self.bins.iter().product::<usize>()
    }

    fn longer(&self) -> Option<u32> {
        self.longer
    }

    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let (colour, [_, seconds, thirds]) = (picture.colour(), self.bins);
        let code = |pixel: &[u8; 3]| {
            let places = self.space.places(*pixel);
            // what lies beyond an axis belongs to its outermost bin
            let bin = |axis: usize| ((places[axis] * self.bins[axis] as f32) as usize).min(self.bins[axis] - 1);
            ((bin(0) * seconds + bin(1)) * thirds + bin(2)) as u32
        };
        let codes = colour.data.as_chunks::<3>().0.iter().map(code).collect();
        let codes = Codes { width: colour.width as usize, height: colour.height as usize, codes };
        pyramid::write(&codes, &self.cells, self.bins.iter().product(), out);
        // one histogram has length 1 as it is
        if !is_one_cell(&self.cells) {
            pyramid::unit(out);
        }
    }
}

impl Space {
    fn is_hsv(&self) -> bool {
        *self == Space::Hsv
    }

    /// The setting that lists its bins.
    fn setting(self) -> &'static str {
        match self {
            Space::Hsv => "bins",
            Space::Lab => "lab",
            Space::Opponent => "opponent",
        }
    }

    /// Where a colour lies on the three axes, 0 to 1; strong colours lie beyond the ends of the last two axes of
    /// [`Lab`](Space::Lab) and [`Opponent`](Space::Opponent), since few pixels of photographs are near them.
    fn places(self, pixel: [u8; 3]) -> [f32; 3] {
        match self {
            Space::Hsv => hsv(pixel),
            Space::Lab => {
                let [lightness, a, b] = lab(pixel);
                [lightness / 100.0, (a + 32.0) / 64.0, (b + 48.0) / 96.0]
            }
            Space::Opponent => {
                let [r, g, b] = pixel.map(|value| f32::from(value) / 255.0);
                // a third of the differences' whole range: red - green, yellow - blue
                [(r + g + b) / 3.0, 0.5 + 1.5 * (r - g), 0.5 + 0.75 * (r + g - 2.0 * b)]
            }
        }
    }
}

/// Hue, saturation and value (Smith 1978), each from 0 to 1; a grey pixel has hue 0.
fn hsv([r, g, b]: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = [r, g, b].map(|value| f32::from(value) / 255.0);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = most - least;
    if chroma == 0.0 {
        return [0.0, 0.0, most];
    }
    let sixths = if most == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if most == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    [sixths / 6.0, chroma / most, most]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb;

    /// Values of Python's `colorsys.rgb_to_hsv`.
    #[test]
    fn hues_are_those_of_the_reference() {
        let expected = [
            ([255, 0, 0], [0.0, 1.0, 1.0]),
            ([0, 255, 0], [1.0 / 3.0, 1.0, 1.0]),
            ([0, 0, 255], [2.0 / 3.0, 1.0, 1.0]),
            ([200, 100, 50], [0.055_555_556, 0.75, 0.784_313_7]),
            ([10, 20, 15], [0.416_666_67, 0.5, 0.078_431_375]),
            ([90, 10, 200], [0.736_842_1, 0.95, 0.784_313_7]),
            ([77, 77, 77], [0.0, 0.0, 0.301_960_8]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
        ];
        for (pixel, expected) in expected {
            assert!(hsv(pixel).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{pixel:?}: {:?}", hsv(pixel));
        }
    }

    #[test]
    fn shares_of_two_colours_under_a_square_root() {
        let picture = Rgb { width: 4, height: 1, data: [[255, 0, 0], [255, 0, 0], [255, 0, 0], [0, 0, 255]].concat() };
        let mut out = [0.0; 12];
        let histogram = Histogram { bins: [3, 2, 2], space: Space::Hsv, cells: one_cell(), longer: None };
        histogram.describe(&(&picture).into(), &mut out);
        assert_eq!((out[3], out[11]), (0.75f32.sqrt(), 0.5));
        assert_eq!(out.iter().filter(|share| **share > 0.0).count(), 2);
    }

    #[test]
    fn grey_is_in_the_middle_of_the_axes_of_colour() {
        for value in [0, 90, 255] {
            for space in [Space::Lab, Space::Opponent] {
                let [light, a, b] = space.places([value; 3]);
                assert!((a - 0.5).abs() < 1e-3 && (b - 0.5).abs() < 1e-3, "{space:?} {value}: {a} {b}");
                assert!((0.0..1.0001).contains(&light));
            }
        }
        assert!(Space::Opponent.places([200, 100, 60])[1..].iter().all(|&place| place > 0.5));
    }

    #[test]
    fn cells_show_where_colours_are() {
        let picture = Rgb { width: 2, height: 1, data: vec![255, 0, 0, 0, 0, 255] };
        let histogram = Histogram { bins: [2, 1, 1], space: Space::Hsv, cells: vec![[1, 2]], longer: None };
        let mut out = [0.0; 4];
        histogram.describe(&(&picture).into(), &mut out);
        let half = 0.5_f32.sqrt();
        assert!(out.iter().zip([half, 0.0, 0.0, half]).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    }

    #[test]
    fn what_is_not_set_is_not_written() {
        let histogram = Histogram { bins: [8, 4, 4], space: Space::Hsv, cells: one_cell(), longer: None };
        assert_eq!(serde_json::to_string(&histogram).unwrap(), r#"{"bins":[8,4,4]}"#);
    }
}
