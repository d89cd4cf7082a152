//! Reading a network: from the nodes of its graph to a tape.

use std::collections::HashMap;

use super::integers;
use super::node::{Node, Operand};
use super::{BatchNorm, GradientError, RULES, Tape, Value};
use crate::deep::Tensor;
use crate::deep::onnx::{Dimension, GraphProto, NodeProto, TensorProto};

/// Name of the new graph's input.
pub const INPUT: &str = "images";

/// The part of a network that is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub graph: &'a GraphProto,
    /// The graph's input, and the shape it is fed with: a training graph is made for one.
    pub input: &'a str,
    pub shape: &'a [usize],
    /// The value that is trained for; what it does not depend on is left out.
    pub output: &'a str,
}

/// What becomes of a constant of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It gets a gradient: an input of the new graph.
    Learns,
    /// A running statistic of a batch norm in training: an input too.
    Statistic,
    Constant,
}

/// A constant of the network that the recorded part uses.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// As the network calls it.
    pub name: String,
    pub role: Role,
    /// In the new graph.
    pub value: Value,
    pub tensor: Tensor,
}

/// A network's forward pass in a new graph, whose input is called [`INPUT`].
pub struct Recorded {
    pub tape: Tape,
    pub output: Value,
    /// In the order of computation.
    pub parameters: Vec<Parameter>,
}

/// Records the forward pass; `learns` tells which constants are parameters to be trained, `batch_norm` which statistics
/// the batch norm with a scale of this name uses.
///
/// # Errors
/// A node that has no rule, or whose rule does not cover its settings; a value that is not there.
pub fn record(
    source: Source,
    learns: &dyn Fn(&str) -> bool,
    batch_norm: &dyn Fn(&str) -> BatchNorm,
) -> Result<Recorded, GradientError> {
    let mut reader = Reader::new(source, learns, batch_norm);
    let needed = source.graph.needed(&[source.output]);
    for node in &source.graph.node {
        if node.output.iter().any(|output| needed.contains(output.as_str())) {
            reader.read(node)?;
        }
    }
    let Some(Operand::Value(output)) = reader.values.get(source.output).cloned() else {
        return Err(GradientError::NoValue(source.output.into()));
    };
    Ok(Recorded { tape: reader.tape, output, parameters: reader.parameters })
}

struct Reader<'a> {
    tape: Tape,
    learns: &'a dyn Fn(&str) -> bool,
    batch_norm: &'a dyn Fn(&str) -> BatchNorm,
    constants: HashMap<&'a str, &'a TensorProto>,
    /// By their names in the network.
    values: HashMap<String, Operand>,
    parameters: Vec<Parameter>,
}

impl<'a> Reader<'a> {
    fn new(
        source: Source<'a>,
        learns: &'a dyn Fn(&str) -> bool,
        batch_norm: &'a dyn Fn(&str) -> BatchNorm,
    ) -> Reader<'a> {
        let mut tape = Tape::default();
        tape.graph.input(INPUT, &sides(source.shape));
        let images = Value { name: INPUT.into(), shape: source.shape.to_vec(), learns: false };
        let values = HashMap::from([(source.input.into(), Operand::Value(images))]);
        let constants = source.graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        Reader { tape, learns, batch_norm, constants, values, parameters: Vec::new() }
    }

    fn read(&mut self, proto: &NodeProto) -> Result<(), GradientError> {
        let named = if proto.name.is_empty() { proto.output.first().map_or("", String::as_str) } else { &proto.name };
        let (node, operator) = (named.to_owned(), proto.op_type.clone());
        let standard = matches!(proto.domain.as_str(), "" | "ai.onnx");
        let rule = RULES.iter().find(|(name, ..)| standard && *name == proto.op_type);
        let learning = rule.map_or(0, |&(.., learning)| learning);
        let normalises = proto.op_type == "BatchNormalization";
        if normalises {
            self.tape.batch_norm = (self.batch_norm)(proto.input.get(1).map_or("", String::as_str));
        }
        let training = normalises && self.tape.batch_norm == BatchNorm::Train;
        let operand = |(place, name): (usize, &String)| match place {
            _ if place < learning && (self.learns)(name) => self.operand(name, Role::Learns),
            3 | 4 if training => self.operand(name, Role::Statistic),
            _ => self.operand(name, Role::Constant),
        };
        let inputs = proto.input.iter().enumerate().map(operand).collect::<Result<_, _>>()?;
        let read = Node { proto, inputs };
        let computed = match (integers::evaluate(&read).filter(|_| standard), rule) {
            (Some(list), _) => Operand::Integers(list),
            (None, Some((_, rule, _))) => {
                let value = rule(&mut self.tape, &read);
                Operand::Value(value.map_err(|reason| GradientError::Node { node, operator, reason })?)
            }
            (None, None) => return Err(GradientError::Unsupported { node, operator }),
        };
        self.values.extend(proto.output.first().map(|name| (name.clone(), computed)));
        Ok(())
    }

    fn operand(&mut self, name: &str, role: Role) -> Result<Operand, GradientError> {
        if name.is_empty() {
            return Ok(Operand::Absent);
        }
        if let Some(known) = self.values.get(name) {
            return Ok(known.clone());
        }
        let constant = self.constants.get(name).ok_or_else(|| GradientError::NoValue(name.into()))?;
        if let Some(integers) = constant.integers() {
            return Ok(Operand::Integers(integers));
        }
        let tensor = constant.tensor().ok_or_else(|| GradientError::Constant(name.into()))?;
        let kind = if role == Role::Constant { "constant" } else { "parameter" };
        let (shape, learns) = (tensor.shape.clone(), role == Role::Learns);
        let value = Value { name: format!("{kind}:{name}"), shape, learns };
        if role == Role::Constant {
            self.tape.graph.initializer(TensorProto::float(&value.name, tensor.clone()));
        } else {
            self.tape.graph.input(&value.name, &sides(&value.shape));
        }
        self.values.insert(name.into(), Operand::Value(value.clone()));
        self.parameters.push(Parameter { name: name.into(), role, value: value.clone(), tensor });
        Ok(Operand::Value(value))
    }
}

/// A shape without free sides.
pub fn sides(shape: &[usize]) -> Vec<Dimension> {
    shape.iter().map(|&side| Dimension::Size(side as i64)).collect()
}
