//! Cyclical learning rates (Smith 2017, as PyTorch's `CyclicLR`): up and down between two rates again and again, the
//! momentum the other way round.

use serde::{Deserialize, Serialize};

use super::{Length, Rates, ScheduleError, require, require_divisor, require_momenta};

/// How the height of the cycles changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Not at all.
    #[default]
    Triangular,
    /// Half as high each time.
    Triangular2,
    /// Multiplied by `gamma` every mini-batch.
    ExpRange,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cyclic {
    /// The lower rate is the peak divided by this.
    pub div: f64,
    /// Epochs from the lower rate to the peak.
    pub up: f64,
    /// Epochs back; as long as `up` where it is not stated.
    pub down: Option<f64>,
    pub mode: Mode,
    pub gamma: f64,
    /// At the lower rate and at the peak.
    pub momentum: [f64; 2],
}

impl Default for Cyclic {
    fn default() -> Cyclic {
        Cyclic { div: 10.0, up: 2.0, down: None, mode: Mode::default(), gamma: 1.0, momentum: [0.9, 0.8] }
    }
}

impl Cyclic {
    pub(super) fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        require_divisor("div", self.div)?;
        require_momenta(self.momentum)?;
        require(self.gamma > 0.0 && self.gamma <= 1.0, "gamma", self.gamma, "it must be above 0 and at most 1")?;
        let down = self.down.unwrap_or(self.up);
        for (field, epochs) in [("up", self.up), ("down", down)] {
            require(epochs.is_finite() && epochs > 0.0, field, epochs, "it must be a number of epochs above 0")?;
        }
        let (up, down) = (length.steps_of(self.up), length.steps_of(down));
        let (base, [high, low]) = (peak / self.div, self.momentum);
        let rates = |step| {
            let height = self.height(step, up, down);
            Rates { learning_rate: base + (peak - base) * height, momentum: high - (high - low) * height }
        };
        Ok((0..length.steps()).map(rates).collect())
    }

    /// From 0, the lower rate, to 1, the first peak.
    fn height(&self, step: usize, up: usize, down: usize) -> f64 {
        let (cycle, within) = (step / (up + down), step % (up + down));
        let triangle = if within <= up { within as f64 / up as f64 } else { (up + down - within) as f64 / down as f64 };
        match self.mode {
            Mode::Triangular => triangle,
            Mode::Triangular2 => triangle * 0.5f64.powi(cycle as i32),
            Mode::ExpRange => triangle * self.gamma.powi(step as i32),
        }
    }
}
