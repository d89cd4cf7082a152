//! Reading a network: from the nodes of its graph to a tape.

use std::collections::HashMap;

use super::constants::Constants;
use super::integers::Integers;
use super::node::{Node, Operand};
use super::source::Source;
use super::{BatchNorm, GradientError, Rule, Tape, Unsupported, Value, rule_of};
use crate::deep::Tensor;
use crate::deep::onnx::{BOOL, Dimension, NodeProto, TensorProto};

/// Name of the new graph's input.
pub const INPUT: &str = "images";

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
/// Nodes that have no rule, or one whose rule does not cover its settings; a value that is not there.
pub fn record(
    source: Source,
    learns: &dyn Fn(&str) -> bool,
    batch_norm: &dyn Fn(&str) -> BatchNorm,
) -> Result<Recorded, GradientError> {
    let mut reader = Reader::new(source, learns, batch_norm);
    let needed = source.graph.needed(&[source.output]);
    let is_needed = |node: &&NodeProto| node.output.iter().any(|output| needed.contains(output.as_str()));
    let nodes: Vec<&NodeProto> = source.graph.node.iter().filter(is_needed).collect();
    let ruled = |node: &&&NodeProto| reader.constants.is_fixed(node) || rule_of(node).is_some();
    let unsupported = Unsupported::among(nodes.iter().filter(|node| !ruled(node)).copied());
    if let Some(unsupported) = unsupported {
        return Err(GradientError::Unsupported(unsupported));
    }
    for node in nodes {
        reader.read(node)?;
    }
    let Some(Operand::Value(output)) = reader.values.get(source.output).cloned() else {
        return Err(GradientError::NoValue(source.output.into()));
    };
    Ok(Recorded { tape: reader.tape, output, parameters: reader.parameters })
}

struct Reader<'a> {
    tape: Tape,
    batch_norm: &'a dyn Fn(&str) -> BatchNorm,
    constants: Constants<'a>,
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
        Reader { tape, batch_norm, constants: Constants::of(source, learns), values, parameters: Vec::new() }
    }

    fn read(&mut self, proto: &NodeProto) -> Result<(), GradientError> {
        let failed =
            |reason| GradientError::Node { node: proto.called().into(), operator: proto.op_type.clone(), reason };
        if self.constants.is_fixed(proto) {
            let first = proto.input.first().map_or("", String::as_str);
            let shape = match self.values.get(first) {
                Some(Operand::Value(value)) => Some(value.shape.clone()),
                _ => self.constants.get(first).map(|tensor| tensor.dims.iter().map(|&side| side as usize).collect()),
            };
            return self.constants.follow(proto, shape.as_deref()).map_err(failed);
        }
        let normalises = proto.op_type == "BatchNormalization";
        if normalises {
            self.tape.batch_norm = (self.batch_norm)(proto.input.get(1).map_or("", String::as_str));
        }
        let training = normalises && self.tape.batch_norm == BatchNorm::Train;
        let operand = |(place, name): (usize, &String)| match place {
            _ if self.constants.learns(proto, place) => self.operand(name, Role::Learns),
            3 | 4 if training => self.operand(name, Role::Statistic),
            _ => self.operand(name, Role::Constant),
        };
        let inputs = proto.input.iter().enumerate().map(operand).collect::<Result<_, _>>()?;
        let node = Node { proto, inputs, constants: &self.constants };
        let computed = match rule_of(proto) {
            Some(Rule::One(rule)) => rule(&mut self.tape, &node).map(|value| vec![value]),
            Some(Rule::Several(rule)) => rule(&mut self.tape, &node),
            None => Err("has no rule".into()),
        };
        let named = proto.output.iter().cloned().zip(computed.map_err(failed)?.into_iter().map(Operand::Value));
        self.values.extend(named);
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
        if let Some(integers) = Integers::of(constant) {
            return Ok(Operand::Integers(integers));
        }
        if constant.data_type == BOOL {
            let shape = constant.dims.iter().map(|&side| side as usize).collect();
            let condition = Value { name: format!("constant:{name}"), shape, learns: false };
            self.tape.graph.initializer(TensorProto { name: condition.name.clone(), ..constant.clone() });
            self.values.insert(name.into(), Operand::Value(condition.clone()));
            return Ok(Operand::Value(condition));
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
