//! EfficientNet-Lite (Tan and Le 2019, as TensorFlow's lite models: no squeeze-and-excitation, ReLU6 throughout): inverted
//! residual blocks around depthwise convolutions, under the names of the PyTorch package `efficientnet_lite_pytorch`.

use super::{Builder, Conv, FEATURES, INPUT, LOGITS, Network};
use crate::deep::Tensor;
use crate::deep::weights::Shapes;

/// The first block of each stage has this stride: the paper's table 1.
const STRIDES: [usize; 7] = [1, 2, 2, 2, 1, 2, 1];
/// Channels of the first and of the last convolution, whatever the member.
const STEM: usize = 32;
const HEAD: usize = 1280;

/// Blocks of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub blocks: usize,
    /// Channels that come out.
    pub channels: usize,
    /// Side of the depthwise kernels.
    pub kernel: usize,
    /// How many times the channels that come in a block works on.
    pub expansion: usize,
}

/// Which member of the family.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfficientNetLite {
    pub stages: Vec<Stage>,
    /// Nothing follows the last stage.
    #[serde(skip)]
    pub cut: bool,
    /// Outputs of the classification layer `_fc`, where there is one.
    #[serde(skip)]
    pub classes: Option<usize>,
}

impl EfficientNetLite {
    /// Reads the member off names and shapes; `None` where there is no first convolution or no first block.
    pub fn of(shapes: &Shapes) -> Option<EfficientNetLite> {
        super::outputs(shapes, "_conv_stem")?;
        let side = |name: String, axis: usize| shapes.get(&name)?.get(axis).copied().filter(|&side| side > 0);
        let block = |number: usize| {
            let of = |layer: &str| format!("_blocks.{number}.{layer}.weight");
            let channels = side(of("_project_conv"), 0)?;
            let (inner, kernel) = (side(of("_depthwise_conv"), 0)?, side(of("_depthwise_conv"), 2)?);
            let expansion = side(of("_expand_conv"), 1).map_or(1, |input| inner / input);
            Some(Stage { blocks: 1, channels, kernel, expansion })
        };
        let mut stages: Vec<Stage> = Vec::new();
        for next in (0..).map_while(block) {
            match stages.last_mut().filter(|stage| stage.channels == next.channels) {
                Some(stage) => stage.blocks += 1,
                None => stages.push(next),
            }
        }
        let cut = super::outputs(shapes, "_conv_head").is_none();
        let possible = (1..=STRIDES.len()).contains(&stages.len());
        possible.then(|| EfficientNetLite { stages, cut, classes: super::outputs(shapes, "_fc") })
    }

    /// The same network up to the end of a stage, counted from 1: its features are that stage's average.
    pub fn cut_after(&self, stage: usize) -> EfficientNetLite {
        EfficientNetLite { stages: self.stages.iter().copied().take(stage).collect(), cut: true, classes: None }
    }

    /// The graph: input [`INPUT`], outputs [`FEATURES`] and, with classes, [`LOGITS`]; batch and sides are free. For sides
    /// that are multiples of 32 it pads as TensorFlow.
    pub fn network(&self) -> Network {
        let mut b = Builder { epsilon: 1e-3, ..Builder::new("efficientnet-lite") };
        b.images_of_any_side();
        let mut x = layer(&mut b, INPUT, ("_conv_stem", "_bn0"), Conv { stride: 2, ..Conv::new(3, STEM, 3) });
        let (mut channels, mut number) = (STEM, 0);
        for (stage, stride) in self.stages.iter().zip(STRIDES) {
            for place in 0..stage.blocks {
                let stride = if place == 0 { stride } else { 1 };
                x = block(&mut b, &x, &format!("_blocks.{number}"), (channels, stride), stage);
                (channels, number) = (stage.channels, number + 1);
            }
        }
        if !self.cut {
            x = layer(&mut b, &x, ("_conv_head", "_bn1"), Conv::new(channels, HEAD, 1));
            channels = HEAD;
        }
        b.average(&x, channels);
        if let Some(classes) = self.classes {
            b.linear(FEATURES, "_fc", channels, classes, LOGITS);
            b.output(LOGITS, classes);
        }
        Network { graph: b.graph, parameters: b.parameters, dimension: channels }
    }
}

/// One block, for so many channels and with this stride.
fn block(b: &mut Builder, x: &str, name: &str, (input, stride): (usize, usize), stage: &Stage) -> String {
    let of = |what: &str| format!("{name}.{what}");
    let inner = input * stage.expansion;
    let mut y = x.to_owned();
    if stage.expansion > 1 {
        y = layer(b, &y, (&of("_expand_conv"), &of("_bn0")), Conv::new(input, inner, 1));
    }
    let depthwise = Conv { stride, groups: inner, ..Conv::new(inner, inner, stage.kernel) };
    y = layer(b, &y, (&of("_depthwise_conv"), &of("_bn1")), depthwise);
    y = b.conv_norm(&y, &of("_project_conv"), &of("_bn2"), Conv::new(inner, stage.channels, 1));
    if stride == 1 && input == stage.channels { b.graph.node("Add", &[&y, x], &[]) } else { y }
}

/// A convolution, its batch norm and a ReLU6.
fn layer(b: &mut Builder, x: &str, (conv, norm): (&str, &str), c: Conv) -> String {
    let x = b.conv_norm(x, conv, norm, Conv { as_tensorflow: true, ..c });
    let bounds = [0.0, 6.0].map(|bound| b.graph.floats(Tensor::new(&[], vec![bound])));
    let [low, high] = bounds.each_ref().map(String::as_str);
    b.graph.node("Clip", &[&x, low, high], &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lite0() -> EfficientNetLite {
        let stages = [
            (1, 16, 3, 1),
            (2, 24, 3, 6),
            (2, 40, 5, 6),
            (3, 80, 3, 6),
            (3, 112, 5, 6),
            (4, 192, 5, 6),
            (1, 320, 3, 6),
        ];
        let stage = |(blocks, channels, kernel, expansion)| Stage { blocks, channels, kernel, expansion };
        EfficientNetLite { stages: stages.map(stage).to_vec(), cut: false, classes: Some(1000) }
    }

    #[test]
    fn its_size_is_the_published_one() {
        let parameters = lite0().network().parameters;
        let trained = parameters.iter().filter(|(name, _)| !name.contains("running_"));
        assert_eq!(trained.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), 4_652_008);
    }

    #[test]
    fn a_network_is_read_off_its_names() {
        let shapes = |network: &EfficientNetLite| network.network().parameters.into_iter().collect::<Shapes>();
        for network in [lite0(), lite0().cut_after(3)] {
            assert_eq!(EfficientNetLite::of(&shapes(&network)), Some(network));
        }
        assert_eq!(EfficientNetLite::of(&Shapes::new()), None);
    }
}
