//! Shapes that a network computes: exporters write `x.view(x.size(0), -1)` as a chain of nodes on integers. A training
//! graph is made for one shape, so that each of them is a list of numbers that is known when the graph is read.

use crate::deep::onnx::{INT32, INT64, NodeProto, TensorProto};

/// A constant tensor of integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integers {
    pub shape: Vec<usize>,
    pub numbers: Vec<i64>,
}

impl Integers {
    /// `None` where the constant is of another type.
    pub fn of(tensor: &TensorProto) -> Option<Integers> {
        let four = |bytes: &[u8; 4]| i64::from(i32::from_le_bytes(*bytes));
        let numbers = match tensor.data_type {
            INT64 => tensor.integers()?,
            INT32 if tensor.raw_data.is_empty() => tensor.int32_data.iter().map(|&v| i64::from(v)).collect(),
            INT32 => tensor.raw_data.as_chunks().0.iter().map(four).collect(),
            _ => return None,
        };
        let shape: Vec<usize> = tensor.dims.iter().map(|&side| side.try_into().ok()).collect::<Option<_>>()?;
        (shape.iter().product::<usize>() == numbers.len()).then_some(Integers { shape, numbers })
    }

    fn list(numbers: Vec<i64>) -> Integers {
        Integers { shape: vec![numbers.len()], numbers }
    }

    pub fn tensor(&self, name: &str) -> TensorProto {
        TensorProto::int64(name, &self.shape, &self.numbers)
    }
}

/// What a `Shape` node makes of a tensor with these sides.
pub fn shape(node: &NodeProto, sides: &[usize]) -> Integers {
    let end = node.int("end").unwrap_or(sides.len() as i64);
    let (start, end) = (place(node.int("start").unwrap_or(0), sides.len()), place(end, sides.len()));
    Integers::list(sides[start..end.max(start)].iter().map(|&side| side as i64).collect())
}

/// The integers that a node makes of integers, where it is one of those that exporters write in great numbers.
pub fn evaluate(node: &NodeProto, inputs: &[Integers]) -> Option<Integers> {
    if inputs.iter().any(|input| input.shape.len() > 1) {
        return None;
    }
    let is_list = |input: &Integers| input.shape.len() == 1;
    let lists: Vec<&[i64]> = inputs.iter().map(|input| &input.numbers[..]).collect();
    match (node.op_type.as_str(), &lists[..]) {
        ("Identity", [_]) => Some(inputs[0].clone()),
        ("Cast", [_]) if node.int("to") == Some(i64::from(INT64)) => Some(inputs[0].clone()),
        ("Squeeze", [x, ..]) if x.len() == 1 => Some(Integers { shape: vec![], numbers: x.to_vec() }),
        ("Unsqueeze", [x, ..]) if !is_list(&inputs[0]) => Some(Integers::list(x.to_vec())),
        ("Concat", lists) if inputs.iter().all(is_list) => Some(Integers::list(lists.concat())),
        ("Gather", [x, places]) if is_list(&inputs[0]) => {
            let at = |&at: &i64| x.get(place(at, x.len())).copied();
            Some(Integers { shape: inputs[1].shape.clone(), numbers: places.iter().map(at).collect::<Option<_>>()? })
        }
        ("Slice", [x, start, end]) => sliced(x, start, end),
        ("Slice", [x, start, end, axes]) if axes[..] == [0] => sliced(x, start, end),
        ("Mul", [_, _]) => pairs(inputs, i64::checked_mul),
        ("Add", [_, _]) => pairs(inputs, i64::checked_add),
        ("Sub", [_, _]) => pairs(inputs, i64::checked_sub),
        ("Div", [_, _]) => pairs(inputs, i64::checked_div),
        _ => None,
    }
}

/// A place in a list, where a negative one counts from the end and one beyond it is the end.
fn place(at: i64, length: usize) -> usize {
    (if at < 0 { at.saturating_add(length as i64) } else { at }).clamp(0, length as i64) as usize
}

fn sliced(x: &[i64], start: &[i64], end: &[i64]) -> Option<Integers> {
    x.get(place(*start.first()?, x.len())..place(*end.first()?, x.len())).map(|part| Integers::list(part.to_vec()))
}

fn pairs(inputs: &[Integers], combine: fn(i64, i64) -> Option<i64>) -> Option<Integers> {
    let (a, b) = (&inputs[0].numbers[..], &inputs[1].numbers[..]);
    let numbers: Vec<i64> = match (a, b) {
        (a, [b]) => a.iter().map(|&a| combine(a, *b)).collect::<Option<_>>()?,
        ([a], b) => b.iter().map(|&b| combine(*a, b)).collect::<Option<_>>()?,
        (a, b) if a.len() == b.len() => a.iter().zip(b).map(|(&a, &b)| combine(a, b)).collect::<Option<_>>()?,
        _ => return None,
    };
    let single = inputs[..2].iter().all(|input| input.shape.is_empty());
    Some(if single { Integers { shape: vec![], numbers } } else { Integers::list(numbers) })
}
