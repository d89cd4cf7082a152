//! Curves through knots: what all forms of 1cycle are made of.

use serde::{Deserialize, Serialize};

use super::Rates;

/// The shape of a leg between two knots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anneal {
    #[default]
    Cosine,
    Linear,
}

/// A place on the axis of steps, and the rates there.
#[derive(Debug, Clone, Copy)]
pub struct Knot {
    pub at: f64,
    pub rates: Rates,
}

impl Knot {
    pub fn new(at: f64, learning_rate: f64, momentum: f64) -> Knot {
        Knot { at, rates: Rates { learning_rate, momentum } }
    }
}

impl Anneal {
    /// From `from` to `to`, at the share `t` of the way.
    fn between(self, from: f64, to: f64, t: f64) -> f64 {
        match self {
            Anneal::Linear => from + (to - from) * t,
            Anneal::Cosine => to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * t).cos()),
        }
    }

    /// The rates at `position`: on the first leg that ends at or behind it, else on the last one.
    pub fn at(self, knots: &[Knot], position: f64) -> Rates {
        let last = knots.len() - 1;
        let end = (1..last).find(|&end| position <= knots[end].at).unwrap_or(last);
        let (from, to) = (knots[end - 1], knots[end]);
        let t = (position - from.at) / (to.at - from.at);
        Rates {
            learning_rate: self.between(from.rates.learning_rate, to.rates.learning_rate, t),
            momentum: self.between(from.rates.momentum, to.rates.momentum, t),
        }
    }
}
