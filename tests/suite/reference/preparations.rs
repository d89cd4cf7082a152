//! What a file of another library beside a network states is done as that library does it.

use featbench::deep::backbone::Backbone;
use featbench::deep::extract::Extractor;
use featbench::deep::onnx::{Attribute, Dimension, FLOAT16, Graph, ModelProto, UINT8};
use featbench::deep::session::Device;
use featbench::image::Rgb;
use featbench::image::preparation::{Channels, Preparation};
use featbench::image::tensor::{IMAGENET, Normalisation};
use serde::Deserialize;
use serde_json::Value;

use super::hex;
use super::preprocessing::drawn;

/// One of `make_preparations.py`.
#[derive(Deserialize)]
struct Case {
    file: String,
    text: Value,
    width: u32,
    height: u32,
    rows_hex: String,
    first: Vec<f64>,
}

/// A network that averages its pixels, opened beside this file.
fn beside(file: &str, text: &str) -> Backbone {
    let mut graph = Graph::new("average");
    let [batch, height, width] = ["n", "h", "w"].map(|name| Dimension::Name(name.into()));
    graph.input("pixels", &[batch.clone(), Dimension::Size(3), height, width]);
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
    graph.node_to("Flatten", &["pooled"], &[("axis", Attribute::Int(1))], &["flat"]);
    graph.output("flat", &[batch, Dimension::Size(3)]);
    opened(graph.model(), file, text)
}

fn opened(model: ModelProto, file: &str, text: &str) -> Backbone {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("average.onnx"), model.write()).unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    Backbone::open("average", &[folder.path().to_owned()]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn pictures_are_prepared_as_the_library_prepares_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/preparations.json")).unwrap();
    assert_eq!(cases.len(), 32);
    let mut most = 0;
    for case in cases {
        let text = case.text.as_str().map_or_else(|| case.text.to_string(), str::to_owned);
        let backbone = beside(&case.file, &text);
        let name = format!("{text}, {} x {}: {}", case.width, case.height, backbone.described(32));
        assert_eq!(backbone.input, Some(32), "{name}");
        assert!(name.contains(&format!("stated by {}", case.file)), "{name}");
        let picture: Rgb = drawn(case.width, case.height);
        let preparation: Preparation = backbone.preparation;
        let crop = preparation.crop(&picture, 32);
        let rows: Vec<u8> = crop.data.chunks_exact(96).step_by(7).flatten().copied().collect();
        let expected = hex::bytes(&case.rows_hex);
        assert_eq!(rows.len(), expected.len());
        let apart = rows.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        println!("{apart} {name}");
        assert!(apart <= 1, "{apart} apart: {name}");
        most = most.max(apart);
        let mut numbers = vec![0.0; 3 * 32 * 32];
        preparation.feed(&picture, 32, &mut numbers);
        for (i, expected) in case.first.iter().enumerate() {
            let (channel, x) = (i / 2, i % 2);
            let deviation = f64::from(preparation.normalisation.deviation[channel]);
            let apart = (f64::from(numbers[channel * 1024 + x]) - expected).abs() * deviation * 255.0;
            assert!(apart <= 1.001, "number {i} is {apart} levels apart: {name}");
        }
    }
    println!("at most {most} of 255");
}

#[test]
fn what_is_not_done_is_said_unless_it_is_stated_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.safetensors"), include_bytes!("../../../models/resnet18-cntk.safetensors"))
        .unwrap();
    let open = || Backbone::open("mine", &[folder.path().to_owned()]);
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    for (text, expected) in [
        ("{\"crop_pct\": 0.9, \"crop_mode\": \"border\"}", "config.json: `crop_mode` = \"border\" is not done here"),
        ("{\"crop_pct\": 0.9, \"interpolation\": \"hamming\"}", "the interpolation \"hamming\" is not done here"),
        ("{\"crop_pct\": 7}", "`crop_pct` = 7 is no share"),
        ("{\"crop_pct\": 1, \"mean\": [1, 2], \"std\": 1}", "`mean` = [1,2] is not three numbers"),
        ("{\"image_mean\": 0, \"image_std\": 1, \"size\": {\"shortest_edge\": 64}}", "its pictures keep their shape"),
        ("{\"do_normalize\": true, \"size\": [64, 32]}", "`size` = [64,32] is no square and no shorter side"),
        ("{\"cut", "config.json: it is no JSON"),
    ] {
        write("config.json", text);
        let error = open().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    write("mine.toml", "resize = 64\ninput = 32\nmean = [0, 0, 0]\nstd = [1, 1, 1]");
    let stated = open().unwrap();
    assert_eq!(stated.preparation.normalisation, Normalisation { mean: [0.0; 3], deviation: [1.0; 3] });
    // what is not stated here is taken from there, and what is no description of a network is none
    write(
        "config.json",
        "{\"crop_pct\": 0.5, \"interpolation\": \"bicubic\", \"mean\": [9, 9, 9], \"std\": [1, 1, 1]}",
    );
    let both = open().unwrap();
    assert_eq!(both.preparation.normalisation, stated.preparation.normalisation);
    assert_eq!(both.preparation.channels, Channels::Rgb);
    assert!(
        both.described(32)
            .contains("shorter side to 64 px (bicubic), centre 32 px (stated by mine.toml and config.json)")
    );
    assert_ne!(both.identity, stated.identity);
    std::fs::remove_file(folder.path().join("mine.toml")).unwrap();
    write("config.json", "{\"labels\": [\"a\", \"b\"]}");
    assert_eq!(open().unwrap().preparation, Preparation::usual(IMAGENET));
}

/// What a network makes of a picture of 32 x 32 px.
fn features(backbone: &Backbone) -> Vec<f32> {
    let mut numbers = vec![0.0; 3 * 32 * 32];
    backbone.preparation.feed(&drawn(40, 36), 32, &mut numbers);
    Extractor::new(backbone, Device::cpu(), 32, 2).unwrap().features(&numbers).unwrap()
}

#[test]
fn an_input_may_take_other_numbers_and_have_its_channels_last() {
    let sides = |last: bool| {
        let three = Dimension::Size(3);
        let [n, s, t] = ["n", "s", "t"].map(|name| Dimension::Name(name.into()));
        if last { [n, s, t, three] } else { [n, three, s, t] }
    };
    // levels from 0 to 1 averaged, whatever comes in
    let network = |last: bool, element: i32| {
        let mut graph = Graph::new("average");
        graph.input("pixels", &sides(last));
        graph.node_to("Cast", &["pixels"], &[("to", Attribute::Int(1))], &["numbers"]);
        let first = if last { "first" } else { "numbers" };
        if last {
            graph.node_to("Transpose", &["numbers"], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))], &["first"]);
        }
        graph.node_to("GlobalAveragePool", &[first], &[], &["pooled"]);
        graph.node_to("Flatten", &["pooled"], &[("axis", Attribute::Int(1))], &["flat"]);
        graph.output("flat", &[Dimension::Name("n".into()), Dimension::Size(3)]);
        let mut model = graph.model();
        let input = &mut model.graph.as_mut().unwrap().input[0];
        input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = element;
        model
    };
    let plain = "mean = [0, 0, 0]\nstd = [1, 1, 1]\n";
    let expected = features(&opened(network(false, 1), "average.toml", plain));
    for (last, element, text, scale, words) in [
        (true, 1, plain, 1.0, "channels last"),
        (false, FLOAT16, plain, 1.0, "16-bit floats"),
        (
            true,
            FLOAT16,
            "mean = [0, 0, 0]\nstd = [1, 1, 1]\ntype = 'f16'\nlayout = 'NHWC'",
            1.0,
            "channels last, 16-bit floats",
        ),
        (false, UINT8, "", 255.0, "bytes"),
        (true, UINT8, "type = 'u8'", 255.0, "channels last, bytes"),
    ] {
        let backbone = opened(network(last, element), "average.toml", text);
        assert!(
            backbone.described(32).contains(&format!("input 32 px, {words}, shorter")),
            "{}",
            backbone.described(32)
        );
        for (found, expected) in features(&backbone).iter().zip(&expected) {
            assert!((found / scale - expected).abs() < 3e-4, "{words}: {found} / {scale}, {expected}");
        }
    }
}

#[test]
fn maps_and_tokens_are_pooled_as_is_stated() {
    // pixels as a map, and as tokens: N x (pixels) x 3; the rank of the inner values is not stated
    let network = || {
        let mut graph = Graph::new("pooled");
        let [n, s, t] = ["n", "s", "t"].map(|name| Dimension::Name(name.into()));
        graph.input("pixels", &[n.clone(), Dimension::Size(3), s.clone(), t.clone()]);
        graph.node_to("Relu", &["pixels"], &[], &["inner map"]);
        graph.node_to("Identity", &["inner map"], &[], &["map"]);
        let shape = graph.ints(&[0, 3, -1]);
        graph.node_to("Reshape", &["pixels", &shape], &[], &["rows"]);
        graph.node_to("Transpose", &["rows"], &[("perm", Attribute::Ints(vec![0, 2, 1]))], &["tokens"]);
        graph.node_to("Identity", &["tokens"], &[], &["inner tokens"]);
        graph.output("map", &[n.clone(), Dimension::Size(3), s, t.clone()]);
        graph.output("tokens", &[n, t, Dimension::Size(3)]);
        graph.model()
    };
    let plain = "mean = [0, 0, 0]\nstd = [1, 1, 1]\n";
    let mut numbers = vec![0.0f32; 3 * 32 * 32];
    opened(network(), "average.toml", &format!("{plain}output = 'map'\npooling = 'mean'")).preparation.feed(
        &drawn(40, 36),
        32,
        &mut numbers,
    );
    let of = |make: &dyn Fn(&[f32]) -> f64| numbers.chunks_exact(1024).map(make).collect::<Vec<f64>>();
    let mean = of(&|c| c.iter().map(|&v| f64::from(v)).sum::<f64>() / 1024.0);
    let first = of(&|c| f64::from(c[0]));
    let gem = of(&|c| (c.iter().map(|&v| f64::from(v.max(1e-6)).powi(3)).sum::<f64>() / 1024.0).cbrt());
    for (output, pooling, expected) in [
        ("map", "mean", &mean),
        ("inner map", "mean", &mean),
        ("tokens", "mean", &mean),
        ("inner tokens", "mean", &mean),
        ("tokens", "cls", &first),
        ("inner tokens", "cls", &first),
        ("map", "gem", &gem),
        ("tokens", "gem", &gem),
    ] {
        let text = format!("{plain}output = '{output}'\npooling = '{pooling}'");
        let backbone = opened(network(), "average.toml", &text);
        assert_eq!(backbone.dimension, 3);
        let found = features(&backbone);
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{text}: {found}, {expected}");
        }
    }
}
