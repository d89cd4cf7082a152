//! Whole networks against torchvision: the ResNet family with generated weights, the embedded backbone with its own.

use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::kernels::Kernels;
use featbench::deep::network::resnet::{Block, ResNet};
use featbench::deep::network::vgg::Vgg;
use featbench::deep::network::{FEATURES, INPUT, LOGITS, Network};
use featbench::deep::session::{Device, Input, Session};
use serde::Deserialize;

use super::generated;
use crate::support::folder_of;

/// Both give what torchvision gives.
const KERNELS: [Kernels; 2] = [Kernels::OnnxRuntime, Kernels::Featbench];

#[derive(Deserialize)]
struct Reference {
    /// Of each row, this share of values is kept: number 0, `every`, 2 `every`, …
    every: usize,
    input64_first_8: Vec<f32>,
    input224_sum: f64,
    /// Some generated parameters of ResNet-18.
    weights: Vec<Parameter>,
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    shape: Vec<usize>,
    first_4: Vec<f32>,
    sum: f64,
}

#[derive(Deserialize)]
struct Output {
    network: String,
    input: String,
    output: String,
    /// The largest magnitude in the whole output.
    largest: f64,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    length: usize,
    mean: f64,
    sample: Vec<f64>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../fixtures/networks.json")).unwrap()
}

fn side_of(input: &str) -> usize {
    input.trim_start_matches("input").parse().unwrap()
}

impl Output {
    /// Within 1e-5 of the largest value: room for another order of summation, not for another network.
    fn assert_equal(&self, found: &[f32], every: usize) {
        let place = format!("{} {} {}", self.network, self.input, self.output);
        assert_eq!(found.len(), self.rows.iter().map(|row| row.length).sum::<usize>(), "{place}");
        let tolerance = 1e-5 * self.largest;
        for (row, found) in self.rows.iter().zip(found.chunks(self.rows[0].length)) {
            let sample = found.iter().step_by(every);
            for (expected, &found) in row.sample.iter().zip(sample) {
                assert!(
                    (expected - f64::from(found)).abs() <= tolerance,
                    "{place}: {expected} expected, {found} found"
                );
            }
            let mean = found.iter().map(|&v| f64::from(v)).sum::<f64>() / found.len() as f64;
            assert!((row.mean - mean).abs() <= tolerance, "{place}: mean {} expected, {mean} found", row.mean);
        }
    }
}

/// Runs a network with generated weights on these inputs.
fn compare(name: &str, network: Network, outputs: &[&str], inputs: &[&str]) {
    let reference = reference();
    let weights = generated::weights(&network.parameters);
    let model = network.with(weights).unwrap().write();
    for (kernels, &input) in KERNELS.into_iter().flat_map(|kernels| inputs.iter().map(move |input| (kernels, input))) {
        let mut session = Session::open(&model, Device::Cpu(kernels)).unwrap();
        let side = side_of(input);
        let images = generated::input(input, 2, side);
        let fed = Input { name: INPUT, shape: &[2, 3, side, side], data: &images };
        let found = session.run(&[fed], outputs).unwrap();
        for (output, found) in outputs.iter().zip(found) {
            let matches = |o: &&Output| (&*o.network, &*o.input, &*o.output) == (name, input, *output);
            reference.outputs.iter().find(matches).unwrap().assert_equal(&found.data, reference.every);
        }
    }
}

fn compare_resnet(name: &str, resnet: &ResNet) {
    let outputs: &[&str] = if resnet.classes.is_some() { &[FEATURES, LOGITS] } else { &[FEATURES] };
    compare(name, resnet.network(), outputs, &["input64", "input224"]);
}

fn resnet(block: Block, blocks: [usize; 4]) -> ResNet {
    ResNet::new(block, &blocks, Some(1000))
}

#[test]
fn generated_numbers_follow_from_the_name() {
    let reference = reference();
    assert_eq!(generated::input("input64", 2, 64)[..8], reference.input64_first_8);
    let sum: f64 = generated::input("input224", 2, 224).iter().map(|&v| f64::from(v)).sum();
    assert!((sum - reference.input224_sum).abs() < 1e-6, "{sum}");
    for expected in &reference.weights {
        let weights = generated::weights(&[(expected.name.clone(), expected.shape.clone())]);
        let found = &weights[&expected.name].data;
        assert_eq!(found[..4], expected.first_4, "{}", expected.name);
        let sum: f64 = found.iter().map(|&v| f64::from(v)).sum();
        assert!((sum - expected.sum).abs() < 1e-6, "{}: {sum}", expected.name);
    }
}

#[test]
fn resnet18_agrees_with_torchvision() {
    compare_resnet("resnet18", &resnet(Block::Basic, [2, 2, 2, 2]));
}

#[test]
fn resnet18_cut_after_its_third_stage_agrees_with_torchvision() {
    compare_resnet("resnet18-c4", &resnet(Block::Basic, [2, 2, 2, 2]).cut_after(3));
}

#[test]
fn resnet34_agrees_with_torchvision() {
    compare_resnet("resnet34", &resnet(Block::Basic, [3, 4, 6, 3]));
}

#[test]
fn resnet50_agrees_with_torchvision() {
    compare_resnet("resnet50", &resnet(Block::Bottleneck, [3, 4, 6, 3]));
}

fn vgg16() -> Vgg {
    let stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)].map(|(channels, count)| vec![channels; count]);
    Vgg { stages: stages.to_vec(), norm: true, cut: false, classes: Some(1000) }
}

#[test]
fn vgg16_agrees_with_torchvision_up_to_its_last_pool() {
    compare("vgg16_bn", vgg16().cut_after(5).network(64), &[FEATURES], &["input64", "input224"]);
}

/// Two gigabytes of memory, so only where the reference files are.
#[test]
fn vgg16_classifies_as_torchvision_does() {
    let Some(fixtures) = folder_of("FEATBENCH_FIXTURES") else { return };
    let network = vgg16().network(64);
    let weights = generated::weights(&network.parameters);
    let mut session = Session::open(&network.with(weights).unwrap().write(), Device::cpu()).unwrap();
    let images = generated::input("input64", 2, 64);
    let fed = Input { name: INPUT, shape: &[2, 3, 64, 64], data: &images };
    let found = session.run(&[fed], &[FEATURES, LOGITS]).unwrap();
    let reference = reference();
    let logits = reference.outputs.iter().find(|o| (&*o.network, &*o.output) == ("vgg16_bn", LOGITS)).unwrap();
    logits.assert_equal(&found[1].data, reference.every);

    let all: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixtures.join("networks.json")).unwrap()).unwrap();
    let of = |list: &serde_json::Value, key: &str, name: &str| {
        list.as_array().unwrap().iter().find(|item| item[key] == name).unwrap().clone()
    };
    let run = of(&of(&all["networks"], "name", "vgg16_bn")["runs"], "input", "input64");
    let fc7 = &run["stages"]["fc7"];
    let tolerance = 1e-5 * fc7["max_abs"].as_f64().unwrap();
    for (number, expected) in fc7["first_8"].as_array().unwrap().iter().enumerate() {
        let (expected, found) = (expected.as_f64().unwrap().max(0.0), f64::from(found[0].data[number]));
        assert!((expected - found).abs() <= tolerance, "feature {number}: {expected} expected, {found} found");
    }
}

#[test]
fn the_embedded_backbone_gives_its_published_features() {
    let reference = reference();
    let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
    let outputs: Vec<_> = reference.outputs.iter().filter(|o| o.network == backbone.name).collect();
    assert_eq!(outputs.len(), 3, "at 64, 128 and 224 px");
    for output in outputs {
        let side = side_of(&output.input);
        for kernels in KERNELS {
            let mut extractor = Extractor::new(&backbone, Device::Cpu(kernels), side, 2).unwrap();
            let found = extractor.features(&generated::input(&output.input, 2, side)).unwrap();
            output.assert_equal(&found, reference.every);
        }
    }
}
