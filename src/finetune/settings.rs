//! The settings of a training, as an arm's file states them: what learns, from where, for how long and how fast.

use std::fmt::{self, Formatter};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::optimiser::Optimiser;
use super::schedule::Schedule;
use crate::image::augment::RandomCrop;

/// The `[features]` table of an arm whose network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The weights that the backbone starts from.
    #[serde(default)]
    pub start: Start,
    pub head: Head,
    /// Penalty of the linear probe that a head of the kind `probe` starts from.
    #[serde(default = "probe_alpha")]
    pub probe_alpha: f64,
    #[serde(default)]
    pub layers: Layers,
    #[serde(default)]
    pub batch_norm: NormPolicy,
    pub epochs: usize,
    /// Side of the network's input in pixels, where it is not that of all arms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<u32>,
    /// Images of a mini-batch. The last one of an epoch may be smaller; a single image left over is left out, since it
    /// has no variance to be normalised with.
    pub batch: usize,
    /// The largest learning rate of the schedule: a number, or `"auto"`.
    pub lr: LearningRate,
    /// What a layer of the backbone learns with, relative to the one behind it; 1 is the same everywhere.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub layer_decay: f64,
    /// Shares of the learning rate.
    #[serde(default, skip_serializing_if = "Shares::are_whole")]
    pub rates: Shares,
    /// Which epoch's weights are used.
    #[serde(default)]
    pub keep: Keep,
    /// Predict the reported images after every epoch. Their labels are joined when the training is over.
    #[serde(default, skip_serializing_if = "is_off")]
    pub watch: bool,
    /// Epochs without a better accuracy on val after which the training ends early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Range of a random crop's area, as a share of the image.
    #[serde(default = "whole_range")]
    pub scale: [f64; 2],
    /// Every other view is a mirror image, at random.
    #[serde(default = "yes")]
    pub mirror: bool,
    /// Views of an image that are drawn, one an epoch and then from the first again; every epoch draws a new one where it
    /// is not stated. With it, what lies before the first layer that learns is computed once a view and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<usize>,
    /// Share of the target that is spread over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
    /// a of the distribution Beta(a, a) that shares are drawn from; 0 is no mixup (Zhang and others 2018).
    #[serde(default)]
    pub mixup: f64,
    /// Share of the numbers that are dropped before the last layer.
    #[serde(default)]
    pub dropout: f64,
    pub optimiser: Optimiser,
    pub schedule: Schedule,
}

/// Shares of the learning rate that the backbone and the head learn with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    pub backbone: f64,
    pub head: f64,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares { backbone: 1.0, head: 1.0 }
    }
}

impl Shares {
    fn are_whole(&self) -> bool {
        *self == Shares::default()
    }
}

/// A learning rate as settings state it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// `"auto"`: what range tests suggest on the images that are trained on, before the training.
    Auto,
    Given(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    #[default]
    Pretrained,
    /// Random numbers: what is learnt is learnt from these images alone.
    Random,
}

/// The layers behind the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One layer of random weights.
    Linear,
    /// A batch norm before it.
    BatchnormLinear,
    /// One layer that starts from a logistic regression on the frozen features.
    Probe,
}

/// What learns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layers {
    #[default]
    All,
    Head,
    /// The first layer with a parameter whose name begins so, and everything behind it.
    From(String),
}

/// How batch norms of the backbone are trained, where their layers learn; that of a head always learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPolicy {
    /// With the statistics of the batch; the running ones follow.
    #[default]
    Train,
    /// With the running statistics, which stay; scale and bias learn.
    FreezeStatistics,
    /// Nothing of them changes.
    Freeze,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    #[default]
    Last,
    /// The first of the best on val.
    Best,
    /// The first of the best on the reported images themselves, which is optimistic: as publications without a test set
    /// do it. It counts the predictions that `watch` has kept.
    BestReported,
}

impl Keep {
    /// As in the records: which epoch counts.
    pub fn protocol(self) -> &'static str {
        match self {
            Keep::Last => "last",
            Keep::Best => "selected",
            Keep::BestReported => "published",
        }
    }
}

fn is_off(flag: &bool) -> bool {
    !flag
}

fn whole() -> f64 {
    1.0
}

fn is_whole(share: &f64) -> bool {
    *share == 1.0
}

fn probe_alpha() -> f64 {
    100.0
}

fn whole_range() -> [f64; 2] {
    [0.08, 1.0]
}

fn yes() -> bool {
    true
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> LearningRate {
        LearningRate::Given(rate)
    }
}

/// The word that stands for [`LearningRate::Auto`].
const AUTO: &str = "auto";

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LearningRate::Auto => serializer.serialize_str(AUTO),
            LearningRate::Given(rate) => serializer.serialize_f64(*rate),
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LearningRate, D::Error> {
        struct NumberOrAuto;
        impl Visitor<'_> for NumberOrAuto {
            type Value = LearningRate;

            fn expecting(&self, out: &mut Formatter) -> fmt::Result {
                write!(out, "a number, or \"{AUTO}\"")
            }

            fn visit_f64<E: Error>(self, rate: f64) -> Result<LearningRate, E> {
                Ok(rate.into())
            }

            fn visit_i64<E: Error>(self, rate: i64) -> Result<LearningRate, E> {
                Ok((rate as f64).into())
            }

            fn visit_u64<E: Error>(self, rate: u64) -> Result<LearningRate, E> {
                Ok((rate as f64).into())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LearningRate, E> {
                if text == AUTO {
                    Ok(LearningRate::Auto)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(NumberOrAuto)
    }
}

impl Settings {
    /// The same training in so many epochs: its schedule keeps its shape.
    pub fn in_epochs(&self, epochs: usize) -> Settings {
        let factor = epochs as f64 / self.epochs as f64;
        Settings { epochs, schedule: self.schedule.clone().stretched(factor), ..self.clone() }
    }

    /// What is wrong with the values, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} = {value} must be at least 0 and below 1")),
        };
        share("label_smoothing", self.label_smoothing)?;
        share("dropout", self.dropout)?;
        if !(self.layer_decay > 0.0 && self.layer_decay <= 1.0) {
            return Err(format!("layer_decay = {} must be above 0 and at most 1", self.layer_decay));
        }
        let Shares { backbone, head } = self.rates;
        if [backbone, head].iter().any(|share| !(share.is_finite() && *share > 0.0)) {
            return Err(format!(
                "rates = {{ backbone = {backbone}, head = {head} }} must be above 0; `layers` freezes"
            ));
        }
        let [low, high] = self.scale;
        if !(0.0 < low && low <= high && high <= 1.0) {
            return Err(format!("scale = [{low}, {high}] must rise from above 0 to at most 1"));
        }
        if self.views == Some(0) || (self.views.is_some() && self.mixup > 0.0 && self.layers != Layers::All) {
            return Err("views must be at least 1; with mixup, which mixes pixels, frozen layers can't be kept".into());
        }
        if !(0.0..=1.0).contains(&self.mixup) {
            return Err(format!("mixup = {} must be from 0 to 1", self.mixup));
        }
        if self.keep == Keep::BestReported && !self.watch {
            return Err("keep = \"best-reported\" chooses among what watch = true keeps".into());
        }
        if self.epochs == 0 || self.batch < 2 {
            return Err("epochs must be at least 1, and batch at least 2".into());
        }
        if let LearningRate::Given(lr) = self.lr
            && !(lr.is_finite() && lr > 0.0)
        {
            return Err(format!("lr = {lr} must be above 0, or \"auto\""));
        }
        if self.probe_alpha.is_nan() || self.probe_alpha <= 0.0 {
            return Err(format!("probe_alpha = {} must be above 0", self.probe_alpha));
        }
        self.optimiser.check()
    }

    /// How the crops of training images are drawn.
    pub fn crop(&self) -> RandomCrop {
        RandomCrop { scale: self.scale, ratio: RandomCrop::RATIO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Table {
        lr: LearningRate,
    }

    #[test]
    fn a_learning_rate_is_a_number_or_auto() {
        let read = |text: &str| toml::from_str::<Table>(text).map(|table| table.lr);
        assert_eq!(read("lr = 0.007").unwrap(), LearningRate::Given(0.007));
        assert_eq!(read("lr = 1").unwrap(), LearningRate::Given(1.0));
        assert_eq!(read("lr = \"auto\"").unwrap(), LearningRate::Auto);
        for lr in [LearningRate::Auto, 0.1.into()] {
            assert_eq!(read(&toml::to_string(&Table { lr }).unwrap()).unwrap(), lr);
        }
        for wrong in ["lr = \"automatic\"", "lr = true"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("expected a number, or \"auto\""), "{error}");
        }
    }
}
