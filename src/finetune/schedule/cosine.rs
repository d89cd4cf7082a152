//! Half a cosine from the peak down to a floor over the whole run (PyTorch's `CosineAnnealingLR` with `T_max` the
//! number of steps; beyond it PyTorch's rate rises again, here a run ends there).

use serde::{Deserialize, Serialize};

use super::{Anneal, Length, Rates, ScheduleError, legs::Knot, require, require_momentum};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cosine {
    /// Where the rate would arrive one step after the last, as a share of the peak.
    pub floor: f64,
    pub momentum: f64,
}

impl Default for Cosine {
    fn default() -> Cosine {
        Cosine { floor: 0.0, momentum: 0.9 }
    }
}

impl Cosine {
    pub(super) fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        require_momentum(self.momentum)?;
        require((0.0..1.0).contains(&self.floor), "floor", self.floor, "it must be at least 0 and below 1")?;
        let steps = length.steps();
        let knots = [Knot::new(0.0, peak, self.momentum), Knot::new(steps as f64, peak * self.floor, self.momentum)];
        Ok((0..steps).map(|step| Anneal::Cosine.at(&knots, step as f64)).collect())
    }
}
