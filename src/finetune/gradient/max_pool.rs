//! MaxPool: each gradient goes to the pixel that was the largest of its window.

use super::{
    Node, Tape, Value,
    window::{Window, ints},
};
use crate::deep::Tensor;
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, TensorProto};

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.of_rank(4)?.clone();
    node.require("storage_order", 0)?;
    let input = [x.shape[2], x.shape[3]];
    let window = Window::of(node, None, input)?;
    let ([rows, columns], _) = window.output(input)?;
    let (y, places) = (tape.graph.fresh("maxpool"), tape.graph.fresh("places"));
    // with the places of the maxima it is slower, so they are asked for only where they are needed
    let outputs = if x.learns { vec![y.as_str(), &places] } else { vec![y.as_str()] };
    let begin = tape.graph.begin();
    tape.graph.node_to("MaxPool", &[&x.name], &window.attributes(), &outputs);
    let ours = is_ours(&window);
    if ours {
        tape.graph.as_one(begin, operator::MAX_POOL, &[&x.name], &window.attributes(), &outputs);
    }
    let shape = vec![x.shape[0], x.shape[1], rows, columns];
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let begin = g.begin();
            let count = g.ints(&[x.shape.iter().product::<usize>() as i64]);
            let zero = TensorProto::float("zero", Tensor::new(&[1], vec![0.0]));
            let zeros = g.node("ConstantOfShape", &[&count], &[("value", Attribute::Tensor(zero.into()))]);
            let flat = g.ints(&[-1]);
            let (flat_places, flat_dy) = (g.two("Reshape", &places, &flat), g.two("Reshape", dy, &flat));
            // windows overlap: a pixel can be the largest of several
            let sum = [("reduction", Attribute::Text("add".into()))];
            let sum = g.node("ScatterElements", &[&zeros, &flat_places, &flat_dy], &sum);
            let dx = g.reshape(&sum, &x.shape);
            if ours {
                let attributes = [&window.attributes()[..], &[("sides", ints(&input))]].concat();
                g.as_one(begin, operator::MAX_POOL_GRADIENT, &[dy, &places], &attributes, &[&dx]);
            }
            dx
        });
    }))
}

/// Has the window so few places that a byte tells which one, and a pixel wherever it stands?
fn is_ours(window: &Window) -> bool {
    let [height, width] = window.kernel;
    height * width <= 256 && !window.is_dilated() && (0..4).all(|side| window.pads[side] < window.kernel[side % 2])
}
