//! Steps of a network that is small enough to follow.

use super::*;
use crate::deep::Tensor;
use crate::deep::kernels::Kernels;
use crate::deep::network::resnet::{Block, ResNet};
use crate::deep::network::{FEATURES, LOGITS};
use crate::deep::onnx::{Attribute, Dimension, Graph, TensorProto};
use crate::finetune::head::Head;
use crate::finetune::optimiser::{Adam, Sgd};
use crate::finetune::parameters;

const RATES: Rates = Rates { learning_rate: 0.5, momentum: 0.0 };

/// Dropout, then one layer from four numbers to three classes.
fn model() -> ModelProto {
    let mut graph = Graph::new("linear");
    let weights = (0..12).map(|i| (i % 5) as f32 / 5.0 - 0.4).collect();
    graph.input("x", &[Dimension::Name("batch".into()), Dimension::Size(4)]);
    graph.initializer(TensorProto::float("fc.weight", Tensor::new(&[3, 4], weights)));
    graph.initializer(TensorProto::float("fc.bias", Tensor::new(&[3], vec![0.0; 3])));
    graph.node_to("Dropout", &["x"], &[], &["dropped"]);
    graph.node_to("Gemm", &["dropped", "fc.weight", "fc.bias"], &[("transB", Attribute::Int(1))], &["logits"]);
    graph.node_to("Hardmax", &["logits"], &[], &["choice"]);
    graph.output("choice", &[Dimension::Name("batch".into()), Dimension::Size(3)]);
    graph.model()
}

fn recipe<'a>(model: &'a ModelProto, optimiser: &'a Optimiser, learns: &'a dyn Fn(&str) -> bool) -> Recipe<'a> {
    Recipe {
        model,
        input: "x",
        image: &[4],
        logits: "logits",
        learns,
        batch_norm: &|_| BatchNorm::Train,
        optimiser,
        share: &|_| 1.0,
    }
}

const IMAGES: [f32; 12] = [1.0, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.5, -1.0, 0.0, 1.0, 0.0];
const TARGETS: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

#[test]
fn batches_of_any_size_train_the_same_weights() {
    let (model, optimiser) = (model(), Optimiser::Sgd(Sgd::default()));
    let mut training = Training::new(recipe(&model, &optimiser, &|_| true), Device::cpu(), 1);
    let mut losses = Vec::new();
    for step in 0..8 {
        let images = if step % 4 == 3 { 2 } else { 3 };
        let masks = [vec![1.0; images * 4]];
        let batch = Batch { images: &IMAGES[..images * 4], targets: &TARGETS[..images * 3], masks: &masks };
        let outcome = training.step(batch, RATES).unwrap();
        assert_eq!(outcome.logits.len(), images * 3);
        losses.push(outcome.loss);
    }
    assert!(losses[6] < 0.7 * losses[0], "{losses:?}");
    assert_eq!(training.steps(), 8);
    let weights = training.weights().unwrap();
    assert_eq!(weights.keys().map(String::as_str).collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
    let trained = with_weights(&model, weights.clone());
    let held = trained.graph.unwrap().initializer.into_iter().map(|t| (t.name.clone(), t.tensor().unwrap())).collect();
    assert_eq!(weights, held);
}

#[test]
fn what_is_dropped_and_what_is_frozen_does_not_learn() {
    let (model, optimiser) = (model(), Optimiser::Sgd(Sgd::default()));
    let mut training = Training::new(recipe(&model, &optimiser, &|name| name == "fc.weight"), Device::cpu(), 1);
    let masks = [[0.0, 2.0, 2.0, 0.0].repeat(3)];
    let batch = Batch { images: &IMAGES, targets: &TARGETS, masks: &masks };
    training.step(batch, RATES).unwrap();
    let weights = training.weights().unwrap();
    assert_eq!(weights.len(), 1, "the bias is frozen");
    let before = model.graph.as_ref().unwrap().initializer[0].tensor().unwrap();
    for (place, (after, before)) in weights["fc.weight"].data.iter().zip(&before.data).enumerate() {
        assert_eq!(after == before, matches!(place % 4, 0 | 3), "number {place}");
    }
}

#[test]
fn what_can_t_be_trained_is_said() {
    let (model, optimiser) = (model(), Optimiser::Sgd(Sgd::default()));
    let refused = |recipe: Recipe| TrainingGraph::derive(&recipe, 3).err().unwrap().to_string();
    let nothing = "nothing is trained: no weight that the output `logits` depends on was chosen";
    assert_eq!(refused(recipe(&model, &optimiser, &|name| name == "fc")), nothing);
    let missing = Recipe { logits: "scores", ..recipe(&model, &optimiser, &|_| true) };
    assert_eq!(refused(missing), "the network has no value `scores`");
    let hardmax = Recipe { logits: "choice", ..recipe(&model, &optimiser, &|_| true) };
    assert!(refused(hardmax).starts_with("the network has operators that can't be trained: Hardmax (node `choice`)"));

    let mut training = Training::new(recipe(&model, &optimiser, &|_| true), Device::cpu(), 1);
    let batch = Batch { images: &IMAGES, targets: &TARGETS[..6], masks: &[] };
    let error = training.step(batch, RATES).unwrap_err().to_string();
    assert_eq!(error, "targets: 6 numbers were given; 9 are expected");
    let batch = Batch { targets: &TARGETS, ..batch };
    let error = training.step(batch, RATES).unwrap_err().to_string();
    assert_eq!(error, "dropout masks: 0 numbers were given; 1 are expected");
    assert_eq!(training.steps(), 0);
}

/// With a share of the learning rate a parameter moves by that share in the first step, decay included.
#[test]
fn parameters_learn_with_their_shares() {
    let adam = Adam { weight_decay: 0.1, ..Adam::default() };
    let optimisers = [Optimiser::Sgd(Sgd { weight_decay: 0.1 }), Optimiser::Adam(adam.clone()), Optimiser::AdamW(adam)];
    for optimiser in optimisers {
        let model = model();
        let masks = [vec![1.0; 12]];
        let batch = Batch { images: &IMAGES, targets: &TARGETS, masks: &masks };
        let moved = |share: &dyn Fn(&str) -> f64| {
            let recipe = Recipe { share, ..recipe(&model, &optimiser, &|_| true) };
            let mut training = Training::new(recipe, Device::cpu(), 1);
            training.step(batch, RATES).unwrap();
            let before =
                model.graph.as_ref().unwrap().initializer.iter().map(|t| (t.name.clone(), t.tensor().unwrap()));
            let before: std::collections::HashMap<_, _> = before.collect();
            let moves = training.weights().unwrap().into_iter().map(|(name, after)| {
                let moves = after.data.iter().zip(&before[&name].data).map(|(a, b)| a - b).collect::<Vec<f32>>();
                (name, moves)
            });
            moves.collect::<Vec<_>>()
        };
        let (whole, parts) = (moved(&|_| 1.0), moved(&|name| if name == "fc.bias" { 0.25 } else { 0.5 }));
        for ((name, whole), (_, part)) in whole.iter().zip(&parts) {
            let share = if name == "fc.bias" { 0.25 } else { 0.5 };
            let apart = whole.iter().zip(part).fold(0f32, |apart, (w, p)| apart.max((w * share - p).abs()));
            assert!(apart < 1e-6, "{optimiser:?}, {name}: {apart:e} apart");
        }
    }
}

#[test]
fn a_checkpoint_leads_to_the_same_bits() {
    let (model, optimiser) = (model(), Optimiser::Adam(Default::default()));
    let begin = || Training::new(recipe(&model, &optimiser, &|_| true), Device::cpu(), 1);
    let masks = [vec![1.0; 12]];
    let batch = Batch { images: &IMAGES, targets: &TARGETS, masks: &masks };
    let mut whole = begin();
    (0..5).for_each(|_| drop(whole.step(batch, RATES).unwrap()));
    let mut first = begin();
    (0..2).for_each(|_| drop(first.step(batch, RATES).unwrap()));
    let mut rest = begin();
    rest.graph(3).unwrap();
    let mut rest = rest.resume(first.state().unwrap(), first.steps());
    (0..3).for_each(|_| drop(rest.step(batch, RATES).unwrap()));
    assert!(rest.state() == whole.state() && rest.steps() == 5);

    let mut other = first.state().unwrap();
    other.remove("parameter:fc.bias");
    let error = begin().resume(other, 2).step(batch, RATES).unwrap_err().to_string();
    assert!(error.starts_with("the checkpoint has no `parameter:fc.bias`"), "{error}");
}

/// A residual network of two stages with a head, from random numbers.
fn residual() -> ModelProto {
    let network = ResNet::new(Block::Basic, &[1, 1], None).network();
    let zeros = |shape: &[usize]| Tensor::new(shape, vec![0.0; shape.iter().product()]);
    let zeros = network.parameters.iter().map(|(name, shape)| (name.clone(), zeros(shape))).collect();
    let model = network.with(zeros).unwrap();
    let numbers = parameters::random(&model, 3);
    Head::random(3, 128, 0).append(with_weights(&model, numbers), FEATURES)
}

/// Everything that a step changes, and which nodes whose kernels computed.
fn stepped(
    kernels: Kernels,
    threads: usize,
    optimiser: &Optimiser,
    batch_norm: BatchNorm,
) -> (Outcome, Weights, String) {
    let (model, side) = (residual(), 48);
    let recipe = Recipe {
        model: &model,
        input: crate::deep::network::INPUT,
        image: &[3, side, side],
        logits: LOGITS,
        learns: &|_| true,
        batch_norm: &|_| batch_norm,
        optimiser,
        share: &|_| 1.0,
    };
    let images: Vec<f32> = (0..3 * 3 * side * side).map(|i| (i * 7919 % 10_007) as f32 / 5_003.5 - 1.0).collect();
    let mut training = Training::new(recipe, Device::Cpu(kernels), threads);
    let rates = Rates { learning_rate: 0.1, momentum: 0.9 };
    let outcome = training.step(Batch { images: &images, targets: &TARGETS, masks: &[] }, rates).unwrap();
    (outcome, training.state().unwrap(), training.nodes().unwrap())
}

/// What both kernels change by this step agrees; returns which nodes ours computed.
fn agree(optimiser: &Optimiser, batch_norm: BatchNorm) -> String {
    let (expected, state, nodes) = stepped(Kernels::OnnxRuntime, 1, optimiser, batch_norm);
    assert!(nodes.starts_with("onnxruntime: "), "{nodes}");
    let (found, own, nodes) = stepped(Kernels::Featbench, 1, optimiser, batch_norm);
    assert!(!nodes.contains("Relu") && !nodes.contains("ScatterElements"), "{nodes}");
    assert!((found.loss - expected.loss).abs() < 1e-5, "{} and {}", found.loss, expected.loss);
    assert!(own.keys().eq(state.keys()));
    for (name, expected) in &state {
        let largest = expected.data.iter().fold(0f32, |largest, v| largest.max(v.abs()));
        let apart = own[name].data.iter().zip(&expected.data).fold(0f32, |apart, (a, b)| apart.max((a - b).abs()));
        assert!(apart <= 3e-5 * largest, "{name}: {apart:e} of {largest:e}");
    }
    nodes
}

#[test]
fn both_kernels_take_the_same_step() {
    let fused = "featbench: BatchNorm 6, BatchNormGradient 6, ChannelsLast 1, Conv 6, ConvDataGradient 5, \
                 ConvWeightGradient 6, GlobalAveragePool 1, GlobalAveragePoolGradient 1, MaxPool 1, MaxPoolGradient 1, \
                 Sgd 20; onnxruntime: ";
    let nodes = agree(&Optimiser::Sgd(Sgd { weight_decay: 1e-3 }), BatchNorm::Train);
    assert!(nodes.starts_with(fused), "{nodes}");
    let adam = Optimiser::Adam(Adam { weight_decay: 1e-3, epsilon: 1.0, ..Adam::default() });
    assert!(agree(&adam, BatchNorm::Train).contains("Adam 20"));
    let adam = Optimiser::AdamW(Adam { weight_decay: 1e-3, epsilon: 1.0, ..Adam::default() });
    let nodes = agree(&adam, BatchNorm::Frozen);
    assert!(nodes.contains("FixedNorm 6, FixedNormGradient 6"), "{nodes}");
}

#[test]
fn our_kernels_give_the_same_bits_on_any_number_of_threads() {
    let optimiser = Optimiser::Sgd(Sgd::default());
    let one = stepped(Kernels::Featbench, 1, &optimiser, BatchNorm::Train);
    assert!(stepped(Kernels::Featbench, 2, &optimiser, BatchNorm::Train) == one, "2 threads");
    assert!(stepped(Kernels::Featbench, 3, &optimiser, BatchNorm::Train) == one, "3 threads");
}
