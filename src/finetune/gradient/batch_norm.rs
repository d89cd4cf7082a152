//! BatchNormalization, with the statistics of the batch or with frozen ones.
//! The normalisation itself is the operator's inference form, one pass over the data.

use serde::{Deserialize, Serialize};

use super::{Node, Tape, Value};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Graph};

/// Which statistics normalise. Whether scale and bias learn is said where the parameters to be trained are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// Those of the batch; the running ones follow.
    #[default]
    Train,
    /// The running ones, which stay.
    Frozen,
}

/// A running statistic and the value that it has after the step, both by their names in the new graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistic {
    pub value: String,
    pub updated: String,
}

/// What both forms of the backward pass need.
struct Layer {
    x: Value,
    scale: Value,
    bias: Value,
    mean: String,
    /// One over the standard deviation.
    inverse: String,
    /// Every axis but the channels'.
    axes: Vec<i64>,
    /// Numbers of one channel.
    count: usize,
}

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    node.require("training_mode", 0)?;
    let x = node.input(0)?.clone();
    if x.shape.len() < 2 {
        return Err(format!("channels are expected as the second side, not {:?}", x.shape));
    }
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|place| node.input(place).cloned());
    let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
    let axes: Vec<i64> = (0..x.shape.len() as i64).filter(|&axis| axis != 1).collect();
    let count = x.shape.iter().product::<usize>() / x.shape[1];
    let epsilon = node.float("epsilon", 1e-5);
    let (used_mean, used_variance) = match tape.batch_norm {
        BatchNorm::Frozen => (mean.name, variance.name),
        BatchNorm::Train if count < 2 => {
            return Err(
                "a channel of this batch has a single number, which has no variance: take a larger batch".into()
            );
        }
        BatchNorm::Train => {
            let (batch_mean, batch_variance) = of_batch(&mut tape.graph, &x, &axes, count);
            let keep = f64::from(node.float("momentum", 0.9));
            // as in PyTorch, the running variance is the unbiased one
            let unbiased = count as f64 / (count - 1) as f64;
            follow(tape, &mean, &batch_mean, keep, 1.0);
            follow(tape, &variance, &batch_variance, keep, unbiased);
            (batch_mean, batch_variance)
        }
    };
    let inputs = [&x.name, &scale.name, &bias.name, &used_mean, &used_variance].map(String::as_str);
    let y = tape.graph.node("BatchNormalization", &inputs, &[("epsilon", Attribute::Float(epsilon))]);
    let (shape, operands) = (x.shape.clone(), [x.clone(), scale.clone(), bias.clone()]);
    let batch_norm = tape.batch_norm;
    Ok(tape.record(y, shape, &operands.each_ref(), move |tape, dy| {
        let inverse = inverse_deviation(&mut tape.graph, &used_variance, epsilon);
        let layer = Layer { x, scale, bias, mean: used_mean, inverse, axes, count };
        match batch_norm {
            BatchNorm::Train => layer.backward_of_batch(tape, dy),
            BatchNorm::Frozen => layer.backward_of_frozen(tape, dy),
        }
    }))
}

/// Mean and (biased) variance of each channel.
fn of_batch(g: &mut Graph, x: &Value, axes: &[i64], count: usize) -> (String, String) {
    let mean = g.reduce("ReduceMean", &x.name, axes);
    let squares = g.reduce("ReduceSumSquare", &x.name, axes);
    let (squares, square) = (g.times(&squares, 1.0 / count as f64), g.two("Mul", &mean, &mean));
    let variance = g.two("Sub", &squares, &square);
    (mean, variance)
}

/// The running statistic moves towards the batch's.
fn follow(tape: &mut Tape, running: &Value, batch: &str, keep: f64, factor: f64) {
    let (kept, new) = (tape.graph.times(&running.name, keep), tape.graph.times(batch, factor * (1.0 - keep)));
    let updated = tape.graph.two("Add", &kept, &new);
    tape.statistics.push(Statistic { value: running.name.clone(), updated });
}

fn inverse_deviation(g: &mut Graph, variance: &str, epsilon: f32) -> String {
    let epsilon = g.number(f64::from(epsilon));
    let sum = g.two("Add", variance, &epsilon);
    let root = g.node("Sqrt", &[&sum], &[]);
    g.node("Reciprocal", &[&root], &[])
}

/// a x + b with one a and one b a channel, in one pass.
fn affine(g: &mut Graph, x: &str, a: &str, b: &str, channels: usize) -> String {
    let epsilon = 1e-5f32;
    let zero = g.floats(Tensor::new(&[channels], vec![0.0; channels]));
    let one = g.floats(Tensor::new(&[channels], vec![1.0 - epsilon; channels]));
    g.node("BatchNormalization", &[x, a, b, &zero, &one], &[("epsilon", Attribute::Float(epsilon))])
}

impl Layer {
    /// Gradients of bias and scale.
    fn sums(&self, g: &mut Graph, dy: &str) -> (String, String) {
        let bias = g.reduce("ReduceSum", dy, &self.axes);
        let product = g.two("Mul", dy, &self.x.name);
        let product = g.reduce("ReduceSum", &product, &self.axes);
        let shift = g.two("Mul", &self.mean, &bias);
        let centred = g.two("Sub", &product, &shift);
        let scale = g.two("Mul", &self.inverse, &centred);
        (bias, scale)
    }

    /// dx = a dy + b x + c: the mean and the variance depend on x too.
    fn backward_of_batch(self, tape: &mut Tape, dy: &str) {
        let (bias, scale) = self.sums(&mut tape.graph, dy);
        tape.add_gradient(&self.x, |g| {
            let share = 1.0 / self.count as f64;
            let a = g.two("Mul", &self.scale.name, &self.inverse);
            let slope = g.two("Mul", &a, &self.inverse);
            let (of_scale, of_bias) = (g.times(&scale, -share), g.times(&bias, -share));
            let b = g.two("Mul", &slope, &of_scale);
            let (centre, level) = (g.two("Mul", &b, &self.mean), g.two("Mul", &a, &of_bias));
            let c = g.two("Sub", &level, &centre);
            let bent = affine(g, &self.x.name, &b, &c, self.x.shape[1]);
            let scaled = self.times_channel(g, dy, &a);
            g.two("Add", &scaled, &bent)
        });
        tape.add_gradient(&self.scale, |_| scale);
        tape.add_gradient(&self.bias, |_| bias);
    }

    fn backward_of_frozen(self, tape: &mut Tape, dy: &str) {
        if self.scale.learns || self.bias.learns {
            let (bias, scale) = self.sums(&mut tape.graph, dy);
            tape.add_gradient(&self.scale, |_| scale);
            tape.add_gradient(&self.bias, |_| bias);
        }
        tape.add_gradient(&self.x, |g| {
            let a = g.two("Mul", &self.scale.name, &self.inverse);
            self.times_channel(g, dy, &a)
        });
    }

    /// Each channel of `x` times its number in `a`.
    fn times_channel(&self, g: &mut Graph, x: &str, a: &str) -> String {
        let mut shape = vec![1; self.x.shape.len()];
        shape[1] = self.x.shape[1];
        let a = g.reshape(a, &shape);
        g.two("Mul", x, &a)
    }
}
