//! Gradients of whole networks against PyTorch's in f64: six families with generated weights
//! (`tests/fixtures/gradients/make_gradients.py`).

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use featbench::deep::onnx::{ModelProto, TensorProto};
use featbench::deep::session::{Device, Input, Session};
use featbench::finetune::gradient::{BatchNorm, INPUT, Recorded, Role, Source, record, sides};
use flate2::read::GzDecoder;
use serde::Deserialize;

use super::generated;
use featbench::deep::Tensor;

const IMAGES: usize = 2;
const CLASSES: usize = 5;

#[derive(Deserialize)]
struct Reference {
    side: usize,
    loss: f64,
    /// Middle and half width of a parameter's numbers.
    ranges: BTreeMap<String, [f64; 2]>,
    /// Largest number, length, and five numbers evenly spaced from the first to the last.
    gradients: BTreeMap<String, [f64; 7]>,
}

fn unpacked(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gradients").join(name);
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The network with its weights; the file has their shapes.
fn model(name: &str, ranges: &BTreeMap<String, [f64; 2]>) -> ModelProto {
    use prost::Message;
    let mut model = ModelProto::decode(&unpacked(&format!("{name}.onnx.gz"))[..]).unwrap().with_plain_constants();
    for tensor in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
        if let Some(&[middle, half]) = ranges.get(&tensor.name) {
            let shape: Vec<usize> = tensor.dims.iter().map(|&side| side as usize).collect();
            let data = generated::named(&tensor.name, shape.iter().product(), middle, half);
            *tensor = TensorProto::float(&tensor.name.clone(), Tensor::new(&shape, data));
        }
    }
    model
}

/// How far the gradients are apart, at most, relative to the largest number of each.
fn deviation(name: &str, reference: &Reference) -> f64 {
    let model = model(name, &reference.ranges);
    let graph = model.graph.as_ref().unwrap();
    let shape = [IMAGES, 3, reference.side, reference.side];
    let source = Source { model: &model, graph, input: "x", shape: &shape, output: "y" };
    let learns = |name: &str| reference.gradients.contains_key(name);
    let Recorded { mut tape, output, parameters } = record(source, &learns, &|_| BatchNorm::Frozen).unwrap();
    assert_eq!(output.shape, [IMAGES, CLASSES]);
    tape.graph.input("dy", &sides(&output.shape));
    tape.backpropagate(&output, "dy");
    let learned: Vec<_> = parameters.iter().filter(|parameter| parameter.role == Role::Learns).collect();
    assert_eq!(learned.len(), reference.gradients.len(), "{name}");
    let mut wanted = vec![output.name.as_str()];
    wanted.extend(learned.iter().map(|parameter| tape.gradient(&parameter.value).unwrap()));
    let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
    let shapes = [&output.shape].into_iter().chain(learned.iter().map(|parameter| &parameter.value.shape));
    wanted.iter().zip(shapes).for_each(|(name, shape)| tape.graph.output(name, &sides(shape)));
    let images = generated::input(&format!("gradients{}", reference.side), IMAGES, reference.side);
    let dy = generated::named("logits", IMAGES * CLASSES, 0.0, 1.0);
    let mut inputs = vec![
        Input { name: INPUT, shape: &shape, data: &images },
        Input { name: "dy", shape: &output.shape, data: &dy },
    ];
    let tensors = learned.iter().map(|parameter| (&parameter.value.name, &parameter.tensor));
    inputs.extend(tensors.map(|(name, Tensor { shape, data })| Input { name, shape, data }));
    let mut session = Session::open_in(None, tape.graph.model(), Device::cpu(), 1).unwrap();
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let found = session.run(&inputs, &names).unwrap();
    let loss: f64 = found[0].data.iter().zip(&dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum();
    assert!(
        (loss - reference.loss).abs() < 1e-4 * reference.loss.abs().max(1.0),
        "{name}: {loss}, not {}",
        reference.loss
    );
    let mut most = 0f64;
    for (parameter, gradient) in learned.iter().zip(&found[1..]) {
        let [largest, length, probes @ ..] = reference.gradients[&parameter.name];
        let numbers = || gradient.data.iter().map(|&v| f64::from(v));
        let count = gradient.data.len() - 1;
        let mut apart = (numbers().fold(0f64, |largest, v| largest.max(v.abs())) - largest).abs() / largest;
        apart = apart.max((numbers().map(|v| v * v).sum::<f64>().sqrt() - length).abs() / length);
        for (place, expected) in probes.into_iter().enumerate() {
            apart = apart.max((f64::from(gradient.data[place * count / 4]) - expected).abs() / largest);
        }
        assert!(apart <= 1e-4, "{name}: the gradient of {} is {apart:.1e} apart", parameter.name);
        most = most.max(apart);
    }
    most
}

#[test]
fn of_six_families() {
    let reference: BTreeMap<String, Reference> = serde_json::from_slice(&unpacked("gradients.json.gz")).unwrap();
    assert_eq!(reference.len(), 6);
    for (name, reference) in &reference {
        println!("{name}: {} gradients, {:.1e} apart", reference.gradients.len(), deviation(name, reference));
    }
}
