//! VGG as torchvision builds it (Simonyan and Zisserman 2015; `vgg16`, and with batch norm `vgg16_bn`): stages of 3 x 3
//! convolutions, each with a max pool behind it, then three fully connected layers, of which the last one classifies.

use super::{Builder, Conv, FEATURES, FIXED, INPUT, LOGITS, Network};
use crate::deep::Tensor;
use crate::deep::onnx::{Attribute, Dimension, Graph, TensorProto};
use crate::deep::weights::Shapes;

/// Sides of the map that the first fully connected layer takes.
const MAP: usize = 7;
/// Width of the hidden fully connected layers.
const HIDDEN: usize = 4096;

/// Which member of the family.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vgg {
    /// Channels of the convolutions of each stage.
    pub stages: Vec<Vec<usize>>,
    /// Each convolution has a batch norm behind it.
    #[serde(default = "usually")]
    pub norm: bool,
    /// Nothing follows the last stage.
    #[serde(skip)]
    pub cut: bool,
    /// Outputs of the last layer, where there is one.
    #[serde(skip)]
    pub classes: Option<usize>,
}

fn usually() -> bool {
    true
}

impl Vgg {
    /// Layers that a convolution takes up in the numbering, with its ReLU and its batch norm.
    fn step(norm: bool) -> usize {
        if norm { 3 } else { 2 }
    }

    /// Reads the member off names and shapes: stages, their channels, and what follows them. `None` when there is no
    /// first convolution.
    pub fn of(shapes: &Shapes) -> Option<Vgg> {
        let outputs = |layer: String| super::outputs(shapes, &layer);
        let norm = shapes.contains_key("features.1.running_mean");
        let (mut stages, mut place) = (Vec::new(), 0);
        loop {
            let first = place;
            let mut stage = Vec::new();
            // the pool is one layer more
            while let Some(channels) = outputs(format!("features.{place}")) {
                stage.push(channels);
                place += Vgg::step(norm);
            }
            if place == first {
                break;
            }
            stages.push(stage);
            place += 1;
        }
        let cut = outputs("classifier.0".into()).is_none();
        let classes = outputs("classifier.6".into());
        (!stages.is_empty()).then_some(Vgg { stages, norm, cut, classes })
    }

    /// The same network up to the pool of a stage, counted from 1.
    pub fn cut_after(&self, stage: usize) -> Vgg {
        Vgg { stages: self.stages.iter().take(stage).cloned().collect(), cut: true, classes: None, ..*self }
    }

    /// The graph: input [`INPUT`], outputs [`FEATURES`] and, with classes, [`LOGITS`]. The batch is free; so are the sides
    /// of a network that is cut, while the fully connected layers want to know theirs, since how the last map is brought
    /// to 7 x 7 depends on it.
    pub fn network(&self, side: usize) -> Network {
        let mut builder = Builder::new("vgg");
        let sides = |name: &str| if self.cut { Dimension::Name(name.into()) } else { Dimension::Size(side as i64) };
        builder.images(sides("height"), sides("width"));
        let (mut x, mut channels, mut place) = (INPUT.to_owned(), 3, 0);
        for stage in &self.stages {
            for &output in stage {
                let conv = Conv { bias: true, ..Conv::new(channels, output, 3) };
                x = builder.conv(&x, &format!("features.{place}"), conv);
                if self.norm {
                    x = builder.norm(&x, &format!("features.{}", place + 1), output);
                }
                x = builder.relu(&x);
                (channels, place) = (output, place + Vgg::step(self.norm));
            }
            let two = || Attribute::Ints(vec![2, 2]);
            x = builder.graph.node("MaxPool", &[&x], &[("kernel_shape", two()), ("strides", two())]);
            place += 1;
        }
        if self.cut {
            builder.average(&x, channels);
        } else {
            self.classifier(&mut builder, &x, channels, side >> self.stages.len());
        }
        let dimension = if self.cut { channels } else { HIDDEN };
        Network { graph: builder.graph, parameters: builder.parameters, dimension }
    }

    /// The fully connected layers. The dropout before the last one is left to a head, which knows its rate.
    fn classifier(&self, builder: &mut Builder, x: &str, channels: usize, map: usize) {
        let x = resampled(&mut builder.graph, x, channels, map);
        builder.linear(&x, "classifier.0", channels * MAP * MAP, HIDDEN, "fc6");
        let active = builder.relu("fc6");
        let dropped = builder.graph.node("Dropout", &[&active], &[]);
        builder.linear(&dropped, "classifier.3", HIDDEN, HIDDEN, "fc7");
        builder.graph.node_to("Relu", &["fc7"], &[], &[FEATURES]);
        builder.output(FEATURES, HIDDEN);
        if let Some(classes) = self.classes {
            builder.linear(FEATURES, "classifier.6", HIDDEN, classes, LOGITS);
            builder.output(LOGITS, classes);
        }
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
    let name = format!("{FIXED}shares");
    g.initializer(TensorProto::float(&name, shares(map)));
    let resampled = g.node("MatMul", &[&maps, &name], &[]);
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

    fn sixteen(classes: Option<usize>) -> Vgg {
        let stages = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];
        Vgg { stages: stages.map(|(channels, count)| vec![channels; count]).to_vec(), norm: true, cut: false, classes }
    }

    #[test]
    fn its_size_is_the_published_one() {
        let parameters = sixteen(Some(1000)).network(224).parameters;
        let trained = parameters.iter().filter(|(name, _)| !name.contains("running_"));
        assert_eq!(trained.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), 138_365_992);
        assert_eq!(parameters.len(), 97 - 13, "without the counters of the batch norms");
        let plain = Vgg { norm: false, ..sixteen(Some(1000)) }.network(224).parameters;
        assert_eq!(plain.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), 138_357_544);
        let third = sixteen(None).cut_after(3).network(224);
        assert_eq!((third.dimension, third.parameters.last().unwrap().0.as_str()), (256, "features.21.running_var"));
    }

    #[test]
    fn a_network_is_read_off_its_names() {
        let shapes = |vgg: &Vgg| vgg.network(64).parameters.into_iter().collect::<Shapes>();
        let plain = Vgg { norm: false, ..sixteen(Some(8)) };
        for network in [plain.cut_after(3), plain, sixteen(Some(8)), sixteen(None), sixteen(None).cut_after(2)] {
            assert_eq!(Vgg::of(&shapes(&network)), Some(network));
        }
        assert_eq!(Vgg::of(&Shapes::new()), None);
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
