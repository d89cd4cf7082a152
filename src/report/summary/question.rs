//! What a reader wants to know: by which metric, what difference does not matter, what an arm may cost.

use crate::stats::outcome::Rule;
use crate::stats::share::Weights;

/// What a report answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Question {
    pub rule: Rule,
    pub aim: Aim,
    pub budget: Budget,
    /// An accuracy, as a share, that somebody wants to reach with more training images.
    pub target: Option<f64>,
}

/// The metric by which arms are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aim {
    #[default]
    Accuracy,
    /// Mean class accuracy.
    MeanClass,
}

/// What an arm may cost at most; nothing said is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Milliseconds an image.
    pub ms: Option<f64>,
    /// MiB of the exported file.
    pub mib: Option<f64>,
}

impl Aim {
    pub const ALL: [Aim; 2] = [Aim::Accuracy, Aim::MeanClass];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Aim::Accuracy => "accuracy",
            Aim::MeanClass => "mean-class",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Aim::Accuracy => "accuracy",
            Aim::MeanClass => "mean class accuracy",
        }
    }

    /// Its place in the list of metrics.
    pub fn metric(self) -> usize {
        match self {
            Aim::Accuracy => 0,
            Aim::MeanClass => 1,
        }
    }

    /// What images of these classes count.
    pub fn weights(self, classes: Vec<usize>) -> Weights {
        match self {
            Aim::Accuracy => Weights::equal(classes.len()),
            Aim::MeanClass => Weights::of(classes),
        }
    }
}

impl Budget {
    pub fn is_none(&self) -> bool {
        *self == Budget::default()
    }
}
