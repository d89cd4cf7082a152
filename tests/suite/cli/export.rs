//! Networks as files: what is exported classifies as it was measured, here and in Python; and files of the user's are
//! trained by the same command.

use std::collections::BTreeMap;
use std::process::Command;

use featbench::deep::Tensor;
use featbench::deep::exported::Description;
use featbench::deep::onnx::{Attribute, Dimension, Graph, ModelProto, TensorProto, ValueInfoProto};
use featbench::image::decode_rgb;
use serde::Deserialize;

use super::Place;
use super::data::{CLASSES, GIF, encode, flat};
use super::finetune::{HEAD, arm};

/// One line of `classify --json`.
#[derive(Deserialize)]
struct Found {
    image: String,
    /// `null` where it is not sure enough.
    answer: Option<String>,
    classes: Vec<Class>,
}

#[derive(Deserialize)]
struct Class {
    label: String,
    probability: Option<f64>,
    margin: Option<f64>,
}

fn classify(place: &Place, arguments: &str) -> Vec<Found> {
    let printed = place.run(&format!("classify {arguments} --json --device cpu")).with(0).stdout;
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the file in Python's onnxruntime on images that were prepared here: one row of logits an image.
const PYTHON: &str = "
import sys, json, numpy, onnxruntime
model, images, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
x = numpy.fromfile(images, numpy.float32).reshape(-1, 3, side, side)
features, logits = session.run(['features', 'logits'], {session.get_inputs()[0].name: x})
assert len(features) == len(logits) == len(x)
labels = json.loads(session.get_modelmeta().custom_metadata_map['labels'])
print(json.dumps({'labels': labels, 'logits': logits.astype(float).tolist()}))
";

#[derive(Deserialize)]
struct FromPython {
    labels: Vec<String>,
    logits: Vec<Vec<f64>>,
}

fn python_has_it() -> bool {
    let asked = Command::new("python3").args(["-c", "import numpy, onnxruntime"]).output();
    let there = asked.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: no python3 with numpy and onnxruntime");
    }
    there
}

fn compare_with_python(place: &Place, file: &str, found: &[Found]) {
    let model = ModelProto::read(&std::fs::read(place.path(file)).unwrap()).unwrap();
    let Description { preprocessing, temperature, .. } = Description::read(&model).unwrap().unwrap();
    let temperature = temperature.unwrap_or(1.0);
    let mut tensors = Vec::new();
    for found in found {
        let picture = decode_rgb(&std::fs::read(place.path(&found.image)).unwrap()).unwrap();
        let mut tensor = vec![0.0; preprocessing.numbers()];
        preprocessing.prepare(&picture, &mut tensor);
        tensors.extend(tensor.iter().flat_map(|v| v.to_le_bytes()));
    }
    place.write("images.raw", tensors);
    let side = preprocessing.crop.to_string();
    let output = place.program("python3").args(["-c", PYTHON, file, "images.raw", &side]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let FromPython { labels, logits } = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((labels, logits.len()), (CLASSES.map(String::from).to_vec(), found.len()));
    for (found, logits) in found.iter().zip(logits) {
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        assert_eq!(found.classes[0].label, CLASSES[logits.iter().position(|&v| v == largest).unwrap()]);
        let sum: f64 = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).sum();
        for Class { label, probability, margin } in &found.classes {
            let logit = logits[CLASSES.iter().position(|class| class == label).unwrap()];
            let expected = probability.map_or(logit, |_| ((logit - largest) / temperature).exp() / sum);
            let found = probability.or(*margin).unwrap();
            assert!((found - expected).abs() < 1e-4, "{file}, {label}: {found}, {expected} in Python");
        }
    }
}

#[test]
fn an_exported_arm_classifies_as_it_was_measured_and_as_python_does() {
    let place = Place::with_photos();
    place.write("trained.toml", arm("trained", 2, "", HEAD));
    place
        .run(
            "measure --dataset photos --arms trained.toml,resnet-frozen-softmax,resnet-frozen-svm --input 32 --seeds 3",
        )
        .with(0);
    let trainings = place.files("cache/featbench/train").len();
    let runs = place.rows("featbench-report/photos/runs.csv");
    let arm_of: BTreeMap<&str, &str> = runs.iter().map(|run| (&*run["run_id"], &*run["arm"])).collect();
    let temperature_of: BTreeMap<&str, f64> =
        runs.iter().map(|run| (&*run["run_id"], run["temperature"].parse().unwrap_or(1.0))).collect();
    let predictions = place.rows("featbench-report/photos/predictions.csv");
    let python = python_has_it();
    for (arm, name) in [
        ("trained.toml", "trained"),
        ("resnet-frozen-softmax", "resnet-frozen-softmax"),
        ("resnet-frozen-svm", "resnet-frozen-svm"),
    ] {
        let file = format!("out/{name}.onnx");
        place
            .run(&format!("export --arm {arm} --dataset photos --input 32 --seed 3 -o {file}"))
            .with(0)
            .saying(&[&file]);
        let found = classify(&place, &format!("{file} photos"));
        assert_eq!(found.len(), 24);
        let of_image: BTreeMap<&str, &Found> = found.iter().map(|found| (found.image.as_str(), found)).collect();
        let of_arm = predictions.iter().filter(|row| arm_of[&*row["run_id"]] == name);
        let mut compared = 0;
        for row in of_arm {
            let found = of_image[&*format!("photos/{}", row["image"])];
            assert_eq!(found.classes[0].label, row["predicted"], "{name}: {}", row["image"]);
            let scores: Vec<f64> = row["scores"].split(' ').map(|score| score.parse().unwrap()).collect();
            assert_eq!(found.answer.as_deref(), Some(&*row["predicted"]));
            let warm: Vec<f64> = scores.iter().map(|score| (score / temperature_of[&*row["run_id"]]).exp()).collect();
            for Class { label, probability, .. } in &found.classes {
                let score = warm[CLASSES.iter().position(|class| class == label).unwrap()];
                let (found, expected) = (probability.unwrap(), score / warm.iter().sum::<f64>());
                assert!((found - expected).abs() < 1e-4, "{name}, {label}: {found}, measured {expected}");
            }
            compared += 1;
        }
        assert!(compared > 0, "{name}");
        if python {
            compare_with_python(&place, &file, &found);
        }
    }
    assert_eq!(place.files("cache/featbench/train").len(), trainings, "the training was taken from the cache");
    assert_eq!(place.files("out").len(), 3, "nothing half-written");
}

#[test]
fn a_canvas_belongs_to_the_file_and_forms_say_the_same() {
    let place = Place::with_photos();
    place.run("export --arm resnet-frozen-softmax --dataset photos --input 32 --canvas 48 -o model.onnx").with(0);
    let model = ModelProto::read(&std::fs::read(place.path("model.onnx")).unwrap()).unwrap();
    let entry = |key: &str| &model.metadata_props.iter().find(|entry| entry.key == key).unwrap().value;
    assert!(entry("preprocessing").contains(r#""canvas":{"side":48,"reduce":"#), "{}", entry("preprocessing"));
    assert!(entry("origin").contains("arm resnet-frozen-softmax, backbone resnet18-cntk, data set photos"));

    let found = classify(&place, "model.onnx photos/stripes/00.png --top 1");
    let (label, p) = (&found[0].classes[0].label, found[0].classes[0].probability.unwrap());
    assert_eq!(found[0].classes.len(), 1);
    let csv = place.run("classify model.onnx photos/stripes/00.png --csv --top 1 --device cpu").with(0).stdout;
    assert_eq!(
        csv,
        format!("image,rank,label,kind,score,answer\nphotos/stripes/00.png,1,{label},probability,{p},{label}\n")
    );
    let text = place.run("classify model.onnx photos/stripes/00.png --top 1 --device cpu").with(0).stdout;
    assert_eq!(text, format!("photos/stripes/00.png: {label} {:.1} %\n", 100.0 * p));
}

#[test]
fn an_image_that_cannot_be_read_is_named_and_the_others_go_on() {
    let place = Place::with_photos();
    place.run("export --arm resnet-frozen-softmax --dataset photos --input 32 -o model.onnx").with(0);
    place.write("mixed/a.gif", GIF);
    place.write("mixed/b.png", encode(&flat(40, 30, [9, 80, 200]), ".png"));
    let ended = place.run("classify model.onnx gone.png mixed --device cpu").with(1);
    assert_eq!(ended.stdout.lines().count(), 1);
    ended.saying(&[
        "mixed/b.png: ",
        "mixed/a.gif: GIF files are not supported",
        "gone.png: can't be read: No such file",
    ]);
    place.run("classify model.onnx gone.png --device cpu").with(2).saying(&["none of the 1 files could be classified"]);
    place.write("none/.hidden", "");
    place.run("classify model.onnx none --device cpu").refused(&["no files are in none"]);
    place.run("classify mixed/b.png mixed/b.png --device cpu").refused(&["mixed/b.png: not an ONNX file"]);
    place.run("classify gone.onnx mixed/b.png --device cpu").refused(&["can't read gone.onnx"]);
}

#[test]
fn what_can_t_be_exported_is_said_before_anything_is_computed() {
    let place = Place::with_photos();
    let refused = |arguments: &str, texts: &[&str]| {
        place.run(&format!("export --device cpu --output {arguments}")).with(2).saying(texts);
    };
    refused("a.featbench --arm majority --dataset photos", &["--arm majority: it does not look at pixels"]);
    let rbf = "name = \"rbf\"\nfamily = \"deep\"\ntitle = \"\"\nexpectation = \"\"\nfeatures.kind = \"network\"\n\
               [classifier]\nkind = \"svm\"\nscale = \"standardise\"\nrbf_c = [1.0]\nrbf_gamma = [0.1]\n";
    place.write("rbf.toml", rbf);
    refused("a.onnx --arm rbf.toml --dataset photos", &["--arm rbf: its classifier is not one linear function"]);
    refused("photos --backbone resnet18-cntk", &["can't write photos: name a file"]);
    refused("a.onnx --backbone resnet19", &["no backbone is called `resnet19`"]);
    refused("a.onnx --backbone resnet18-cntk --input 100", &["an input of 100 px does not fit"]);
    refused("a.onnx --seed 1", &["--arm <NAME|FILE.toml>"]);
    assert!(!place.path("a.onnx").exists() && place.files("cache").is_empty());
    place.run("export --backbone resnet18-cntk -o alone.onnx --input 64").with(0);
    let features_only = ["alone.onnx: it has features and no `logits`", "featbench export --arm"];
    place.run("classify alone.onnx photos --device cpu").with(2).saying(&features_only);
}

/// A classifier as an exporter leaves it: a bias where a batch norm was, names of no network, a shape that is computed.
/// `activation` comes after the convolution.
fn classifier(activation: &str) -> Vec<u8> {
    let mut graph = Graph::new("main_graph");
    let numbers = |count: usize| (0..count).map(|i| ((i * 37) % 23) as f32 / 40.0 - 0.27).collect::<Vec<_>>();
    let batch = Dimension::Name("n".into());
    let side = || Dimension::Size(32);
    graph.input("onnx::in", &[batch.clone(), Dimension::Size(3), side(), side()]);
    graph.initializer(TensorProto::float("onnx::Conv_1", Tensor::new(&[6, 3, 3, 3], numbers(162))));
    graph.initializer(TensorProto::float("onnx::Conv_2", Tensor::new(&[6], numbers(6))));
    graph.initializer(TensorProto::float("fc.weight", Tensor::new(&[10, 6], numbers(60))));
    let zeros = TensorProto::float("zeros", Tensor::new(&[10], vec![0.0; 10]));
    graph.node_to("Constant", &[], &[("value", Attribute::Tensor(zeros.into()))], &["fc.bias"]);
    let x =
        graph.node("Conv", &["onnx::in", "onnx::Conv_1", "onnx::Conv_2"], &[("strides", Attribute::Ints(vec![2, 2]))]);
    let x = graph.node(activation, &[&x], &[]);
    let (axes, zero, rest) = (graph.ints(&[2, 3]), graph.ints(&[0]), graph.ints(&[-1]));
    let x = graph.node("ReduceMean", &[&x, &axes], &[]);
    let shape = graph.node("Shape", &[&x], &[]);
    let first = graph.node("Gather", &[&shape, &zero], &[]);
    let shape = graph.node("Concat", &[&first, &rest], &[("axis", Attribute::Int(0))]);
    let x = graph.node("Reshape", &[&x, &shape], &[]);
    graph.node_to("Gemm", &[&x, "fc.weight", "fc.bias"], &[("transB", Attribute::Int(1))], &["/fc/Gemm_output_0"]);
    graph.output("/fc/Gemm_output_0", &[batch, Dimension::Size(10)]);
    graph.model().write()
}

#[test]
fn a_classifier_of_the_users_is_trained_exported_and_used() {
    let place = Place::with_photos();
    let by_layer = "layer_decay = 0.75\nrates = { backbone = 0.5, head = 2.0 }";
    place.write("trained.toml", arm("trained", 2, by_layer, HEAD));
    place.write("models/mine.onnx", classifier("Relu"));
    let mine = "--backbone mine --model-dir models";
    place
        .run(&format!("list {}", &mine[16..]))
        .with(0)
        .saying(&["mine ready 6 features, input of its last linear layer", "input 32 px (stated by its file)"]);
    let measured = place.run(&format!("measure --dataset photos --arms trained.toml {mine}")).with(0);
    let said = "the network's file has convolutions with a bias and no batch norms";
    measured.saying(&[said]);
    assert_eq!(place.rows("featbench-report/photos/runs.csv")[0]["dimension"], "6");
    place.run(&format!("export --arm trained.toml --dataset photos {mine} -o trained.onnx")).with(0);
    assert_eq!(classify(&place, "trained.onnx photos").len(), 24);
    place.run(&format!("export {mine} -o mine.onnx")).with(0);
    assert_eq!(classify(&place, "mine.onnx photos/checks/00.png --top 20")[0].classes.len(), 10, "its own classes");
    let network = place.run("measure --dataset photos --arms trained.toml --input 32").with(0);
    assert!(!network.stderr.contains(said), "the embedded backbone has batch norms");
}

#[test]
fn an_operator_that_cannot_be_trained_is_named() {
    let place = Place::with_photos();
    place.write("trained.toml", arm("trained", 2, "", HEAD));
    place.write("models/mine.onnx", classifier("Sinh"));
    let ended = place.run("measure --dataset photos --arms trained.toml --backbone mine --model-dir models").with(1);
    ended.saying(&["the network has operators that can't be trained: Sinh (node `", "supported are Abs, Add, "]);
    place.run("measure --dataset photos --arms resnet-frozen-svm --backbone mine --model-dir models").with(0);
}

#[test]
fn scores_that_are_no_numbers_are_named_and_never_printed() {
    let place = Place::with_photos();
    place.run("export --arm resnet-frozen-softmax --dataset photos --input 32 -o model.onnx").with(0);
    let mut model = ModelProto::read(&std::fs::read(place.path("model.onnx")).unwrap()).unwrap();
    let constants = &mut model.graph.as_mut().unwrap().initializer;
    let bias = constants.iter_mut().find(|tensor| tensor.name == "head.bias").unwrap();
    bias.raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("model.onnx", model.write());
    for form in ["", "--csv", "--json"] {
        let ended = place.run(&format!("classify model.onnx photos/checks {form} --device cpu")).with(1);
        let said = "photos/checks/00.png: its scores are no finite numbers (NaN or infinite): the network is damaged";
        let ended = ended.saying(&[said]);
        assert!(!ended.stdout.contains("NaN") && !ended.stdout.contains("checks/00"), "{}", ended.stdout);
    }
}

#[test]
fn constants_that_are_inputs_too_do_not_break_an_export() {
    let place = Place::with_photos();
    let mut model = ModelProto::read(&classifier("Relu")).unwrap();
    let graph = model.graph.as_mut().unwrap();
    for constant in &graph.initializer {
        let sides: Vec<Dimension> = constant.dims.iter().map(|&side| Dimension::Size(side)).collect();
        let mut input = ValueInfoProto::float(&constant.name, &sides);
        input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = constant.data_type;
        graph.input.push(input);
    }
    place.write("models/mine.onnx", model.write());
    place.write("trained.toml", arm("trained", 2, "", HEAD));
    let mine = "--backbone mine --model-dir models --dataset photos";
    for arm in ["resnet-frozen-svm", "resnet-frozen-softmax", "trained.toml"] {
        place.run(&format!("export --arm {arm} {mine} -o out.onnx")).with(0);
        assert_eq!(classify(&place, "out.onnx photos").len(), 24, "{arm}");
        let written = ModelProto::read(&std::fs::read(place.path("out.onnx")).unwrap()).unwrap().graph.unwrap();
        assert_eq!(written.input.len(), 1, "{arm}: the image alone");
    }
}
