//! 1cycle as PyTorch's `OneCycleLR`, in two phases or in three (back to the first rate, then the annihilation).
//! Its peak lies at step `pct_start * steps - 1`, which need not be a whole number: short runs never reach it.

use serde::{Deserialize, Serialize};

use super::super::{Anneal, Rates, ScheduleError, legs::Knot, require, require_divisor, require_momenta};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PyTorch {
    /// Where the peak lies, as a share of the run's steps.
    pub pct_start: f64,
    pub anneal: Anneal,
    pub three_phase: bool,
    /// The first rate is the peak divided by this.
    pub div: f64,
    /// The last rate is the first one divided by this.
    pub final_div: f64,
    /// At both ends and at the peak.
    pub momentum: [f64; 2],
}

impl Default for PyTorch {
    fn default() -> PyTorch {
        let (anneal, three_phase, momentum) = (Anneal::Cosine, false, [0.95, 0.85]);
        PyTorch { pct_start: 0.3, anneal, three_phase, div: 25.0, final_div: 1e4, momentum }
    }
}

impl PyTorch {
    pub(in super::super) fn plan(&self, peak: f64, steps: usize) -> Result<Vec<Rates>, ScheduleError> {
        require_divisor("div", self.div)?;
        require_divisor("final_div", self.final_div)?;
        require_momenta(self.momentum)?;
        let (most, expected) = match self.three_phase {
            true => (0.5, "it must lie between 0 and 0.5, since two legs of three phases are that long"),
            false => (1.0, "it must lie between 0 and 1"),
        };
        require((0.0..=most).contains(&self.pct_start), "pct_start", self.pct_start, expected)?;
        let rise = self.pct_start * steps as f64;
        let expected = "the rising leg would end where it begins: train longer or choose another pct_start";
        require(rise != 1.0, "pct_start * steps", rise, expected)?;
        let (first, [high, low]) = (peak / self.div, self.momentum);
        let mut knots = vec![Knot::new(0.0, first, high), Knot::new(rise - 1.0, peak, low)];
        if self.three_phase {
            knots.push(Knot::new(2.0 * rise - 2.0, first, high));
        }
        knots.push(Knot::new(steps as f64 - 1.0, first / self.final_div, high));
        Ok((0..steps).map(|step| self.anneal.at(&knots, step as f64)).collect())
    }
}
