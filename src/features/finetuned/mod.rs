//! The features of a network that is trained on the training images: a training, and after it a network like any
//! other. [`task`] puts the training together, [`learning_rate`] finds its rate where the arm leaves it open.

mod learning_rate;
mod task;

pub use learning_rate::{RangeTested, Tried, range_test, try_out};

use std::sync::Arc;

use anyhow::Result;
use ndarray::{Array1, Array2};

use crate::classify::Classifier;
use crate::dataset::ImageFile;
use crate::deep::backbone::Backbone;
use crate::finetune::head::{self, Linear};
use crate::finetune::settings::{Keep, Settings};
use crate::finetune::step::with_weights;
use crate::finetune::trainer::{self, Trained, VERSION};

use super::evidence::Explainer;
use super::fitted::{Features, Lessons, Training, Vectors, Worker};
use super::network::{self, Network};
use super::{Choice, Cost, Kind, Needs, Resources, Version};

use task::{trained, with_task};

impl Kind for Box<Settings> {
    fn check(&self) -> Result<(), String> {
        Settings::check(self)
    }

    fn versions(&self) -> Vec<Version> {
        [&network::VERSIONS[..], &[("train", VERSION)]].concat()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { pixels: true, network: true, training: Some(self) }
    }

    fn cost(&self, input: u32) -> Cost {
        network::cost(input)
    }

    fn fit(&self, _: &Choice, resources: &Resources, lessons: &Lessons) -> Result<Box<dyn Features>> {
        Ok(Box::new(Finetuned::fit(self, resources, lessons)?))
    }
}

pub struct Finetuned {
    network: Network,
    training: Training,
}

impl Finetuned {
    /// Trains, or takes the training from the cache.
    pub fn fit(settings: &Settings, resources: &Resources, lessons: &Lessons) -> Result<Finetuned> {
        let (settings, found) = learning_rate::settle(settings, resources, lessons)?;
        let frozen = Network::new(resources)?;
        with_task(&settings, &frozen, resources, lessons, |task, identity| {
            let Trained { last, best, log } = trained(task, resources, identity)?;
            let (epoch, weights) = match (settings.keep, best) {
                (Keep::Best, Some(best)) => (best.epoch, best.weights),
                _ => (log.epochs.len() - 1, last),
            };
            let model = with_weights(task.model, weights);
            let classifier = classifier(&head::linear(&model), lessons.classes)?;
            let seconds = log.train_s();
            let identity = format!("{} epoch {epoch}", identity.hash());
            let found = found.map(|found| found.describe());
            let shares = trainer::shares(task)?;
            let network = Network::of(Arc::new(frozen.backbone().trained(model.write(), identity)))?;
            Ok(Finetuned { network, training: Training { classifier, log, epoch, seconds, found, shares } })
        })
    }
}

/// The head as a classifier of the network's features.
fn classifier(linear: &Linear, classes: usize) -> Result<Classifier> {
    let rows = Array2::from_shape_vec((classes, linear.weight.len() / classes), linear.weight.clone())?;
    Ok(Classifier::linear(rows.t().to_owned(), Array1::from(linear.bias.clone())))
}

impl Features for Finetuned {
    fn dimension(&self) -> usize {
        self.network.dimension()
    }

    fn identity(&self) -> String {
        self.network.identity()
    }

    fn vectors(&self, resources: &Resources, images: &[Arc<ImageFile>]) -> Result<Vectors> {
        self.network.vectors(resources, images)
    }

    fn worker(&self, resources: &Resources, batch: usize) -> Result<Box<dyn Worker>> {
        self.network.worker(resources, batch)
    }

    fn explainer(&self, resources: &Resources) -> Result<Box<dyn Explainer>> {
        self.network.explainer(resources)
    }

    fn batch(&self) -> usize {
        self.network.batch()
    }

    fn network(&self) -> Option<&Backbone> {
        Some(self.network.backbone())
    }

    fn training(&self) -> Option<&Training> {
        Some(&self.training)
    }
}
