//! One node of a network, with its inputs looked up.

use super::Value;
use crate::deep::onnx::{AttributeProto, NodeProto};

/// What an input turned out to be.
#[derive(Debug, Clone)]
pub enum Operand {
    Absent,
    Value(Value),
    /// A constant shape or list of axes.
    Integers(Vec<i64>),
}

#[derive(Debug)]
pub struct Node<'a> {
    pub proto: &'a NodeProto,
    pub inputs: Vec<Operand>,
}

impl Node<'_> {
    /// The tensor at this place.
    pub fn input(&self, place: usize) -> Result<&Value, String> {
        self.optional(place).ok_or_else(|| format!("input {place} must be a tensor of 32-bit floats"))
    }

    /// The tensor at this place, where there is one.
    pub fn optional(&self, place: usize) -> Option<&Value> {
        match self.inputs.get(place) {
            Some(Operand::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The first input as a tensor with this number of sides.
    pub fn of_rank(&self, rank: usize) -> Result<&Value, String> {
        let x = self.input(0)?;
        if x.shape.len() == rank { Ok(x) } else { Err(format!("{rank} sides are expected, not {:?}", x.shape)) }
    }

    /// A constant list that stands among the inputs in newer files and among the attributes in older ones.
    pub fn list(&self, place: usize, attribute: &str) -> Option<&[i64]> {
        match self.inputs.get(place) {
            Some(Operand::Integers(list)) => Some(list),
            _ => self.ints(attribute),
        }
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.number(name).unwrap_or(default)
    }

    pub fn number(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.f
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// Refuses an attribute that the rules would ignore.
    pub fn require(&self, name: &str, expected: i64) -> Result<(), String> {
        match self.int(name, expected) {
            found if found == expected => Ok(()),
            found => Err(format!("{name} = {found} can't be trained; {name} = {expected} is expected")),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.attribute(name)?.s.as_deref()?).ok()
    }
}
