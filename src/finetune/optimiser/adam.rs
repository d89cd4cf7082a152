//! Adam (Kingma and Ba 2015) as PyTorch has it; the schedule's momentum is beta1.

use serde::{Deserialize, Serialize};

use super::Update;
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, Beginning, Graph};
use crate::finetune::schedule::Rates;

/// What the graph is fed with at every step.
pub const STEP_SIZE: &str = "step size";
const FIRST_SHARE: &str = "first share";
const SECOND_CORRECTION: &str = "second correction";
pub const KEPT_SHARE: &str = "kept share";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.beta2) {
            return Err(format!("optimiser: beta2 = {}, but it must be at least 0 and below 1", self.beta2));
        }
        if self.epsilon.is_nan() || self.epsilon <= 0.0 {
            return Err(format!("optimiser: epsilon = {}, but it must be above 0", self.epsilon));
        }
        Ok(())
    }

    /// The corrections for moments that started at 0 are formed here, in f64.
    pub fn numbers(&self, rates: Rates, step: u64) -> [(&'static str, f64); 3] {
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        [
            (STEP_SIZE, rates.learning_rate / correction(rates.momentum)),
            (FIRST_SHARE, 1.0 - rates.momentum),
            (SECOND_CORRECTION, correction(self.beta2).sqrt()),
        ]
    }

    /// What decoupled weight decay leaves of a parameter.
    pub fn kept_share(&self, rates: Rates) -> (&'static str, f64) {
        (KEPT_SHARE, 1.0 - rates.learning_rate * self.weight_decay)
    }

    /// m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g g, w -= step size m / (sqrt(v) / correction + epsilon).
    pub fn update(
        &self,
        g: &mut Graph,
        parameter: &str,
        gradient: &str,
        [first, second]: [&str; 2],
        step_size: &str,
    ) -> Update {
        let ahead = g.two("Sub", gradient, first);
        let towards = g.two("Mul", &ahead, FIRST_SHARE);
        let first = g.two("Add", first, &towards);
        let square = g.two("Mul", gradient, gradient);
        let (kept, new) = (g.times(second, self.beta2), g.times(&square, 1.0 - self.beta2));
        let second = g.two("Add", &kept, &new);
        let root = g.node("Sqrt", &[&second], &[]);
        let root = g.two("Div", &root, SECOND_CORRECTION);
        let epsilon = g.number(self.epsilon);
        let deviation = g.two("Add", &root, &epsilon);
        let ratio = g.two("Div", &first, &deviation);
        let change = g.two("Mul", &ratio, step_size);
        Update { parameter: g.two("Sub", parameter, &change), kept: vec![first, second] }
    }

    /// Makes one operator of an update: `inputs` are the parameter, its gradient, both moments, the step size, and what
    /// decoupled weight decay leaves of the parameter where there is one; `pull` is the weight decay that is none.
    pub fn as_one(&self, g: &mut Graph, begin: Beginning, inputs: &[&str], pull: f64, update: &Update) {
        let (of_parameter, kept_share) = inputs.split_at(5);
        let inputs = [of_parameter, &[FIRST_SHARE, SECOND_CORRECTION], kept_share].concat();
        let number = |number: f64| Attribute::Float(number as f32);
        let attributes =
            [("beta2", number(self.beta2)), ("epsilon", number(self.epsilon)), ("weight_decay", number(pull))];
        let outputs: Vec<&str> = [&update.parameter].into_iter().chain(&update.kept).map(String::as_str).collect();
        g.as_one(begin, operator::ADAM, &inputs, &attributes, &outputs);
    }
}
