//! VGG with batch norm as torchvision builds it (Simonyan and Zisserman 2015; `vgg16_bn`): stages of 3 x 3 convolutions,
//! each with a max pool behind it, and three fully connected layers. Its features are the average over the last map.

use super::{Builder, Conv, FEATURES, INPUT, LOGITS, Network};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Dimension, Graph};

/// Sides of the map that the first fully connected layer takes.
const MAP: usize = 7;
/// Width of the hidden fully connected layers.
const HIDDEN: usize = 4096;

/// Which member of the family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vgg {
    /// Channels of the convolutions of each stage.
    pub stages: Vec<Vec<usize>>,
    pub classifier: Option<Classifier>,
}

/// The fully connected layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classifier {
    pub classes: usize,
    /// Side of the input in pixels: the last map is brought to 7 x 7, and how depends on its size.
    pub side: usize,
}

impl Vgg {
    /// VGG-16.
    pub fn sixteen(classifier: Option<Classifier>) -> Vgg {
        let stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];
        Vgg { stages: stages.map(|(channels, count)| vec![channels; count]).to_vec(), classifier }
    }

    /// The same network up to the pool of a stage, counted from 1.
    pub fn cut_after(&self, stage: usize) -> Vgg {
        Vgg { stages: self.stages.iter().take(stage).cloned().collect(), classifier: None }
    }

    /// The graph: input [`INPUT`], outputs [`FEATURES`] and, with a classifier, [`LOGITS`]; the batch is free.
    pub fn network(&self) -> Network {
        let mut builder = Builder { graph: Graph::new("vgg"), parameters: Vec::new() };
        let free = |name: &str| Dimension::Name(name.into());
        let side = |name| self.classifier.map_or(free(name), |classifier| Dimension::Size(classifier.side as i64));
        builder.graph.input(INPUT, &[free("batch"), Dimension::Size(3), side("height"), side("width")]);
        let (mut x, mut channels, mut place) = (INPUT.to_owned(), 3, 0);
        for stage in &self.stages {
            for &output in stage {
                let conv = Conv { input: channels, output, kernel: 3, stride: 1, bias: true };
                x = builder.conv_norm(&x, &format!("features.{place}"), &format!("features.{}", place + 1), conv);
                x = builder.relu(&x);
                (channels, place) = (output, place + 3);
            }
            let two = || Attribute::Ints(vec![2, 2]);
            x = builder.graph.node("MaxPool", &[&x], &[("kernel_shape", two()), ("strides", two())]);
            place += 1;
        }
        let pooled = builder.graph.node("GlobalAveragePool", &[&x], &[]);
        builder.graph.node_to("Flatten", &[&pooled], &[("axis", Attribute::Int(1))], &[FEATURES]);
        builder.graph.output(FEATURES, &[free("batch"), Dimension::Size(channels as i64)]);
        if let Some(classifier) = self.classifier {
            classifier.add(&mut builder, &x, channels, classifier.side >> self.stages.len());
        }
        Network { graph: builder.graph, parameters: builder.parameters, dimension: channels }
    }
}

impl Classifier {
    fn add(self, builder: &mut Builder, x: &str, channels: usize, map: usize) {
        let mut x = resampled(&mut builder.graph, x, channels, map);
        let mut width = channels * MAP * MAP;
        for (layer, output) in [("classifier.0", HIDDEN), ("classifier.3", HIDDEN), ("classifier.6", self.classes)] {
            let weight = builder.parameter(format!("{layer}.weight"), &[output, width]);
            let bias = builder.parameter(format!("{layer}.bias"), &[output]);
            let (inputs, turned) = ([x.as_str(), &weight, &bias], [("transB", Attribute::Int(1))]);
            if layer == "classifier.6" {
                builder.graph.node_to("Gemm", &inputs, &turned, &[LOGITS]);
                break;
            }
            let sum = builder.graph.node("Gemm", &inputs, &turned);
            let active = builder.relu(&sum);
            (x, width) = (builder.graph.node("Dropout", &[&active], &[]), output);
        }
        builder.graph.output(LOGITS, &[Dimension::Name("batch".into()), Dimension::Size(self.classes as i64)]);
    }
}

/// torchvision's `AdaptiveAvgPool2d(7)`, flattened: images x (channels x 7 x 7).
fn resampled(g: &mut Graph, x: &str, channels: usize, map: usize) -> String {
    let flat = [("axis", Attribute::Int(1))];
    if map == MAP {
        return g.node("Flatten", &[x], &flat);
    }
    let pixels = g.ints(&[-1, (map * map) as i64]);
    let maps = g.node("Reshape", &[x, &pixels], &[]);
    let shares = g.floats(shares(map));
    let resampled = g.node("MatMul", &[&maps, &shares], &[]);
    let images = g.ints(&[-1, (channels * MAP * MAP) as i64]);
    g.node("Reshape", &[&resampled, &images], &[])
}

/// What each pixel of a map contributes to each of the 7 x 7 averages, whose windows overlap where `map` is not a
/// multiple of 7.
fn shares(map: usize) -> Tensor {
    let along = |pixel: usize, cell: usize| {
        let (start, end) = (cell * map / MAP, ((cell + 1) * map).div_ceil(MAP));
        if (start..end).contains(&pixel) { 1.0 / (end - start) as f32 } else { 0.0 }
    };
    let pairs = |side: usize| (0..side).flat_map(move |row| (0..side).map(move |column| (row, column)));
    let share = |(row, column)| pairs(MAP).map(move |(down, right)| along(row, down) * along(column, right));
    Tensor::new(&[map * map, MAP * MAP], pairs(map).flat_map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_size_is_the_published_one() {
        let classifier = Classifier { classes: 1000, side: 224 };
        let parameters = Vgg::sixteen(Some(classifier)).network().parameters;
        let trained = parameters.iter().filter(|(name, _)| !name.contains("running_"));
        assert_eq!(trained.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), 138_365_992);
        assert_eq!(parameters.len(), 97 - 13, "without the counters of the batch norms");
        let third = Vgg::sixteen(None).cut_after(3).network();
        assert_eq!((third.dimension, third.parameters.last().unwrap().0.as_str()), (256, "features.21.running_var"));
    }

    #[test]
    fn averages_are_whole() {
        for map in [2, 4, 7, 14] {
            let shares = shares(map);
            for cell in 0..MAP * MAP {
                let sum: f32 = shares.data.iter().skip(cell).step_by(MAP * MAP).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{map}: cell {cell} sums up to {sum}");
            }
        }
    }
}
