//! Constants in one form: files write a weight as an initializer, as a node, or as a copy of an equal one.

use super::{AttributeProto, GraphProto, INT64, NodeProto, TensorProto};
use crate::deep::Tensor;

impl GraphProto {
    /// The same graph with every constant an initializer under the name by which nodes use it: `Constant` nodes, and
    /// copies by `Identity`, which exporters write where two weights happen to be equal (biases that are all 0).
    pub fn with_plain_constants(mut self) -> GraphProto {
        for node in std::mem::take(&mut self.node) {
            let name = node.output.first().cloned().unwrap_or_default();
            match self.constant_of(&node) {
                Some(constant) => self.initializer.push(TensorProto { name, ..constant }),
                None => self.node.push(node),
            }
        }
        self
    }

    fn constant_of(&self, node: &NodeProto) -> Option<TensorProto> {
        match node.op_type.as_str() {
            "Constant" => stated(node.attribute.first()?),
            "Identity" => self.initializer.iter().find(|tensor| Some(&tensor.name) == node.input.first()).cloned(),
            _ => None,
        }
    }
}

/// What a `Constant` node states, in any of the forms that hold numbers.
fn stated(attribute: &AttributeProto) -> Option<TensorProto> {
    let integers = |dims: Vec<i64>, numbers: &[i64]| TensorProto {
        dims,
        data_type: INT64,
        int64_data: numbers.to_vec(),
        ..Default::default()
    };
    Some(match attribute.name.as_str() {
        "value" => attribute.t.clone()?,
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
        graph.node_to("Constant", &[], &[("value", Attribute::Tensor(weight))], &["tensor"]);
        graph.node_to("Constant", &[], &[("value_ints", Attribute::Ints(vec![3, 4]))], &["list"]);
        graph.node_to("Constant", &[], &[("value_float", Attribute::Float(0.5))], &["number"]);
        graph.node_to("Identity", &["x"], &[], &["y"]);
        let plain = graph.model().graph.unwrap().with_plain_constants();
        assert_eq!(plain.node.iter().map(|node| node.output[0].as_str()).collect::<Vec<_>>(), ["y"]);
        let constant = |name: &str| plain.initializer.iter().find(|tensor| tensor.name == name).unwrap();
        for name in ["w", "copy", "tensor"] {
            assert_eq!(constant(name).tensor().unwrap().data, [2.0], "{name}");
        }
        assert_eq!(constant("list").integers(), Some(vec![3, 4]));
        assert_eq!(constant("number").tensor(), Some(Tensor::new(&[], vec![0.5])));
    }
}
