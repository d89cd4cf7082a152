//! `--precision`: cheaper forms of a frozen network, as rows of their own, and exported.

use super::Place;

const ARM: &str = "resnet-frozen-svm --dataset photos --input 32 --device cpu";

#[test]
fn cheaper_forms_have_rows_of_their_own_and_are_exported() {
    let place = Place::with_photos();
    for precision in ["f32", "f16"] {
        place.run(&format!("measure --arms {ARM} --precision {precision}")).with(0);
    }
    place.run(&format!("report --curve never --arms {ARM} --precision int8")).with(0);
    let mut backbones: Vec<String> =
        place.rows("featbench-report/photos/runs.csv").into_iter().map(|row| row["backbone"].clone()).collect();
    backbones.sort();
    assert_eq!(backbones, ["resnet18-cntk", "resnet18-cntk:f16", "resnet18-cntk:int8"]);
    let report = place.read("featbench-report/photos/report.md");
    for form in ["int8", "f16"] {
        let words = format!("`resnet-frozen-svm · {form}` beside `resnet-frozen-svm` in f32: ");
        assert!(report.contains(&words), "{words} in {report}");
    }
    place.run(&format!("export --arm {ARM} --precision int8 -o whole.onnx")).with(0);
    place.run(&format!("export --arm {ARM} -o plain.onnx")).with(0);
    let size = |file: &str| std::fs::metadata(place.path(file)).unwrap().len();
    assert!(size("whole.onnx") * 3 < size("plain.onnx"));
    place
        .run("export --backbone resnet18-cntk --precision int8 --input 32 -o no.onnx")
        .with(2)
        .saying(&["training images"]);
}

#[test]
fn a_network_that_is_trained_has_no_precision() {
    let place = Place::with_photos();
    let command = "measure --dataset photos --arms resnet-finetuned-step --form reduced --device cpu --precision f16";
    place.run(command).with(1).saying(&["a precision is for frozen networks"]);
    place.run("measure --dataset photos --precision f8").with(2).saying(&["there are f32, f16 and int8"]);
}
