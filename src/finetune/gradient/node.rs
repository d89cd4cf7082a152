//! One node of a network, with its inputs looked up.

use super::Value;
use super::constants::Constants;
use super::integers::Integers;
use crate::deep::onnx::{AttributeProto, NodeProto};

/// What an input turned out to be.
#[derive(Debug, Clone)]
pub enum Operand {
    Absent,
    Value(Value),
    /// A constant shape or list of axes.
    Integers(Integers),
}

pub struct Node<'a> {
    pub proto: &'a NodeProto,
    pub inputs: Vec<Operand>,
    pub constants: &'a Constants<'a>,
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
    pub fn list(&self, place: usize, attribute: &str) -> Option<Vec<i64>> {
        let stated = || self.ints(attribute).map(<[i64]>::to_vec);
        self.integers(place).map(|integers| integers.numbers.clone()).or_else(stated)
    }

    pub fn integers(&self, place: usize) -> Option<&Integers> {
        match self.inputs.get(place) {
            Some(Operand::Integers(integers)) => Some(integers),
            _ => None,
        }
    }

    /// The numbers of a constant at this place.
    pub fn numbers(&self, place: usize) -> Option<Vec<f64>> {
        let constant = self.constants.get(self.proto.input.get(place)?)?;
        let floats = constant.tensor().map(|tensor| tensor.data.into_iter().map(f64::from).collect());
        floats.or_else(|| Some(Integers::of(constant)?.numbers.into_iter().map(|number| number as f64).collect()))
    }

    /// An axis of so many, where a negative one counts from the end.
    pub fn axis(&self, attribute: &str, default: i64, rank: usize) -> Result<usize, String> {
        Ok(self.places(&[self.int(attribute, default)], rank)?[0])
    }

    /// Places among so many, where negative ones count from the end.
    pub fn places(&self, list: &[i64], length: usize) -> Result<Vec<usize>, String> {
        let place = |&at: &i64| {
            let from_start = if at < 0 { at + length as i64 } else { at };
            let place = usize::try_from(from_start).ok().filter(|&place| place < length);
            place.ok_or_else(|| format!("{at} lies beyond {length} places"))
        };
        list.iter().map(place).collect()
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
