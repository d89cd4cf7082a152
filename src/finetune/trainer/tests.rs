//! Trainings of a network that is small enough for a test.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;

use super::*;
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Dimension, Graph, TensorProto};
use crate::finetune::head::Head;
use crate::finetune::optimiser::{Optimiser, Sgd};
use crate::finetune::range_test::{Curve, Loss, RangeTest};
use crate::finetune::schedule::{Constant, Schedule};
use crate::finetune::settings::{self, Keep, Layers, NormPolicy, Start};
use crate::image::preparation::Preparation;
use crate::image::tensor::IMAGENET;

const SIDE: u32 = 8;
const CLASSES: usize = 3;

/// A convolution with batch norm, averaged: four features.
fn model() -> ModelProto {
    let mut graph = Graph::new("small");
    let free = |name: &str| Dimension::Name(name.into());
    graph.input("input", &[free("batch"), Dimension::Size(3), free("height"), free("width")]);
    let kernel = (0..4 * 27).map(|i| ((i * 7) % 11) as f32 / 20.0 - 0.25).collect();
    graph.initializer(TensorProto::float("conv.weight", Tensor::new(&[4, 3, 3, 3], kernel)));
    for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
        graph.initializer(TensorProto::float(&format!("bn.{part}"), Tensor::new(&[4], vec![value; 4])));
    }
    let window = [("kernel_shape", Attribute::Ints(vec![3, 3])), ("pads", Attribute::Ints(vec![1; 4]))];
    let x = graph.node("Conv", &["input", "conv.weight"], &window);
    let x = graph.node("BatchNormalization", &[&x, "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"], &[]);
    let x = graph.node("Relu", &[&x], &[]);
    let x = graph.node("GlobalAveragePool", &[&x], &[]);
    graph.node_to("Flatten", &[&x], &[("axis", Attribute::Int(1))], &["features"]);
    graph.output("features", &[free("batch"), Dimension::Size(4)]);
    Head::random(CLASSES, 4, 0).with_norm(true).with_dropout(true).append(graph.model(), "features")
}

fn settings() -> Settings {
    Settings {
        start: Start::Pretrained,
        head: settings::Head::BatchnormLinear,
        layer_decay: 1.0,
        rates: Default::default(),
        probe_alpha: 1.0,
        layers: Layers::All,
        batch_norm: NormPolicy::Train,
        epochs: 4,
        input: None,
        batch: 8,
        lr: 0.05.into(),
        keep: Keep::Last,
        patience: None,
        scale: [0.5, 1.0],
        mirror: true,
        watch: true,
        views: None,
        label_smoothing: 0.1,
        mixup: 0.2,
        dropout: 0.1,
        optimiser: Optimiser::Sgd(Sgd::default()),
        schedule: Schedule::Constant(Constant::default()),
    }
}

/// So many images, noise in one colour a class.
struct Drawn(usize);

impl Pictures for Drawn {
    fn count(&self) -> usize {
        self.0
    }

    fn picture(&self, i: usize) -> Result<Rgb> {
        let value = |at: usize| if at % 3 == i % CLASSES { 150 + ((at * 31 + i * 17) % 97) as u8 } else { 40 };
        Ok(Rgb { width: 12, height: 10, data: (0..360).map(value).collect() })
    }
}

/// Keeps the checkpoint after an epoch, or stops the training there.
struct Watch {
    after: usize,
    stop: bool,
    kept: Option<Checkpoint>,
    images: Cell<usize>,
}

impl Observer for Watch {
    fn stepped(&mut self, images: usize) {
        self.images.set(self.images.get() + images);
    }

    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if checkpoint.log.epochs.len() == self.after {
            self.kept = Some(checkpoint.clone());
            ensure!(!self.stop, "killed");
        }
        Ok(())
    }
}

fn watch(after: usize, stop: bool) -> Watch {
    Watch { after, stop, kept: None, images: Cell::new(0) }
}

fn run(settings: &Settings, threads: usize, from: Option<Checkpoint>, watch: &mut Watch) -> Result<Trained> {
    with_task(settings, threads, |task| super::train(task, from, watch))
}

fn with_task<T>(settings: &Settings, threads: usize, act: impl FnOnce(&Task) -> T) -> T {
    let (model, labels) = (model(), |n| (0..n).map(|i| i % CLASSES).collect::<Vec<_>>());
    let (train, val) = (labels(27), labels(9));
    let task = Task {
        settings,
        model: &model,
        input: "input",
        side: SIDE,
        preparation: Preparation::usual(IMAGENET),
        classes: CLASSES,
        train: Examples { pictures: &Drawn(27), labels: &train },
        val: Some(Examples { pictures: &Drawn(9), labels: &val }),
        watched: settings.watch.then_some(&Drawn(4)),
        device: Device::cpu(),
        threads,
        seed: 5,
    };
    assert_eq!(task.images(), 27 * settings.epochs);
    act(&task)
}

/// Without the times.
fn untimed(mut trained: Trained) -> Trained {
    trained.log.epochs.iter_mut().for_each(|epoch| (epoch.train_s, epoch.val_s) = (0.0, 0.0));
    trained
}

#[test]
fn interruptions_and_threads_change_no_bit() {
    let settings = settings();
    let mut whole = watch(0, false);
    let expected = untimed(run(&settings, 1, None, &mut whole).unwrap());
    assert_eq!((expected.log.steps.len(), expected.log.epochs.len(), whole.images.get()), (16, 4, 108));
    assert!(untimed(run(&settings, 3, None, &mut watch(0, false)).unwrap()) == expected, "3 threads");
    for after in 1..=4 {
        let mut killed = watch(after, true);
        assert_eq!(run(&settings, 1, None, &mut killed).unwrap_err().to_string(), "killed");
        let kept: Vec<u8> = postcard::to_stdvec(&killed.kept.unwrap()).unwrap();
        let checkpoint: Checkpoint = postcard::from_bytes(&kept).unwrap();
        assert_eq!(checkpoint.images(), 27 * after);
        let resumed = untimed(run(&settings, 2, Some(checkpoint), &mut watch(0, false)).unwrap());
        assert!(resumed == expected, "resumed after epoch {after}");
    }
}

/// Runs a range test after every epoch, in the middle of a training.
struct Curious<'a> {
    task: &'a Task<'a>,
    found: Vec<Curve>,
    kept: Option<Checkpoint>,
}

impl Observer for Curious<'_> {
    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.found.push(swept(self.task, Loss::Val)?);
        self.kept = Some(checkpoint.clone());
        Ok(())
    }
}

fn swept(task: &Task, loss: Loss) -> Result<Curve> {
    range_test(task, RangeTest { start: 1e-3, end: 1.0, steps: 12, ..RangeTest::default() }, loss, &mut |_| {})
}

#[test]
fn a_range_test_changes_no_bit_of_a_training_before_around_or_after_it() {
    let settings = settings();
    let mut alone = watch(4, false);
    let expected = untimed(run(&settings, 1, None, &mut alone).unwrap());
    // weights, running statistics, and what the optimiser keeps
    let state = alone.kept.unwrap().state;
    assert!(state.len() > expected.last.len(), "the optimiser's state is part of it");
    with_task(&settings, 1, |task| {
        let before = swept(task, Loss::Train).unwrap();
        let mut curious = Curious { task, found: Vec::new(), kept: None };
        let around = untimed(train(task, None, &mut curious).unwrap());
        assert!(around == expected && curious.kept.unwrap().state == state);
        assert!(curious.found.windows(2).all(|pair| pair[0] == pair[1]), "every test begins alike");
        assert!(before == swept(task, Loss::Train).unwrap(), "whatever was trained in between");
        let after = untimed(train(task, None, &mut watch(0, false)).unwrap());
        assert!(after == expected);
        let rates = |curve: &Curve| curve.points().iter().map(|point| point.learning_rate).collect::<Vec<_>>();
        assert_eq!((rates(&before), before.points().len()), (rates(&curious.found[0]), 12));
        assert_ne!(before.points()[0].loss, curious.found[0].points()[0].loss, "train and val");
        let none = Task { val: None, ..*task };
        assert!(swept(&none, Loss::Val).unwrap_err().to_string().contains("needs images"));
    });
}

#[test]
fn a_learning_rate_that_is_not_settled_is_no_learning_rate() {
    let settings = Settings { lr: LearningRate::Auto, ..settings() };
    let error = run(&settings, 1, None, &mut watch(0, false)).unwrap_err().to_string();
    assert_eq!(error, "lr = \"auto\" must be settled before the training");
}

#[test]
fn a_network_learns_and_the_best_epoch_is_the_first_of_the_best() {
    let settings = Settings { epochs: 12, mixup: 0.0, patience: Some(3), ..settings() };
    let Trained { last, best, log } = run(&settings, 1, None, &mut watch(0, false)).unwrap();
    let best = best.unwrap();
    let correct: Vec<usize> = log.epochs.iter().map(|epoch| epoch.val_correct.unwrap()).collect();
    assert_eq!(Some(best.epoch), correct.iter().position(|c| Some(c) == correct.iter().max()));
    assert_eq!((best.correct, log.epochs.len()), (9, 12.min(best.epoch + 4)), "{correct:?}");
    assert!(best.weights.keys().eq(last.keys()) && best.weights != last);
    assert!(log.epochs.last().unwrap().train_loss < 0.8 * log.epochs[0].train_loss);
}

#[test]
fn what_is_frozen_stays() {
    let changed = |layers: Layers, batch_norm| {
        let settings = Settings { epochs: 1, layers, batch_norm, ..settings() };
        let before = model().graph.unwrap().initializer;
        let last = run(&settings, 1, None, &mut watch(0, false)).unwrap().last;
        let moved = |(name, tensor): &(String, Tensor)| {
            before.iter().find(|t| t.name == *name).and_then(TensorProto::tensor).as_ref() != Some(tensor)
        };
        last.into_iter().filter(moved).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let norm = |of: &'static str| ["bias", "running_mean", "running_var", "weight"].map(|part| format!("{of}.{part}"));
    let head = [vec!["head.bias".to_owned()], norm("head.norm").to_vec(), vec!["head.weight".to_owned()]].concat();
    let behind = |names: &[String]| [names, &head].concat();
    let kernel = "conv.weight".to_owned();
    assert_eq!(changed(Layers::Head, NormPolicy::Train), head);
    assert_eq!(changed(Layers::From("bn".into()), NormPolicy::Train), behind(&norm("bn")));
    assert_eq!(
        changed(Layers::All, NormPolicy::Train),
        behind(&[&norm("bn")[..], std::slice::from_ref(&kernel)].concat())
    );
    let learnt = ["bn.bias".to_owned(), "bn.weight".to_owned(), kernel.clone()];
    assert_eq!(changed(Layers::All, NormPolicy::FreezeStatistics), behind(&learnt));
    assert_eq!(changed(Layers::All, NormPolicy::Freeze), behind(&[kernel]));
    let unknown = Settings { layers: Layers::From("layer3".into()), ..settings() };
    let error = run(&unknown, 1, None, &mut watch(0, false)).unwrap_err().to_string();
    assert_eq!(error, "layers: no parameter's name begins with `layer3`; the network has conv, bn, head");
}

#[test]
fn a_training_that_diverges_says_so() {
    for lr in [1e4, 1e30] {
        let settings = Settings { lr: lr.into(), ..settings() };
        let error = run(&settings, 1, None, &mut watch(0, false)).unwrap_err();
        assert!(error.is::<Diverged>() && error.to_string().ends_with("take a lower lr"), "{error}");
        assert!(error.to_string().contains("has diverged at a learning rate of"), "{error}");
    }
}

/// Counts how often an image is asked for.
struct Counted {
    drawn: Drawn,
    asked: AtomicUsize,
}

impl Pictures for Counted {
    fn count(&self) -> usize {
        self.drawn.count()
    }

    fn picture(&self, i: usize) -> Result<Rgb> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.drawn.picture(i)
    }
}

#[test]
fn what_stays_is_computed_once_a_view_and_the_training_is_the_same() {
    let settings = |views| Settings { layers: Layers::Head, mixup: 0.0, views, dropout: 0.0, ..settings() };
    let asked = |settings: &Settings, threads| {
        with_task(settings, threads, |task| {
            let pictures = Counted { drawn: Drawn(27), asked: AtomicUsize::new(0) };
            let task = Task { train: Examples { pictures: &pictures, ..task.train }, ..*task };
            let trained = untimed(train(&task, None, &mut watch(0, false)).unwrap());
            (trained, pictures.asked.into_inner())
        })
    };
    let (whole, every_epoch) = asked(&settings(None), 1);
    let (cut, as_often) = asked(&settings(Some(4)), 1);
    assert_eq!((every_epoch, as_often), (4 * 27, 4 * 27));
    for (a, b) in whole.log.steps.iter().zip(&cut.log.steps) {
        assert!((a.loss - b.loss).abs() < 1e-5, "{a:?} {b:?}");
    }
    let correct = |trained: &Trained| trained.log.epochs.iter().map(|e| e.val_correct).collect::<Vec<_>>();
    assert_eq!((correct(&whole), whole.last.len()), (correct(&cut), cut.last.len()));
    let (twice, half) = asked(&settings(Some(2)), 1);
    assert_eq!(half, 2 * 27);
    assert!(asked(&settings(Some(2)), 3).0 == twice, "3 threads");
    let mut killed = watch(3, true);
    assert!(run(&settings(Some(2)), 2, None, &mut killed).is_err());
    assert!(untimed(run(&settings(Some(2)), 1, killed.kept, &mut watch(0, false)).unwrap()) == twice, "resumed");
}
