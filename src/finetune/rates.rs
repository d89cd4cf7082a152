//! What share of the learning rate each parameter learns with: the head's, the backbone's, and less from layer to layer
//! towards the image (Clark and others 2020, ELECTRA; Howard and Ruder 2018).

use std::collections::HashMap;

use super::gradient::is_weight;
use super::head;
use super::settings::Settings;
use crate::deep::onnx::{GraphProto, ModelProto, TensorProto};

/// Shares by the names of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// Of each parameter of the backbone.
    layers: HashMap<String, f64>,
    head: f64,
}

impl Shares {
    /// Layers are the blocks that the names of parameters tell, in the order of the graph; `layer_decay` is what each learns
    /// with relative to the one behind it.
    pub fn of(model: &ModelProto, settings: &Settings) -> Shares {
        let depths = model.graph.as_ref().map(depths).unwrap_or_default();
        let layers = depths.iter().map(|&(_, depth)| depth + 1).max().unwrap_or(0);
        let share = |depth: usize| settings.rates.backbone * settings.layer_decay.powf((layers - depth) as f64);
        let layers = depths.into_iter().map(|(name, depth)| (name, share(depth))).collect();
        Shares { layers, head: settings.rates.head }
    }

    /// Of the parameter of this name.
    pub fn share(&self, name: &str) -> f64 {
        if name.starts_with(head::PREFIX) { self.head } else { self.layers.get(name).copied().unwrap_or(1.0) }
    }
}

/// Every parameter of the backbone with the place of its layer, counted from the image. A parameter whose name tells no
/// layer (a token; what an exporter computed and named itself) belongs to that of the one before it.
fn depths(graph: &GraphProto) -> Vec<(String, usize)> {
    let constants: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut layers: HashMap<&str, usize> = HashMap::new();
    let (mut current, mut all) = (0, HashMap::new());
    for node in &graph.node {
        for (place, name) in node.input.iter().enumerate() {
            let is_parameter = constants.get(name.as_str()).is_some_and(|tensor| is_weight(node, place, tensor));
            if !is_parameter || name.starts_with(head::PREFIX) || all.contains_key(name) {
                continue;
            }
            if let Some(layer) = layer(name) {
                let next = layers.len();
                current = *layers.entry(layer).or_insert(next);
            }
            all.insert(name.clone(), current);
        }
    }
    all.into_iter().collect()
}

/// `blocks.3` of `blocks.3.attn.qkv.weight`, `layer1.0` of `layer1.0.conv1.weight`, `conv1` of `conv1.weight`.
fn layer(name: &str) -> Option<&str> {
    if name.contains("::") || !name.contains('.') {
        return None;
    }
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (mut end, mut at, mut first) = (None, 0, 0);
    for part in name.split('.') {
        at += part.len();
        first = if first == 0 { at } else { first };
        if is_number(part) {
            end = Some(at);
        }
        at += 1;
    }
    name.get(..end.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::onnx::Graph;

    #[test]
    fn layers_are_told_by_names() {
        assert_eq!(layer("blocks.3.attn.qkv.weight"), Some("blocks.3"));
        assert_eq!(layer("stages.0.blocks.12.gamma"), Some("stages.0.blocks.12"));
        assert_eq!(layer("conv1.weight"), Some("conv1"));
        assert_eq!([layer("cls_token"), layer("onnx::MatMul_12")], [None; 2]);
    }

    #[test]
    fn shares_fall_from_layer_to_layer_towards_the_image() {
        let mut graph = Graph::new("layers");
        let names = ["stem.weight", "blocks.0.a.weight", "onnx::MatMul_1", "blocks.1.a.weight", "head.weight"];
        let mut value = "x".to_owned();
        for name in names {
            graph.initializer(TensorProto::float(name, Tensor::new(&[2, 2], vec![1.0; 4])));
            value = graph.node("MatMul", &[&value, name], &[]);
        }
        let text = "head = \"linear\"\nepochs = 1\nbatch = 2\nlr = 0.1\nlayer_decay = 0.5\nrates = { backbone = 0.8, head = 2.0 }\n\
                    [optimiser]\nkind = \"sgd\"\n[schedule]\nkind = \"constant\"";
        let shares = Shares::of(&graph.model(), &toml::from_str(text).unwrap());
        let found = names.map(|name| shares.share(name));
        assert_eq!(found, [0.1, 0.2, 0.2, 0.4, 2.0]);
    }
}
