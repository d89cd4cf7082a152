//! Axes: values to pixels, and the ticks that stand at round values.

use crate::report::format::percent;

use super::figure::Figure;

/// A linear map from values to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub values: (f64, f64),
    pub pixels: (f64, f64),
}

impl Scale {
    /// For accuracies, as fractions: from the multiple of 10 % below the lowest to 100 %.
    pub fn of_accuracies(lowest: f64, pixels: (f64, f64)) -> Scale {
        let low = (lowest * 10.0).floor().clamp(0.0, 9.0) / 10.0;
        Scale { values: (low, 1.0), pixels }
    }

    pub fn at(&self, value: f64) -> f64 {
        let (from, to) = self.pixels;
        from + (value - self.values.0) / (self.values.1 - self.values.0) * (to - from)
    }

    /// Round fractions for an axis of accuracies.
    pub fn accuracy_ticks(&self) -> Vec<f64> {
        let span = self.values.1 - self.values.0;
        let hundredths = if span > 0.55 {
            20
        } else if span > 0.25 {
            10
        } else {
            5
        };
        let ticks = (0..=100).step_by(hundredths).map(|tick| tick as f64 / 100.0);
        ticks.filter(|tick| *tick >= self.values.0 - 1e-9).collect()
    }

    /// Vertical grid lines with their percentages below.
    pub fn accuracy_axis(&self, figure: &mut Figure, (top, bottom): (f64, f64)) {
        for tick in self.accuracy_ticks() {
            let x = self.at(tick);
            figure.line((x, top), (x, bottom), "grid");
            figure.text(x, bottom + 17.0, percent(tick).trim_end_matches(".0"), "muted small middle");
        }
    }
}

/// Round numbers from 0 to `high`, at most seven, no closer than `least`, a power of ten.
pub fn round_ticks(high: f64, least: f64) -> Vec<f64> {
    let steps = (0..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    // in units of `least`, so that every tick is a whole number and prints as one
    let units = high / least;
    let step = steps.take_while(|step| *step < units).find(|step| units / step <= 6.0).unwrap_or(1.0);
    (0..=(units / step) as usize).map(|tick| tick as f64 * step / least.recip()).collect()
}

/// Powers of ten from `low` to `high`, for a logarithmic axis, and 2 and 5 times them where there is room.
pub fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let digits: &[f64] = if high > 1e4 * low { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let ticks = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
    ticks.filter(|tick| *tick >= low * 0.999 && *tick <= high * 1.001).collect()
}
