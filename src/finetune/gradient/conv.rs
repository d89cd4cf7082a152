//! Conv: three gradients, of the input, the weights and the bias.
//! The forms are those that were the fastest on a CPU; each is a product that ONNX Runtime does near the machine's speed.

use super::reshape::reshaped;
use super::window::{Window, ints};
use super::{Node, Tape, Value};
use crate::deep::Tensor;
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, Graph};

/// Up to this many input channels (the stem has three) the weights' gradient is a convolution.
const FEW_CHANNELS: usize = 4;

#[derive(Debug, Clone)]
pub struct Conv {
    pub x: Value,
    pub w: Value,
    /// Input and output channels fall into so many groups; each output sees the inputs of its own.
    pub groups: usize,
    pub window: Window,
    /// Sides of the output.
    pub sides: [usize; 2],
    /// Pixels below and to the right that no window reaches.
    pub unreached: [usize; 2],
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    let (x, w) = (node.input(0)?.clone(), node.input(1)?.clone());
    if [x.shape.len(), w.shape.len()] != [3, 3] {
        node.of_rank(4)?;
        return of_maps(tape, node, x, w);
    }
    // a row of pixels is a picture that is one pixel high
    let [x, w] = [x, w].map(|row| reshaped(tape, &row, [&row.shape[..2], &[1], &row.shape[2..]].concat()));
    let y = of_maps(tape, node, x, w)?;
    Ok(reshaped(tape, &y, [&y.shape[..2], &y.shape[3..]].concat()))
}

fn of_maps(tape: &mut Tape, node: &Node, x: Value, w: Value) -> Result<Value, String> {
    let groups = usize::try_from(node.int("group", 1)).ok().filter(|&groups| groups > 0);
    let groups = groups.ok_or_else(|| format!("group = {} must be at least 1", node.int("group", 1)))?;
    let [outputs, inputs, height, width] = w.shape[..] else {
        return Err(format!("weights of four sides are expected, not {:?}", w.shape));
    };
    if x.shape[1] != inputs * groups || !outputs.is_multiple_of(groups) {
        return Err(format!("{:?} does not fit weights of {:?} in {groups} groups", x.shape, w.shape));
    }
    let input = [x.shape[2], x.shape[3]];
    let window = Window::of(node, Some([height, width]), input)?;
    let (sides, unreached) = window.output(input)?;
    let bias = node.optional(2).cloned();
    let learns = [&x, &w].into_iter().chain(&bias).any(|value| value.learns);
    let shape = vec![x.shape[0], outputs, sides[0], sides[1]];
    let conv = Conv { x, w, groups, window, sides, unreached };
    let begin = tape.graph.begin();
    let columns = conv.suits_columns().then(|| conv.columns(&mut tape.graph));
    let y = match &columns {
        Some(columns) => conv.by_columns(&mut tape.graph, columns, bias.as_ref()),
        None => conv.forward(&mut tape.graph, bias.as_ref()),
    };
    let operands: Vec<&str> = [&conv.x, &conv.w].into_iter().chain(&bias).map(|value| value.name.as_str()).collect();
    tape.graph.as_one(begin, operator::CONV, &operands, &conv.attributes(), &[&y]);
    Ok(tape.record(y, shape, learns, move |tape, dy| {
        tape.add_gradient(&conv.w, |g| {
            let begin = g.begin();
            let dw = match &columns {
                Some(columns) => conv.weights_by_columns(g, dy, columns),
                None => conv.weights(g, dy),
            };
            g.as_one(begin, operator::CONV_WEIGHT_GRADIENT, &[&conv.x.name, dy], &conv.attributes(), &[&dw]);
            dw
        });
        tape.add_gradient(&conv.x, |g| {
            let begin = g.begin();
            let dx = if columns.is_some() { conv.input_by_columns(g, dy) } else { conv.input(g, dy) };
            let attributes = [&conv.attributes()[..], &[("sides", ints(&conv.x.shape[2..]))]].concat();
            g.as_one(begin, operator::CONV_DATA_GRADIENT, &[dy, &conv.w.name], &attributes, &[&dx]);
            dx
        });
        if let Some(bias) = &bias {
            tape.add_gradient(bias, |g| g.reduce("ReduceSum", dy, &[0, 2, 3]));
        }
    }))
}

/// Swaps the first two sides of a tensor of four.
fn swapped(g: &mut Graph, x: &str) -> String {
    g.transpose(x, &[1, 0, 2, 3])
}

impl Conv {
    /// Window and groups, as a node states them.
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let mut attributes = self.window.attributes();
        attributes.push(("group", Attribute::Int(self.groups as i64)));
        attributes
    }

    fn forward(&self, g: &mut Graph, bias: Option<&Value>) -> String {
        let operands = [&self.x, &self.w].into_iter().chain(bias);
        let names: Vec<&str> = operands.map(|value| value.name.as_str()).collect();
        g.node("Conv", &names, &self.attributes())
    }

    /// A convolution with the turned kernel; where the stride is larger than one, a transposed convolution.
    fn input(&self, g: &mut Graph, dy: &str) -> String {
        let Window { kernel, strides, dilations, pads } = self.window;
        let around = [0, 1, 2, 3].map(|side| ((kernel[side % 2] - 1) * dilations[side % 2]).checked_sub(pads[side]));
        let [Some(top), Some(left), Some(bottom), Some(right)] = around else {
            return self.input_by_transposing(g, dy);
        };
        if strides != [1, 1] || self.groups > 1 {
            return self.input_by_transposing(g, dy);
        }
        let turned = self.turned(g);
        let pads = [top, left, bottom, right];
        let attributes = Window { kernel, strides, dilations, pads }.attributes();
        g.node("Conv", &[dy, &turned], &attributes)
    }

    pub fn input_by_transposing(&self, g: &mut Graph, dy: &str) -> String {
        let mut attributes = self.attributes();
        attributes.push(("output_padding", ints(&self.unreached)));
        g.node("ConvTranspose", &[dy, &self.w.name], &attributes)
    }

    /// The weights with input and output channels swapped and the kernel turned by 180 degrees. Turning is a product
    /// with a permutation matrix, which is 2 to 4 times faster than `Gather` or `Slice`.
    fn turned(&self, g: &mut Graph) -> String {
        let [outputs, inputs, height, width] = [0, 1, 2, 3].map(|side| self.w.shape[side]);
        let w = swapped(g, &self.w.name);
        let taps = height * width;
        if taps == 1 {
            return w;
        }
        let reversed = (0..taps * taps).map(|i| f32::from(u8::from(i / taps + i % taps == taps - 1))).collect();
        let reversed = g.floats(Tensor::new(&[taps, taps], reversed));
        let flat = g.reshape(&w, &[inputs * outputs, taps]);
        let turned = g.two("MatMul", &flat, &reversed);
        g.reshape(&turned, &[inputs, outputs, height, width])
    }

    fn weights(&self, g: &mut Graph, dy: &str) -> String {
        let pads = self.window.pads;
        let trimmed = [0, 1].map(|axis| pads[axis + 2].checked_sub(self.unreached[axis]));
        match trimmed {
            [Some(bottom), Some(right)] if self.groups == 1 && self.w.shape[1] <= FEW_CHANNELS => {
                self.weights_by_convolution(g, dy, [pads[0], pads[1], bottom, right])
            }
            _ => self.weights_by_taps(g, dy),
        }
    }

    /// A convolution of the input with the output's gradient as its kernel; images and channels change places.
    fn weights_by_convolution(&self, g: &mut Graph, dy: &str, pads: [usize; 4]) -> String {
        let (x, dy) = (swapped(g, &self.x.name), swapped(g, dy));
        // the steps between windows and those between places of the kernel change places too
        let (dilations, strides) = (self.window.strides, self.window.dilations);
        let attributes = Window { kernel: self.sides, strides, dilations, pads }.attributes();
        let sum = g.node("Conv", &[&x, &dy], &attributes);
        swapped(g, &sum)
    }

    /// One large matrix product for each place of the kernel (and each group), over the input shifted by that place.
    fn weights_by_taps(&self, g: &mut Graph, dy: &str) -> String {
        let [outputs, inputs, height, width] = [0, 1, 2, 3].map(|side| self.w.shape[side]);
        let pixels = self.pixels();
        let left = swapped(g, dy);
        let left = match self.groups {
            1 => g.reshape(&left, &[outputs, pixels]),
            groups => g.reshape(&left, &[groups, outputs / groups, pixels]),
        };
        let channels_last = self.padded(g);
        let Window { strides, pads, .. } = self.window;
        let whole = height * width == 1 && strides == [1, 1] && pads == [0; 4];
        let mut taps = Vec::with_capacity(height * width);
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            let view = if whole { channels_last.clone() } else { self.shifted(g, &channels_last, row, column) };
            let right = match self.groups {
                1 => g.reshape(&view, &[pixels, inputs]),
                groups => {
                    let split = g.reshape(&view, &[pixels, groups, inputs]);
                    g.transpose(&split, &[1, 0, 2])
                }
            };
            let product = g.two("MatMul", &left, &right);
            taps.push(g.reshape(&product, &[outputs, inputs, 1]));
        }
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let all =
            if let [one] = taps[..] { one.to_owned() } else { g.node("Concat", &taps, &[("axis", Attribute::Int(2))]) };
        g.reshape(&all, &self.w.shape)
    }

    /// Pixels of the output, of all images.
    pub fn pixels(&self) -> usize {
        self.x.shape[0] * self.sides[0] * self.sides[1]
    }

    /// The input with its padding: images x rows x columns x channels.
    pub fn padded(&self, g: &mut Graph) -> String {
        let channels_last = g.transpose(&self.x.name, &[0, 2, 3, 1]);
        if self.window.pads == [0; 4] {
            return channels_last;
        }
        let [top, left, bottom, right] = self.window.pads.map(|v| v as i64);
        let around = g.ints(&[0, top, left, 0, 0, bottom, right, 0]);
        g.two("Pad", &channels_last, &around)
    }

    /// What one place of the kernel sees of the padded input: images x rows x columns x channels.
    pub fn shifted(&self, g: &mut Graph, padded: &str, row: usize, column: usize) -> String {
        let starts = [row * self.window.dilations[0], column * self.window.dilations[1]];
        let ends = [0, 1].map(|axis| (starts[axis] + (self.sides[axis] - 1) * self.window.strides[axis] + 1) as i64);
        let (starts, ends) = (g.ints(&starts.map(|v| v as i64)), g.ints(&ends));
        let (axes, strides) = (g.ints(&[1, 2]), g.ints(&self.window.strides.map(|v| v as i64)));
        g.node("Slice", &[padded, &starts, &ends, &axes, &strides], &[])
    }
}
