//! Conv with many weights and few pixels, as in a network's last layers: one matrix product over all images. The
//! runtime's own convolution goes through all weights once an image, which takes longer there than the arithmetic: with
//! it a step of ResNet-18 on 64 pixels takes a fifth less.

use super::Value;
use super::conv::Conv;
use crate::deep::onnx::{Attribute, Graph};

/// Pixels of an output up to which, and weights from which on, one product is faster; tests have small networks.
const FEW_PIXELS: usize = 16;
const MANY_WEIGHTS: usize = if cfg!(test) { 140 } else { 1 << 18 };

impl Conv {
    /// Is one product faster?
    pub fn suits_columns(&self) -> bool {
        let weights: usize = self.w.shape.iter().product();
        let few = self.sides[0] * self.sides[1] <= FEW_PIXELS && weights >= MANY_WEIGHTS;
        few && self.groups == 1 && !self.window.is_dilated() && self.window.kernel != [1, 1]
    }

    /// Images x rows x columns of the output, then input channels x places of the kernel, as the weights have them.
    pub fn columns(&self, g: &mut Graph) -> String {
        let [_, inputs, height, width] = [0, 1, 2, 3].map(|side| self.w.shape[side]);
        let padded = self.padded(g);
        let taps: Vec<String> = (0..height * width)
            .map(|tap| {
                let view = self.shifted(g, &padded, tap / width, tap % width);
                g.reshape(&view, &[self.pixels(), inputs, 1])
            })
            .collect();
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let all = g.node("Concat", &taps, &[("axis", Attribute::Int(2))]);
        g.reshape(&all, &[self.pixels(), inputs * height * width])
    }

    /// The weights as a matrix: output channels x columns.
    fn matrix(&self, g: &mut Graph) -> String {
        let [outputs, inputs, height, width] = [0, 1, 2, 3].map(|side| self.w.shape[side]);
        g.reshape(&self.w.name, &[outputs, inputs * height * width])
    }

    /// The output by one product.
    pub fn by_columns(&self, g: &mut Graph, columns: &str, bias: Option<&Value>) -> String {
        let matrix = self.matrix(g);
        let operands: Vec<&str> = [columns, &matrix].into_iter().chain(bias.map(|bias| bias.name.as_str())).collect();
        let rows = g.node("Gemm", &operands, &[("transB", Attribute::Int(1))]);
        let [height, width] = self.sides;
        let channels_last = g.reshape(&rows, &[self.x.shape[0], height, width, self.w.shape[0]]);
        g.transpose(&channels_last, &[0, 3, 1, 2])
    }

    /// The output's gradient as a matrix: pixels x output channels.
    fn rows(&self, g: &mut Graph, dy: &str) -> String {
        let channels_last = g.transpose(dy, &[0, 2, 3, 1]);
        g.reshape(&channels_last, &[self.pixels(), self.w.shape[0]])
    }

    pub fn weights_by_columns(&self, g: &mut Graph, dy: &str, columns: &str) -> String {
        let rows = self.rows(g, dy);
        let product = g.node("Gemm", &[&rows, columns], &[("transA", Attribute::Int(1))]);
        g.reshape(&product, &self.w.shape)
    }

    /// Every column goes back to the pixels that it was taken from; where the stride is larger than one, a transposed
    /// convolution.
    pub fn input_by_columns(&self, g: &mut Graph, dy: &str) -> String {
        if self.window.strides != [1, 1] {
            return self.input_by_transposing(g, dy);
        }
        let rows = self.rows(g, dy);
        let [_, inputs, height, width] = [0, 1, 2, 3].map(|side| self.w.shape[side]);
        let ([rows_out, columns_out], pads) = (self.sides, self.window.pads.map(|pad| pad as i64));
        let matrix = self.matrix(g);
        let product = g.two("MatMul", &rows, &matrix);
        let places = g.reshape(&product, &[self.x.shape[0], rows_out, columns_out, inputs, height * width]);
        let taps: Vec<String> = (0..height * width).map(|_| g.fresh("tap")).collect();
        let sizes = g.ints(&vec![1; taps.len()]);
        let names: Vec<&str> = taps.iter().map(String::as_str).collect();
        g.node_to("Split", &[&places, &sizes], &[("axis", Attribute::Int(4))], &names);
        let moved: Vec<String> = taps
            .iter()
            .enumerate()
            .map(|(tap, name)| {
                let taken = g.reshape(name, &[self.x.shape[0], rows_out, columns_out, inputs]);
                let (row, column) = ((tap / width) as i64, (tap % width) as i64);
                // negative where the place lies in the padding: that is cut off
                let (above, left) = (row - pads[0], column - pads[1]);
                let below = (height as i64 - 1 - row) - pads[2] + self.unreached[0] as i64;
                let right = (width as i64 - 1 - column) - pads[3] + self.unreached[1] as i64;
                let around = g.ints(&[0, above, left, 0, 0, below, right, 0]);
                g.two("Pad", &taken, &around)
            })
            .collect();
        let moved: Vec<&str> = moved.iter().map(String::as_str).collect();
        let sum = g.node("Sum", &moved, &[]);
        g.transpose(&sum, &[0, 3, 1, 2])
    }
}
