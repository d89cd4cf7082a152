//! AveragePool: each gradient is shared out among the pixels of its window, which is a transposed convolution of every
//! channel with a kernel of ones.

use super::{
    Node, Tape, Value,
    window::{Window, ints},
};
use crate::deep::Tensor;
use crate::deep::onnx::Attribute;

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let x = node.of_rank(4)?.clone();
    let input = [x.shape[2], x.shape[3]];
    let window = Window::of(node, None, input)?;
    if window.is_dilated() {
        return Err("dilations can't be trained; [1, 1] is expected".into());
    }
    let (sides, unreached) = window.output(input)?;
    let by_word = node.text("auto_pad").is_some_and(|word| word.starts_with("SAME"));
    let padded = by_word || node.ints("pads").is_some_and(|pads| pads.iter().any(|&pad| pad > 0));
    let with_padding = if padded { node.int("count_include_pad", 0) } else { 0 };
    if with_padding == 1 {
        // what lies beyond the padding is not counted, which no padding can say
        node.require("ceil_mode", 0)?;
    }
    let mut attributes = window.attributes();
    attributes.push(("count_include_pad", Attribute::Int(with_padding)));
    let y = tape.graph.node("AveragePool", &[&x.name], &attributes);
    let shape = vec![x.shape[0], x.shape[1], sides[0], sides[1]];
    Ok(tape.record(y, shape, x.learns, move |tape, dy| {
        tape.add_gradient(&x, |g| {
            let share = shares(&window, input, sides, with_padding == 1);
            let share = g.floats(share);
            let dy = g.two("Mul", dy, &share);
            let ([height, width], channels) = (window.kernel, x.shape[1]);
            let ones = g.floats(Tensor::new(&[channels, 1, height, width], vec![1.0; channels * height * width]));
            let mut attributes = window.attributes();
            attributes.push(("group", Attribute::Int(channels as i64)));
            attributes.push(("output_padding", ints(&unreached)));
            g.node("ConvTranspose", &[&dy, &ones], &attributes)
        });
    }))
}

/// One over the number of pixels that each window averages: 1 x 1 x rows x columns.
fn shares(window: &Window, input: [usize; 2], output: [usize; 2], with_padding: bool) -> Tensor {
    let along = |axis: usize, place: usize| {
        if with_padding {
            return window.kernel[axis];
        }
        let (start, pad) = (place * window.strides[axis], window.pads[axis]);
        (start + window.kernel[axis]).min(input[axis] + pad) - start.max(pad)
    };
    let places = (0..output[0]).flat_map(|row| (0..output[1]).map(move |column| (row, column)));
    let data = places.map(|(row, column)| 1.0 / (along(0, row) * along(1, column)) as f32).collect();
    Tensor::new(&[1, 1, output[0], output[1]], data)
}
