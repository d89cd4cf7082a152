//! Small networks that are exported and read again.

use super::*;
use crate::deep::Tensor;
use crate::deep::kernels::Kernels;
use crate::deep::onnx::{Graph, StringStringEntryProto, TensorProto};
use crate::image::Canvas;
use crate::image::preparation::Preparation;
use crate::image::tensor::IMAGENET;

const SIDE: i64 = 32;

/// Pixels averaged per channel, and two classes behind that; `last` comes at the end. Features and logits get these
/// names; a batch of 0 is a free one.
fn classifier(features: &str, logits: &str, last: Option<&str>, batch: i64) -> ModelProto {
    let mut graph = Graph::new("averages");
    let batch = if batch == 0 { Dimension::Name("n".into()) } else { Dimension::Size(batch) };
    let sides = |side| Dimension::Size(side);
    graph.input("pixels", &[batch.clone(), sides(3), sides(SIDE), sides(SIDE)]);
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
    graph.node_to("Flatten", &["pooled"], &[("axis", Attribute::Int(1))], &[features]);
    graph.initializer(TensorProto::float("w", Tensor::new(&[3, 2], vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0])));
    graph.node_to("MatMul", &[features, "w"], &[], &[logits]);
    let output = last.map(|last| graph.node(last, &[logits], &[]));
    graph.output(output.as_deref().unwrap_or(logits), &[batch, sides(2)]);
    graph.model()
}

fn description(labels: &[&str]) -> Description {
    Description {
        preprocessing: Preprocessing::of(
            SIDE as u32,
            &Preparation::usual(IMAGENET),
            Some(Canvas { side: 8, reduce: 6 }),
        ),
        labels: labels.iter().map(|label| label.to_string()).collect(),
        scores: Scores::Margins,
        temperature: Some(0.5),
        origin: "a test".into(),
    }
}

fn open(model: &ModelProto) -> (tempfile::TempDir, Backbone) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.onnx"), model.write()).unwrap();
    let backbone = Backbone::open("small", &[folder.path().to_owned()]).unwrap();
    (folder, backbone)
}

/// One colour.
fn picture(colour: [u8; 3]) -> Rgb {
    Rgb { width: 5, height: 7, data: colour.repeat(35) }
}

#[test]
fn names_are_made_alike_and_no_value_gets_lost() {
    // the names are taken by other values, or features and logits have them already
    for (features, logits) in [("a", "b"), (FEATURES, LOGITS), (LOGITS, FEATURES)] {
        for last in [None, Some("Softmax")] {
            let mut model = classifier(features, logits, last, 0);
            model.metadata_props.push(StringStringEntryProto { key: "mine".into(), value: "kept".into() });
            let (_folder, backbone) = open(&model);
            if backbone.dimension != 3 {
                continue; // an output that is called `features` is taken at its word
            }
            let bytes = export(&backbone, &description(&["red", "green"])).unwrap();
            let written = ModelProto::read(&bytes).unwrap();
            assert!(written.metadata_props.iter().any(|entry| entry.key == "mine"));
            let outputs: Vec<String> = written.graph.unwrap().output.iter().map(ToString::to_string).collect();
            assert_eq!(outputs[0], "`features` (batch x 3)");
            assert!(outputs[1].starts_with("`logits` (batch x ") && outputs.len() == 2, "{outputs:?}");
            // our kernel adds the 1,024 numbers of a map one after the other
            for (kernels, near) in [(Kernels::OnnxRuntime, 1e-5), (Kernels::Featbench, 3e-5)] {
                let mut exported = Exported::open(&bytes, Device::Cpu(kernels), 1).unwrap();
                assert_eq!(exported.description, description(&["red", "green"]));
                let pictures = [picture([255, 0, 0]), picture([0, 255, 0]), picture([255, 0, 0])];
                let logits = exported.logits(&pictures).unwrap();
                let expected = [(1.0 - 0.485) / 0.229, -0.456 / 0.224];
                assert!(logits[0].iter().zip(expected).all(|(found, expected)| (found - expected).abs() < near));
                assert!(logits[1][1] > logits[1][0] && logits[0] == logits[2]);
            }
        }
    }
}

#[test]
fn a_map_of_one_pixel_becomes_a_vector() {
    let mut graph = Graph::new("pool");
    let sides = |side| [Dimension::Name("n".into()), Dimension::Size(3), Dimension::Size(side), Dimension::Size(side)];
    graph.input("pixels", &sides(SIDE));
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &[FEATURES]);
    graph.output(FEATURES, &sides(1));
    let (_folder, backbone) = open(&graph.model());
    let bytes = export(&backbone, &description(&[])).unwrap();
    let mut exported = Exported::open(&bytes, Device::cpu(), 1).unwrap();
    assert_eq!(exported.run(&vec![1.0; 2 * 3 * 32 * 32], FEATURES).unwrap(), [1.0; 6]);
    let error = exported.logits(&[picture([0; 3])]).unwrap_err().to_string();
    assert!(error.starts_with("it has features and no `logits`"), "{error}");
}

#[test]
fn what_was_exported_before_keeps_its_classes_and_canvas() {
    let (_folder, backbone) = open(&classifier("a", "b", None, 0));
    let bytes = export(&backbone, &description(&["red", "green"])).unwrap();
    let (_folder, backbone) = open(&ModelProto::read(&bytes).unwrap());
    assert_eq!((backbone.dimension, backbone.preparation), (3, Preparation::usual(IMAGENET)));
    let bare = Description {
        preprocessing: Preprocessing::of(SIDE as u32, &Preparation::usual(IMAGENET), None),
        labels: vec![],
        scores: Scores::Logits,
        temperature: None,
        origin: "again".into(),
    };
    let bytes = export(&backbone, &bare).unwrap();
    let found = Description::read(&ModelProto::read(&bytes).unwrap()).unwrap().unwrap();
    assert_eq!(found, Description { origin: "again, from a test".into(), ..description(&["red", "green"]) });
}

#[test]
fn a_file_that_fixes_its_batch_is_freed_or_refused() {
    let (_folder, backbone) = open(&classifier("a", "b", None, 1));
    export(&backbone, &description(&["red", "green"])).unwrap();
    let mut model = classifier("a", "b", None, 1);
    let graph = model.graph.as_mut().unwrap();
    let shape = |name: &str| TensorProto {
        name: name.into(),
        dims: vec![2],
        data_type: crate::deep::onnx::INT64,
        int64_data: vec![1, 3],
        ..Default::default()
    };
    graph.initializer.push(shape("shape"));
    graph.node[1] = NodeProto::new("Reshape", &["pooled", "shape"], &[], &["a"]);
    let (_folder, backbone) = open(&model);
    let error = export(&backbone, &description(&["red", "green"])).unwrap_err();
    assert!(matches!(error, ExportedError::Batch(_)), "{error}");
}

#[test]
fn a_description_that_does_not_fit_is_said() {
    let (_folder, backbone) = open(&classifier("a", "b", None, 0));
    let bytes = export(&backbone, &description(&["one"])).unwrap();
    let error = Exported::open(&bytes, Device::cpu(), 1).unwrap().logits(&[picture([0; 3])]).unwrap_err();
    assert_eq!(error.to_string(), "it has 2 logits, but names 1 classes; export it again");

    let model = ModelProto::read(&bytes).unwrap();
    let changed = |from: &str, to: &str| {
        let mut model = model.clone();
        model.metadata_props.iter_mut().for_each(|entry| entry.value = entry.value.replace(from, to));
        Exported::open(&model.write(), Device::cpu(), 1).unwrap_err().to_string()
    };
    assert!(changed("RGB", "GBR").starts_with("its metadata `preprocessing` can't be read (unknown variant `GBR`"));
    assert!(changed("\"divide_by\":255.0", "\"divide_by\":1.0").contains("divide_by = 1 must be 255"));
    assert!(changed("\"crop\":32", "\"crop\":0").contains("a crop of 0 pixels must be from 32 to 1024"));
    assert!(changed("[\"one\"]", "one").starts_with("its metadata `labels` can't be read"));
    let mut bare = model.clone();
    bare.metadata_props.clear();
    let error = Exported::open(&bare.write(), Device::cpu(), 1).unwrap_err();
    assert!(matches!(error, ExportedError::NoDescription) && error.to_string().contains("featbench export"), "{error}");
}

/// The same with its constant among the inputs, as old files and those of `keep_initializers_as_inputs` have it.
fn with_constants_as_inputs(mut model: ModelProto) -> ModelProto {
    let input = ValueInfoProto::float("w", &[Dimension::Size(3), Dimension::Size(2)]);
    model.graph.iter_mut().for_each(|graph| graph.input.push(input.clone()));
    ModelProto { ir_version: 3, ..model }
}

#[test]
fn constants_that_are_inputs_too_are_none_in_the_export() {
    let model = with_constants_as_inputs(classifier("a", LOGITS, Some("Softmax"), 0));
    let (_folder, backbone) = open(&model);
    let inputs = |bytes: &[u8]| ModelProto::read(bytes).unwrap().graph.unwrap().input.len();
    assert_eq!(inputs(&export(&backbone, &description(&["red", "green"])).unwrap()), 1);
    let mut features = with_constants_as_inputs(classifier("a", LOGITS, None, 0));
    features.graph.as_mut().unwrap().output[0].name = "a".into();
    let bytes = written(features, &backbone, (None, None), &description(&[])).unwrap();
    assert_eq!(inputs(&bytes), 1, "the head's weights are gone, and so is their input");
}

#[test]
fn what_is_exported_gives_what_is_measured_and_is_finite() {
    let (_folder, backbone) = open(&classifier("a", "b", None, 0));
    let exported = |model: ModelProto, factor: f32| {
        let score = |features: &[f32]| features.chunks(3).flat_map(|row| [factor * row[0], factor * row[1]]).collect();
        export_with_head(model, &backbone, &description(&["red", "green"]), &score)
    };
    let model = || classifier("a", LOGITS, None, 0);
    exported(model(), 1.0).unwrap();
    assert!(matches!(exported(model(), 1.1), Err(ExportedError::Differs { what: LOGITS, .. })));
    let mut broken = model();
    let weights = &mut broken.graph.as_mut().unwrap().initializer[0].raw_data;
    weights[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = exported(broken, 1.0).unwrap_err();
    assert!(matches!(error, ExportedError::NotFinite(LOGITS)), "{error}");
    assert!(
        are_scores(&[f32::NEG_INFINITY, 1.0]) && !are_scores(&[f32::NEG_INFINITY]) && !are_scores(&[f32::INFINITY])
    );
}
