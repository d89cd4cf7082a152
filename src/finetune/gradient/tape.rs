//! The graph under construction, and what the backward pass has to do.

use std::collections::HashMap;

use super::{BatchNorm, Mask, Statistic};
use crate::deep::Tensor;
use crate::deep::kernels::operator;
use crate::deep::onnx::{Attribute, FLOAT, Graph};

/// A tensor of the new graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub name: String,
    pub shape: Vec<usize>,
    /// Does it depend on something that learns? If not, no gradient is computed for it.
    pub learns: bool,
}

impl Value {
    /// Is it images x channels x rows x columns?
    pub fn is_map(&self) -> bool {
        self.shape.len() == 4
    }
}

/// What a node does when the gradients of its outputs are known; `None` for an output that nothing depends on.
type Backward = Box<dyn FnOnce(&mut Tape, &[Option<String>])>;

/// Forward passes in the order of computation; [`backpropagate`](Tape::backpropagate) runs them backwards.
pub struct Tape {
    pub graph: Graph,
    /// Of the node that is being read.
    pub batch_norm: BatchNorm,
    /// Running statistics and their values after this step.
    pub statistics: Vec<Statistic>,
    pub masks: Vec<Mask>,
    /// With the names of the outputs.
    backward: Vec<(Vec<String>, Backward)>,
    /// By the name of the value they belong to.
    gradients: HashMap<String, String>,
}

impl Default for Tape {
    fn default() -> Tape {
        Tape {
            graph: Graph::new("training step"),
            batch_norm: BatchNorm::default(),
            statistics: Vec::new(),
            masks: Vec::new(),
            backward: Vec::new(),
            gradients: HashMap::new(),
        }
    }
}

impl Tape {
    /// A number that does not learn.
    pub fn number(&mut self, number: f64) -> Value {
        Value { name: self.graph.number(number), shape: vec![], learns: false }
    }

    /// Notes down a value that was computed, and whether it depends on something that learns. `backward` gets the name
    /// of its gradient and adds those of what it was computed from.
    pub fn record(
        &mut self,
        name: String,
        shape: Vec<usize>,
        learns: bool,
        backward: impl FnOnce(&mut Tape, &str) + 'static,
    ) -> Value {
        if learns {
            let one = move |tape: &mut Tape, gradients: &[Option<String>]| {
                if let [Some(gradient)] = gradients {
                    backward(tape, gradient);
                }
            };
            self.backward.push((vec![name.clone()], Box::new(one)));
        }
        Value { name, shape, learns }
    }

    /// The same for a node with several outputs, each with its shape.
    pub fn record_several(
        &mut self,
        outputs: Vec<(String, Vec<usize>)>,
        learns: bool,
        backward: impl FnOnce(&mut Tape, &[Option<String>]) + 'static,
    ) -> Vec<Value> {
        if learns {
            let names = outputs.iter().map(|(name, _)| name.clone()).collect();
            self.backward.push((names, Box::new(backward)));
        }
        outputs.into_iter().map(|(name, shape)| Value { name, shape, learns }).collect()
    }

    /// Adds what `compute` returns to the gradient of `value`; computes nothing where nothing learns.
    pub fn add_gradient(&mut self, value: &Value, compute: impl FnOnce(&mut Graph) -> String) {
        if !value.learns {
            return;
        }
        let mut gradient = compute(&mut self.graph);
        if let Some(so_far) = self.gradients.remove(&value.name) {
            let begin = self.graph.begin();
            let sum = self.graph.node("Add", &[&so_far, &gradient], &[]);
            if value.is_map() {
                self.graph.as_one(begin, operator::ADD, &[&so_far, &gradient], &[], &[&sum]);
            }
            gradient = sum;
        }
        self.gradients.insert(value.name.clone(), gradient);
    }

    /// Goes back from `output`, whose gradient has this name, to everything that learns.
    pub fn backpropagate(&mut self, output: &Value, gradient: &str) {
        self.add_gradient(output, |_| gradient.to_owned());
        while let Some((names, backward)) = self.backward.pop() {
            let gradients: Vec<Option<String>> = names.iter().map(|name| self.gradients.get(name).cloned()).collect();
            if gradients.iter().any(Option::is_some) {
                backward(self, &gradients);
            }
        }
    }

    /// The gradient of a value after [`backpropagate`](Tape::backpropagate).
    pub fn gradient(&self, value: &Value) -> Option<&str> {
        self.gradients.get(&value.name).map(String::as_str)
    }
}

/// Short forms of the nodes that rules are made of.
impl Graph {
    pub(in crate::finetune) fn two(&mut self, op: &str, a: &str, b: &str) -> String {
        self.node(op, &[a, b], &[])
    }

    pub(in crate::finetune) fn number(&mut self, number: f64) -> String {
        self.floats(Tensor::new(&[], vec![number as f32]))
    }

    pub(in crate::finetune) fn times(&mut self, x: &str, factor: f64) -> String {
        let factor = self.number(factor);
        self.two("Mul", x, &factor)
    }

    pub(in crate::finetune) fn reshape(&mut self, x: &str, shape: &[usize]) -> String {
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let shape = self.ints(&shape);
        self.two("Reshape", x, &shape)
    }

    /// A tensor repeated to this shape.
    pub(in crate::finetune) fn expand(&mut self, x: &str, shape: &[usize]) -> String {
        let sides: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let sides = self.ints(&sides);
        self.two("Expand", x, &sides)
    }

    pub(in crate::finetune) fn zeros(&mut self, shape: &[usize]) -> String {
        let zero = self.number(0.0);
        self.expand(&zero, shape)
    }

    /// 1 where a condition holds, else 0.
    pub(in crate::finetune) fn mask(&mut self, condition: &str) -> String {
        self.node("Cast", &[condition], &[("to", Attribute::Int(FLOAT.into()))])
    }

    pub(in crate::finetune) fn transpose(&mut self, x: &str, order: &[i64]) -> String {
        self.node("Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
    }

    /// A sum or mean over `axes`, which stay as sides of 1.
    pub(in crate::finetune) fn reduce_along(&mut self, op: &str, x: &str, axes: &[i64]) -> String {
        let axes = self.ints(axes);
        self.node(op, &[x, &axes], &[("keepdims", Attribute::Int(1))])
    }

    /// A sum, mean or sum of squares over `axes`, which disappear.
    pub(in crate::finetune) fn reduce(&mut self, op: &str, x: &str, axes: &[i64]) -> String {
        let axes = self.ints(axes);
        self.node(op, &[x, &axes], &[("keepdims", Attribute::Int(0))])
    }
}
