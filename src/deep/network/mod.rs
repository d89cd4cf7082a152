//! Networks as ONNX graphs whose parameters carry torchvision's names.
//! A network is built without numbers first: which parameters it needs, and in which shapes, is part of it.

pub mod efficientnet;
pub mod naming;
pub mod resnet;
pub mod vgg;

use serde::Deserialize;

use super::onnx::{Attribute, Dimension, Graph, ModelProto, TensorProto};
use super::weights::{Shapes, Weights, WeightsError};
use efficientnet::EfficientNetLite;
use resnet::ResNet;
use vgg::Vgg;

/// Name of a network's image input, N x 3 x height x width.
pub const INPUT: &str = "input";
/// Name of the output that every network has: N x [`Network::dimension`], what its classification layer works on, or
/// where it is cut the average over its last feature map.
pub const FEATURES: &str = "features";
/// Name of the output of a network with a classification layer: N x classes, before softmax.
pub const LOGITS: &str = "logits";
/// How the names of numbers begin that belong to what a network computes and are no parameters: they never learn.
pub const FIXED: &str = "fixed.";

/// A network that featbench builds: the family, and which member of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    ResNet(ResNet),
    Vgg(Vgg),
    #[serde(rename = "efficientnet-lite")]
    EfficientNetLite(EfficientNetLite),
}

impl Family {
    /// Reads family and member off the names of the parameters, where there are those that a family begins with.
    pub fn of(shapes: &Shapes) -> Option<Family> {
        let resnet = ResNet::of(shapes).map(Family::ResNet);
        let vgg = || Vgg::of(shapes).map(Family::Vgg);
        resnet.or_else(vgg).or_else(|| EfficientNetLite::of(shapes).map(Family::EfficientNetLite))
    }

    /// What messages call it, and how the names of its parameters begin, but for those of its head.
    fn named(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Family::ResNet(_) => ("a ResNet", &["conv", "bn", "layer"]),
            Family::Vgg(_) => ("a VGG", &["features."]),
            Family::EfficientNetLite(_) => ("an EfficientNet-Lite", &["_conv", "_bn", "_blocks."]),
        }
    }

    /// Which of its values the features are, in words.
    pub fn taken(&self) -> &'static str {
        match self {
            Family::Vgg(network) if !network.cut => "output of its second hidden layer",
            _ => "average before its classifier",
        }
    }

    /// The same network with another number of classes, or without a classification layer.
    pub fn with_classes(self, classes: Option<usize>) -> Family {
        match self {
            Family::ResNet(network) => Family::ResNet(ResNet { classes, ..network }),
            Family::Vgg(network) => Family::Vgg(Vgg { classes, ..network }),
            Family::EfficientNetLite(network) => Family::EfficientNetLite(EfficientNetLite { classes, ..network }),
        }
    }

    /// Outputs of the classification layer, where there is one.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Family::ResNet(network) => network.classes,
            Family::Vgg(network) => network.classes,
            Family::EfficientNetLite(network) => network.classes,
        }
    }

    /// What [`Family::cut_after`] calls the stages, first to last: as torchvision does where it has a name for them.
    pub fn stages(&self) -> Vec<String> {
        let (name, count) = match self {
            Family::ResNet(network) => ("layer", network.blocks.len()),
            Family::Vgg(network) => ("pool", network.stages.len()),
            Family::EfficientNetLite(network) => ("stage", network.stages.len()),
        };
        (1..=count).map(|number| format!("{name}{number}")).collect()
    }

    /// The same network up to the end of a stage: its features are that stage's average. `None` where it has no such
    /// stage.
    pub fn cut_after(&self, stage: &str) -> Option<Family> {
        let stage = 1 + self.stages().iter().position(|name| name == stage)?;
        Some(match self {
            Family::ResNet(network) => Family::ResNet(network.cut_after(stage)),
            Family::Vgg(network) => Family::Vgg(network.cut_after(stage)),
            Family::EfficientNetLite(network) => Family::EfficientNetLite(network.cut_after(stage)),
        })
    }

    /// The graph for inputs of `side` x `side` pixels: input [`INPUT`], outputs [`FEATURES`] and, with classes,
    /// [`LOGITS`]. The batch is free, and so are the sides unless the layers depend on them.
    pub fn network(&self, side: usize) -> Network {
        match self {
            Family::ResNet(network) => network.network(),
            Family::Vgg(network) => network.network(side),
            Family::EfficientNetLite(network) => network.network(),
        }
    }
}

/// A graph and the parameters that it names but does not hold.
#[derive(Debug, Clone)]
pub struct Network {
    graph: Graph,
    /// Name and shape, in the order of computation.
    pub parameters: Vec<(String, Vec<usize>)>,
    /// Length of the feature vector.
    pub dimension: usize,
}

impl Network {
    /// The network with its numbers. Weights that the network does not name (those of stages that were cut off) are
    /// ignored; [`weights::check`](super::weights::check) tells whether there are any.
    ///
    /// # Errors
    /// A parameter that is missing or has another shape.
    pub fn with(mut self, mut weights: Weights) -> Result<ModelProto, WeightsError> {
        for (name, expected) in self.parameters {
            match weights.remove(&name) {
                None => return Err(WeightsError::Missing { name, expected }),
                Some(found) if found.shape != expected => {
                    return Err(WeightsError::Shape { name, found: found.shape, expected });
                }
                Some(tensor) => self.graph.initializer(TensorProto::float(&name, tensor)),
            }
        }
        Ok(self.graph.model())
    }
}

/// A network under construction: a graph that notes down each parameter it uses.
#[derive(Debug)]
struct Builder {
    graph: Graph,
    parameters: Vec<(String, Vec<usize>)>,
    /// Of its batch norms.
    epsilon: f32,
}

/// A convolution: channels in and out, side of the kernel, stride, groups, with a bias or not; padded by half the kernel,
/// or as TensorFlow does, where the stride is 2 and sides are even.
#[derive(Debug, Clone, Copy)]
struct Conv {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    bias: bool,
    as_tensorflow: bool,
}

impl Conv {
    /// Of stride 1, without groups or bias.
    fn new(input: usize, output: usize, kernel: usize) -> Conv {
        Conv { input, output, kernel, stride: 1, groups: 1, bias: false, as_tensorflow: false }
    }
}

impl Builder {
    fn new(name: &str) -> Builder {
        Builder { graph: Graph::new(name), parameters: Vec::new(), epsilon: 1e-5 }
    }

    /// Declares the input of images, whose batch is free.
    fn images(&mut self, height: Dimension, width: Dimension) {
        self.graph.input(INPUT, &[Dimension::Name("batch".into()), Dimension::Size(3), height, width]);
    }

    /// The same with free sides.
    fn images_of_any_side(&mut self) {
        self.images(Dimension::Name("height".into()), Dimension::Name("width".into()));
    }

    fn parameter(&mut self, name: String, shape: &[usize]) -> String {
        self.parameters.push((name.clone(), shape.to_vec()));
        name
    }

    fn conv(&mut self, x: &str, conv: &str, c: Conv) -> String {
        let weight =
            self.parameter(format!("{conv}.weight"), &[c.output, c.input / c.groups.max(1), c.kernel, c.kernel]);
        let bias = c.bias.then(|| self.parameter(format!("{conv}.bias"), &[c.output]));
        let inputs: Vec<&str> = [x, &weight].into_iter().chain(bias.as_deref()).collect();
        let mut attributes = window(c.kernel, c.stride).to_vec();
        if c.as_tensorflow && c.stride == 2 {
            let (before, after) = ((c.kernel - 2) as i64 / 2, (c.kernel as i64 - 1) / 2);
            attributes[2].1 = Attribute::Ints(vec![before, before, after, after]);
        }
        if c.groups > 1 {
            attributes.push(("group", Attribute::Int(c.groups as i64)));
        }
        self.graph.node("Conv", &inputs, &attributes)
    }

    /// A batch norm in its inference form (which ONNX Runtime folds into the convolution before it).
    fn norm(&mut self, x: &str, norm: &str, channels: usize) -> String {
        let statistics = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.parameter(format!("{norm}.{part}"), &[channels]));
        let [scale, bias, mean, variance] = statistics.each_ref().map(String::as_str);
        let epsilon = [("epsilon", Attribute::Float(self.epsilon))];
        self.graph.node("BatchNormalization", &[x, scale, bias, mean, variance], &epsilon)
    }

    fn conv_norm(&mut self, x: &str, conv: &str, norm: &str, c: Conv) -> String {
        let x = self.conv(x, conv, c);
        self.norm(&x, norm, c.output)
    }

    fn relu(&mut self, x: &str) -> String {
        self.graph.node("Relu", &[x], &[])
    }

    /// A fully connected layer.
    fn linear(&mut self, x: &str, layer: &str, inputs: usize, outputs: usize, result: &str) {
        let weight = self.parameter(format!("{layer}.weight"), &[outputs, inputs]);
        let bias = self.parameter(format!("{layer}.bias"), &[outputs]);
        self.graph.node_to("Gemm", &[x, &weight, &bias], &[("transB", Attribute::Int(1))], &[result]);
    }

    /// The average over a map with so many channels is the features.
    fn average(&mut self, x: &str, channels: usize) {
        let pooled = self.graph.node("GlobalAveragePool", &[x], &[]);
        self.graph.node_to("Flatten", &[&pooled], &[("axis", Attribute::Int(1))], &[FEATURES]);
        self.output(FEATURES, channels);
    }

    /// Declares an output of so many numbers an image.
    fn output(&mut self, name: &str, length: usize) {
        self.graph.output(name, &[Dimension::Name("batch".into()), Dimension::Size(length as i64)]);
    }
}

/// The attributes of a square window that is padded by half its side, rounded down.
fn window(kernel: usize, stride: usize) -> [(&'static str, Attribute); 3] {
    let all = |v: usize, times: usize| Attribute::Ints(vec![v as i64; times]);
    [("kernel_shape", all(kernel, 2)), ("strides", all(stride, 2)), ("pads", all(kernel / 2, 4))]
}

/// Outputs of a layer with a weight of this name; `None` where there is none.
fn outputs(shapes: &Shapes, layer: &str) -> Option<usize> {
    shapes.get(&format!("{layer}.weight"))?.first().copied()
}
