//! Networks that were exported for one image at a time.

use crate::deep::onnx::{Dimension, GraphProto, TensorProto, ValueInfoProto};

/// Lets a graph take any number of images. Where its input states a single one, so do the shapes that it reshapes to:
/// their first 1 becomes what is left. A network that has one image elsewhere too (in a class token) is refused when it is
/// read for training.
pub fn free(graph: &mut GraphProto) {
    if is_single(graph) {
        for node in 0..graph.node.len() {
            free_reshape(graph, node);
        }
    }
    graph.free_batch();
}

/// Does an input state one image?
fn is_single(graph: &GraphProto) -> bool {
    let shapes = graph.input.iter().filter_map(ValueInfoProto::sides);
    shapes.into_iter().any(|sides| sides.first() == Some(&Dimension::Size(1)))
}

fn free_reshape(graph: &mut GraphProto, node: usize) {
    let node = &mut graph.node[node];
    let Some(name) = node.input.get(1).filter(|_| node.is_standard("Reshape")).cloned() else { return };
    let stated = graph.initializer.iter().find(|tensor| tensor.name == name).and_then(TensorProto::integers);
    let Some(mut shape) = stated.filter(|shape| shape.first() == Some(&1)) else { return };
    // beside a side that is left, the first one is kept as it is
    shape[0] = if shape.contains(&-1) { 0 } else { -1 };
    let freed = format!("{name} (any number of images)");
    node.input[1].clone_from(&freed);
    if graph.initializer.iter().all(|tensor| tensor.name != freed) {
        graph.initializer.push(TensorProto::int64(&freed, &[shape.len()], &shape));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::Graph;
    use crate::deep::session::{Device, Input, Session};

    #[test]
    fn a_network_of_one_image_takes_several() {
        let mut graph = Graph::new("one image");
        let sides = |sides: [i64; 4]| sides.map(Dimension::Size);
        graph.input("x", &sides([1, 2, 1, 3]));
        let [flat, kept] = [&[1, 6][..], &[1, -1, 3]].map(|shape| graph.ints(shape));
        let rows = graph.node("Reshape", &["x", &flat], &[]);
        graph.node_to("Reshape", &[&rows, &kept], &[], &["y"]);
        graph.output("y", &[1, 2, 3].map(Dimension::Size));
        let mut model = graph.model();
        free(model.graph.as_mut().unwrap());
        let data: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let mut session = Session::open(&model.write(), Device::cpu()).unwrap();
        let found = session.run(&[Input { name: "x", shape: &[2, 2, 1, 3], data: &data }], &["y"]).unwrap();
        assert_eq!((&found[0].shape[..], &found[0].data), (&[2, 2, 3][..], &data));
    }
}
