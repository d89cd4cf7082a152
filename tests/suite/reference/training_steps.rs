//! Whole training steps against PyTorch: ResNet-18 with eight classes and generated weights, four steps with the same
//! batch, by three optimisers in five variants.

use std::collections::BTreeMap;

use featbench::deep::kernels::Kernels;
use featbench::deep::network::resnet::{Block, ResNet};
use featbench::deep::network::{INPUT, LOGITS};
use featbench::deep::onnx::ModelProto;
use featbench::deep::session::{Device, Input, Session};
use featbench::deep::weights::Weights;
use featbench::finetune::gradient::BatchNorm;
use featbench::finetune::optimiser::{Adam, Optimiser, Sgd};
use featbench::finetune::schedule::Rates;
use featbench::finetune::step::{Batch, Recipe, Training, with_weights};
use serde::Deserialize;

use super::generated;

const CLASSES: usize = 8;
const LABELS: [usize; 4] = [3, 0, 7, 3];
const SIDE: usize = 64;

#[derive(Deserialize)]
struct Reference {
    /// Names of the trained parameters, in the order of the norms.
    parameters: Vec<String>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    optimizer: String,
    variant: String,
    lr: f64,
    momentum: f64,
    weight_decay: f64,
    loss: Vec<f64>,
    logits_step1: Vec<Vec<f64>>,
    /// In the inference form, after the last step.
    eval_logits: Vec<Vec<f64>>,
    /// Lengths of the gradients, where there is one; the same for every optimiser.
    grad_norm_step1: Option<Vec<Option<f64>>>,
    fc_bias_grad_step1: Vec<f64>,
    param_norm_step4: Vec<f64>,
    first_4_step4: BTreeMap<String, Vec<f64>>,
    /// After the first and after the last step: the first four running means and variances of some layers.
    bn: Vec<BTreeMap<String, [Vec<f64>; 2]>>,
}

fn model() -> ModelProto {
    let resnet = ResNet::new(Block::Basic, &[2; 4], Some(CLASSES));
    let network = resnet.network();
    let weights = generated::weights(&network.parameters);
    network.with(weights).unwrap()
}

fn targets(smoothing: f64) -> Vec<f32> {
    let share = |label, class| if label == class { 1.0 - smoothing } else { 0.0 } + smoothing / CLASSES as f64;
    LABELS.iter().flat_map(|&label| (0..CLASSES).map(move |class| share(label, class) as f32)).collect()
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |largest, v| largest.max(v.abs()))
}

/// The largest difference, relative to each number or to a thousandth of the largest.
fn deviation(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = largest(expected);
    let relative =
        |(&found, expected): (&f32, &f64)| (f64::from(found) - expected).abs() / expected.abs().max(1e-3 * largest);
    found.iter().zip(expected).map(relative).fold(0.0, f64::max)
}

fn length(data: &[f32]) -> f32 {
    data.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt() as f32
}

/// Accepted deviations after several steps. Adam's first steps have the size of the rate whatever the gradient's, so
/// that a gradient near 0 whose sign is rounding moves a weight by twice the rate.
struct Tolerance {
    loss: f64,
    norm: f64,
    statistics: f64,
    first: f64,
}

impl Run {
    fn optimiser(&self) -> Optimiser {
        let weight_decay = self.weight_decay;
        let adam = Adam { weight_decay, ..Adam::default() };
        match &*self.optimizer {
            "sgd" => Optimiser::Sgd(Sgd { weight_decay }),
            "adam" => Optimiser::Adam(adam),
            "adamw" => Optimiser::AdamW(adam),
            other => panic!("{other}"),
        }
    }

    fn tolerance(&self) -> Tolerance {
        match &*self.optimizer {
            "sgd" => Tolerance { loss: 1e-3, norm: 1e-4, statistics: 1e-3, first: 1e-3 },
            _ => Tolerance { loss: 1e-2, norm: 1e-3, statistics: 2e-2, first: 1e-2 },
        }
    }

    fn compare(&self, model: &ModelProto, parameters: &[String], device: Device) {
        let head_only = self.variant.starts_with("head_only");
        let frozen = matches!(&*self.variant, "frozen_bn" | "head_only_eval_backbone");
        let optimiser = self.optimiser();
        let recipe = Recipe {
            model,
            input: INPUT,
            image: &[3, SIDE, SIDE],
            logits: LOGITS,
            learns: &|name| !head_only || name.starts_with("fc."),
            batch_norm: &|_| if frozen { BatchNorm::Frozen } else { BatchNorm::Train },
            optimiser: &optimiser,
        };
        let images = generated::input("train64", LABELS.len(), SIDE);
        let targets = targets(if self.variant == "label_smoothing" { 0.1 } else { 0.0 });
        let batch = Batch { images: &images, targets: &targets, masks: &[] };
        let rates = Rates { learning_rate: self.lr, momentum: self.momentum };
        let mut training = Training::new(recipe, device, 2);
        let tolerance = self.tolerance();
        for (step, &expected) in self.loss.iter().enumerate() {
            let outcome = training.step(batch, rates).unwrap();
            let accepted = if step == 0 { 1e-5 } else { tolerance.loss };
            self.assert_close(&format!("loss {step}"), &[outcome.loss], &[expected], accepted);
            if step == 0 {
                self.assert_close("logits", &outcome.logits, &self.logits_step1.concat(), 1e-4);
                self.compare_gradients(&training, model, parameters);
                self.compare_statistics(&self.bn[0], &training.weights().unwrap(), model, 1e-3);
            }
        }
        let weights = training.weights().unwrap();
        self.compare_statistics(&self.bn[1], &weights, model, tolerance.statistics);
        let after = with_weights(model, weights);
        let weight = |name: &str| weight_of(&after, name);
        let norms: Vec<f32> = parameters.iter().map(|name| length(&weight(name))).collect();
        for ((name, &found), &expected) in parameters.iter().zip(&norms).zip(&self.param_norm_step4) {
            self.assert_close(&format!("length of {name}"), &[found], &[expected], tolerance.norm);
        }
        for (name, expected) in &self.first_4_step4 {
            self.assert_close(name, &weight(name)[..4], expected, tolerance.first);
        }
        let mut session = Session::open(&after.write(), device).unwrap();
        let fed = Input { name: INPUT, shape: &[LABELS.len(), 3, SIDE, SIDE], data: &images };
        let logits = &session.run(&[fed], &[LOGITS]).unwrap()[0].data;
        let expected = self.eval_logits.concat();
        let difference = logits.iter().zip(&expected).map(|(&found, expected)| (f64::from(found) - expected).abs());
        let (difference, largest) = (difference.fold(0.0, f64::max), largest(&expected));
        // relative to the largest, since some logits are nearly 0
        let found = difference / largest;
        assert!(found <= tolerance.loss, "{} {}: trained logits deviate by {found:.1e}", self.optimizer, self.variant);
    }

    /// After the first step of SGD its velocity is the gradient with weight decay.
    fn compare_gradients(&self, training: &Training, model: &ModelProto, parameters: &[String]) {
        let Some(norms) = &self.grad_norm_step1 else { return };
        let state = training.state().unwrap();
        let gradient = |name: &str| -> Option<Vec<f32>> {
            let velocity = &state.get(&format!("velocity:{name}"))?.data;
            let pulled = weight_of(model, name).into_iter().map(|w| w * self.weight_decay as f32);
            Some(velocity.iter().zip(pulled).map(|(v, pull)| v - pull).collect())
        };
        for (name, expected) in parameters.iter().zip(norms) {
            let found = gradient(name).map(|gradient| length(&gradient));
            assert_eq!(
                found.is_some(),
                expected.is_some(),
                "{}: only what learns has a gradient: {name}",
                self.variant
            );
            if let (Some(found), Some(expected)) = (found, *expected) {
                self.assert_close(&format!("gradient of {name}"), &[found], &[expected], 1e-4);
            }
        }
        self.assert_close("gradient of fc.bias", &gradient("fc.bias").unwrap(), &self.fc_bias_grad_step1, 1e-4);
    }

    fn compare_statistics(
        &self,
        expected: &BTreeMap<String, [Vec<f64>; 2]>,
        weights: &Weights,
        model: &ModelProto,
        accepted: f64,
    ) {
        for (layer, expected) in expected {
            for (part, expected) in ["running_mean", "running_var"].iter().zip(expected) {
                let name = format!("{layer}.{part}");
                let found = weights.get(&name).map_or_else(|| weight_of(model, &name), |tensor| tensor.data.clone());
                self.assert_close(&name, &found[..4], expected, accepted);
            }
        }
    }

    fn assert_close(&self, what: &str, found: &[f32], expected: &[f64], accepted: f64) {
        let found = deviation(found, expected);
        assert!(found <= accepted, "{} {}: {what} deviates by {found:.1e}", self.optimizer, self.variant);
    }
}

fn weight_of(model: &ModelProto, name: &str) -> Vec<f32> {
    let tensors = &model.graph.as_ref().unwrap().initializer;
    tensors.iter().find(|tensor| tensor.name == name).unwrap().tensor().unwrap().data
}

fn compare(optimizer: &str) {
    let reference: Reference = serde_json::from_str(include_str!("../../fixtures/training_steps.json")).unwrap();
    let runs: Vec<&Run> = reference.runs.iter().filter(|run| run.optimizer == optimizer).collect();
    assert_eq!(runs.len(), 5, "variants");
    let model = model();
    for kernels in [Kernels::OnnxRuntime, Kernels::Featbench] {
        runs.iter().for_each(|run| run.compare(&model, &reference.parameters, Device::Cpu(kernels)));
    }
}

#[test]
fn steps_of_sgd_agree_with_pytorch() {
    compare("sgd");
}

#[test]
fn steps_of_adam_agree_with_pytorch() {
    compare("adam");
}

#[test]
fn steps_of_adamw_agree_with_pytorch() {
    compare("adamw");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let (model, optimiser) = (model(), Optimiser::Sgd(Sgd { weight_decay: 1e-4 }));
    let (images, targets) = (generated::input("train64", LABELS.len(), SIDE), targets(0.0));
    let batch = Batch { images: &images, targets: &targets, masks: &[] };
    let trained = |kernels, threads| {
        let recipe = Recipe {
            model: &model,
            input: INPUT,
            image: &[3, SIDE, SIDE],
            logits: LOGITS,
            learns: &|_| true,
            batch_norm: &|_| BatchNorm::Train,
            optimiser: &optimiser,
        };
        let mut training = Training::new(recipe, Device::Cpu(kernels), threads);
        let rates = Rates { learning_rate: 0.01, momentum: 0.9 };
        (0..4).for_each(|_| drop(training.step(batch, rates).unwrap()));
        training.state().unwrap()
    };
    for kernels in [Kernels::OnnxRuntime, Kernels::Featbench] {
        let one = trained(kernels, 1);
        assert!(trained(kernels, 2) == one, "2 threads");
        assert!(trained(kernels, 3) == one, "3 threads");
    }
}
