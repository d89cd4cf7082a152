//! The map that a network's features are the average of: what each cell of it adds to a linear function of the features
//! is a class activation map (Zhou and others 2016), and exact.

use super::Tensor;
use super::backbone::{Backbone, BackboneError};
use super::onnx::{GraphProto, Makers, ModelProto, NodeProto, ValueInfoProto};
use super::session::{Device, Input, Session};

/// A network up to that map, ready to be shown images one by one.
#[derive(Debug)]
pub struct Activation {
    session: Session,
    name: String,
    input: String,
    map: String,
    batch: usize,
    side: usize,
}

impl Activation {
    /// For inputs of `side` x `side` pixels, on the CPU.
    ///
    /// # Errors
    /// A network whose features are no average over a map, and those of a session.
    pub fn open(backbone: &Backbone, side: usize) -> Result<Activation, BackboneError> {
        backbone.check_side(side)?;
        let no_map = || BackboneError::NoMap { name: backbone.name.clone() };
        let named = |reason| BackboneError::Session { name: backbone.name.clone(), reason };
        let mut model = ModelProto::read(&backbone.model(side)?).map_err(|_| no_map())?;
        let mut graph = model.graph.take().unwrap_or_default();
        let map = averaged(&graph, &backbone.ports.output).ok_or_else(no_map)?;
        graph = graph.leading_to(&[&map]);
        if graph.output.is_empty() {
            graph.output.push(ValueInfoProto::unshaped(&map));
        }
        model.graph = Some(graph);
        Ok(Activation {
            session: Session::open(&model.write(), Device::PLAIN).map_err(named)?,
            name: backbone.name.clone(),
            input: backbone.ports.input.clone(),
            map,
            batch: backbone.ports.batch.unwrap_or(1),
            side,
        })
    }

    /// The map of one normalised image (3 x side x side): channels x rows x columns.
    ///
    /// # Errors
    /// A failing node, or something else than a map.
    pub fn of(&mut self, image: &[f32]) -> Result<Tensor, BackboneError> {
        let shape = [self.batch, 3, self.side, self.side];
        let input = Input { name: &self.input, shape: &shape, data: &image.repeat(self.batch) };
        let outputs = self.session.run(&[input], &[&self.map]);
        let outputs = outputs.map_err(|reason| BackboneError::Session { name: self.name.clone(), reason })?;
        match outputs.into_iter().next().map(|tensor| (tensor.shape, tensor.data)) {
            Some((shape, mut data)) if shape.len() == 4 && shape[0] == self.batch => {
                data.truncate(shape[1..].iter().product());
                Ok(Tensor::new(&shape[1..], data))
            }
            _ => Err(BackboneError::NoMap { name: self.name.clone() }),
        }
    }
}

/// The value that `features` is the average of over its last two axes, by way of what only changes the shape.
fn averaged(graph: &GraphProto, features: &str) -> Option<String> {
    let makers = Makers::of(graph);
    let mut value = features;
    loop {
        let node = makers.node(value)?;
        let input = node.input.first()?;
        match node.op_type.as_str() {
            "Identity" | "Dropout" | "Flatten" | "Reshape" | "Squeeze" => value = input,
            "GlobalAveragePool" => return Some(input.clone()),
            "ReduceMean" if over_the_picture(&makers, node) => return Some(input.clone()),
            _ => return None,
        }
    }
}

/// Are its axes those of height and width?
fn over_the_picture(makers: &Makers, node: &NodeProto) -> bool {
    let stated =
        node.attribute.iter().find(|attribute| attribute.name == "axes").map(|attribute| attribute.ints.clone());
    let fed = || makers.weight(node.input.get(1)?)?.tensor.integers();
    let mut axes = stated.or_else(fed).unwrap_or_default();
    axes.sort_unstable();
    axes == [2, 3] || axes == [-2, -1]
}

#[cfg(test)]
mod tests {
    use super::super::extract::Extractor;
    use super::*;

    #[test]
    fn features_are_the_average_of_the_map() {
        let backbone = Backbone::open("resnet18-cntk", &[]).unwrap();
        let image: Vec<f32> = (0..3 * 64 * 64).map(|i| ((i * 7919) % 1009) as f32 / 252.0 - 2.0).collect();
        let map = Activation::open(&backbone, 64).unwrap().of(&image).unwrap();
        assert_eq!(map.shape, [512, 2, 2]);
        let features = Extractor::new(&backbone, Device::cpu(), 64, 1).unwrap().features(&image).unwrap();
        for (feature, cells) in features.iter().zip(map.data.chunks_exact(4)) {
            assert!((feature - cells.iter().sum::<f32>() / 4.0).abs() < 1e-4);
        }
    }

    #[test]
    fn features_behind_a_layer_have_no_map() {
        let mut graph = crate::deep::onnx::Graph::new("layer");
        graph.node_to("GlobalAveragePool", &["x"], &[], &["p"]);
        graph.node_to("Flatten", &["p"], &[], &["f"]);
        graph.node_to("Relu", &["f"], &[], &["r"]);
        let graph = graph.model().graph.unwrap();
        assert_eq!(averaged(&graph, "f"), Some("x".into()));
        assert_eq!(averaged(&graph, "r"), None);
    }
}
