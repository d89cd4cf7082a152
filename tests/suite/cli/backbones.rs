//! Networks of the user's: an ONNX file, what it says of itself, and what a TOML file beside it states.

use featbench::deep::onnx::{Attribute, Dimension, Graph};

use super::{Place, Row};

const MEASURE: &str = "measure --dataset photos --arms resnet-frozen-svm --model-dir models --backbone mine";

/// An ONNX file that averages its input per channel (`pool`), and also gives the input itself (`map`). A side of 0 is
/// a free one.
fn averaging(side: i64) -> Vec<u8> {
    let mut graph = Graph::new("average");
    let batch = Dimension::Name("n".into());
    let sides = if side == 0 { Dimension::Name("s".into()) } else { Dimension::Size(side) };
    let image = [batch.clone(), Dimension::Size(3), sides.clone(), sides];
    graph.input("pixels", &image);
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
    graph.node_to("Flatten", &["pooled"], &[("axis", Attribute::Int(1))], &["pool"]);
    graph.node_to("Relu", &["pixels"], &[], &["map"]);
    graph.output("pool", &[batch, Dimension::Size(3)]);
    graph.output("map", &image);
    graph.model().write()
}

/// A place with `models/mine.onnx`.
fn with_network(side: i64) -> Place {
    let place = Place::with_photos();
    place.write("models/mine.onnx", averaging(side));
    place
}

fn only_run(place: &Place) -> Row {
    let mut rows = place.rows("featbench-report/photos/runs.csv");
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[test]
fn the_option_goes_before_the_settings_and_they_before_224() {
    let place = with_network(0);
    let input = |arguments: &str| {
        place.run(&format!("{MEASURE} --fresh {arguments}")).with(0);
        only_run(&place)["input_px"].clone()
    };
    assert_eq!(input(""), "224");
    place.write("models/mine.toml", "input = 64\n");
    assert_eq!(input(""), "64");
    assert_eq!(input("--input 32"), "32");
    place.run("list --model-dir models").with(0).saying(&["mine ready 3 features, input 64 px"]);
}

#[test]
fn a_fixed_side_is_taken_and_another_one_is_refused() {
    let place = with_network(48);
    place.run(MEASURE).with(0);
    assert_eq!(only_run(&place)["input_px"], "48");
    let fixed = "an input of 64 px does not fit; its side must be 48 px, which its file fixes";
    place.run(&format!("{MEASURE} --input 64")).with(1).saying(&["backbone `mine`", fixed]);
    place.write("models/mine.toml", "input = 64");
    place.run(&format!("{MEASURE} --fresh")).with(1).saying(&[fixed]);
    place.run("list --model-dir models").with(0).saying(&["mine -", fixed]);
}

#[test]
fn settings_change_the_run_and_comments_do_not() {
    let place = with_network(0);
    let run_id = |toml: &str| {
        place.write("models/mine.toml", toml);
        place.run(&format!("{MEASURE} --input 32")).with(0);
        let run = only_run(&place);
        (run["run_id"].clone(), place.read("featbench-report/photos/predictions.csv"))
    };
    let (plain, _) = run_id("");
    let (stated, scores) = run_id("mean = [0, 0, 0]\nstd = [1, 1, 4]\noutput = 'pool'");
    assert_ne!(plain, stated);
    assert_eq!(run_id("# mine\nstd = [1, 1, 4]\nmean = [0, 0, 0]\noutput = 'pool'\n"), (stated.clone(), scores));
    let (scaled, _) = run_id("scale = 255\nmean = [0, 0, 0]\nstd = [1, 1, 4]\noutput = 'pool'");
    assert_ne!(stated, scaled);
    assert_eq!(run_id("input = 64").0, plain, "the side is an option of its own");
}

#[test]
fn what_does_not_fit_is_said_with_what_the_file_has() {
    let place = with_network(0);
    let has = "the file has `pool` (n x 3), `map` (n x 3 x s x s)";
    for (toml, expected) in [
        ("outputs = 'pool'", "models/mine.toml: unknown key `outputs`, did you mean `output`?; there are input, mean"),
        ("output = 'pol'", &format!("models/mine.onnx: output `pol` is not there, did you mean `pool`?; {has}")),
        ("output = 'map'", &format!("models/mine.onnx: output `map` must be N x dimension, 32-bit float; {has}")),
        ("mean = [0.5]", "models/mine.toml: line 1: invalid length 1"),
        ("input = 'large'", "models/mine.toml: line 1: invalid type: string \"large\""),
    ] {
        place.write("models/mine.toml", toml);
        place.run(&format!("{MEASURE} --fresh")).with(1).saying(&[expected]);
        let run = only_run(&place);
        assert!(run["status"] == "missing" && run["reason"].contains(expected), "{run:?}");
    }
}
