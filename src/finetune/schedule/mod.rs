//! Schedules: the learning rate and the momentum of every mini-batch of a training.
//! A schedule is settings; [`Schedule::plan`] checks them and writes down the whole run, so that no step can lie beyond
//! its end.

mod cosine;
mod cyclic;
mod decay;
mod legs;
mod one_cycle;

use std::fmt::Display;

use serde::{Deserialize, Serialize};

pub use cosine::Cosine;
pub use cyclic::{Cyclic, Mode};
pub use decay::{Constant, MultiStep, Step};
pub use legs::Anneal;
pub use one_cycle::{Fastai, PyTorch, Smith};

/// What one mini-batch is trained with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    pub learning_rate: f64,
    /// SGD's momentum, or Adam's beta1.
    pub momentum: f64,
}

impl Rates {
    /// lr / (1 - momentum): how far a lasting gradient moves a weight, and so what to hold equal when momenta are
    /// compared (Li et al. 2020).
    pub fn effective(self) -> f64 {
        self.learning_rate / (1.0 - self.momentum)
    }
}

/// How long a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub epochs: usize,
    /// Mini-batches of one epoch.
    pub steps_per_epoch: usize,
}

impl Length {
    pub fn steps(self) -> usize {
        self.epochs * self.steps_per_epoch
    }

    /// A duration in epochs as whole steps, at least one.
    fn steps_of(self, epochs: f64) -> usize {
        ((epochs * self.steps_per_epoch as f64).round() as usize).max(1)
    }
}

/// A setting that no training can be planned with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule: {field} = {found}, but {expected}")]
pub struct ScheduleError {
    pub field: &'static str,
    pub found: String,
    pub expected: &'static str,
}

fn require(holds: bool, field: &'static str, found: impl Display, expected: &'static str) -> Result<(), ScheduleError> {
    if holds { Ok(()) } else { Err(ScheduleError { field, found: found.to_string(), expected }) }
}

fn require_momentum(momentum: f64) -> Result<(), ScheduleError> {
    require((0.0..1.0).contains(&momentum), "momentum", momentum, "it must be at least 0 and below 1")
}

/// Both ends of a momentum that is cycled.
fn require_momenta([high, low]: [f64; 2]) -> Result<(), ScheduleError> {
    require_momentum(high)?;
    require_momentum(low)?;
    require(low <= high, "momentum", format!("[{high}, {low}]"), "the higher one comes first")
}

/// A divisor of the learning rate.
fn require_divisor(field: &'static str, value: f64) -> Result<(), ScheduleError> {
    require(value.is_finite() && value >= 1.0, field, value, "it must be a number of at least 1")
}

/// The `schedule` table of a training. Durations are in epochs, knots in fractions of the run; every form names the
/// momentum too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    Constant(Constant),
    Step(Step),
    MultiStep(MultiStep),
    Cosine(Cosine),
    Cyclic(Cyclic),
    OneCycleSmith(Smith),
    OneCycleFastai(Fastai),
    OneCyclePytorch(PyTorch),
}

impl Schedule {
    /// The same shape in a run that is `factor` times as long: durations in epochs grow, shares of the run stay.
    pub fn stretched(self, factor: f64) -> Schedule {
        match self {
            Schedule::Step(step) => Schedule::Step(Step { every: step.every * factor, ..step }),
            Schedule::MultiStep(steps) => {
                let milestones = steps.milestones.iter().map(|epoch| epoch * factor).collect();
                Schedule::MultiStep(MultiStep { milestones, ..steps })
            }
            Schedule::Cyclic(cyclic) => {
                let (up, down) = (cyclic.up * factor, cyclic.down.map(|down| down * factor));
                Schedule::Cyclic(Cyclic { up, down, ..cyclic })
            }
            other => other,
        }
    }

    /// The rates of every mini-batch of a run; `peak` is the largest learning rate (the first one, where it only falls).
    ///
    /// # Errors
    /// A setting out of its range, or one that does not fit the length of the run.
    pub fn plan(&self, peak: f64, length: Length) -> Result<Vec<Rates>, ScheduleError> {
        require(peak.is_finite() && peak > 0.0, "lr", peak, "it must be above 0")?;
        require(length.epochs > 0, "epochs", length.epochs, "a training has at least one")?;
        require(length.steps_per_epoch > 0, "steps per epoch", 0, "there must be at least one mini-batch of images")?;
        match self {
            Schedule::Constant(constant) => constant.plan(peak, length),
            Schedule::Step(step) => step.plan(peak, length),
            Schedule::MultiStep(steps) => steps.plan(peak, length),
            Schedule::Cosine(cosine) => cosine.plan(peak, length),
            Schedule::Cyclic(cyclic) => cyclic.plan(peak, length),
            Schedule::OneCycleSmith(smith) => smith.plan(peak, length.steps()),
            Schedule::OneCycleFastai(fastai) => fastai.plan(peak, length.steps()),
            Schedule::OneCyclePytorch(pytorch) => pytorch.plan(peak, length.steps()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Schedule, toml::de::Error> {
        toml::from_str(text)
    }

    fn refusal(text: &str, epochs: usize) -> String {
        let length = Length { epochs, steps_per_epoch: 1 };
        parse(text).unwrap().plan(0.1, length).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_from_toml_and_misspelled_ones_refused() {
        assert_eq!(parse("kind = \"one-cycle-fastai\"").unwrap(), Schedule::OneCycleFastai(Fastai::default()));
        let three = parse("kind = \"one-cycle-pytorch\"\nthree_phase = true\nanneal = \"linear\"").unwrap();
        let expected = PyTorch { three_phase: true, anneal: Anneal::Linear, ..PyTorch::default() };
        assert_eq!(three, Schedule::OneCyclePytorch(expected));
        assert!(parse("kind = \"step\"\nevery = 5.0\ngama = 0.1").unwrap_err().to_string().contains("gama"));
        assert!(parse("kind = \"warm-up\"").unwrap_err().to_string().contains("one-cycle-smith"));
    }

    #[test]
    fn what_libraries_divide_by_or_extrapolate_is_an_error() {
        let divided = refusal("kind = \"one-cycle-pytorch\"\npct_start = 0.25", 4);
        assert_eq!(
            divided,
            "schedule: pct_start * steps = 1, but the rising leg would end where it begins: train longer or choose \
             another pct_start"
        );
        for (text, epochs, field) in [
            ("kind = \"one-cycle-pytorch\"\npct_start = 1.5", 9, "pct_start = 1.5"),
            ("kind = \"one-cycle-pytorch\"\npct_start = 0.6\nthree_phase = true", 9, "pct_start = 0.6"),
            ("kind = \"one-cycle-fastai\"\npct_start = 0.0", 9, "pct_start = 0"),
            ("kind = \"one-cycle-fastai\"\nmomentum = [0.85, 0.95]", 9, "momentum = [0.85, 0.95]"),
            ("kind = \"one-cycle-smith\"", 2, "peak * steps = 0.9"),
            ("kind = \"cyclic\"\nup = 0.0", 9, "up = 0"),
            ("kind = \"cyclic\"\nmode = \"exp-range\"\ngamma = nan", 9, "gamma = NaN"),
            ("kind = \"step\"\nevery = -1.0", 9, "every = -1"),
            ("kind = \"multi-step\"\nmilestones = [2.0, 12.0]", 9, "milestones = [2.0, 12.0]"),
            ("kind = \"constant\"\nmomentum = 1.0", 9, "momentum = 1"),
            ("kind = \"constant\"", 0, "epochs = 0"),
        ] {
            let found = refusal(text, epochs);
            assert!(found.starts_with(&format!("schedule: {field}, but ")), "{text}: {found}");
        }
        let wrong = Schedule::Constant(Constant::default()).plan(0.0, Length { epochs: 1, steps_per_epoch: 1 });
        assert_eq!(wrong.unwrap_err().to_string(), "schedule: lr = 0, but it must be above 0");
    }

    #[test]
    fn durations_are_epochs() {
        let length = Length { epochs: 3, steps_per_epoch: 4 };
        let plan =
            parse("kind = \"step\"\nevery = 1.5\ngamma = 0.5\nmomentum = 0.0").unwrap().plan(8.0, length).unwrap();
        let rates: Vec<f64> = plan.iter().map(|rates| rates.learning_rate).collect();
        assert_eq!(rates, [8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn the_effective_rate_holds_momentum_against_the_learning_rate() {
        assert!((Rates { learning_rate: 7e-3, momentum: 0.9 }.effective() - 0.07).abs() < 1e-15);
    }
}
