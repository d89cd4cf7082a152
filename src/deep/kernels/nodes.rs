//! A graph's nodes while they are rewritten: who makes a value, who uses it, and nodes that go and come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::deep::onnx::{Attribute, AttributeProto, NodeProto, TensorProto, ValueInfoProto};

#[derive(Debug)]
pub struct Nodes {
    /// `None` where one was taken away.
    nodes: Vec<Option<NodeProto>>,
    makers: HashMap<String, usize>,
    users: HashMap<String, Vec<usize>>,
    /// Outputs of the graph.
    outputs: HashSet<String>,
}

impl Nodes {
    pub fn of(nodes: impl IntoIterator<Item = NodeProto>, outputs: impl IntoIterator<Item = String>) -> Nodes {
        let mut all = Nodes {
            nodes: Vec::new(),
            makers: HashMap::new(),
            users: HashMap::new(),
            outputs: outputs.into_iter().collect(),
        };
        nodes.into_iter().for_each(|node| all.put(node));
        all
    }

    fn put(&mut self, node: NodeProto) {
        self.nodes.push(None);
        self.put_at(self.nodes.len() - 1, node);
    }

    /// Puts a node where one was taken away.
    pub fn put_at(&mut self, place: usize, node: NodeProto) {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            self.makers.insert(output.clone(), place);
        }
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            self.users.entry(input.clone()).or_default().push(place);
        }
        self.nodes[place] = Some(node);
    }

    pub fn take(&mut self, place: usize) -> Option<NodeProto> {
        let node = self.nodes[place].take()?;
        for output in &node.output {
            self.makers.remove(output);
        }
        for input in &node.input {
            self.users.entry(input.clone()).and_modify(|users| users.retain(|&user| user != place));
        }
        Some(node)
    }

    /// Places of the nodes that are there.
    pub fn places(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&place| self.nodes[place].is_some()).collect()
    }

    pub fn get(&self, place: usize) -> Option<&NodeProto> {
        self.nodes.get(place)?.as_ref()
    }

    /// The node that makes a value, with its place.
    pub fn maker(&self, value: &str) -> Option<(usize, &NodeProto)> {
        let place = *self.makers.get(value)?;
        Some((place, self.get(place)?))
    }

    /// How many inputs of nodes, and outputs of the graph, a value is.
    pub fn uses(&self, value: &str) -> usize {
        self.users.get(value).map_or(0, Vec::len) + usize::from(self.outputs.contains(value))
    }

    /// The one node that uses a value, with its place; `None` where there are others, or it is an output of the graph.
    pub fn only_user(&self, value: &str) -> Option<(usize, &NodeProto)> {
        match self.users.get(value).map(Vec::as_slice) {
            Some(&[place]) if !self.outputs.contains(value) => Some((place, self.get(place)?)),
            _ => None,
        }
    }

    /// All nodes in an order in which they can be computed, as near as possible to the one that they came in.
    pub fn in_order(self) -> Vec<NodeProto> {
        let mut waits: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let made = |name: &&String| self.makers.contains_key(name.as_str());
            waits.push(node.iter().flat_map(|node| &node.input).filter(made).count());
        }
        let mut ready: BinaryHeap<Reverse<usize>> = (0..waits.len()).filter(|&i| waits[i] == 0).map(Reverse).collect();
        let mut nodes = self.nodes;
        let mut ordered = Vec::with_capacity(nodes.len());
        while let Some(Reverse(place)) = ready.pop() {
            let Some(node) = nodes[place].take() else { continue };
            for output in &node.output {
                for &user in self.users.get(output).into_iter().flatten() {
                    waits[user] -= 1;
                    if waits[user] == 0 {
                        ready.push(Reverse(user));
                    }
                }
            }
            ordered.push(node);
        }
        ordered
    }
}

/// The attribute of this name.
pub fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// A list of integers, where it is stated.
pub fn ints<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [i64]> {
    attribute(node, name).map(|attribute| &attribute.ints[..])
}

impl NodeProto {
    /// With one more attribute.
    pub(super) fn with(mut self, name: &str, value: Attribute) -> NodeProto {
        self.attribute.push(value.named(name));
        self
    }
}

/// The constants that nodes or the graph's outputs use, by name.
pub fn used(
    constants: HashMap<String, TensorProto>,
    nodes: &[NodeProto],
    outputs: &[ValueInfoProto],
) -> Vec<TensorProto> {
    let names: HashSet<&str> =
        nodes.iter().flat_map(NodeProto::uses).chain(outputs.iter().map(|output| output.name.as_str())).collect();
    let mut used: Vec<TensorProto> =
        constants.into_values().filter(|tensor| names.contains(tensor.name.as_str())).collect();
    used.sort_by(|a, b| a.name.cmp(&b.name));
    used
}
