//! Heads: the layers behind a backbone's features that give one number a class.
//! A head is appended to the backbone's graph, and read off it again when it has learnt.

use rand::Rng;

use super::batch;
use super::random::{Purpose, generator};
use crate::deep::Tensor;
use crate::deep::network::LOGITS;
use crate::deep::onnx::{Attribute, Dimension, GraphProto, ModelProto, TensorProto};
use crate::deep::onnx::{NodeProto, ValueInfoProto};

/// Prefix of the names of a head's parameters.
pub const PREFIX: &str = "head.";

const EPSILON: f32 = 1e-5;

/// Parameters of a head at the start of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// classes x dimension
    weight: Tensor,
    bias: Tensor,
    /// A batch norm comes first.
    norm: bool,
    /// A dropout layer comes before the last one.
    dropout: bool,
}

/// A linear function of the features, in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// classes x dimension, row-major.
    pub weight: Vec<f64>,
    /// One a class.
    pub bias: Vec<f64>,
}

impl Head {
    /// Random weights as PyTorch's `Linear` has them: uniform in +-1 / sqrt(dimension).
    pub fn random(classes: usize, dimension: usize, seed: u64) -> Head {
        let mut rng = generator(seed, Purpose::Head, 0, 0);
        let bound = 1.0 / (dimension as f64).sqrt();
        let mut draw = |shape: &[usize]| {
            let data = (0..shape.iter().product()).map(|_| rng.random_range(-bound..bound) as f32).collect();
            Tensor::new(shape, data)
        };
        Head { weight: draw(&[classes, dimension]), bias: draw(&[classes]), norm: false, dropout: false }
    }

    /// The weights of a classifier that was fitted on the features.
    ///
    /// # Panics
    /// When the weights are not classes x dimension numbers.
    pub fn given(linear: &Linear) -> Head {
        let single = |numbers: &[f64]| numbers.iter().map(|&v| v as f32).collect();
        let classes = linear.bias.len();
        let weight = Tensor::new(&[classes, linear.weight.len() / classes], single(&linear.weight));
        Head { weight, bias: Tensor::new(&[classes], single(&linear.bias)), norm: false, dropout: false }
    }

    pub fn with_norm(self, norm: bool) -> Head {
        Head { norm, ..self }
    }

    pub fn with_dropout(self, dropout: bool) -> Head {
        Head { dropout, ..self }
    }

    /// The backbone up to `features` with this head: outputs `features` and [`LOGITS`].
    /// Every constant is an initializer then, and the batch is free.
    pub fn append(self, model: ModelProto, features: &str) -> ModelProto {
        let mut model = model.with_plain_constants();
        let mut graph = model.graph.take().unwrap_or_default().leading_to(&[features]);
        batch::free(&mut graph);
        make_room(&mut graph);
        let mut builder = Builder { graph: &mut graph, value: features.to_owned() };
        builder.add("Flatten", "flat", &[], &[("axis", Attribute::Int(1))]);
        if self.norm {
            let dimension = self.weight.shape[1];
            let parts = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)];
            let parts = parts.map(|(part, value)| {
                builder.constant(&format!("norm.{part}"), Tensor::new(&[dimension], vec![value; dimension]))
            });
            let epsilon = [("epsilon", Attribute::Float(EPSILON))];
            builder.add("BatchNormalization", "normalised", &parts.each_ref().map(String::as_str), &epsilon);
        }
        if self.dropout {
            builder.add("Dropout", "dropped", &[], &[]);
        }
        let classes = self.bias.shape[0];
        let (weight, bias) = (builder.constant("weight", self.weight), builder.constant("bias", self.bias));
        builder.add("Gemm", "logits", &[&weight, &bias], &[("transB", Attribute::Int(1))]);
        let last = graph.node.last_mut().expect("it was just added");
        last.output = vec![LOGITS.to_owned()];
        let sides = [Dimension::Name("batch".into()), Dimension::Size(classes as i64)];
        graph.output.push(ValueInfoProto::float(LOGITS, &sides));
        model.graph = Some(graph);
        model
    }
}

/// Gives constants of the network other names where they are called like those of a head.
fn make_room(graph: &mut GraphProto) {
    let taken = graph.initializer.iter().map(|tensor| tensor.name.clone()).filter(|name| name.starts_with(PREFIX));
    for name in taken.collect::<Vec<_>>() {
        graph.rename(&name, &format!("network.{name}"));
    }
}

/// Nodes one after the other.
struct Builder<'a> {
    graph: &'a mut GraphProto,
    /// What the next node works on.
    value: String,
}

impl Builder<'_> {
    fn constant(&mut self, name: &str, tensor: Tensor) -> String {
        let name = format!("{PREFIX}{name}");
        self.graph.initializer.push(TensorProto::float(&name, tensor));
        name
    }

    fn add(&mut self, op: &str, output: &str, constants: &[&str], attributes: &[(&str, Attribute)]) {
        let inputs: Vec<&str> = [self.value.as_str()].into_iter().chain(constants.iter().copied()).collect();
        let output = format!("{PREFIX}{output}");
        self.graph.node.push(NodeProto::new(op, &inputs, attributes, &[&output]));
        self.value = output;
    }
}

/// Has the network a head that [`linear`] can read?
pub fn is_there(model: &ModelProto) -> bool {
    let weight = format!("{PREFIX}weight");
    model.graph.iter().flat_map(|graph| &graph.initializer).any(|tensor| tensor.name == weight)
}

/// The head of a network that [`Head::append`] made, in its inference form: one linear function of the features.
///
/// # Panics
/// When the network has no head.
pub fn linear(model: &ModelProto) -> Linear {
    let initializers = model.graph.iter().flat_map(|graph| &graph.initializer);
    let find = |name: &str| {
        let name = format!("{PREFIX}{name}");
        let tensor = initializers.clone().find(|tensor| tensor.name == name).and_then(TensorProto::tensor);
        tensor.map(|tensor| tensor.data.into_iter().map(f64::from).collect::<Vec<f64>>())
    };
    let (Some(mut weight), Some(mut bias)) = (find("weight"), find("bias")) else {
        panic!("a head has a weight and a bias");
    };
    let norm = ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"].map(find);
    if let [Some(scale), Some(shift), Some(mean), Some(variance)] = norm {
        for (row, bias) in weight.chunks_exact_mut(scale.len()).zip(&mut bias) {
            for (i, w) in row.iter_mut().enumerate() {
                let factor = scale[i] / (variance[i] + f64::from(EPSILON)).sqrt();
                *bias += *w * (shift[i] - mean[i] * factor);
                *w *= factor;
            }
        }
    }
    Linear { weight, bias }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::network::FEATURES;
    use crate::deep::onnx::Graph;
    use crate::deep::session::{Device, Input, Session};
    use crate::deep::weights::Weights;
    use crate::finetune::step::with_weights;

    /// Features of four numbers behind a layer that is not needed, and an old head.
    fn backbone() -> ModelProto {
        let mut graph = Graph::new("backbone");
        let sides =
            |n: i64| [Dimension::Name("batch".into()), Dimension::Size(n), Dimension::Size(1), Dimension::Size(1)];
        graph.input("x", &sides(4));
        graph.node_to("Relu", &["x"], &[], &[FEATURES]);
        graph.initializer(TensorProto::float("old", Tensor::new(&[1], vec![2.0])));
        graph.node_to("Mul", &[FEATURES, "old"], &[], &[LOGITS]);
        graph.output(LOGITS, &sides(4));
        graph.output(FEATURES, &sides(4));
        graph.model()
    }

    #[test]
    fn a_head_replaces_the_old_one_and_is_read_off_as_one_linear_function() {
        for norm in [false, true] {
            let head = Head::random(3, 4, 7).with_norm(norm).with_dropout(true);
            let mut model = head.append(backbone(), FEATURES);
            if norm {
                let vector = |data: [f32; 4]| Tensor::new(&[4], data.to_vec());
                model = with_weights(
                    &model,
                    Weights::from([
                        ("head.norm.weight".into(), vector([1.0, 2.0, 0.5, -1.0])),
                        ("head.norm.bias".into(), vector([0.1, 0.2, -0.3, 0.4])),
                        ("head.norm.running_mean".into(), vector([0.5, -1.0, 0.25, 2.0])),
                        ("head.norm.running_var".into(), vector([1.0, 0.25, 4.0, 2.0])),
                    ]),
                );
            }
            let graph = model.graph.as_ref().unwrap();
            assert!(graph.initializer.iter().all(|constant| constant.name != "old"));
            let x = [1.0, 0.5, 2.0, 3.0, 0.0, 0.25, 1.5, 1.0];
            let mut session = Session::open(&model.write(), Device::cpu()).unwrap();
            let found = session.run(&[Input { name: "x", shape: &[2, 4, 1, 1], data: &x }], &[LOGITS]).unwrap();
            let Linear { weight, bias } = linear(&model);
            for (row, logits) in x.chunks(4).zip(found[0].data.chunks(3)) {
                for (class, &logit) in logits.iter().enumerate() {
                    let products = row.iter().zip(&weight[class * 4..]).map(|(x, w)| f64::from(*x) * w);
                    let expected = bias[class] + products.sum::<f64>();
                    assert!((f64::from(logit) - expected).abs() < 1e-5, "{logit}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn a_network_may_use_the_names_of_a_head() {
        let mut graph = Graph::new("backbone");
        graph.input("x", &[Dimension::Name("batch".into()), Dimension::Size(4)]);
        graph.initializer(TensorProto::float("head.norm.weight", Tensor::new(&[4], vec![3.0; 4])));
        graph.node_to("Mul", &["x", "head.norm.weight"], &[], &[FEATURES]);
        let model = Head::random(3, 4, 7).with_norm(true).append(graph.model(), FEATURES);
        let graph = model.graph.unwrap();
        assert_eq!(graph.node[0].input[1], "network.head.norm.weight");
        let called = |name: &str| graph.initializer.iter().filter(|tensor| tensor.name == name).count();
        assert_eq!([called("head.norm.weight"), called("network.head.norm.weight")], [1, 1]);
    }

    #[test]
    fn a_given_classifier_is_the_head() {
        let given = Linear { weight: vec![1.0, -2.0, 0.5, 0.25, 3.0, -1.0], bias: vec![0.5, -0.5] };
        let head = Head::given(&given);
        assert_eq!(head.weight.shape, [2, 3]);
        assert_eq!(linear(&head.append(backbone(), FEATURES)), given);
    }
}
