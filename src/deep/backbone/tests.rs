//! Backbones by name, from files, cut, and with settings.

use super::*;
use crate::deep::onnx::{Attribute, Dimension, Graph, ModelProto, StringStringEntryProto};

fn folder_with(file: &str, bytes: &[u8]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), bytes).unwrap();
    let folders = vec![folder.path().to_owned()];
    (folder, folders)
}

/// An ONNX file that averages its input.
fn averaging() -> Vec<u8> {
    let mut graph = Graph::new("average");
    let [batch, height, width] = ["n", "h", "w"].map(|name| Dimension::Name(name.into()));
    graph.input("pixels", &[batch.clone(), Dimension::Size(3), height, width]);
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
    graph.node_to("Flatten", &["pooled"], &[("axis", Attribute::Int(1))], &["flat"]);
    graph.output("flat", &[batch, Dimension::Size(3)]);
    graph.model().write()
}

#[test]
fn the_embedded_weights_are_the_registered_ones() {
    let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
    assert_eq!(Some(&backbone.identity), REGISTRY["resnet18-cntk"].sha256.as_ref());
    assert_eq!((backbone.dimension, backbone.preparation), (512, Preparation::usual(IMAGENET)));
}

#[test]
fn a_backbone_that_is_not_here_says_how_to_get_it() {
    let error = Backbone::open("resnet50@layer3", &["/models".into()]).unwrap_err().to_string();
    for part in ["looked in /models", "`featbench fetch resnet50`; or put resnet50-0676ba61.pth,", "--model-dir"] {
        assert!(error.contains(part), "{error}");
    }
    let error = Backbone::open("resnet19", &[]).unwrap_err().to_string();
    assert!(error.contains("knows efficientnet-lite0, resnet18, resnet18-cntk, resnet34,"), "{error}");
}

#[test]
fn a_network_is_cut_after_a_stage() {
    let whole = Backbone::open("resnet18-cntk", &[]).unwrap();
    assert_eq!(whole.stages(), ["layer1", "layer2", "layer3", "layer4"]);
    let cut = Backbone::open("resnet18-cntk@layer3", &[]).unwrap();
    assert_eq!((cut.name.as_str(), cut.dimension), ("resnet18-cntk@layer3", 256));
    assert_eq!(cut.identity, format!("{} @layer3", whole.identity));
    assert!(cut.model(32).unwrap().len() < whole.model(32).unwrap().len() / 5, "the last stage is left out");
    let error = Backbone::open("resnet18-cntk@layer22", &[]).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "it has no stage `layer22`, did you mean `layer2`?; it can be cut after layer1, layer2, layer3, layer4"
        ),
        "{error}"
    );
    let (_folder, folders) = folder_with("average.onnx", &averaging());
    let error = Backbone::open("average@layer1", &folders).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "average.onnx: an ONNX file can't be cut after `layer1`; state `output` in average.toml beside it"
        ),
        "{error}"
    );
}

#[test]
fn a_published_file_is_found_under_its_own_name_and_must_be_that_file() {
    let (folder, folders) = folder_with("resnet18-f37072fd.pth", b"something else");
    let error = Backbone::open("resnet18", &folders).unwrap_err().to_string();
    assert!(error.contains("resnet18-f37072fd.pth: its SHA-256 is ") && error.contains("expected f37072fd"), "{error}");
    std::fs::write(folder.path().join("resnet18.toml"), "inputs = 1").unwrap();
    let error = Backbone::open("resnet18", &folders).unwrap_err().to_string();
    assert!(error.contains("resnet18.toml: unknown key `inputs`"), "{error}");
    assert_eq!(names(&folders), names(&[]), "it is no backbone of its own");
}

#[test]
fn a_file_that_is_not_the_registered_one_is_refused() {
    let error = verified_hash(REGISTRY.get("resnet18-cntk"), Path::new("x.safetensors"), b"other").unwrap_err();
    let BackboneError::Hash { found, .. } = &error else { panic!("{error}") };
    assert_eq!(found, "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa");
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let (_folder, folders) = folder_with("resnet18.safetensors", EMBEDDED_WEIGHTS);
    let error = Backbone::open("resnet18", &folders).unwrap_err().to_string();
    assert!(error.contains("resnet18.safetensors: tensor `layer4.2.bn1.bias` of shape [512]"), "{error}");
    let (_folder, folders) = folder_with("mine.safetensors", EMBEDDED_WEIGHTS);
    assert_eq!(Backbone::open("mine", &folders).unwrap().dimension, 512, "read off the names");
}

#[test]
fn an_onnx_file_is_a_backbone_too() {
    let (_folder, folders) = folder_with("average.onnx", &averaging());
    let backbone = Backbone::open("average", &folders).unwrap();
    assert_eq!((backbone.ports.input.as_str(), backbone.ports.output.as_str()), ("pixels", "flat"));
    assert_eq!(backbone.dimension, 3);
    assert!(names(&folders).contains(&"average".to_owned()));
    let (_folder, folders) = folder_with("broken.onnx", b"PK\x03\x04 no model");
    let error = Backbone::open("broken", &folders).unwrap_err().to_string();
    assert!(error.contains("broken.onnx: not an ONNX file: it is a zip archive"), "{error}");
}

#[test]
fn settings_come_from_beside_the_file_or_from_within() {
    let mut model = ModelProto::read(&averaging()).unwrap();
    let value = "input = 96\nmean = [0, 0, 0]\nstd = [1, 1, 1]".to_owned();
    model.metadata_props.push(StringStringEntryProto { key: "featbench".into(), value });
    let (folder, folders) = folder_with("average.onnx", &model.write());
    let plain = Normalisation { mean: [0.0; 3], deviation: [1.0; 3] };
    let backbone = Backbone::open("average", &folders).unwrap();
    assert_eq!((backbone.input, backbone.preparation), (Some(96), Preparation::usual(plain)));
    std::fs::write(folder.path().join("average.toml"), "input = 64").unwrap();
    let backbone = Backbone::open("average", &folders).unwrap();
    assert_eq!(
        (backbone.input, backbone.preparation.normalisation),
        (Some(64), IMAGENET),
        "the file goes first, as a whole"
    );
}

#[test]
fn weights_have_settings_too_but_one_output() {
    let (folder, folders) = folder_with("mine.safetensors", EMBEDDED_WEIGHTS);
    let state = |text: &str| std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    state("input = 96");
    assert_eq!(Backbone::open("mine", &folders).unwrap().input, Some(96));
    state("output = 'logits'");
    let error = Backbone::open("mine", &folders).unwrap_err().to_string();
    assert!(
        error.ends_with("mine.toml: output = \"logits\" is for ONNX files; weights have `features` only"),
        "{error}"
    );
}

#[test]
fn sides_are_checked() {
    let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
    assert!(backbone.check_side(224).is_ok());
    let error = backbone.check_side(100).unwrap_err().to_string();
    assert_eq!(
        error,
        "backbone `resnet18-cntk`: an input of 100 px does not fit; its side must be a multiple of 32 px"
    );
}
