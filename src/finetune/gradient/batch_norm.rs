//! BatchNormalization, with the statistics of the batch or with frozen ones.
//! The normalisation itself is the operator's inference form, one pass over the data.

use super::add::sum;
use super::mul::product;
use super::reshape::reshaped;
use super::{Node, Tape, Value, unary};
use crate::deep::Tensor;
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, Graph};

/// Which statistics normalise. Whether scale and bias learn is said where the parameters to be trained are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

pub fn rule(tape: &mut Tape, node: &Node) -> Result<Value, String> {
    node.require("training_mode", 0)?;
    let x = node.input(0)?.clone();
    if x.shape.len() < 2 {
        return Err(format!("channels are expected as the second side, not {:?}", x.shape));
    }
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|place| node.input(place).cloned());
    let layer = Layer {
        axes: (0..x.shape.len() as i64).filter(|&axis| axis != 1).collect(),
        count: x.shape.iter().product::<usize>() / x.shape[1],
        epsilon: node.float("epsilon", 1e-5),
        x,
        scale: scale?,
        bias: bias?,
    };
    let [mean, variance] = [mean?, variance?];
    if node.constants.computes_statistics(node.proto) {
        return layer.of_computed(tape, &mean, &variance);
    }
    match tape.batch_norm {
        BatchNorm::Frozen => Ok(layer.frozen(tape, mean.name, &variance.name)),
        BatchNorm::Train => layer.of_batch(tape, &mean, &variance, f64::from(node.float("momentum", 0.9))),
    }
}

struct Layer {
    x: Value,
    scale: Value,
    bias: Value,
    /// Every axis but the channels'.
    axes: Vec<i64>,
    /// Numbers of one channel.
    count: usize,
    epsilon: f32,
}

/// Of a batch, with what lies around its mean.
struct Moments {
    centred: String,
    mean: String,
    variance: String,
}

impl Layer {
    fn epsilon(&self) -> [(&'static str, Attribute); 1] {
        [("epsilon", Attribute::Float(self.epsilon))]
    }

    /// The statistics are those of the batch; `mean` and `variance` follow, keeping `keep` of themselves.
    fn of_batch(self, tape: &mut Tape, mean: &Value, variance: &Value, keep: f64) -> Result<Value, String> {
        if self.count < 2 {
            return Err(
                "a channel of this batch has a single number, which has no variance: take a larger batch".into()
            );
        }
        let g = &mut tape.graph;
        let begin = g.begin();
        let batch_mean = g.reduce("ReduceMean", &self.x.name, &self.axes);
        // the mean square minus the square of the mean would save this pass, and lose three digits of the gradients
        let shift = self.for_each_channel(g, &batch_mean);
        let centred = g.two("Sub", &self.x.name, &shift);
        let squares = g.reduce("ReduceSumSquare", &centred, &self.axes);
        let batch_variance = g.times(&squares, 1.0 / self.count as f64);
        let zero = g.floats(Tensor::new(&mean.shape, vec![0.0; mean.shape[0]]));
        let y = self.normalised(g, &centred, &zero, &batch_variance);
        if self.x.is_map() {
            let inputs = [&self.x, &self.scale, &self.bias].map(|value| value.name.as_str());
            g.as_one(begin, operator::BATCH_NORM, &inputs, &self.epsilon(), &[&y, &batch_mean, &batch_variance]);
        }
        follow(tape, mean, &batch_mean, keep, 1.0);
        // as in PyTorch, the running variance is the unbiased one
        follow(tape, variance, &batch_variance, keep, self.count as f64 / (self.count - 1) as f64);
        let moments = Moments { centred, mean: batch_mean, variance: batch_variance };
        Ok(self.record(tape, y, move |layer, tape, dy| layer.backward_of_batch(tape, dy, &moments)))
    }

    /// dx = a dy + b (x - mean) + c, with one a, b and c a channel: mean and variance depend on x too.
    fn backward_of_batch(self, tape: &mut Tape, dy: &str, Moments { centred, mean, variance }: &Moments) {
        let g = &mut tape.graph;
        let begin = g.begin();
        let inverse = self.inverse_deviation(g, variance);
        let bias = g.reduce("ReduceSum", dy, &self.axes);
        let scale = self.sum_of_products(g, dy, centred);
        let scale = g.two("Mul", &inverse, &scale);
        let share = -1.0 / self.count as f64;
        let a = g.two("Mul", &self.scale.name, &inverse);
        let slope = g.two("Mul", &a, &inverse);
        let (of_scale, of_bias) = (g.times(&scale, share), g.times(&bias, share));
        let (b, c) = (g.two("Mul", &slope, &of_scale), g.two("Mul", &a, &of_bias));
        let bent = affine(g, centred, &b, &c, self.x.shape[1]);
        let a = self.for_each_channel(g, &a);
        let scaled = g.two("Mul", dy, &a);
        let dx = g.two("Add", &scaled, &bent);
        if self.x.is_map() {
            let inputs = [dy, &self.x.name, &self.scale.name, mean, variance];
            g.as_one(begin, operator::BATCH_NORM_GRADIENT, &inputs, &self.epsilon(), &[&dx, &scale, &bias]);
        }
        tape.add_gradient(&self.x, |_| dx);
        tape.add_gradient(&self.scale, |_| scale);
        tape.add_gradient(&self.bias, |_| bias);
    }

    /// The running statistics, which stay.
    fn frozen(self, tape: &mut Tape, mean: String, variance: &str) -> Value {
        let begin = tape.graph.begin();
        let y = self.normalised(&mut tape.graph, &self.x.name, &mean, variance);
        if self.x.is_map() {
            let inputs = [&self.x.name, &self.scale.name, &self.bias.name, mean.as_str(), variance];
            tape.graph.as_one(begin, operator::FIXED_NORM, &inputs, &self.epsilon(), &[&y]);
        }
        let variance = variance.to_owned();
        self.record(tape, y, move |layer, tape, dy| layer.backward_of_frozen(tape, dy, &mean, &variance))
    }

    fn backward_of_frozen(self, tape: &mut Tape, dy: &str, mean: &str, variance: &str) {
        let g = &mut tape.graph;
        let begin = g.begin();
        let inverse = self.inverse_deviation(g, variance);
        let of_parameters = (self.scale.learns || self.bias.learns).then(|| {
            let bias = g.reduce("ReduceSum", dy, &self.axes);
            let (product, shift) = (self.sum_of_products(g, dy, &self.x.name), g.two("Mul", mean, &bias));
            let centred = g.two("Sub", &product, &shift);
            (g.two("Mul", &inverse, &centred), bias)
        });
        let dx = self.x.learns.then(|| {
            let a = g.two("Mul", &self.scale.name, &inverse);
            let a = self.for_each_channel(g, &a);
            g.two("Mul", dy, &a)
        });
        if let Some(dx) = dx.as_deref().filter(|_| self.x.is_map()) {
            let inputs = [dy, &self.x.name, &self.scale.name, mean, variance];
            let of_parameters = of_parameters.iter().flat_map(|(scale, bias)| [scale.as_str(), bias]);
            let outputs: Vec<&str> = [dx].into_iter().chain(of_parameters).collect();
            g.as_one(begin, operator::FIXED_NORM_GRADIENT, &inputs, &self.epsilon(), &outputs);
        }
        if let Some((scale, bias)) = of_parameters {
            tape.add_gradient(&self.scale, |_| scale);
            tape.add_gradient(&self.bias, |_| bias);
        }
        if let Some(dx) = dx {
            tape.add_gradient(&self.x, |_| dx);
        }
    }

    /// The statistics are values that learn, those of weights that are standardised (Qiao and others 2019).
    fn of_computed(self, tape: &mut Tape, mean: &Value, variance: &Value) -> Result<Value, String> {
        let mut each = vec![1; self.x.shape.len()];
        each[1] = self.x.shape[1];
        let epsilon = tape.number(f64::from(self.epsilon));
        let variance = sum(tape, variance, &epsilon)?;
        let deviation = unary::of(tape, "Sqrt", &variance)?;
        let (inverse, shift) = (unary::of(tape, "Reciprocal", &deviation)?, unary::of(tape, "Neg", mean)?);
        let [shift, inverse, scale, bias] =
            [&shift, &inverse, &self.scale, &self.bias].map(|value| reshaped(tape, value, each.clone()));
        let centred = sum(tape, &self.x, &shift)?;
        let factor = product(tape, &inverse, &scale)?;
        let scaled = product(tape, &centred, &factor)?;
        sum(tape, &scaled, &bias)
    }

    fn record(self, tape: &mut Tape, y: String, backward: impl FnOnce(Layer, &mut Tape, &str) + 'static) -> Value {
        let (shape, learns) = (self.x.shape.clone(), self.x.learns || self.scale.learns || self.bias.learns);
        tape.record(y, shape, learns, move |tape, dy| backward(self, tape, dy))
    }

    /// The operator's inference form.
    fn normalised(&self, g: &mut Graph, x: &str, mean: &str, variance: &str) -> String {
        let inputs = [x, &self.scale.name, &self.bias.name, mean, variance];
        g.node("BatchNormalization", &inputs, &self.epsilon())
    }

    /// One number a channel, in a shape that fits the data.
    fn for_each_channel(&self, g: &mut Graph, numbers: &str) -> String {
        let mut shape = vec![1; self.x.shape.len()];
        shape[1] = self.x.shape[1];
        g.reshape(numbers, &shape)
    }

    fn sum_of_products(&self, g: &mut Graph, a: &str, b: &str) -> String {
        let product = g.two("Mul", a, b);
        g.reduce("ReduceSum", &product, &self.axes)
    }

    fn inverse_deviation(&self, g: &mut Graph, variance: &str) -> String {
        let epsilon = g.number(f64::from(self.epsilon));
        let sum = g.two("Add", variance, &epsilon);
        let root = g.node("Sqrt", &[&sum], &[]);
        g.node("Reciprocal", &[&root], &[])
    }
}

/// The running statistic moves towards the batch's.
fn follow(tape: &mut Tape, running: &Value, batch: &str, keep: f64, factor: f64) {
    let (kept, new) = (tape.graph.times(&running.name, keep), tape.graph.times(batch, factor * (1.0 - keep)));
    let updated = tape.graph.two("Add", &kept, &new);
    tape.statistics.push(Statistic { value: running.name.clone(), updated });
}

/// a x + b with one a and one b a channel, in one pass.
fn affine(g: &mut Graph, x: &str, a: &str, b: &str, channels: usize) -> String {
    let epsilon = 1e-5f32;
    let zero = g.floats(Tensor::new(&[channels], vec![0.0; channels]));
    let one = g.floats(Tensor::new(&[channels], vec![1.0 - epsilon; channels]));
    g.node("BatchNormalization", &[x, a, b, &zero, &one], &[("epsilon", Attribute::Float(epsilon))])
}
