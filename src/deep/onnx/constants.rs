//! Constants in one form: files write a weight as an initializer, as a node, or as a copy of an equal one.

use std::collections::HashMap;

use super::{AttributeProto, GraphProto, INT64, TensorProto};
use crate::deep::Tensor;

/// Bytes of copies of constants that are made; beyond them a copy stays the node that it is.
const COPIES: usize = 256 << 20;

impl GraphProto {
    /// The same graph with every constant an initializer under the name by which nodes use it, and no input: `Constant`
    /// nodes, copies by `Identity`, which exporters write where two weights happen to be equal (biases that are all 0), and
    /// the inputs that old files, or those of `keep_initializers_as_inputs`, state for their constants too.
    pub fn with_plain_constants(mut self) -> GraphProto {
        let mut places: HashMap<String, usize> =
            self.initializer.iter().enumerate().map(|(i, tensor)| (tensor.name.clone(), i)).collect();
        let mut copied = 0;
        for mut node in std::mem::take(&mut self.node) {
            let constant = match node.op_type.as_str() {
                "Constant" => node.attribute.first_mut().and_then(stated),
                "Identity" => node.input.first().and_then(|name| places.get(name)).and_then(|&i| {
                    copied += self.initializer[i].raw_data.len();
                    (copied <= COPIES).then(|| self.initializer[i].clone())
                }),
                _ => None,
            };
            match (constant, node.output.first()) {
                (Some(constant), Some(name)) => {
                    places.insert(name.clone(), self.initializer.len());
                    self.initializer.push(TensorProto { name: name.clone(), ..constant });
                }
                _ => self.node.push(node),
            }
        }
        self.input.retain(|value| !places.contains_key(&value.name));
        self
    }
}

/// What a `Constant` node states, in any of the forms that hold numbers.
fn stated(attribute: &mut AttributeProto) -> Option<TensorProto> {
    let integers = |dims: Vec<i64>, numbers: &[i64]| TensorProto {
        dims,
        data_type: INT64,
        int64_data: numbers.to_vec(),
        ..Default::default()
    };
    Some(match attribute.name.as_str() {
        "value" => attribute.t.take()?,
        "value_int" => integers(vec![], &[attribute.i?]),
        "value_ints" => integers(vec![attribute.ints.len() as i64], &attribute.ints),
        "value_float" => TensorProto::float("", Tensor::new(&[], vec![attribute.f?])),
        "value_floats" => TensorProto::float("", Tensor::new(&[attribute.floats.len()], attribute.floats.clone())),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::{Attribute, Graph};

    #[test]
    fn constants_become_initializers_under_the_names_that_are_used() {
        let mut graph = Graph::new("constants");
        let weight = TensorProto::float("w", Tensor::new(&[1], vec![2.0]));
        graph.initializer(weight.clone());
        graph.node_to("Identity", &["w"], &[], &["copy"]);
        graph.node_to("Constant", &[], &[("value", Attribute::Tensor(weight.into()))], &["tensor"]);
        graph.node_to("Constant", &[], &[("value_ints", Attribute::Ints(vec![3, 4]))], &["list"]);
        graph.node_to("Constant", &[], &[("value_float", Attribute::Float(0.5))], &["number"]);
        graph.node_to("Identity", &["x"], &[], &["y"]);
        ["x", "w"].iter().for_each(|name| graph.input(name, &[]));
        let plain = graph.model().graph.unwrap().with_plain_constants();
        assert_eq!(plain.node.iter().map(|node| node.output[0].as_str()).collect::<Vec<_>>(), ["y"]);
        assert_eq!(plain.input.iter().map(|value| value.name.as_str()).collect::<Vec<_>>(), ["x"]);
        let constant = |name: &str| plain.initializer.iter().find(|tensor| tensor.name == name).unwrap();
        for name in ["w", "copy", "tensor"] {
            assert_eq!(constant(name).tensor().unwrap().data, [2.0], "{name}");
        }
        assert_eq!(constant("list").integers(), Some(vec![3, 4]));
        assert_eq!(constant("number").tensor(), Some(Tensor::new(&[], vec![0.5])));
    }
}
