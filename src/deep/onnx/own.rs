//! Operators of featbench's own in a graph, each with what it means in standard ones: a function of the format.
//! Which of both runs is decided where a graph is run; what is written into files is standard.

use std::collections::HashMap;

use super::{Attribute, FunctionProto, Graph, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};

/// The domain of these operators.
pub const DOMAIN: &str = "featbench";
/// The first file version with functions that share a name and differ in what they are called for.
const OVERLOADS: i64 = 10;

/// Where in a graph a definition begins.
#[derive(Debug, Clone, Copy)]
pub struct Beginning(usize);

impl Graph {
    /// What follows is the definition of one operator, until [`as_one`](Graph::as_one).
    pub fn begin(&self) -> Beginning {
        Beginning(self.proto.node.len())
    }

    /// Makes one operator of the nodes since `beginning`, which become its definition: they compute `outputs` of `inputs`
    /// (`""` leaves an optional one out).
    pub fn as_one(
        &mut self,
        Beginning(place): Beginning,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        outputs: &[&str],
    ) {
        let definition = self.proto.node.split_off(place);
        let node = NodeProto { overload: outputs[0].into(), ..NodeProto::own(operator, inputs, attributes, outputs) };
        self.functions.push(FunctionProto {
            name: operator.into(),
            input: node.input.iter().filter(|name| !name.is_empty()).cloned().collect(),
            output: node.output.iter().filter(|name| !name.is_empty()).cloned().collect(),
            attribute: node.attribute.iter().map(|attribute| attribute.name.clone()).collect(),
            node: definition,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: super::OPSET }],
            domain: DOMAIN.into(),
            attribute_proto: Vec::new(),
            overload: node.overload.clone(),
        });
        self.proto.node.push(node);
    }
}

impl NodeProto {
    /// An operator of ours, named after its first output.
    pub fn own(op: &str, inputs: &[&str], attributes: &[(&str, Attribute)], outputs: &[&str]) -> NodeProto {
        NodeProto { domain: DOMAIN.into(), ..NodeProto::new(op, inputs, attributes, outputs) }
    }

    /// Is it this operator of ours?
    pub fn is_own(&self, op: &str) -> bool {
        self.domain == DOMAIN && self.op_type == op
    }

    /// Is it this standard operator?
    pub fn is_standard(&self, op: &str) -> bool {
        matches!(self.domain.as_str(), "" | "ai.onnx") && self.op_type == op
    }
}

/// What operators of ours mean, by what they are called for.
pub type Definitions = HashMap<String, Vec<NodeProto>>;

impl ModelProto {
    /// Takes the definitions of our operators out of the model.
    pub fn take_definitions(&mut self) -> Definitions {
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.functions).into_iter().partition(|function| function.domain == DOMAIN);
        self.functions = others;
        own.into_iter().map(|function| (function.overload, function.node)).collect()
    }

    /// The same model in standard operators alone.
    pub fn in_standard_operators(mut self) -> ModelProto {
        let mut definitions = self.take_definitions();
        let graph = self.graph.take().unwrap_or_default();
        let defined = |node: NodeProto| definitions.remove(&node.overload).unwrap_or_else(|| vec![node]);
        self.graph = Some(GraphProto { node: graph.node.into_iter().flat_map(defined).collect(), ..graph });
        self.opset_import.retain(|set| set.domain != DOMAIN);
        self
    }

    /// States that operators of ours are used.
    pub fn with_own_operators(mut self) -> ModelProto {
        self.opset_import.push(OperatorSetIdProto { domain: DOMAIN.into(), version: 1 });
        self.ir_version = self.ir_version.max(OVERLOADS);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_takes_the_place_of_its_operator() {
        let mut graph = Graph::new("test");
        let begin = graph.begin();
        let double = graph.node("Add", &["x", "x"], &[]);
        graph.node_to("Relu", &[&double], &[], &["y"]);
        graph.as_one(begin, "Twice", &["x", ""], &[], &["y"]);
        graph.node_to("Neg", &["y"], &[], &["z"]);
        let model = graph.model();
        assert_eq!(model.opset_import.len(), 2);
        let operators = |model: &ModelProto| -> Vec<String> {
            model.graph.iter().flat_map(|graph| &graph.node).map(|node| node.op_type.clone()).collect()
        };
        assert_eq!(operators(&model), ["Twice", "Neg"]);
        let standard = model.in_standard_operators();
        assert_eq!(operators(&standard), ["Add", "Relu", "Neg"]);
        assert!(standard.functions.is_empty() && standard.opset_import.len() == 1);
    }
}
