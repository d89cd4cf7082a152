//! A constant rate, and rates that fall in steps (PyTorch's `StepLR` and `MultiStepLR`).

use serde::{Deserialize, Serialize};

use super::{Length, Rates, ScheduleError, require, require_momentum};

/// The same rate throughout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constant {
    pub momentum: f64,
}

impl Default for Constant {
    fn default() -> Constant {
        Constant { momentum: 0.9 }
    }
}

impl Constant {
    pub(super) fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        require_momentum(self.momentum)?;
        Ok(vec![Rates { learning_rate: peak, momentum: self.momentum }; length.steps()])
    }
}

/// The rate is multiplied by `gamma` every so many epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Epochs between two decays.
    pub every: f64,
    #[serde(default = "tenth")]
    pub gamma: f64,
    #[serde(default = "usual")]
    pub momentum: f64,
}

/// The rate is multiplied by `gamma` at each milestone; one at 0 acts at once, one that is named twice acts twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiStep {
    /// In epochs.
    pub milestones: Vec<f64>,
    #[serde(default = "tenth")]
    pub gamma: f64,
    #[serde(default = "usual")]
    pub momentum: f64,
}

fn tenth() -> f64 {
    0.1
}

fn usual() -> f64 {
    0.9
}

impl Step {
    pub(super) fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        let expected = "it must be a number of epochs above 0";
        require(self.every.is_finite() && self.every > 0.0, "every", self.every, expected)?;
        let every = length.steps_of(self.every);
        decayed(peak, self.gamma, self.momentum, length, |step| step / every)
    }
}

impl MultiStep {
    pub(super) fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        let reached = |milestone: &f64| (0.0..length.epochs as f64).contains(milestone);
        let found = format!("{:?}", self.milestones);
        require(self.milestones.iter().all(reached), "milestones", found, "each must lie within the run's epochs")?;
        let steps = |&milestone: &f64| (milestone * length.steps_per_epoch as f64).round() as usize;
        let milestones: Vec<usize> = self.milestones.iter().map(steps).collect();
        let passed = |step| milestones.iter().filter(|&&milestone| milestone <= step).count();
        decayed(peak, self.gamma, self.momentum, length, passed)
    }
}

fn decayed(
    peak: f64,
    gamma: f64,
    momentum: f64,
    length: Length,
    decays: impl Fn(usize) -> usize,
) -> Result<Vec<Rates>, ScheduleError> {
    require_momentum(momentum)?;
    require(gamma > 0.0 && gamma <= 1.0, "gamma", gamma, "it must be above 0 and at most 1")?;
    let rates = |step| Rates { learning_rate: peak * gamma.powi(decays(step) as i32), momentum };
    Ok((0..length.steps()).map(rates).collect())
}
