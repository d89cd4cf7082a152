//! GIST (Oliva and Torralba 2001): how strongly each cell of a picture brought to one size answers to Gabor filters of
//! several scales and orientations. It describes the layout of a scene, without any detail.

use std::f64::consts::PI;
use std::sync::Arc;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Grey;
use crate::image::resize::resize_grey;
use crate::product::vectorised;
use crate::stage::stopwatch::Stage;

use super::fitted::{Features, Lessons};
use super::fourier::{Columns, Fourier, LANES, Plane, Row};
use super::picture::Picture;
use super::pyramid;
use super::whole::Whole;
use super::{Choice, Cost, Kind, Needs, Resources, Version};

/// The `[features]` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gist {
    /// Every picture is brought to `side` x `side` pixels, aspect ignored; a power of two.
    side: usize,
    /// Cells along each side.
    cells: usize,
    /// Orientations of the filters of each scale, the finest scale first.
    orientations: Vec<usize>,
}

/// The settings and what was made of them.
#[derive(Clone, Serialize)]
struct Responses {
    settings: Gist,
    #[serde(skip)]
    bank: Arc<Bank>,
}

/// Filters, as numbers by which a transform is multiplied.
struct Bank {
    side: usize,
    cells: usize,
    fourier: Fourier,
    /// log(1 + value) of each 8-bit value.
    logarithms: [f32; 256],
    /// What remains of each frequency in the brightness around a pixel.
    around: Vec<f32>,
    filters: Vec<Filter>,
}

/// A filter's numbers below this change nothing that 32 bits hold.
const NEGLIGIBLE: f32 = 1e-7;
/// Responses below this may be rounding errors of a flat picture.
const ROUNDING: f32 = 1e-5;
/// Sides of pictures.
const SIDES: std::ops::RangeInclusive<usize> = 32..=512;
/// Scales, and orientations of one.
const MOST: usize = 16;

impl Kind for Gist {
    fn check(&self) -> Result<(), String> {
        let Gist { side, cells, orientations } = self;
        if !SIDES.contains(side) || !side.is_power_of_two() {
            let (least, most) = (SIDES.start(), SIDES.end());
            return Err(format!("side = {side} must be a power of two from {least} to {most} pixels"));
        }
        if *cells == 0 || !side.is_multiple_of(*cells) {
            return Err(format!("cells = {cells} must divide side = {side}"));
        }
        if !(1..=MOST).contains(&orientations.len()) {
            return Err(format!("orientations needs from 1 to {MOST} scales, such as [8, 8, 8, 8]"));
        }
        match orientations.iter().find(|count| !(1..=MOST).contains(*count)) {
            Some(count) => Err(format!("{count} in orientations must be from 1 to {MOST}")),
            None => Ok(()),
        }
    }

    fn versions(&self) -> Vec<Version> {
        vec![Responses::STAGE]
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, ..Needs::default() }
    }

    fn cost(&self, _: u32) -> Cost {
        Cost { milliseconds: 4.5, bytes: 4.0 * self.length() as f64, bytes_a_pixel: 6.0 }
    }

    fn fit(&self, choice: &Choice, _: &Resources, _: &Lessons) -> Result<Box<dyn Features>> {
        self.restore(choice, &[])
    }

    fn restore(&self, _: &Choice, _: &[u8]) -> Result<Box<dyn Features>> {
        Ok(Box::new(Responses::new(self.clone())))
    }
}

impl Gist {
    fn length(&self) -> usize {
        self.cells * self.cells * self.orientations.iter().sum::<usize>()
    }
}

impl Responses {
    fn new(settings: Gist) -> Responses {
        let bank = Arc::new(Bank::new(settings.side, settings.cells, &settings.orientations));
        Responses { settings, bank }
    }
}

impl Whole for Responses {
    const STAGE: Version = ("gist", 1);
    const TIME: Stage = Stage::Describe;
    const IN_COLOUR: bool = false;

    fn length(&self) -> usize {
        self.settings.length()
    }

    /// Square roots of the responses.
    fn describe(&self, picture: &Picture, out: &mut [f32]) {
        let side = self.settings.side as u32;
        self.bank.responses(&resize_grey(&picture.grey(), side, side), out);
        out.iter_mut().for_each(|value| *value = if *value < ROUNDING { 0.0 } else { value.sqrt() });
        pyramid::unit(out);
    }
}

/// Blocks of a filter's columns that are not negligible, each with its first column.
struct Filter(Vec<(usize, Vec<Row>)>);

/// Number `i` of a transform's `side` as a frequency: cycles a pixel, from -1/2 to 1/2.
fn frequency(i: usize, side: usize) -> f64 {
    ((i + side / 2) % side) as f64 / side as f64 - 0.5
}

impl Filter {
    fn new(side: usize, value: impl Fn(f64, f64) -> f64) -> Filter {
        let block = |start: usize| {
            let row = |y: usize| -> Row {
                std::array::from_fn(|lane| value(frequency(start + lane, side), frequency(y, side)) as f32)
            };
            (start, (0..side).map(row).collect::<Vec<Row>>())
        };
        let counts = |(_, rows): &(usize, Vec<Row>)| rows.iter().flatten().any(|&value| value > NEGLIGIBLE);
        Filter((0..side).step_by(LANES).map(block).filter(counts).collect())
    }

    /// Filter `turn` of `turns` at scale `scale`: a bell about one frequency and one direction.
    fn gabor(side: usize, scale: usize, turn: usize, turns: usize) -> Filter {
        let middle = 0.3 / 1.85_f64.powi(scale as i32);
        let narrow = 16.0 * (turns * turns) as f64 / 32.0_f64.powi(2);
        Filter::new(side, |x, y| {
            let angle = y.atan2(x) + PI / turns as f64 * turn as f64;
            let angle = if angle > PI { angle - 2.0 * PI } else { angle };
            (-3.5 * (x.hypot(y) / middle - 1.0).powi(2) - 2.0 * narrow * PI * angle * angle).exp()
        })
    }
}

impl Bank {
    fn new(side: usize, cells: usize, orientations: &[usize]) -> Bank {
        let around = |i: usize| {
            let radius = frequency(i / side, side).hypot(frequency(i % side, side)) * side as f64;
            (-radius.powi(2) * 2.0_f64.ln() / 16.0).exp() as f32
        };
        let all = orientations.iter().enumerate();
        let filters =
            all.flat_map(|(scale, &turns)| (0..turns).map(move |turn| Filter::gabor(side, scale, turn, turns)));
        Bank {
            side,
            cells,
            fourier: Fourier::new(side),
            logarithms: std::array::from_fn(|byte| (byte as f32).ln_1p()),
            around: (0..side * side).map(around).collect(),
            filters: filters.collect(),
        }
    }

    /// The plane with what lies around each pixel in its place.
    fn smooth(&self, values: Vec<f32>) -> Vec<f32> {
        let mut spectrum = self.fourier.forward(&Plane { im: vec![0.0; values.len()], re: values });
        for part in [&mut spectrum.re, &mut spectrum.im] {
            part.iter_mut().zip(&self.around).for_each(|(value, factor)| *value *= factor);
        }
        self.fourier.inverse(&spectrum).re
    }

    /// Brightness and contrast evened out.
    fn evened(&self, grey: &Grey) -> Vec<f32> {
        let mut values: Vec<f32> = grey.data.iter().map(|&byte| self.logarithms[usize::from(byte)]).collect();
        let around = self.smooth(values.clone());
        values.iter_mut().zip(around).for_each(|(value, around)| *value -= around);
        let squares = self.smooth(values.iter().map(|value| value * value).collect());
        values.iter_mut().zip(squares).for_each(|(value, squares)| *value /= 0.2 + squares.abs().sqrt());
        values
    }

    /// Mean response of each filter in each cell.
    fn responses(&self, grey: &Grey, out: &mut [f32]) {
        let values = self.evened(grey);
        let spectrum = self.fourier.forward(&Plane { im: vec![0.0; values.len()], re: values });
        let mut half = Plane::zero(self.side);
        let mut columns = self.fourier.columns();
        // rows that the filter before filled, and that the next may not fill
        let mut filled = Vec::new();
        for (filter, out) in self.filters.iter().zip(out.chunks_exact_mut(self.cells * self.cells)) {
            for start in std::mem::take(&mut filled) {
                let rows = start * self.side..(start + LANES) * self.side;
                half.re[rows.clone()].fill(0.0);
                half.im[rows].fill(0.0);
            }
            for (start, factors) in &filter.0 {
                // swapped parts: the inverse transform
                self.fourier.load_times(&spectrum.im, &spectrum.re, factors, *start, &mut columns);
                self.fourier.transform(&mut columns);
                self.fourier.store(&columns, *start, &mut half);
                filled.push(*start);
            }
            for start in (0..self.side).step_by(LANES) {
                self.fourier.load(&half.re, &half.im, start, &mut columns);
                self.fourier.transform(&mut columns);
                self.add_sizes(&columns, start, out);
            }
            let share = 1.0 / (self.side * self.side) as f32 / (self.side / self.cells).pow(2) as f32;
            out.iter_mut().for_each(|sum| *sum *= share);
        }
    }

    /// Adds up what each cell responds: columns are rows of the picture, for the transforms have turned it.
    fn add_sizes(&self, columns: &Columns, start: usize, out: &mut [f32]) {
        let cell = self.side / self.cells;
        let places = columns.re.chunks_exact(cell).zip(columns.im.chunks_exact(cell));
        for (column, (re, im)) in places.enumerate() {
            let mut sums = [0.0; LANES];
            vectorised(
                #[inline(always)]
                || {
                    for (re, im) in re.iter().zip(im) {
                        for lane in 0..LANES {
                            sums[lane] += (re[lane] * re[lane] + im[lane] * im[lane]).sqrt();
                        }
                    }
                },
            );
            for (lane, sum) in sums.iter().enumerate() {
                out[(start + lane) / cell * self.cells + column] += sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb;
    use crate::image::drawn::pattern;

    fn whole() -> Responses {
        Responses::new(Gist { side: 128, cells: 4, orientations: vec![8; 4] })
    }

    /// Made by a NumPy and SciPy program after the authors' LMgist.m.
    #[test]
    fn vectors_are_those_of_the_reference() {
        let mut out = vec![0.0; whole().length()];
        whole().describe(&(&pattern(128, 128)).into(), &mut out);
        let expected = [
            (3, 0.044_761_9),
            (71, 0.060_272_18),
            (139, 0.041_135_76),
            (208, 0.042_604_59),
            (276, 0.048_214_19),
            (344, 0.039_915_92),
            (413, 0.020_088_11),
        ];
        assert_eq!(out.len(), 512);
        assert!((pyramid::weighted_sum(&out) / 1010.716 - 1.0).abs() < 1e-6, "{}", pyramid::weighted_sum(&out));
        assert!(expected.iter().all(|&(place, value): &(usize, f32)| (out[place] - value).abs() < 1e-6));
    }

    #[test]
    fn a_flat_picture_gives_zeros() {
        let whole = whole();
        for value in [0, 77, 255] {
            let mut out = vec![0.0; whole.length()];
            whole.describe(&(&Rgb { width: 3, height: 2, data: vec![value; 18] }).into(), &mut out);
            assert!(out.iter().all(|&value| value == 0.0));
        }
    }
}
