//! Networks of the user's: an ONNX file, what it says of itself, and what a TOML file beside it states.

use featbench::deep::Tensor;
use featbench::deep::onnx::{
    Attribute, Dimension, EXTERNAL, FLOAT16, Graph, ModelProto, StringStringEntryProto, TensorProto,
};

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
    let said = [
        "mine ready 3 features, no linear head was found: its own output `pool`",
        "; input 64 px (stated by mine.toml), shorter side to 73 px",
    ];
    place.run("list --model-dir models").with(0).saying(&said);
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
        (
            "outputs = 'pool'",
            "models/mine.toml: unknown key `outputs`, did you mean `output`?; there are centre, channels",
        ),
        ("output = 'pol'", &format!("models/mine.onnx: output `pol` is not there, did you mean `pool`?; {has}")),
        (
            "output = 'map'",
            &format!("models/mine.onnx: output `map` must be N x dimension, 32-bit float; {has}: state `pooling"),
        ),
        ("mean = [0.5]", "models/mine.toml: line 1: invalid length 1"),
        ("input = 'large'", "models/mine.toml: line 1: invalid type: string \"large\""),
    ] {
        place.write("models/mine.toml", toml);
        place.run(&format!("{MEASURE} --fresh")).with(1).saying(&[expected]);
        let run = only_run(&place);
        assert!(run["status"] == "missing" && run["reason"].contains(expected), "{run:?}");
    }
}

/// Pixels averaged per channel, behind what `build` makes of the value `pixels`; it returns the value that is averaged.
fn averaging_of(shape: &[i64], build: impl Fn(&mut Graph) -> String) -> ModelProto {
    let mut graph = Graph::new("average");
    let side = |&side: &i64| if side == 0 { Dimension::Name("s".into()) } else { Dimension::Size(side) };
    graph.input("pixels", &shape.iter().map(side).collect::<Vec<_>>());
    let value = build(&mut graph);
    let pooled = graph.node("GlobalAveragePool", &[&value], &[]);
    graph.node_to("Flatten", &[&pooled], &[("axis", Attribute::Int(1))], &["pool"]);
    graph.output("pool", &[Dimension::Name("n".into()), Dimension::Size(3)]);
    graph.model()
}

const IMAGES: [i64; 4] = [0, 3, 0, 0];

/// The same with one more constant, by name and number.
fn with_constant(graph: &mut Graph, number: f32) -> String {
    graph.floats(Tensor::new(&[1], vec![number]))
}

fn fails(place: &Place, texts: &[&str]) {
    place.run(&format!("{MEASURE} --input 32 --fresh")).with(1).saying(texts);
    let run = only_run(place);
    assert!(texts.iter().all(|text| run["reason"].contains(text)) && run["status"] != "ok", "{run:?}");
    assert!(place.files("cache/featbench/infer").is_empty(), "nothing of it is cached");
}

#[test]
fn features_that_are_no_numbers_are_a_failed_run_with_a_reason() {
    let place = Place::with_photos();
    let computed = averaging_of(&IMAGES, |graph| {
        let negative = with_constant(graph, -1.0);
        let nan = graph.node("Log", &[&negative], &[]);
        let clipped = graph.node("Relu", &["pixels"], &[]);
        graph.node("Add", &[&clipped, &nan], &[])
    });
    let overflowing = averaging_of(&IMAGES, |graph| {
        let clipped = graph.node("Sigmoid", &["pixels"], &[]);
        let many = with_constant(graph, 3e5);
        let large = graph.node("Mul", &[&clipped, &many], &[]);
        let half = graph.node("Cast", &[&large], &[("to", Attribute::Int(FLOAT16.into()))]);
        graph.node("Cast", &[&half], &[("to", Attribute::Int(1))])
    });
    for model in [computed, overflowing] {
        place.write("models/mine.onnx", model.write());
        fails(
            &place,
            &["photos/", ".png: backbone `mine`: its features of the image are no finite numbers", "mine.toml"],
        );
        place
            .run("export --arm resnet-frozen-svm --dataset photos --backbone mine --model-dir models --input 32 -o x.onnx")
            .with(2)
            .saying(&["no finite numbers"]);
        place
            .run("export --backbone mine --model-dir models -o x.onnx --input 32")
            .with(2)
            .saying(&["no finite numbers"]);
        assert!(!place.path("x.onnx").exists());
    }
    let weights = averaging_of(&IMAGES, |graph| {
        let data = [vec![f32::NAN], vec![0.5; 8]].concat();
        graph.initializer(TensorProto::float("kernel", Tensor::new(&[3, 3, 1, 1], data)));
        graph.node("Conv", &["pixels", "kernel"], &[])
    });
    place.write("models/mine.onnx", weights.write());
    fails(&place, &["models/mine.onnx: 1 numbers of its constant `kernel` are no finite numbers"]);
}

#[test]
fn one_bad_file_hides_no_other() {
    let place = with_network(0);
    let cycle = averaging_of(&IMAGES, |graph| {
        graph.node_to("Identity", &["round"], &[], &["round"]);
        "round".into()
    });
    let endless = averaging_of(&IMAGES, |graph| graph.node("Loop", &["pixels"], &[]));
    let last = averaging_of(&[0, 0, 0, 3], |graph| {
        graph.node("Transpose", &["pixels"], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))])
    });
    let mut huge = averaging_of(&IMAGES, |_| "pixels".into());
    huge.graph.as_mut().unwrap().output = {
        let mut graph = Graph::new("huge");
        graph.output("pool", &[Dimension::Name("n".into()), Dimension::Size(1 << 40)]);
        graph.model().graph.unwrap().output
    };
    let whole = averaging(0);
    for (name, bytes) in [
        ("a-cycle", cycle.write()),
        ("b-loop", endless.write()),
        ("c-last", last.write()),
        ("d-huge", huge.write()),
        ("e-cut", whole[..whole.len() / 2].to_vec()),
        ("f-pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec()),
        ("g-page", b"<!DOCTYPE html><html><body>404</body></html>".to_vec()),
    ] {
        place.write(&format!("models/{name}.onnx"), bytes);
    }
    let texts = [
        "a-cycle.onnx: its nodes form a cycle",
        "b-loop.onnx: its node `loop_1` (Loop) repeats a part of the network as often as the file says",
        "d-huge.onnx: `pool` has 1099511627776 numbers an image",
        "e-cut.onnx: not an ONNX file, or one that is cut off or damaged",
        "f-pointer.onnx: not an ONNX file: it is a pointer of Git LFS",
        "git lfs pull",
        "g-page.onnx: not an ONNX file: it is a web page",
    ];
    let last = [
        "c-last ready 3 features, no linear head was found: its own output `pool`",
        "input 224 px, channels last, shorter side to 256 px (bilinear), centre 224 px (assumed: nothing states it)",
    ];
    place.run("list --model-dir models").with(0).saying(&texts).saying(&last).saying(&["mine ready 3 features"]);
    let mut doctor = place.command("doctor");
    super::Ended::of(doctor.env("FEATBENCH_MODELS", place.path("models"))).with(1).saying(&texts).saying(&["mine"]);
    place.run(&format!("{MEASURE} --input 32")).with(0);
    for name in ["a-cycle", "b-loop", "d-huge"] {
        place.run(&format!("classify models/{name}.onnx photos/checks/00.png --device cpu")).with(2);
        place.run(&format!("{} --fresh", MEASURE.replace("mine", name))).with(1).saying(&[&format!("{name}.onnx: ")]);
    }
}

#[test]
fn what_is_taken_for_features_is_said() {
    let place = Place::with_photos();
    let mut graph = Graph::new("classifier");
    let images = IMAGES.map(|side| if side == 0 { Dimension::Name("n".into()) } else { Dimension::Size(side) });
    graph.input("pixels", &images);
    graph.initializer(TensorProto::float("w", Tensor::new(&[3, 5], (0..15).map(|i| i as f32 / 7.0 - 1.0).collect())));
    graph.node_to("GlobalAveragePool", &["pixels"], &[], &["pooled"]);
    graph.node_to("Flatten", &["pooled"], &[], &["flat"]);
    graph.node_to("MatMul", &["flat", "w"], &[], &["product"]);
    graph.node_to("Sigmoid", &["product"], &[], &["scores"]);
    graph.output("scores", &[Dimension::Name("n".into()), Dimension::Name("c".into())]);
    place.write("models/mine.onnx", graph.model().write());
    let head =
        "3 features, input of its last linear layer, node `product` (MatMul); the 5 values that this gives are cut off";
    place.run("list --model-dir models").with(0).saying(&[head]);
    let assumed = "input 32 px, shorter side to 36 px (bilinear), centre 32 px (assumed: nothing states it), pixels from 0 to 1 \
                   less [0.485, 0.456, 0.406], divided by [0.229, 0.224, 0.225] (assumed: nothing states it)";
    place.run(&format!("{MEASURE} --input 32")).with(0).saying(&[head, assumed]);
    let run = only_run(&place);
    assert!(run["dimension"] == "3" && run["network"].contains(head) && run["network"].ends_with(assumed), "{run:?}");
    place.run("report --from featbench-report").with(0);
    let page = place.read("featbench-report/photos/report.md");
    assert!(page.contains(&format!("- `mine`: {head}")) && page.contains(assumed), "{page}");
    for (inner, dimension) in [("product", "5"), ("pooled", "3"), ("scores", "5")] {
        place.write("models/mine.toml", format!("output = '{inner}'\nmean = [0, 0, 0]\nstd = [1, 1, 1]"));
        let said = [&*format!("`{inner}`, as is stated"), "(stated by mine.toml)"];
        place.run(&format!("{MEASURE} --input 32 --fresh")).with(0).saying(&said);
        assert_eq!(only_run(&place)["dimension"], dimension, "a run tells the width");
        place.run("export --backbone mine --model-dir models --input 32 -o out.onnx").with(0);
    }
    place.write("models/mine.toml", "output = 'pixels'");
    place.run(&format!("{MEASURE} --input 32 --fresh")).with(1).saying(&["output `pixels` is not there"]);
    let map = averaging(0);
    place.write("models/mine.onnx", map);
    place.write("models/mine.toml", "output = 'pooled'");
    place.run(&format!("{MEASURE} --input 32 --fresh")).with(0);
    let ended = place.run("measure --dataset photos --arms resnet-frozen-svm --input 32").with(0);
    assert!(!ended.stderr.contains("backbone "), "the registry states it: {}", ended.stderr);
}

#[test]
fn a_network_that_normalises_its_images_must_be_told_of() {
    let place = Place::with_photos();
    let model = averaging_of(&IMAGES, |graph| {
        let mean = graph.floats(Tensor::new(&[3, 1, 1], vec![0.485, 0.456, 0.406]));
        let deviation = graph.floats(Tensor::new(&[3, 1, 1], vec![0.229, 0.224, 0.225]));
        let centred = graph.node("Sub", &["pixels", &mean], &[]);
        graph.node("Div", &[&centred, &deviation], &[])
    });
    place.write("models/mine.onnx", model.write());
    fails(&place, &["its node `sub_3` (subtracts [0.485, 0.456, 0.406])", "normalised twice", "`mean = [0, 0, 0]`"]);
    place.write("models/mine.toml", "mean = [0, 0, 0]\nstd = [1, 1, 1]");
    place.run(&format!("{MEASURE} --input 32 --fresh")).with(0);
}

#[test]
fn weights_in_a_file_beside_the_network_are_read_and_belong_to_the_run() {
    let place = Place::with_photos();
    let mut model = averaging_of(&IMAGES, |graph| {
        graph.initializer(TensorProto::float("kernel", Tensor::new(&[3, 3, 1, 1], vec![0.0; 9])));
        graph.node("Conv", &["pixels", "kernel"], &[])
    });
    let kernel = &mut model.graph.as_mut().unwrap().initializer[0];
    kernel.raw_data.clear();
    kernel.data_location = EXTERNAL;
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    kernel.external_data = vec![entry("location", "mine.onnx.data"), entry("length", "36")];
    place.write("models/mine.onnx", model.write());
    fails(
        &place,
        &["models/mine.onnx: its numbers lie in another file, `mine.onnx.data`, which is not here: put it beside"],
    );
    let run_of = |numbers: [f32; 9]| {
        place
            .write("models/mine.onnx.data", numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
        place.run(&format!("{MEASURE} --input 32")).with(0);
        only_run(&place)["run_id"].clone()
    };
    let first = run_of([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_ne!(first, run_of([0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    place.run("export --backbone mine --model-dir models --input 32 -o whole.onnx").with(0);
    place.write("models/mine.onnx.data", [0; 20]);
    let cut = "`mine.onnx.data` beside it: `kernel` needs 36 bytes from byte 0 on";
    place.run(&format!("{MEASURE} --input 32 --fresh")).with(1).saying(&[cut]);
}

#[test]
fn several_backbones_are_rows_of_every_deep_arm() {
    let place = with_network(48);
    let several = MEASURE.replace("mine", "resnet18-cntk,mine,mine").replace("svm", "svm,majority");
    let dry = place.run(&format!("{several} --dry-run")).with(0);
    assert!(dry.stdout.contains("resnet-frozen-svm (mine), native, seed 0"), "{}", dry.stdout);
    place.run(&several).with(0).saying(&[
        "3 runs, 0 of them recorded",
        "backbone mine: 3 features, no linear head was found: its own output `pool`",
    ]);
    let runs = place.rows("featbench-report/photos/runs.csv");
    let of = |run: &Row| [&run["arm"], &run["backbone"], &run["input_px"], &run["status"]].map(|s| s.clone()).join(" ");
    let mut rows: Vec<String> = runs.iter().map(of).collect();
    rows.sort();
    assert_eq!(rows, ["majority   ok", "resnet-frozen-svm mine 48 ok", "resnet-frozen-svm resnet18-cntk 224 ok"]);
    place.run(&several).with(0).saying(&["3 runs, 3 of them recorded"]);
    let one = MEASURE.replace("measure", "measure --input 48");
    place.run(&one).with(0).saying(&["1 runs, 1 of them recorded"]);
    place.run(&several.replace("measure", "report").replace("svm,majority", "svm")).with(0);
    let page = place.read("featbench-report/photos/report.md");
    for part in
        ["resnet-frozen-svm · mine", "resnet-frozen-svm · resnet18-cntk", "--backbone mine,resnet18-cntk --seeds 0"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let told = "--backbone resnet18-cntk,mine: several are for `measure`, `report` and `time`; name one";
    place
        .run("export --arm resnet-frozen-svm --dataset photos --backbone resnet18-cntk,mine -o x.onnx")
        .with(2)
        .saying(&[told]);
}
