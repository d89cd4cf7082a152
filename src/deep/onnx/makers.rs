//! Who makes a value of a graph: a node, or nobody, where it is a constant.

use std::collections::HashMap;

use super::{GraphProto, NodeProto, TensorProto};

/// Nodes that may lie between a stored weight and the layer that uses it.
const NODES_OF_A_WEIGHT: usize = 8;

/// Nodes by the values that they give, and constants by name.
pub struct Makers<'g> {
    nodes: HashMap<&'g str, &'g NodeProto>,
    constants: HashMap<&'g str, &'g TensorProto>,
}

impl<'g> Makers<'g> {
    pub fn of(graph: &'g GraphProto) -> Makers<'g> {
        let outputs = |node: &'g NodeProto| node.output.iter().map(move |output| (output.as_str(), node));
        Makers {
            nodes: graph.node.iter().flat_map(outputs).filter(|(name, _)| !name.is_empty()).collect(),
            constants: graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
        }
    }

    /// The node that gives this value.
    pub fn node(&self, value: &str) -> Option<&'g NodeProto> {
        self.nodes.get(value).copied()
    }

    /// The constant that this value is, also through the nodes that exporters put behind a weight: a copy, another type,
    /// another orientation. The shape may be turned then.
    pub fn weight(&self, value: &str) -> Option<Weight<'g>> {
        self.weight_behind(value, NODES_OF_A_WEIGHT)
    }

    fn weight_behind(&self, value: &str, nodes: usize) -> Option<Weight<'g>> {
        if let Some(tensor) = self.constants.get(value) {
            return Some(Weight { dims: tensor.dims.clone(), data_type: tensor.data_type, tensor });
        }
        let node = self.node(value)?;
        let left = nodes.checked_sub(1)?;
        let inner = |i: usize| self.weight_behind(node.input.get(i)?, left);
        match node.op_type.as_str() {
            "Identity" => inner(0),
            "Transpose" => inner(0).map(|weight| Weight { dims: turned(node, &weight.dims), ..weight }),
            "Cast" => {
                let to = node.int("to").and_then(|to| to.try_into().ok())?;
                inner(0).map(|weight| Weight { data_type: to, ..weight })
            }
            // its scale has the type of what comes out
            "DequantizeLinear" => {
                let data_type = inner(1)?.data_type;
                inner(0).map(|weight| Weight { data_type, ..weight })
            }
            _ => None,
        }
    }
}

/// A constant as a node sees it.
pub struct Weight<'g> {
    pub dims: Vec<i64>,
    pub data_type: i32,
    /// As it is stored.
    pub tensor: &'g TensorProto,
}

impl Weight<'_> {
    /// How many numbers it has.
    pub fn count(&self) -> Option<i64> {
        self.dims.iter().try_fold(1i64, |product, &side| product.checked_mul(side))
    }
}

fn turned(node: &NodeProto, dims: &[i64]) -> Vec<i64> {
    let order = node.attribute.iter().find(|attribute| attribute.name == "perm").map(|attribute| &attribute.ints);
    let side = |&place: &i64| usize::try_from(place).ok().and_then(|place| dims.get(place)).copied().unwrap_or(0);
    order.map_or_else(|| dims.iter().rev().copied().collect(), |order| order.iter().map(side).collect())
}
