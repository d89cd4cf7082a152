//! The ResNet family as torchvision builds it (He et al. 2016; the bottleneck's stride sits in its 3 x 3
//! convolution, "v1.5"), with ResNeXt (Xie et al. 2017) and Wide ResNet (Zagoruyko and Komodakis 2016). Which member
//! weights are of can be read off their names and shapes.

use std::collections::BTreeSet;

use super::{Builder, Conv, FEATURES, INPUT, LOGITS, Network, window};
use crate::deep::weights::Shapes;

/// The kind of residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Two 3 x 3 convolutions (ResNet-18 and 34).
    Basic,
    /// 1 x 1, 3 x 3, 1 x 1, four times as many channels out (ResNet-50 and deeper).
    Bottleneck,
}

/// Which member of the family.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet {
    pub block: Block,
    /// Blocks in each stage, one to four stages.
    pub blocks: Vec<usize>,
    /// Channels of the first stage's 3 x 3 convolutions; 64 but in ResNeXt and Wide ResNet.
    #[serde(default = "plain_width")]
    pub width: usize,
    /// Groups of a bottleneck's 3 x 3 convolutions; 1 but in ResNeXt.
    #[serde(default = "one")]
    pub groups: usize,
    /// Outputs of the classification layer `fc`, where there is one.
    #[serde(skip)]
    pub classes: Option<usize>,
}

fn plain_width() -> usize {
    64
}

fn one() -> usize {
    1
}

impl ResNet {
    /// A member of the original family.
    pub fn new(block: Block, blocks: &[usize], classes: Option<usize>) -> ResNet {
        ResNet { block, blocks: blocks.to_vec(), width: plain_width(), groups: 1, classes }
    }

    /// Reads the member off the names: stages, blocks a stage, their kind, and whether there is an `fc`. `None` when
    /// there is no first convolution or no first block.
    pub fn of(shapes: &Shapes) -> Option<ResNet> {
        let block = if shapes.contains_key("layer1.0.conv3.weight") { Block::Bottleneck } else { Block::Basic };
        let blocks_in = |stage: usize| {
            let prefix = format!("layer{stage}.");
            let numbers: BTreeSet<_> =
                shapes.keys().filter_map(|name| name.strip_prefix(&prefix)?.split('.').next()).collect();
            numbers.len()
        };
        let blocks: Vec<usize> = (1..=4).map(blocks_in).take_while(|&count| count > 0).collect();
        if blocks.is_empty() || !shapes.contains_key("conv1.weight") {
            return None;
        }
        let classes = super::outputs(shapes, "fc");
        let side = |name: &str, axis: usize| shapes.get(name)?.get(axis).copied().filter(|&side| side > 0);
        let (mut width, mut groups) = (plain_width(), 1);
        if block == Block::Bottleneck {
            width = side("layer1.0.conv1.weight", 0)?;
            groups = width / side("layer1.0.conv2.weight", 1)?;
        }
        Some(ResNet { block, blocks, width, groups: groups.max(1), classes })
    }

    /// The same network up to the end of a stage (1 to 4): its features are that stage's average.
    pub fn cut_after(&self, stage: usize) -> ResNet {
        ResNet { blocks: self.blocks.iter().copied().take(stage).collect(), classes: None, ..*self }
    }

    /// The graph: input [`INPUT`], outputs [`FEATURES`] and, with classes, [`LOGITS`]; batch and sides are free.
    pub fn network(&self) -> Network {
        let mut builder = Builder::new("resnet");
        builder.images_of_any_side();
        let stem = Conv { stride: 2, ..Conv::new(3, 64, 7) };
        let x = builder.conv_norm(INPUT, "conv1", "bn1", stem);
        let x = builder.relu(&x);
        let mut x = builder.graph.node("MaxPool", &[&x], &window(3, 2));
        let mut channels = 64;
        for (stage, &count) in self.blocks.iter().enumerate() {
            for number in 0..count {
                let stride = if stage > 0 && number == 0 { 2 } else { 1 };
                let name = format!("layer{}.{number}", stage + 1);
                (x, channels) = self.add(&mut builder, &x, &name, channels, stage, stride);
            }
        }
        builder.average(&x, channels);
        if let Some(classes) = self.classes {
            builder.linear(FEATURES, "fc", channels, classes, LOGITS);
            builder.output(LOGITS, classes);
        }
        Network { graph: builder.graph, parameters: builder.parameters, dimension: channels }
    }

    /// Adds one block; returns its output and how many channels that has.
    fn add(&self, b: &mut Builder, x: &str, name: &str, input: usize, stage: usize, stride: usize) -> (String, usize) {
        let (plain, width) = (plain_width() << stage, self.width << stage);
        let three = |input, output, stride| Conv { stride, ..Conv::new(input, output, 3) };
        let (layers, output) = match self.block {
            Block::Basic => (vec![three(input, plain, stride), three(plain, plain, 1)], plain),
            Block::Bottleneck => {
                let middle = Conv { groups: self.groups, ..three(width, width, stride) };
                (vec![Conv::new(input, width, 1), middle, Conv::new(width, 4 * plain, 1)], 4 * plain)
            }
        };
        let mut y = x.to_owned();
        for (number, &conv) in layers.iter().enumerate() {
            if number > 0 {
                y = b.relu(&y);
            }
            y = b.conv_norm(&y, &format!("{name}.conv{}", number + 1), &format!("{name}.bn{}", number + 1), conv);
        }
        let shortcut = if stride > 1 || input != output {
            let conv = Conv { stride, ..Conv::new(input, output, 1) };
            b.conv_norm(x, &format!("{name}.downsample.0"), &format!("{name}.downsample.1"), conv)
        } else {
            x.to_owned()
        };
        let sum = b.graph.node("Add", &[&y, &shortcut], &[]);
        (b.relu(&sum), output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::Tensor;
    use crate::deep::weights::{Weights, WeightsError, check};

    fn resnet50() -> ResNet {
        ResNet::new(Block::Bottleneck, &[3, 4, 6, 3], Some(1000))
    }

    fn shapes(of: &ResNet) -> Shapes {
        of.network().parameters.into_iter().collect()
    }

    #[test]
    fn sizes_are_the_published_ones() {
        let count = |of: &ResNet| -> usize {
            let trained = shapes(of).into_iter().filter(|(name, _)| !name.contains("running_"));
            trained.map(|(_, shape)| shape.iter().product::<usize>()).sum()
        };
        let basic = |blocks: [usize; 4]| ResNet::new(Block::Basic, &blocks, Some(1000));
        assert_eq!(count(&basic([2, 2, 2, 2])), 11_689_512);
        assert_eq!(count(&basic([3, 4, 6, 3])), 21_797_672);
        assert_eq!(count(&resnet50()), 25_557_032);
        assert_eq!(count(&ResNet { width: 128, groups: 32, ..resnet50() }), 25_028_904, "resnext50_32x4d");
        assert_eq!(count(&ResNet { width: 128, ..resnet50() }), 68_883_240, "wide_resnet50_2");
    }

    #[test]
    fn a_network_is_read_off_its_names() {
        let (deep, basic) = (resnet50(), ResNet::new(Block::Basic, &[2, 2, 2, 3], None));
        let (next, wide) = (ResNet { width: 128, groups: 32, ..resnet50() }, ResNet { width: 128, ..resnet50() });
        for network in [deep, basic, next, wide] {
            assert_eq!(ResNet::of(&shapes(&network)), Some(network.clone()));
            assert_eq!(ResNet::of(&shapes(&network.cut_after(3))), Some(network.cut_after(3)));
        }
        assert_eq!(ResNet::of(&Shapes::new()), None);
    }

    #[test]
    fn tensors_that_do_not_fit_are_named() {
        let network = ResNet::new(Block::Basic, &[2, 2, 2, 2], None);
        let expected = network.network().parameters;
        let mut found: Shapes = shapes(&network);
        assert_eq!(check(&found, &expected), Ok(()));
        let mut misshaped = found.clone();
        misshaped.insert("layer2.0.downsample.0.weight".into(), vec![128, 64, 3, 3]);
        assert_eq!(
            check(&misshaped, &expected).unwrap_err().to_string(),
            "tensor `layer2.0.downsample.0.weight` has the shape [128, 64, 3, 3]; the network needs [128, 64, 1, 1]"
        );
        found.remove("layer3.1.bn2.running_var");
        assert_eq!(
            check(&found, &expected).unwrap_err().to_string(),
            "tensor `layer3.1.bn2.running_var` is missing; the network needs it with the shape [256]"
        );
    }

    #[test]
    fn numbers_are_asked_for_by_name_and_shape() {
        let network = || ResNet::new(Block::Basic, &[1], None).network();
        let weights = |shape: &[usize]| {
            Weights::from([("conv1.weight".into(), Tensor::new(shape, vec![0.0; shape.iter().product()]))])
        };
        let (name, expected) = ("conv1.weight".to_owned(), vec![64, 3, 7, 7]);
        let misshaped = WeightsError::Shape { name, found: vec![64, 3, 3, 3], expected };
        assert_eq!(network().with(weights(&[64, 3, 3, 3])).unwrap_err(), misshaped);
        let missing = WeightsError::Missing { name: "bn1.weight".into(), expected: vec![64] };
        assert_eq!(network().with(weights(&[64, 3, 7, 7])).unwrap_err(), missing);
    }
}
