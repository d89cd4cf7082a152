//! CENTRIST (Wu and Rehg 2011): how often each of the 256 outcomes of comparing a pixel with its eight neighbours occurs,
//! in the cells of a pyramid and at several scales. It shows structure and layout, and no change of light moves it. The
//! census of a picture's edges may stand beside that of its grey values: they see other things.

use std::cell::LazyCell;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Grey;
use crate::image::smooth::{edges, reduce};
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::neighbourhood::{Offset, compared};
use super::picture::{Picture, check_longer};
use super::pyramid::{self, Codes, Grid};
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centrist {
    /// Pixels of the longer side at most: a larger picture is made smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longer: Option<u32>,
    scales: Vec<Scale>,
}

/// The picture at one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    /// Each block of so many pixels square becomes one.
    reduce: u32,
    /// Are the lengths of its gradients looked at, in the place of grey values?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    edges: bool,
    /// Rows and columns of the grids whose cells are counted.
    cells: Vec<Grid>,
}

/// Codes of the census transform.
const CODES: usize = 256;
/// A picture is made smaller by at most so much.
const MOST: u32 = 16;
/// From bit 0 on: below right first, above left last.
const NEIGHBOURS: [Offset; 8] = [[1, 1], [0, 1], [-1, 1], [1, 0], [-1, 0], [1, -1], [0, -1], [-1, -1]];

impl Kind for Centrist {
    fn check(&self) -> Result<(), String> {
        check_longer(self.longer)?;
        if self.scales.is_empty() {
            return Err("scales needs at least one, such as { reduce = 1, cells = [[1, 1]] }".into());
        }
        for scale in &self.scales {
            if !(1..=MOST).contains(&scale.reduce) {
                return Err(format!("reduce = {} in scales must be from 1 to {MOST}", scale.reduce));
            }
            pyramid::check("cells of scales", &scale.cells)?;
        }
        Ok(())
    }

    fn versions(&self) -> Vec<Version> {
        vec![Self::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 1.5, bytes: 4.0 * self.length() as f64, bytes_a_pixel: 6.0 }
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, _: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(self.clone()))
    }
}

impl Whole for Centrist {
    const STAGE: Version = ("centrist", 1);
    const TIME: Stage = Stage::Describe;
    const IN_COLOUR: bool = false;

    fn length(&self) -> usize {
        CODES * self.scales.iter().map(|scale| pyramid::cells(&scale.cells)).sum::<usize>()
    }

    fn longer(&self) -> Option<u32> {
        self.longer
    }

    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let grey = picture.grey();
        let edged = LazyCell::new(|| edges(&grey));
        let mut rest = &mut *out;
        for Scale { reduce: by, edges, cells } in &self.scales {
            let here;
            (here, rest) = rest.split_at_mut(CODES * pyramid::cells(cells));
            let seen: &Grey = if *edges { &edged } else { &grey };
            let codes = if *by == 1 { census(seen) } else { census(&reduce(seen, *by)) };
            pyramid::write(&codes, cells, CODES, here);
        }
        pyramid::unit(out);
    }
}

/// The census transform (Zabih and Woodfill 1994) of the pixels that have all their neighbours.
fn census(grey: &Grey) -> Codes<u8> {
    compared(grey, 1, NEIGHBOURS, |neighbour, pixel| neighbour <= pixel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;

    fn whole() -> Centrist {
        let cells = [[1, 1], [3, 1], [2, 2], [4, 4]];
        let scale = |reduce, grids| Scale { reduce, edges: false, cells: cells[..grids].to_vec() };
        Centrist { longer: None, scales: vec![scale(1, 4), scale(2, 4), scale(4, 3)] }
    }

    #[test]
    fn neighbours_that_are_not_lighter_set_their_bits() {
        let grey = Grey { width: 4, height: 3, data: vec![1, 9, 2, 5, 9, 5, 6, 5, 5, 4, 9, 9] };
        let codes = census(&grey);
        assert_eq!((codes.width, codes.height, codes.codes), (2, 1, vec![0b1010_0110, 0b0111_1100]));
    }

    /// Made by a NumPy program that counts pixel by pixel, on OpenCV's reduced pictures: to the last bit before the
    /// vector is divided by its length.
    #[test]
    fn vectors_are_those_of_the_reference() {
        let expected = [
            (96, 96, 3315.901, [(3, 0.010_638_3), (1945, 0.004_536_185), (8016, 0.011_352_89), (12_631, 0.013_121_6)]),
            (
                120,
                88,
                3378.496,
                [(3, 0.012_698_42), (2431, 0.007_309_858), (8988, 0.006_074_119), (14_331, 0.018_018_75)],
            ),
        ];
        for (width, height, sum, values) in expected {
            let mut out = vec![0.0; whole().length()];
            whole().describe(&(&pattern(width, height)).into(), &mut out);
            assert_eq!(out.len(), 14_336);
            assert!((pyramid::weighted_sum(&out) / sum - 1.0).abs() < 1e-6, "{}", pyramid::weighted_sum(&out));
            assert!(values.iter().all(|&(place, value): &(usize, f32)| (out[place] - value).abs() < 1e-7));
        }
    }

    #[test]
    fn nothing_to_compare_gives_zeros() {
        for (width, height) in [(1, 1), (2, 2), (1, 300), (2, 90)] {
            let mut out = vec![0.0; whole().length()];
            whole().describe(&(&pattern(width, height)).into(), &mut out);
            assert!(out.iter().all(|&value| value == 0.0));
        }
    }

    #[test]
    fn edges_are_reduced_as_grey_values_are() {
        let grey = crate::image::canvas::grey(&pattern(37, 22));
        let twice = Scale { reduce: 2, edges: true, cells: vec![[2, 2]] };
        let (mut out, mut expected) = (vec![0.0; 4 * CODES], vec![0.0; 4 * CODES]);
        Centrist { longer: None, scales: vec![twice] }.describe(&(&pattern(37, 22)).into(), &mut out);
        pyramid::write(&census(&reduce(&edges(&grey), 2)), &[[2, 2]], CODES, &mut expected);
        pyramid::unit(&mut expected);
        assert_eq!(out, expected);
    }
}
