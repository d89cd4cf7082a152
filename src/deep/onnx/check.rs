//! What must hold of every file before anybody walks through its graph or believes a number of it: no cycle, no loop
//! without an end, and as many bytes as are stated.

use std::collections::HashMap;

use super::{
    AttributeProto, BFLOAT16, DOUBLE, EXTERNAL, FLOAT, FLOAT16, GraphProto, ModelProto, NodeProto, TensorProto,
};

/// Nodes of a graph once the file's own operators are written out.
const NODES: u64 = 1_000_000;

/// Operators of which a file that nobody knows may not have one, and why.
const REFUSED: [(&str, &str); 9] = [
    ("Loop", ENDLESS),
    ("Scan", ENDLESS),
    (
        "DynamicQuantizeLinear",
        "quantises by the range of its input, so that the features of an image depend on the \
      images that share its batch; quantise it statically (`quantize_static`), or export it in 32-bit float",
    ),
    ("RandomNormal", RANDOM),
    ("RandomNormalLike", RANDOM),
    ("RandomUniform", RANDOM),
    ("RandomUniformLike", RANDOM),
    ("Bernoulli", RANDOM),
    ("Multinomial", RANDOM),
];
const ENDLESS: &str = "repeats a part of the network as often as the file says, which may never end; export it with its \
                       loops unrolled";
const RANDOM: &str = "draws at random, so that its features are not the same twice; export it for inference \
                      (`model.eval()`)";

impl ModelProto {
    /// Checks the graph, and brings its nodes into the order in which they can be computed.
    pub(super) fn checked(mut self) -> Result<ModelProto, String> {
        let functions = self.functions.iter().map(|function| &function.node);
        let lists: Vec<&[NodeProto]> =
            self.graph.iter().map(|graph| &graph.node).chain(functions).map(Vec::as_slice).collect();
        for node in lists.into_iter().flat_map(all_nodes) {
            known(node)?;
        }
        written_out(&self)?;
        let tensors = self.graph.iter().flat_map(constants);
        tensors
            .chain(self.functions.iter().flat_map(|function| all_nodes(&function.node).flat_map(tensors_of)))
            .try_for_each(whole)?;
        if let Some(graph) = &mut self.graph {
            in_order(graph)?;
        }
        Ok(self)
    }
}

impl ModelProto {
    /// Do some of its numbers lie in other files?
    pub fn lies_elsewhere(&self) -> bool {
        let functions = self.functions.iter().flat_map(|function| all_nodes(&function.node).flat_map(tensors_of));
        self.graph.iter().flat_map(constants).chain(functions).any(|tensor| tensor.data_location == EXTERNAL)
    }
}

/// Nodes of a list and of the graphs within them.
pub(super) fn all_nodes(nodes: &[NodeProto]) -> impl Iterator<Item = &NodeProto> {
    let mut open: Vec<&NodeProto> = nodes.iter().rev().collect();
    std::iter::from_fn(move || {
        let node = open.pop()?;
        open.extend(subgraphs(node).flat_map(|graph| &graph.node));
        Some(node)
    })
}

/// Branches of a node.
fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
}

/// Every constant of a graph, wherever it stands.
fn constants(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let within = all_nodes(&graph.node)
        .flat_map(|node| tensors_of(node).chain(subgraphs(node).flat_map(|graph| &graph.initializer)));
    graph.initializer.iter().chain(within)
}

fn tensors_of(node: &NodeProto) -> impl Iterator<Item = &TensorProto> {
    node.attribute.iter().flat_map(|AttributeProto { t, tensors, .. }| t.iter().chain(tensors))
}

/// Is a node one of which it is known that it ends, and gives the same for an image every time?
fn known(node: &NodeProto) -> Result<(), String> {
    if let Some((_, why)) = REFUSED.iter().find(|(op, _)| *op == node.op_type) {
        return Err(format!("its node `{}` ({}) {why}", node.called(), node.op_type));
    }
    if node.op_type == "BatchNormalization" && node.int("training_mode") == Some(1) {
        return Err(format!(
            "its node `{}` (BatchNormalization) is in training mode, so that the features of an image depend on the images \
             that share its batch; call `model.eval()` before the export (where it standardises weights: dynamo=True)",
            node.called()
        ));
    }
    Ok(())
}

/// Bounds how many nodes there are when every call of a function of the file is written out, as ONNX Runtime does it.
fn written_out(model: &ModelProto) -> Result<(), String> {
    let mut sizes: HashMap<(&str, &str), u64> = HashMap::new();
    let size = |nodes: &[NodeProto], sizes: &HashMap<(&str, &str), u64>| {
        let one = |node: &NodeProto| sizes.get(&(node.domain.as_str(), node.op_type.as_str())).copied().unwrap_or(1);
        all_nodes(nodes).map(one).fold(0u64, u64::saturating_add)
    };
    let too_many = || Err(format!("its own functions call each other without an end, or make more than {NODES} nodes"));
    // sizes grow from the functions that call no other one on; after as many rounds as there are functions they stand
    for round in 0..=model.functions.len() {
        let mut changed = false;
        for function in &model.functions {
            let new = size(&function.node, &sizes).max(1);
            changed |= sizes.insert((&function.domain, &function.name), new) != Some(new);
        }
        if !changed {
            break;
        }
        if round == model.functions.len() || sizes.values().any(|&size| size > NODES) {
            return too_many();
        }
    }
    let whole = model.graph.iter().map(|graph| size(&graph.node, &sizes)).sum::<u64>();
    if whole > NODES { too_many() } else { Ok(()) }
}

/// Are there as many numbers as its shape says?
fn whole(tensor: &TensorProto) -> Result<(), String> {
    let wrong = |found: usize| {
        let sides = tensor.dims.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
        format!(
            "its constant `{}` should have the shape ({sides}) and has {found} {}; the file is damaged, get it again",
            tensor.name,
            if tensor.raw_data.is_empty() { "numbers" } else { "bytes" }
        )
    };
    if tensor.data_location == EXTERNAL {
        return Ok(());
    }
    let Some(count) = tensor.count() else { return Err(wrong(tensor.raw_data.len())) };
    if !tensor.raw_data.is_empty() {
        let expected = tensor.bits().map(|bits| count.checked_mul(bits).map(|bits| bits.div_ceil(8)));
        return if expected.is_none_or(|bytes| bytes == Some(tensor.raw_data.len())) {
            Ok(())
        } else {
            Err(wrong(tensor.raw_data.len()))
        };
    }
    let lists = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
        tensor.string_data.len(),
    ];
    let found = lists.into_iter().max().unwrap_or(0);
    // a list may hold several small numbers in one, and complex ones as two
    let packed = tensor.bits().is_none_or(|bits| bits < 8);
    if found == count || (packed && found <= count.saturating_mul(2) && (found > 0) == (count > 0)) {
        Ok(())
    } else {
        Err(wrong(found))
    }
}

impl TensorProto {
    /// How many numbers its shape says.
    pub(in crate::deep) fn count(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |product, &side| product.checked_mul(side.try_into().ok()?))
    }

    /// Bits of one number; `None` for text, complex numbers and types that are not known.
    pub(super) fn bits(&self) -> Option<usize> {
        Some(match self.data_type {
            FLOAT | 6 | 12 => 32,
            2 | 3 | 9 | 17..=20 => 8,
            4 | 5 | FLOAT16 | BFLOAT16 => 16,
            7 | DOUBLE | 13 => 64,
            21..=23 => 4,
            _ => return None,
        })
    }
}

impl NodeProto {
    /// Its name, or that of the first value that it gives.
    pub fn called(&self) -> &str {
        if self.name.is_empty() { self.output.first().map_or("", String::as_str) } else { &self.name }
    }

    /// An attribute that is a number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute.iter().find(|attribute| attribute.name == name)?.i
    }

    /// The values that it needs, those that its branches take from around it among them.
    pub fn uses(&self) -> impl Iterator<Item = &str> {
        let within = subgraphs(self).flat_map(|graph| {
            let outputs = graph.output.iter().map(|value| &value.name);
            all_nodes(&graph.node).flat_map(|node| &node.input).chain(outputs)
        });
        self.input.iter().chain(within).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// Sorts the nodes so that each comes behind those that it needs; those that are sorted stay as they are.
fn in_order(graph: &mut GraphProto) -> Result<(), String> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (i, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if makers.insert(output, i).is_some() {
                return Err(format!(
                    "two of its nodes give the value `{output}`; the file is damaged, export it again"
                ));
            }
        }
    }
    let needs = |node: &NodeProto| {
        let mut needs: Vec<usize> = node.uses().filter_map(|name| makers.get(name).copied()).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    };
    let needs: Vec<Vec<usize>> = graph.node.iter().map(needs).collect();
    if needs.iter().enumerate().all(|(i, needs)| needs.iter().all(|&needed| needed < i)) {
        return Ok(());
    }
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut users = vec![Vec::new(); needs.len()];
    needs.iter().enumerate().for_each(|(i, needs)| needs.iter().for_each(|&needed| users[needed].push(i)));
    let mut ready: std::collections::BinaryHeap<_> =
        (0..needs.len()).filter(|&i| waiting[i] == 0).map(std::cmp::Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(std::cmp::Reverse(i)) = ready.pop() {
        order.push(i);
        for &user in &users[i] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(std::cmp::Reverse(user));
            }
        }
    }
    if let Some(stuck) = waiting.iter().position(|&waiting| waiting > 0) {
        let node = &graph.node[stuck];
        return Err(format!(
            "its nodes form a cycle, so that it can never be computed (`{}`, {}, needs what it gives); the file is damaged, \
             export it again",
            node.called(),
            node.op_type
        ));
    }
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|i| nodes[i].take()).collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::onnx::{Attribute, FunctionProto, Graph};

    fn model(nodes: &[(&str, &[&str], &str)]) -> ModelProto {
        let mut graph = Graph::new("test");
        nodes.iter().for_each(|(op, inputs, output)| graph.node_to(op, inputs, &[], &[output]));
        graph.model()
    }

    fn refusal(model: ModelProto) -> String {
        model.checked().unwrap_err()
    }

    #[test]
    fn nodes_come_into_the_order_in_which_they_are_computed() {
        let order = |nodes| {
            let nodes = model(nodes).checked().unwrap().graph.unwrap().node;
            nodes.into_iter().map(|node| node.output[0].clone()).collect::<String>()
        };
        assert_eq!(order(&[("Relu", &["b"], "c"), ("Relu", &["x"], "a"), ("Relu", &["a"], "b")]), "abc");
        assert_eq!(order(&[("Relu", &["x"], "b"), ("Relu", &["x"], "a"), ("Add", &["b", "a"], "c")]), "bac");
    }

    #[test]
    fn a_cycle_is_refused_however_long_it_is() {
        let itself = model(&[("Identity", &["y"], "y")]);
        let two = model(&[("Relu", &["x"], "a"), ("Softmax", &["c"], "b"), ("Identity", &["b"], "c")]);
        for model in [itself, two] {
            assert!(refusal(model).starts_with("its nodes form a cycle"));
        }
        let twice = model(&[("Relu", &["x"], "a"), ("Relu", &["x"], "a")]);
        assert!(refusal(twice).starts_with("two of its nodes give the value `a`"));
        let long: Vec<String> = (0..200_000).map(|i| format!("v{i}")).collect();
        let mut chain = Graph::new("chain");
        long.windows(2).for_each(|pair| chain.node_to("Identity", &[&pair[0]], &[], &[&pair[1]]));
        assert!(chain.model().checked().is_ok());
    }

    #[test]
    fn what_may_never_end_is_refused_wherever_it_hides() {
        assert!(refusal(model(&[("Loop", &["x"], "y")])).starts_with("its node `y` (Loop) repeats a part"));
        let body = model(&[("Scan", &["x"], "z")]).graph.unwrap();
        let mut hidden = model(&[("If", &["x"], "y")]);
        let branch = AttributeProto { name: "then_branch".into(), g: Some(Box::new(body)), ..Default::default() };
        hidden.graph.as_mut().unwrap().node[0].attribute.push(branch);
        assert!(refusal(hidden).starts_with("its node `z` (Scan) repeats"));
        let mut training = model(&[("BatchNormalization", &["x"], "y")]);
        let mode = [("training_mode", Attribute::Int(1))];
        training.graph.as_mut().unwrap().node[0] = NodeProto::new("BatchNormalization", &["x"], &mode, &["y"]);
        assert!(refusal(training).contains("is in training mode"));
        assert!(refusal(model(&[("DynamicQuantizeLinear", &["x"], "y")])).contains("quantises by the range"));
    }

    #[test]
    fn functions_that_double_each_other_are_refused() {
        let function = |i: usize| FunctionProto {
            name: format!("f{i}"),
            node: model(&[(&format!("f{}", i + 1), &["x"], "a"), (&format!("f{}", i + 1), &["a"], "b")])
                .graph
                .unwrap()
                .node,
            ..Default::default()
        };
        let with =
            |count| ModelProto { functions: (0..count).map(function).collect(), ..model(&[("f0", &["x"], "y")]) };
        assert!(with(10).checked().is_ok());
        assert!(refusal(with(60)).starts_with("its own functions call each other"));
        let recursive = ModelProto { functions: vec![FunctionProto { name: "f1".into(), ..function(0) }], ..with(0) };
        assert!(refusal(recursive).starts_with("its own functions call each other"));
    }

    #[test]
    fn as_many_numbers_as_the_shape_says() {
        let with = |tensor: TensorProto| {
            let mut model = model(&[]);
            model.graph.as_mut().unwrap().initializer.push(TensorProto { name: "w".into(), ..tensor });
            model.checked()
        };
        let two = TensorProto::float("", Tensor::new(&[2], vec![1.0; 2]));
        assert!(with(two.clone()).is_ok());
        assert!(
            with(TensorProto { raw_data: vec![], int32_data: vec![1, 2], data_type: FLOAT16, ..two.clone() }).is_ok()
        );
        for dims in [vec![3], vec![1 << 40], vec![i64::MAX, i64::MAX], vec![-2], vec![]] {
            let raw = with(TensorProto { dims: dims.clone(), ..two.clone() }).unwrap_err();
            assert!(raw.contains("its constant `w` should have the shape") && raw.contains("has 8 bytes"), "{raw}");
            let listed = TensorProto { dims, raw_data: vec![], float_data: vec![1.0; 2], ..two.clone() };
            assert!(with(listed).is_err());
        }
    }
}
