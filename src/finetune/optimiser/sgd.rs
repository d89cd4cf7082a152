//! Stochastic gradient descent with momentum as PyTorch has it: no dampening, and the learning rate outside of the
//! velocity, so that both may change at every step.

use serde::{Deserialize, Serialize};

use super::{Update, decayed};
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, Graph};
use crate::finetune::schedule::Rates;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    pub weight_decay: f64,
}

pub const LEARNING_RATE: &str = "learning rate";

pub fn numbers(rates: Rates) -> [(&'static str, f64); 2] {
    [(LEARNING_RATE, rates.learning_rate), ("momentum", rates.momentum)]
}

impl Sgd {
    /// v = momentum v + gradient, w = w - lr v.
    pub fn update(&self, g: &mut Graph, parameter: &str, gradient: &str, velocity: &str, lr: &str) -> Update {
        let begin = g.begin();
        let pulled = decayed(g, parameter, gradient, self.weight_decay);
        let slowed = g.two("Mul", velocity, "momentum");
        let new_velocity = g.two("Add", &slowed, &pulled);
        let change = g.two("Mul", &new_velocity, lr);
        let new = g.two("Sub", parameter, &change);
        let inputs = [parameter, gradient, velocity, lr, "momentum"];
        let decay = [("weight_decay", Attribute::Float(self.weight_decay as f32))];
        g.as_one(begin, operator::SGD, &inputs, &decay, &[&new, &new_velocity]);
        Update { parameter: new, kept: vec![new_velocity] }
    }
}
