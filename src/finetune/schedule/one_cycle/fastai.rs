//! 1cycle as fastai's `fit_one_cycle`: half a cosine up, half a cosine down to next to nothing.
//! Mini-batch i of n lies at i / n, so the last one is still a little above the final rate.

use serde::{Deserialize, Serialize};

use super::super::{Anneal, Rates, ScheduleError, legs::Knot, require, require_divisor, require_momenta};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fastai {
    /// Where the peak lies, as a share of the run.
    pub pct_start: f64,
    /// The first rate is the peak divided by this.
    pub div: f64,
    /// The final rate is the peak divided by this.
    pub final_div: f64,
    /// At both ends and at the peak.
    pub momentum: [f64; 2],
}

impl Default for Fastai {
    fn default() -> Fastai {
        Fastai { pct_start: 0.25, div: 25.0, final_div: 1e5, momentum: [0.95, 0.85] }
    }
}

impl Fastai {
    pub(in super::super) fn plan(&self, peak: f64, steps: usize) -> Result<Vec<Rates>, ScheduleError> {
        require_divisor("div", self.div)?;
        require_divisor("final_div", self.final_div)?;
        require_momenta(self.momentum)?;
        let within = self.pct_start > 0.0 && self.pct_start < 1.0;
        require(within, "pct_start", self.pct_start, "it must lie between 0 and 1")?;
        let [high, low] = self.momentum;
        let knots = [
            Knot::new(0.0, peak / self.div, high),
            Knot::new(self.pct_start, peak, low),
            Knot::new(1.0, peak / self.final_div, high),
        ];
        Ok((0..steps).map(|step| Anneal::Cosine.at(&knots, step as f64 / steps as f64)).collect())
    }
}
