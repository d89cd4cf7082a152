//! Every operator of a network that has no rule, in one message.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result};

use super::RULES;
use crate::deep::onnx::NodeProto;

/// Operators without a rule: how many nodes each has, and what the first one is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(BTreeMap<String, (usize, String)>);

impl Unsupported {
    /// `None` where there are no such nodes.
    pub fn among<'a>(nodes: impl Iterator<Item = &'a NodeProto>) -> Option<Unsupported> {
        let mut operators = BTreeMap::new();
        for node in nodes {
            let first = || (0, node.called().to_owned());
            operators.entry(node.op_type.clone()).or_insert_with(first).0 += 1;
        }
        (!operators.is_empty()).then_some(Unsupported(operators))
    }

    fn is_quantised(&self) -> bool {
        self.0.keys().any(|operator| ["Quantize", "QLinear", "Integer"].iter().any(|part| operator.contains(part)))
    }
}

impl std::error::Error for Unsupported {}

impl Display for Unsupported {
    fn fmt(&self, out: &mut Formatter) -> Result {
        let nodes = |(operator, (count, first)): (&String, &(usize, String))| match count {
            1 => format!("{operator} (node `{first}`)"),
            _ => format!("{operator} ({count} nodes, the first is `{first}`)"),
        };
        let list: Vec<String> = self.0.iter().map(nodes).collect();
        write!(out, "the network has operators that can't be trained: {}; ", list.join(", "))?;
        if self.is_quantised() {
            return out.write_str("it is quantised: fine-tune the network's export in 32-bit floats");
        }
        write!(out, "supported are {}", RULES.map(|(operator, ..)| operator).join(", "))
    }
}
