//! Adam (Kingma and Ba 2015) as PyTorch has it; the schedule's momentum is beta1.

use serde::{Deserialize, Serialize};

use super::Update;
use crate::deep::onnx::Graph;
use crate::finetune::schedule::Rates;

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
            ("step size", rates.learning_rate / correction(rates.momentum)),
            ("first share", 1.0 - rates.momentum),
            ("second correction", correction(self.beta2).sqrt()),
        ]
    }

    /// What decoupled weight decay leaves of a parameter.
    pub fn kept_share(&self, rates: Rates) -> (&'static str, f64) {
        ("kept share", 1.0 - rates.learning_rate * self.weight_decay)
    }

    /// The parameter after decoupled weight decay.
    pub fn shrunk(&self, g: &mut Graph, parameter: &str) -> String {
        g.two("Mul", parameter, "kept share")
    }

    /// m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g g, w -= step size m / (sqrt(v) / correction + epsilon).
    pub fn update(&self, g: &mut Graph, parameter: &str, gradient: &str, first: &str, second: &str) -> Update {
        let ahead = g.two("Sub", gradient, first);
        let towards = g.two("Mul", &ahead, "first share");
        let first = g.two("Add", first, &towards);
        let square = g.two("Mul", gradient, gradient);
        let (kept, new) = (g.times(second, self.beta2), g.times(&square, 1.0 - self.beta2));
        let second = g.two("Add", &kept, &new);
        let root = g.node("Sqrt", &[&second], &[]);
        let root = g.two("Div", &root, "second correction");
        let epsilon = g.number(self.epsilon);
        let deviation = g.two("Add", &root, &epsilon);
        let ratio = g.two("Div", &first, &deviation);
        let change = g.two("Mul", &ratio, "step size");
        Update { parameter: g.two("Sub", parameter, &change), kept: vec![first, second] }
    }
}
