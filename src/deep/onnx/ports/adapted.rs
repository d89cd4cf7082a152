//! An input that takes other numbers, or its channels elsewhere: nodes in front of it bring what every network is fed, N x 3
//! x height x width of 32-bit floats, into its form.

use super::pixels::{last_are_channels, turned};
use crate::deep::onnx::halves::cast;
use crate::deep::onnx::{Attribute, Dimension, FLOAT, FLOAT16, GraphProto, NodeProto, UINT8, ValueInfoProto};
use crate::deep::settings::{Element, Layout};

/// A node: its operator, its attributes, and what it gives in words.
type Step = (&'static str, Vec<(&'static str, Attribute)>, &'static str);

/// What an input takes, where nodes had to be put in front of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adapted {
    pub channels_last: bool,
    pub element: Option<Element>,
}

impl GraphProto {
    /// Changes a graph so that it is fed like every other one. What is stated goes before what the file shows.
    ///
    /// # Errors
    /// What is stated is not so in the file.
    pub fn fed_plainly(&mut self, layout: Option<Layout>, element: Option<Element>) -> Result<Adapted, String> {
        let inputs: Vec<_> = self.fed_inputs().collect();
        let [only] = inputs[..] else { return Ok(Adapted::default()) };
        let only = only.clone();
        let found = match only.element() {
            Some(FLOAT16) => Element::F16,
            Some(UINT8) => Element::U8,
            _ => Element::F32,
        };
        if let Some(stated) = element.filter(|stated| *stated != found) {
            return Err(format!("type = \"{}\" is stated, and its input is {only}", stated.name()));
        }
        let sides = only.sides();
        let shape = match sides.as_deref().map(|sides| sides.iter().map(size).collect::<Vec<_>>()).as_deref() {
            Some(&[batch, second, third, last]) => [batch, second, third, last],
            None => [None; 4],
            _ => return Ok(Adapted::default()),
        };
        let channels_last = match layout {
            Some(Layout::Nchw) => false,
            Some(Layout::Nhwc) if shape[3].is_some_and(|channels| channels != 3) => {
                return Err(format!("layout = \"NHWC\" is stated, and its input is {only}"));
            }
            Some(Layout::Nhwc) => true,
            None => last_are_channels(shape) || turned(self, &only.name),
        };
        let adapted = Adapted { channels_last, element: Some(found).filter(|found| *found != Element::F32) };
        if adapted != Adapted::default() {
            self.feed(&only, sides, adapted);
        }
        Ok(adapted)
    }

    /// Widens outputs of 16-bit floats behind the graph; were there any?
    pub fn giving_floats(&mut self) -> bool {
        let halves = self.output.iter().filter(|output| output.element() == Some(FLOAT16));
        let halves: Vec<ValueInfoProto> = halves.cloned().collect();
        for ValueInfoProto { name, .. } in &halves {
            let half = format!("{name} (16-bit float)");
            self.rename(name, &half);
            self.node.push(cast(&half, name, FLOAT));
            self.value_info.retain(|value| value.name != *name);
            for output in self.output.iter_mut().filter(|output| output.name == half) {
                output.name.clone_from(name);
                let tensor = output.r#type.iter_mut().filter_map(|r#type| r#type.tensor_type.as_mut());
                tensor.for_each(|tensor| tensor.elem_type = FLOAT);
            }
        }
        !halves.is_empty()
    }

    fn feed(
        &mut self,
        old: &ValueInfoProto,
        sides: Option<Vec<Dimension>>,
        Adapted { channels_last, element }: Adapted,
    ) {
        let free = || Dimension::Name(String::new());
        let sides = match sides.as_deref() {
            Some([batch, height, width, _]) if channels_last => [batch, height, width].map(Clone::clone),
            Some([batch, _, height, width]) => [batch, height, width].map(Clone::clone),
            _ => [free(), free(), free()],
        };
        let [batch, height, width] = sides;
        let mut value = format!("{} (N x 3 x height x width)", old.name);
        let input = ValueInfoProto::float(&value, &[batch, Dimension::Size(3), height, width]);
        let mut steps: Vec<Step> = Vec::new();
        let to = |element: i32| vec![("to", Attribute::Int(element.into()))];
        match element {
            Some(Element::F16) => steps.push(("Cast", to(FLOAT16), "16-bit float")),
            Some(Element::U8) => steps.extend([("Round", vec![], "rounded"), ("Cast", to(UINT8), "bytes")]),
            _ => {}
        }
        if channels_last {
            steps.push(("Transpose", vec![("perm", Attribute::Ints(vec![0, 2, 3, 1]))], "channels last"));
        }
        let last = steps.len().saturating_sub(1);
        for (i, (operator, attributes, what)) in steps.into_iter().enumerate() {
            let output = if i == last { old.name.clone() } else { format!("{} ({what})", old.name) };
            self.node.insert(i, NodeProto::new(operator, &[&value], &attributes, &[&output]));
            value = output;
        }
        self.input.iter_mut().filter(|value| value.name == old.name).for_each(|value| *value = input.clone());
    }
}

impl Adapted {
    /// Are its pixels levels from 0 to 255?
    pub fn takes_bytes(self) -> bool {
        self.element == Some(Element::U8)
    }

    /// What its input takes, in words; empty where that is what every network is fed.
    pub fn words(self) -> String {
        let last = if self.channels_last { ", channels last" } else { "" };
        let element = match self.element {
            Some(Element::F16) => ", 16-bit floats",
            Some(Element::U8) => ", bytes",
            _ => "",
        };
        format!("{last}{element}")
    }
}

fn size(side: &Dimension) -> Option<usize> {
    if let Dimension::Size(size) = side { usize::try_from(*size).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::{Graph, ModelProto};

    #[test]
    fn outputs_of_16_bit_floats_are_widened() {
        let mut graph = Graph::new("half");
        graph.node_to("Flatten", &["x"], &[], &["y"]);
        graph.node_to("Relu", &["y"], &[], &["z"]);
        ["y", "z"].iter().for_each(|name| graph.output(name, &[Dimension::Size(1), Dimension::Size(3)]));
        let ModelProto { graph: Some(mut graph), .. } = graph.model() else { panic!("it has a graph") };
        assert!(!graph.giving_floats());
        let tensor = graph.output[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
        tensor.elem_type = FLOAT16;
        assert!(graph.giving_floats());
        let nodes: Vec<_> = graph.node.iter().map(|node| (node.op_type.as_str(), &node.input[0][..])).collect();
        assert_eq!(nodes, [("Flatten", "x"), ("Relu", "y (16-bit float)"), ("Cast", "y (16-bit float)")]);
        let outputs: Vec<_> = graph.output.iter().map(ToString::to_string).collect();
        assert_eq!(outputs, ["`y` (1 x 3)", "`z` (1 x 3)"]);
    }
}
