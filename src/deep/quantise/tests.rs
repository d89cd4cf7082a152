//! Integers and halves against the network in 32-bit floats, and what is refused.

use super::*;
use crate::deep::extract::Extractor;
use crate::deep::kernels::Kernels;
use crate::deep::onnx::halves::computed_in_half;
use crate::deep::session::Device;

const SIDE: usize = 64;

/// Images whose brightness changes slowly, as in photographs, with some grain.
fn images(count: usize) -> Vec<f32> {
    let pixel = |i: usize| {
        let (image, place) = (i / (3 * SIDE * SIDE), i % (SIDE * SIDE));
        let (x, y) = ((place % SIDE) as f32, (place / SIDE) as f32);
        let wave = ((x * (0.05 + image as f32 * 0.03)).sin() + (y * 0.11 + image as f32).cos()) * 0.8;
        wave + ((i * 7919) % 1009) as f32 / 2018.0 - 0.25
    };
    (0..count * 3 * SIDE * SIDE).map(pixel).collect()
}

fn features(backbone: &Backbone, device: Device, images: &[f32]) -> Vec<f32> {
    Extractor::new(backbone, device, SIDE, 2).unwrap().features(images).unwrap()
}

/// How far apart two lists are, as a share of the second's length.
fn apart(found: &[f32], expected: &[f32]) -> f32 {
    let length = |list: &mut dyn Iterator<Item = f32>| list.map(|value| value * value).sum::<f32>().sqrt();
    length(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / length(&mut expected.iter().copied())
}

#[test]
fn integers_give_nearly_the_same_features() {
    let plain = Backbone::open("resnet18-cntk", &[]).unwrap();
    let wanted = Backbone::open("resnet18-cntk:int8", &[]).unwrap();
    assert!(wanted.model(SIDE).unwrap_err().to_string().contains("training images"));
    let (seen, new) = (images(4), images(8).split_off(4 * 3 * SIDE * SIDE));
    let int8 = in_int8(&wanted, SIDE, &seen).unwrap();
    assert_eq!(in_int8(&wanted, SIDE, &seen).unwrap().identity, int8.identity);
    let expected = features(&plain, Device::cpu(), &new);
    let found = features(&int8, Device::cpu(), &new);
    let apart = apart(&found, &expected);
    assert!(apart < 0.1, "{apart}");
    let (size, of_floats) = (int8.model(SIDE).unwrap().len(), plain.model(SIDE).unwrap().len());
    assert!(size * 39 < of_floats * 10, "{size} of {of_floats} bytes");
    // the input, 22 convolutions, 9 sums and a pool; no batch norm, and no ReLU, is left
    let graph = ModelProto::read(&int8.model(SIDE).unwrap()).unwrap().graph.unwrap();
    let count = |operator: &str| graph.node.iter().filter(|node| node.is_standard(operator)).count();
    let operators = ["QuantizeLinear", "Conv", "Add", "BatchNormalization", "Relu"].map(count);
    assert_eq!(operators, [33, 22, 9, 0, 0]);
}

#[test]
fn halves_are_stored_and_computed() {
    let plain = Backbone::open("resnet18-cntk", &[]).unwrap();
    let halves = Backbone::open("resnet18-cntk:f16", &[]).unwrap();
    assert!(halves.model(SIDE).unwrap().len() * 19 < plain.model(SIDE).unwrap().len() * 10);
    assert_ne!(halves.identity, plain.identity);
    let images = images(2);
    let expected = features(&plain, Device::cpu(), &images);
    for device in [Device::cpu(), Device::Cpu(Kernels::OnnxRuntime)] {
        assert!(apart(&features(&halves, device, &images), &expected) < 1e-3);
    }
    // what a GPU computes, here by nodes that ONNX Runtime widens
    let model = ModelProto::read(&plain.model(SIDE).unwrap()).unwrap();
    let computed = plain.with_model(computed_in_half(model).unwrap().write(), String::new(), None);
    assert!(apart(&features(&computed, Device::PLAIN, &images), &expected) < 1e-2);
}
