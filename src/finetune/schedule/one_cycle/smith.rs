//! 1cycle as Smith describes it: two linear legs of the same length, then annihilation at high momentum.
//! As in the script behind the published experiment on hymenoptera, whose momentum stayed at 0: `momentum = [0.0, 0.0]`.

use serde::{Deserialize, Serialize};

use super::super::{Anneal, Rates, ScheduleError, legs::Knot, require, require_divisor, require_momenta};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smith {
    /// Where the peak lies, as a share of the run's steps.
    pub peak: f64,
    /// Where the second leg is back at the first rate and the annihilation begins, as a share of the run's steps.
    pub annihilation: f64,
    /// The first rate is the peak divided by this.
    pub div: f64,
    /// The last rate is the peak divided by this.
    pub final_div: f64,
    /// At both ends and at the peak.
    pub momentum: [f64; 2],
}

impl Default for Smith {
    fn default() -> Smith {
        Smith { peak: 0.45, annihilation: 0.9, div: 10.0, final_div: 1e4, momentum: [0.95, 0.85] }
    }
}

impl Smith {
    /// Knots are counted from 1, the first step.
    pub(in super::super) fn plan(&self, peak: f64, steps: usize) -> Result<Vec<Rates>, ScheduleError> {
        require_divisor("div", self.div)?;
        require_divisor("final_div", self.final_div)?;
        require_momenta(self.momentum)?;
        let between = self.peak < self.annihilation && self.annihilation < 1.0;
        require(between, "annihilation", self.annihilation, "it must lie between peak and 1")?;
        let total = steps as f64;
        let rise = self.peak * total;
        require(rise > 1.0, "peak * steps", rise, "the peak must come after the first step: train longer")?;
        let [high, low] = self.momentum;
        let knots = [
            Knot::new(1.0, peak / self.div, high),
            Knot::new(rise, peak, low),
            Knot::new(self.annihilation * total, peak / self.div, high),
            Knot::new(total, peak / self.final_div, high),
        ];
        Ok((1..=steps).map(|step| Anneal::Linear.at(&knots, step as f64)).collect())
    }
}
