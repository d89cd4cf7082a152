//! Networks that featbench built, exported, and opened again: they train as they do without that, to the bit.

use featbench::deep::backbone::Backbone;
use featbench::deep::exported::{Description, Preprocessing, Scores, export};
use featbench::deep::network::resnet::{Block, ResNet};
use featbench::deep::network::vgg::Vgg;
use featbench::deep::network::{FEATURES, INPUT, LOGITS, Network};
use featbench::deep::onnx::ModelProto;
use featbench::deep::session::Device;
use featbench::deep::weights::Weights;
use featbench::finetune::gradient::BatchNorm;
use featbench::finetune::head::Head;
use featbench::finetune::optimiser::{Optimiser, Sgd};
use featbench::finetune::schedule::Rates;
use featbench::finetune::step::{Batch, Recipe, Training};
use featbench::image::preparation::Preparation;
use featbench::image::tensor::IMAGENET;

use super::generated;

const SIDE: usize = 32;
const IMAGES: usize = 4;

/// Loss and weights after a step of the network up to its features with a new head.
fn step(model: ModelProto, dimension: usize) -> (f32, Weights) {
    let model = Head::random(2, dimension, 1).with_norm(true).append(model, FEATURES);
    let optimiser = Optimiser::Sgd(Sgd::default());
    let recipe = Recipe {
        model: &model,
        input: INPUT,
        image: &[3, SIDE, SIDE],
        logits: LOGITS,
        learns: &|_| true,
        batch_norm: &|_| BatchNorm::Train,
        optimiser: &optimiser,
        share: &|_| 1.0,
    };
    let images = generated::input("train64", IMAGES, SIDE);
    let targets = [1.0, 0.0, 0.0, 1.0].repeat(IMAGES / 2);
    let mut training = Training::new(recipe, Device::cpu(), 2);
    let batch = Batch { images: &images, targets: &targets, masks: &[] };
    let loss = training.step(batch, Rates { learning_rate: 0.01, momentum: 0.9 }).unwrap().loss;
    (loss, training.weights().unwrap())
}

fn compare(network: Network) {
    let (dimension, count) = (network.dimension, network.parameters.len());
    let built = network.clone().with(generated::weights(&network.parameters)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(format!("{name}.onnx")), bytes).unwrap();
        Backbone::open(name, &[folder.path().to_owned()]).unwrap()
    };
    let description = Description {
        preprocessing: Preprocessing::of(SIDE as u32, &Preparation::usual(IMAGENET), None),
        labels: vec![],
        scores: Scores::Logits,
        temperature: None,
        origin: String::new(),
    };
    let bytes = export(&open("built", &built.write()), &description).unwrap();
    let exported = open("exported", &bytes);
    assert_eq!((exported.dimension, exported.input), (dimension, Some(SIDE as u32)));
    let (loss, weights) = step(built, dimension);
    assert!(loss.is_finite() && weights.len() > count);
    let again = step(ModelProto::read(&exported.model(SIDE).unwrap()).unwrap(), dimension);
    assert!(again == (loss, weights), "loss {loss} and {}", again.0);
}

#[test]
fn an_exported_resnet_trains_as_the_built_one() {
    compare(ResNet::new(Block::Basic, &[2; 4], Some(10)).network());
    compare(ResNet::new(Block::Bottleneck, &[3, 4, 6, 3], None).network());
}

#[test]
fn an_exported_vgg_trains_as_the_built_one() {
    let stages = [vec![64; 2], vec![128; 2], vec![256; 3], vec![512; 3], vec![512; 3]];
    compare(Vgg { stages: stages.to_vec(), norm: true, cut: true, classes: None }.network(SIDE));
}
