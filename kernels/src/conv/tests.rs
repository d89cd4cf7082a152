//! Every method against a naive convolution in f64, over odd shapes.

use super::*;
use crate::testing::{Numbers, error};
use crate::{Isa, Run, Scratch, Serial, Threads};

/// Calls `see` with every (output, weight, input) that a convolution multiplies.
fn each_product(shape: &Shape, images: usize, mut see: impl FnMut(usize, usize, usize)) {
    let ([rows, columns], [height, width]) = (shape.output(), shape.input);
    let (of_group, filters) = (shape.channels / shape.groups, shape.filters / shape.groups);
    for place in 0..images * rows * columns * shape.filters {
        let (pixel, filter) = (place / shape.filters, place % shape.filters);
        let (image, row, column) = (pixel / (rows * columns), pixel / columns % rows, pixel % columns);
        for weight in 0..of_group * shape.taps() {
            let (channel, tap) = (weight / shape.taps(), weight % shape.taps());
            let (ky, kx) = (tap / shape.kernel[1], tap % shape.kernel[1]);
            let y = row * shape.stride[0] + ky * shape.dilation[0];
            let x = column * shape.stride[1] + kx * shape.dilation[1];
            let (Some(y), Some(x)) = (y.checked_sub(shape.padding[0]), x.checked_sub(shape.padding[1])) else {
                continue;
            };
            if y < height && x < width {
                let from = ((image * height + y) * width + x) * shape.channels + filter / filters * of_group + channel;
                see(place, filter * of_group * shape.taps() + weight, from);
            }
        }
    }
}

/// Inputs and expected results of all directions.
struct Case {
    shape: Shape,
    x: Vec<f32>,
    w: Vec<f32>,
    dy: Vec<f32>,
    y: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

impl Case {
    fn new(shape: Shape, images: usize) -> Case {
        let [input, output] = shape.image();
        let mut numbers = Numbers::new((input + output) as u64);
        let (x, w, dy) = (numbers.take(images * input), numbers.take(shape.weights()), numbers.take(images * output));
        let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        each_product(&shape, images, |to, weight, from| {
            let [x, w, dy] = [x[from], w[weight], dy[to]].map(f64::from);
            y[to] += x * w;
            dx[from] += dy * w;
            dw[weight] += dy * x;
        });
        Case { shape, x, w, dy, y, dx, dw }
    }

    /// The largest error of forward pass, input's and weights' gradient.
    fn errors(&self, convolution: Convolution, run: Run) -> [f64; 3] {
        let mut y = vec![f32::NAN; self.y.len()];
        let (mut dx, mut dw) = (vec![f32::NAN; self.x.len()], vec![f32::NAN; self.w.len()]);
        convolution.forward(run, &self.x, &self.w, &Epilogue::default(), &mut y);
        convolution.input_gradient(run, &self.w, &self.dy, &mut dx);
        convolution.weight_gradient(run, &self.x, &self.dy, &mut dw);
        [error(&y, &self.y), error(&dx, &self.dx), error(&dw, &self.dw)]
    }

    fn assert(&self, methods: &[Method], within: f64) {
        let scratch = Scratch::new();
        for isa in Isa::available() {
            let run = Run { isa, pool: &Serial, scratch: &scratch };
            for &method in methods {
                let convolution = Convolution::new(self.shape).unwrap();
                let wanted = Methods { forward: method, input: method, weights: method };
                let convolution = convolution.by(wanted);
                if convolution.methods().forward != method {
                    continue;
                }
                let errors = self.errors(convolution, run);
                let what = format!("{} {:?} {:?}: {errors:?}", isa.name(), convolution.methods(), self.shape);
                assert!(errors.iter().all(|&error| error <= within), "{what}");
            }
        }
    }
}

const ALL: [Method; 6] =
    [Method::Product, Method::Narrow, Method::Depthwise, Method::Winograd2, Method::Winograd4, Method::WinogradStrided];

#[test]
fn sizes_channels_and_paddings() {
    for size in 1..=17 {
        for (padding, stride) in [(0, 1), (1, 1), (2, 1), (3, 1), (1, 2), (3, 2)] {
            if size + 2 * padding < 3 {
                continue;
            }
            let (channels, filters) = (1 + size * 5 % 37, 1 + size * 7 % 41);
            let shape = Shape { input: [size, 18 - size], ..Shape::new([1; 2], channels, filters, 3) };
            let shape = shape.with(stride, padding);
            if 18 - size + 2 * padding < 3 {
                continue;
            }
            Case::new(shape, 2).assert(&ALL, 1e-5);
        }
    }
}

#[test]
fn kernels_of_other_sizes() {
    for (kernel, stride, padding) in [(1, 1, 0), (1, 2, 0), (7, 2, 3), (5, 1, 2), (2, 2, 0), (4, 3, 1), (3, 4, 0)] {
        for (channels, filters) in [(3, 10), (16, 32), (33, 17)] {
            Case::new(Shape::new([13, 9], channels, filters, kernel).with(stride, padding), 3).assert(&ALL[..2], 2e-6);
        }
    }
}

#[test]
fn dilation_groups_and_uneven_padding() {
    let base = Shape::new([11, 8], 12, 24, 3);
    for shape in [
        Shape { dilation: [2, 3], padding: [2, 3, 1, 3], ..base },
        Shape { dilation: [2, 1], stride: [2, 3], padding: [1, 0, 0, 2], ..base },
        Shape { groups: 3, padding: [1; 4], ..base },
        Shape { groups: 12, padding: [0, 1, 2, 3], stride: [2, 1], ..base },
        Shape { groups: 12, filters: 12, padding: [1; 4], ..base },
        Shape { groups: 12, filters: 12, padding: [2, 0, 1, 1], stride: [2, 1], dilation: [1, 2], ..base },
        Shape { channels: 80, groups: 80, filters: 80, padding: [1; 4], stride: [2; 2], ..base },
        Shape { padding: [0, 2, 1, 3], ..base },
        Shape { kernel: [1, 3], padding: [0, 1, 0, 1], ..base },
        Shape { kernel: [3, 2], stride: [1, 2], ..base },
    ] {
        Case::new(shape, 2).assert(&ALL, 1e-5);
    }
}

/// The layers of ResNet-18 at their depth, of a few images. The largest errors found, over the largest value, were 5e-7
/// for products, 8e-7 for F(2x2, 3x3), 4e-6 for F(4x4, 3x3) and 1.5e-6 for stride 2.
#[test]
fn many_channels() {
    for (side, channels, filters, stride) in [(16, 64, 64, 1), (4, 256, 128, 1), (4, 512, 64, 1), (8, 128, 96, 2)] {
        let case = Case::new(Shape::new([side; 2], channels, filters, 3).with(stride, 1), 2);
        case.assert(&ALL[..1], 1e-6);
        case.assert(&ALL, 5e-6);
    }
}

#[test]
fn epilogues() {
    let scratch = Scratch::new();
    for isa in Isa::available() {
        let run = Run { isa, pool: &Serial, scratch: &scratch };
        for shape in [
            Shape::new([9, 6], 5, 35, 3).with(1, 1),
            Shape::new([9, 6], 5, 35, 3).with(2, 1),
            Shape { groups: 20, ..Shape::new([5, 6], 20, 20, 3).with(2, 1) },
            Shape::new([6, 7], 16, 40, 1),
        ] {
            let case = Case::new(shape, 2);
            let mut numbers = Numbers::new(9);
            let (scale, bias) = (numbers.take(shape.filters), numbers.take(shape.filters));
            let residual = numbers.take(case.y.len());
            for bits in 0..16 {
                let given = |bit: usize| bits >> bit & 1 == 1;
                let epilogue = Epilogue {
                    scale: given(0).then_some(&scale[..]),
                    bias: given(1).then_some(&bias[..]),
                    residual: given(2).then_some(&residual[..]),
                    relu: given(3),
                };
                let expected = case.y.iter().enumerate().map(|(place, &y)| {
                    let filter = place % shape.filters;
                    let y = y * epilogue.scale.map_or(1.0, |scale| f64::from(scale[filter]));
                    let y = y + epilogue.bias.map_or(0.0, |bias| f64::from(bias[filter]));
                    let y = y + epilogue.residual.map_or(0.0, |residual| f64::from(residual[place]));
                    if epilogue.relu { y.max(0.0) } else { y }
                });
                let expected: Vec<f64> = expected.collect();
                for method in ALL {
                    let convolution = Convolution::new(shape).unwrap();
                    let convolution = convolution.by(Methods { forward: method, ..convolution.methods() });
                    let prepared = convolution.prepare(run, &case.w);
                    let (mut y, mut again) = (vec![f32::NAN; case.y.len()], vec![f32::NAN; case.y.len()]);
                    convolution.forward(run, &case.x, &case.w, &epilogue, &mut y);
                    prepared.forward(run, &case.x, &epilogue, &mut again);
                    assert!(error(&y, &expected) < 1e-5, "{} {method:?} {shape:?} {bits:b}", isa.name());
                    assert!(y == again, "prepared weights give the same bits");
                }
            }
        }
    }
}

/// Output and both gradients.
fn results(case: &Case, convolution: Convolution, run: Run) -> [Vec<f32>; 3] {
    let mut all = [vec![0.0; case.y.len()], vec![0.0; case.x.len()], vec![0.0; case.w.len()]];
    let [y, dx, dw] = &mut all;
    convolution.forward(run, &case.x, &case.w, &Epilogue::default(), y);
    convolution.input_gradient(run, &case.w, &case.dy, dx);
    convolution.weight_gradient(run, &case.x, &case.dy, dw);
    all
}

#[test]
fn threads_and_the_length_of_vectors_do_not_change_a_bit() {
    let scratch = Scratch::new();
    for shape in [
        Shape::new([20, 21], 24, 40, 3).with(1, 1),
        Shape::new([30, 30], 3, 24, 7).with(2, 3),
        Shape::new([19, 24], 40, 24, 3).with(2, 1),
        Shape::new([12, 12], 130, 140, 3).with(1, 1),
        Shape { groups: 24, ..Shape::new([12, 12], 24, 24, 3).with(1, 1) },
    ] {
        let case = Case::new(shape, 3);
        for method in ALL {
            let convolution = Convolution::new(shape).unwrap();
            let convolution = convolution.by(Methods { forward: method, input: method, weights: method });
            let all: Vec<_> = Isa::available()
                .into_iter()
                .map(|isa| {
                    let [first, others @ ..] = [1, 2, 3, 7].map(|threads| {
                        results(&case, convolution, Run { isa, pool: &Threads(threads), scratch: &scratch })
                    });
                    assert!(others.iter().all(|other| *other == first), "{} {method:?} {shape:?}", isa.name());
                    first
                })
                .collect();
            // the last one has no fused multiplication
            let (_, fused) = all.split_last().unwrap();
            assert!(fused.iter().all(|result| *result == fused[0]), "{method:?} {shape:?}");
        }
    }
}

#[test]
fn an_image_is_the_same_in_any_batch() {
    let scratch = Scratch::new();
    let run = Run { isa: Isa::detect(), pool: &Serial, scratch: &scratch };
    for shape in [
        Shape::new([20, 21], 24, 40, 3).with(1, 1),
        Shape::new([6, 6], 140, 150, 3).with(1, 1),
        Shape::new([30, 30], 3, 24, 7).with(2, 3),
        Shape::new([18, 18], 70, 80, 3).with(2, 1),
        Shape::new([9, 9], 300, 70, 1),
    ] {
        let convolution = Convolution::new(shape).unwrap();
        let [input, output] = shape.image();
        let mut numbers = Numbers::new(5);
        let (x, w) = (numbers.take(7 * input), numbers.take(shape.weights()));
        let mut together = vec![0.0; 7 * output];
        convolution.forward(run, &x, &w, &Epilogue::default(), &mut together);
        for (x, together) in x.chunks_exact(input).zip(together.chunks_exact(output)) {
            let mut alone = vec![0.0; output];
            convolution.prepare(run, &w).forward(run, x, &Epilogue::default(), &mut alone);
            assert!(alone == together, "{shape:?}");
        }
    }
}

#[test]
fn shapes_that_can_not_be() {
    let base = Shape::new([4, 4], 4, 6, 3);
    for (shape, expected) in [
        (Shape { kernel: [0, 3], ..base }, "a side of the kernel is 0, but it must be at least 1"),
        (Shape { groups: 3, ..base }, "3 groups divide neither 4 channels nor 6 filters, or one of them not"),
        (Shape { kernel: [5, 3], ..base }, "the kernel reaches over [5, 3] pixels, but the padded image has [4, 4]"),
        (Shape { dilation: [2; 2], ..base }, "the kernel reaches over [5, 5] pixels, but the padded image has [4, 4]"),
    ] {
        assert_eq!(Convolution::new(shape).unwrap_err().to_string(), expected);
    }
}

#[test]
fn methods_follow_from_the_shape() {
    let methods = |shape: Shape| Convolution::new(shape).unwrap().methods();
    let all = |method| Methods { forward: method, input: method, weights: method };
    let layer = |side: usize, stride: usize| Shape::new([side; 2], 64, 128, 3).with(stride, 1);
    assert_eq!(methods(layer(32, 1)), all(Method::Winograd4));
    assert_eq!(methods(layer(4, 1)), all(Method::Winograd4));
    assert_eq!(methods(layer(2, 1)), all(Method::Winograd2));
    assert_eq!(methods(layer(1, 1)), all(Method::Product));
    assert_eq!(methods(layer(32, 2)), all(Method::WinogradStrided));
    assert_eq!(methods(layer(2, 2)), all(Method::Product));
    assert_eq!(methods(Shape { padding: [0, 1, 1, 1], ..layer(32, 2) }), all(Method::Product));
    let stem = methods(Shape::new([224; 2], 3, 64, 7).with(2, 3));
    assert_eq!(stem, Methods { input: Method::Product, ..all(Method::Narrow) });
    assert_eq!(methods(Shape { groups: 64, filters: 64, ..layer(32, 2) }), all(Method::Depthwise));
}
