//! Sessions: what runs, what is refused, and who computes it.

use super::*;
use crate::deep::onnx::{Attribute, Dimension, Graph};

/// The two largest of each four numbers, and the sum of all.
fn largest() -> Vec<u8> {
    let mut graph = Graph::new("largest");
    graph.input("x", &[Dimension::Name("batch".into()), Dimension::Size(4)]);
    let two = graph.ints(&[2]);
    graph.node_to("TopK", &["x", &two], &[("axis", Attribute::Int(1))], &["top", "index"]);
    let shape = graph.ints(&[-1, 1, 2]);
    graph.node_to("Reshape", &["top", &shape], &[], &["cube"]);
    graph.node_to("ReduceSum", &["x"], &[("keepdims", Attribute::Int(0))], &["sum"]);
    for output in ["cube", "top"] {
        graph.output(output, &[]);
    }
    graph.output("sum", &[]);
    // ranks are left to ONNX Runtime
    let mut model = graph.model();
    model.graph.iter_mut().flat_map(|g| &mut g.output).for_each(|output| {
        output.r#type.iter_mut().flat_map(|t| &mut t.tensor_type).for_each(|t| t.shape = None);
    });
    model.write()
}

#[test]
fn a_graph_runs_by_name_and_gives_several_outputs() {
    let mut session = Session::open(&largest(), Device::cpu()).unwrap();
    let x = Input { name: "x", shape: &[2, 4], data: &[1.0, 4.0, 2.0, 3.0, 0.0, 0.0, -1.0, 5.0] };
    let outputs = session.run(&[x], &["sum", "cube"]).unwrap();
    assert_eq!(outputs[0], Tensor::new(&[], vec![14.0]), "a stated keepdims=0 arrives");
    assert_eq!(outputs[1], Tensor::new(&[2, 1, 2], vec![4.0, 3.0, 5.0, 0.0]));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let mut session = Session::open(&largest(), Device::cpu()).unwrap();
    let x = Input { name: "x", shape: &[1, 3], data: &[1.0; 3] };
    let y = Input { name: "y", shape: &[1, 4], data: &[1.0; 4] };
    let unfit = [
        (x, "sum", "x for the following indices index: 1 Got: 3 Expected: 4"),
        (y, "sum", "Invalid input name: y"),
        (Input { name: "x", ..y }, "z", "Invalid output name: z"),
    ];
    for (input, output, expected) in unfit {
        let error = session.run(&[input], &[output]).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    assert!(matches!(Session::open(b"no model", Device::cpu()), Err(SessionError::Model(_))));
}

#[test]
fn every_node_has_a_place() {
    let session = Session::open(&largest(), Device::cpu()).unwrap();
    let mut placed = session.placement().unwrap();
    placed.sort();
    assert_eq!(placed, ["ReduceSum", "Reshape", "TopK"].map(|o| ("CPUExecutionProvider".into(), o.to_owned())));
}

#[test]
fn a_providers_message_is_shortened_to_what_it_says() {
    let message = "/a/provider.cc:63 from(const O&) [ONNXRuntimeError] : 1 : FAIL : options.h:187 Parse CUDA failure \
                   35: the driver is too old ; GPU=-1 ; hostname=h ; file=/a/provider.cc";
    assert_eq!(in_short(message), "options.h:187 Parse CUDA failure 35: the driver is too old");
    assert_eq!(in_short("as it is"), "as it is");
    let placed = "/src/model.cc:256 ort::Model::Model(P&&, const F<void (X)>&) const Unsupported model IR version: 99";
    assert_eq!(without_place(placed), "Unsupported model IR version: 99");
    assert_eq!(without_place("x (y) z"), "x (y) z");
}

#[test]
fn a_refusal_says_what_can_be_done() {
    let refusal = SessionError::Model("Unsupported model IR version: 99, max supported IR version: 14".into());
    assert!(refusal.to_string().contains("export it with an older `onnx` package"), "{refusal}");
    assert!(SessionError::Model("something else".into()).to_string().ends_with("something else"));
}

#[test]
fn cuda_without_a_gpu_is_a_loud_error() {
    let Err(error) = Session::open(&largest(), Device::Cuda) else { return eprintln!("skipped: CUDA works here") };
    assert!(matches!(error, SessionError::Cuda(_)), "{error}");
    assert!(error.to_string().ends_with("or use --device cpu"), "{error}");
}

#[test]
fn the_library_tells_its_version() {
    let runtime = Runtime::get().unwrap();
    let version = runtime.version();
    let numbers = version.split(' ').next().unwrap();
    assert!(!numbers.is_empty() && !version.contains("Build Info"), "{version}");
}
