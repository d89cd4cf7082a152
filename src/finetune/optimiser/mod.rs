//! Optimisers: how a gradient changes a parameter. Each writes its update into the training graph, and says which numbers
//! it keeps of every parameter and which numbers it needs at every step.

mod adam;
mod sgd;

use serde::{Deserialize, Serialize};

use super::schedule::Rates;
use crate::deep::onnx::Graph;

pub use adam::Adam;
use adam::{KEPT_SHARE, STEP_SIZE};
use sgd::LEARNING_RATE;
pub use sgd::Sgd;

/// The `optimiser` table of a training. Learning rate and momentum come from the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Optimiser {
    Sgd(Sgd),
    /// Weight decay is added to the gradient.
    Adam(Adam),
    /// Weight decay shrinks the parameter itself (Loshchilov and Hutter 2019).
    AdamW(Adam),
}

/// The names of the new values in the graph.
#[derive(Debug)]
pub struct Update {
    pub parameter: String,
    /// What is kept, in the order of [`Optimiser::kept`].
    pub kept: Vec<String>,
}

impl Optimiser {
    /// What is wrong with the settings, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let (Optimiser::Sgd(Sgd { weight_decay })
        | Optimiser::Adam(Adam { weight_decay, .. })
        | Optimiser::AdamW(Adam { weight_decay, .. })) = self;
        if !(weight_decay.is_finite() && *weight_decay >= 0.0) {
            return Err(format!("optimiser: weight_decay = {weight_decay}, but it must be at least 0"));
        }
        match self {
            Optimiser::Sgd(_) => Ok(()),
            Optimiser::Adam(adam) | Optimiser::AdamW(adam) => adam.check(),
        }
    }

    /// What is kept of every parameter, as a tensor of its shape that starts at 0.
    pub fn kept(&self) -> &'static [&'static str] {
        match self {
            Optimiser::Sgd(_) => &["velocity"],
            Optimiser::Adam(_) | Optimiser::AdamW(_) => &["first moment", "second moment"],
        }
    }

    /// The numbers that the graph is fed with at step `step`, counted from 1, by the names of its inputs.
    pub fn numbers(&self, rates: Rates, step: u64) -> Vec<(&'static str, f64)> {
        match self {
            Optimiser::Sgd(_) => sgd::numbers(rates).to_vec(),
            Optimiser::Adam(adam) => adam.numbers(rates, step).to_vec(),
            Optimiser::AdamW(adam) => [&adam.numbers(rates, step)[..], &[adam.kept_share(rates)]].concat(),
        }
    }

    /// Adds the update of one parameter, which learns with this share of the learning rate; `kept` are the names of what is
    /// kept of it.
    pub fn update(&self, g: &mut Graph, parameter: &str, gradient: &str, kept: &[String], share: f64) -> Update {
        match (self, kept) {
            (Optimiser::Sgd(sgd), [velocity]) => {
                let lr = part(g, LEARNING_RATE, share);
                sgd.update(g, parameter, gradient, velocity, &lr)
            }
            (Optimiser::Adam(adam), [first, second]) => {
                let step = part(g, STEP_SIZE, share);
                let begin = g.begin();
                let pulled = decayed(g, parameter, gradient, adam.weight_decay);
                let update = adam.update(g, parameter, &pulled, [first, second], &step);
                adam.as_one(g, begin, &[parameter, gradient, first, second, &step], adam.weight_decay, &update);
                update
            }
            (Optimiser::AdamW(adam), [first, second]) => {
                let (step, kept) = (part(g, STEP_SIZE, share), kept_part(g, share));
                let begin = g.begin();
                let shrunk = g.two("Mul", parameter, &kept);
                let update = adam.update(g, &shrunk, gradient, [first, second], &step);
                adam.as_one(g, begin, &[parameter, gradient, first, second, &step, &kept], 0.0, &update);
                update
            }
            _ => unreachable!("an optimiser is given what it keeps"),
        }
    }
}

/// A share of a number that the graph is fed with.
fn part(g: &mut Graph, number: &str, share: f64) -> String {
    if share == 1.0 { number.to_owned() } else { g.times(number, share) }
}

/// What decoupled weight decay leaves at a share of the learning rate.
fn kept_part(g: &mut Graph, share: f64) -> String {
    if share == 1.0 {
        return KEPT_SHARE.to_owned();
    }
    let one = g.number(1.0);
    let lost = g.two("Sub", &one, KEPT_SHARE);
    let lost = g.times(&lost, share);
    g.two("Sub", &one, &lost)
}

/// The gradient of the loss with weight decay: half the squared length of every parameter, times the decay.
fn decayed(g: &mut Graph, parameter: &str, gradient: &str, weight_decay: f64) -> String {
    if weight_decay == 0.0 {
        return gradient.to_owned();
    }
    let pull = g.times(parameter, weight_decay);
    g.two("Add", gradient, &pull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let parse = |text: &str| toml::from_str::<Optimiser>(text);
        assert_eq!(parse("kind = \"sgd\"").unwrap(), Optimiser::Sgd(Sgd::default()));
        assert!(parse("kind = \"adam\"\nbeta1 = 0.9").is_err(), "beta1 is the schedule's momentum");
        for (text, expected) in [
            ("kind = \"sgd\"\nweight_decay = -0.1", "optimiser: weight_decay = -0.1, but it must be at least 0"),
            ("kind = \"adamw\"\nbeta2 = 1.0", "optimiser: beta2 = 1, but it must be at least 0 and below 1"),
            ("kind = \"adam\"\nepsilon = 0.0", "optimiser: epsilon = 0, but it must be above 0"),
        ] {
            assert_eq!(parse(text).unwrap().check(), Err(expected.to_owned()));
        }
    }

    #[test]
    fn adam_corrects_the_bias_of_its_first_steps() {
        let adam = Optimiser::Adam(Adam::default());
        let numbers = adam.numbers(Rates { learning_rate: 0.1, momentum: 0.9 }, 1);
        let number = |name: &str| numbers.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!((number("step size") - 1.0).abs() < 1e-12);
        assert!((number("second correction") - 0.001f64.sqrt()).abs() < 1e-12);
    }
}
