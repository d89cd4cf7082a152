//! Convolutions and their two gradients. Images lie as images x rows x columns x channels (NHWC), weights as ONNX has
//! them: filters x channels of a group x kernel rows x kernel columns.

mod depthwise;
mod epilogue;
mod gather;
mod narrow;
mod product;
mod shape;
#[cfg(test)]
mod tests;
mod weights;
mod winograd;

pub use epilogue::Epilogue;
pub use shape::{Shape, ShapeError};

use crate::Run;
use crate::scratch::Buffer;
use crate::tile::{GROUP, Sizes};
use product::Plan;
use winograd::Side;

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A product of gathered pixels and weights: any shape.
    Product,
    /// A product that reads the image itself: three channels, of every pixel or of every other.
    Narrow,
    /// One channel at a time, where every group has one channel and one filter.
    Depthwise,
    /// Winograd's F(2x2, 3x3): 3x3 kernels of stride 1.
    Winograd2,
    /// Winograd's F(4x4, 3x3): likewise, fewer multiplications, larger transforms.
    Winograd4,
    /// 4x4 pixels of 3x3 kernels of stride 2 and padding 1, where outer and inner taps see different pixels.
    WinogradStrided,
}

impl Method {
    fn side(self) -> Option<Side> {
        match self {
            Method::Product | Method::Narrow | Method::Depthwise => None,
            Method::Winograd2 => Some(Side::Two),
            Method::Winograd4 => Some(Side::Four),
            Method::WinogradStrided => Some(Side::Strided),
        }
    }
}

/// The method of each of the three directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Methods {
    pub forward: Method,
    pub input: Method,
    pub weights: Method,
}

impl Methods {
    /// What is fastest. It follows from the shape alone, so that an image's numbers are the same in any batch.
    fn of(shape: &Shape) -> Methods {
        let all = |method| Methods { forward: method, input: method, weights: method };
        if depthwise::fits(shape) {
            return all(Method::Depthwise);
        }
        if narrow::fits(shape) {
            return Methods { input: Method::Product, ..all(Method::Narrow) };
        }
        if shape.channels < GROUP || shape.filters < GROUP {
            return all(Method::Product);
        }
        if winograd::fits(shape, Side::Strided) {
            let output = shape.output();
            let by = |cost: usize| cheapest(output, &[(4, cost, Method::WinogradStrided), (1, 9, Method::Product)]);
            return Methods { forward: by(105), input: by(113), weights: by(95) };
        }
        if winograd::fits(shape, Side::Four) {
            let methods = [(4, 49, Method::Winograd4), (2, 24, Method::Winograd2), (1, 9, Method::Product)];
            let [output, input] = [shape.output(), shape.input].map(|sides| cheapest(sides, &methods));
            return Methods { forward: output, input, weights: output };
        }
        all(Method::Product)
    }
}

/// The cheapest of methods with tiles of some side and of some cost, for an image of so many rows and columns: of small
/// ones, much of a large tile is wasted. A cost is the number of multiplications, and what was measured on top of that
/// for the transforms.
fn cheapest(sides: [usize; 2], methods: &[(usize, usize, Method)]) -> Method {
    let cost = |side: usize, each: usize| sides.map(|pixels| pixels.div_ceil(side)).iter().product::<usize>() * each;
    let costs = methods.iter().map(|&(side, each, method)| (cost(side, each), method));
    // the first of equals
    costs.min_by_key(|(cost, _)| *cost).map_or(Method::Product, |(_, method)| method)
}

/// A convolution of a shape that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Convolution {
    shape: Shape,
    methods: Methods,
}

/// Weights as a convolution's forward pass wants them, for networks whose weights stay.
#[derive(Debug, Clone)]
pub struct Prepared {
    convolution: Convolution,
    /// Packed for these instructions.
    isa: crate::Isa,
    packed: Buffer,
}

impl Convolution {
    /// # Errors
    /// A shape that can't be.
    pub fn new(shape: Shape) -> Result<Convolution, ShapeError> {
        shape.check()?;
        Ok(Convolution { shape, methods: Methods::of(&shape) })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows and columns of an output image.
    pub fn output(&self) -> [usize; 2] {
        self.shape.output()
    }

    pub fn methods(&self) -> Methods {
        self.methods
    }

    /// The same convolution by other methods, for tests and measurements; a method that does not fit stays what it was.
    pub fn by(self, methods: Methods) -> Convolution {
        let choose = |wanted, now| if self.fits(wanted) { wanted } else { now };
        let now = self.methods;
        let methods = Methods {
            forward: choose(methods.forward, now.forward),
            input: if methods.input == Method::Narrow { Method::Product } else { choose(methods.input, now.input) },
            weights: choose(methods.weights, now.weights),
        };
        Convolution { methods, ..self }
    }

    fn fits(&self, method: Method) -> bool {
        match method.side() {
            Some(side) => winograd::fits(&self.shape, side),
            None if method == Method::Narrow => narrow::fits(&self.shape),
            None => method == Method::Product || depthwise::fits(&self.shape),
        }
    }

    /// y = epilogue(x * weights).
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn forward(&self, run: Run, x: &[f32], weights: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
        self.check_weights(weights);
        if let Some(side) = self.methods.forward.side() {
            self.check_images(x, y);
            epilogue.check(self.shape.filters, y.len());
            return winograd::Plan::forward(&self.shape, side).run_once(run, x, weights, epilogue, y);
        }
        let mut packed = run.scratch.take(self.packed_length(run));
        self.pack(run, weights, &mut packed);
        self.forward_packed(run, x, &packed, epilogue, y);
    }

    /// The weights, transformed and packed once.
    ///
    /// # Panics
    /// Weights of another length.
    pub fn prepare(&self, run: Run, weights: &[f32]) -> Prepared {
        self.check_weights(weights);
        let mut packed = Buffer::zeros(self.packed_length(run));
        self.pack(run, weights, &mut packed);
        Prepared { convolution: *self, isa: run.isa, packed }
    }

    fn packed_length(&self, run: Run) -> usize {
        match self.methods.forward.side() {
            Some(side) => winograd::Plan::forward(&self.shape, side).packed(Sizes::of(run.isa)),
            None if self.methods.forward == Method::Depthwise => self.shape.weights(),
            None => Plan::forward(&self.shape).packed(Sizes::of(run.isa)),
        }
    }

    fn pack(&self, run: Run, weights: &[f32], packed: &mut [f32]) {
        match self.methods.forward.side() {
            Some(side) => winograd::Plan::forward(&self.shape, side).pack(run, weights, packed),
            None if self.methods.forward == Method::Depthwise => depthwise::pack(&self.shape, weights, packed),
            None => Plan::forward(&self.shape).pack(run, weights, packed),
        }
    }

    fn forward_packed(&self, run: Run, x: &[f32], packed: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
        self.check_images(x, y);
        epilogue.check(self.shape.filters, y.len());
        let shape = &self.shape;
        match self.methods.forward.side() {
            Some(side) => winograd::Plan::forward(shape, side).run(run, x, packed, epilogue, y),
            None if self.methods.forward == Method::Depthwise => depthwise::forward(shape, run, x, packed, epilogue, y),
            None if self.methods.forward == Method::Narrow => narrow::forward(shape, run, x, packed, epilogue, y),
            None => Plan::forward(shape).run(run, x, packed, epilogue, y),
        }
    }

    /// dx, the gradient of the input, from dy, the gradient of the output.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn input_gradient(&self, run: Run, weights: &[f32], dy: &[f32], dx: &mut [f32]) {
        self.check_weights(weights);
        self.check_images(dx, dy);
        let (shape, epilogue) = (&self.shape, &Epilogue::default());
        match self.methods.input.side() {
            Some(side) => winograd::Plan::input_gradient(shape, side).run_once(run, dy, weights, epilogue, dx),
            None if self.methods.input == Method::Depthwise => depthwise::input_gradient(shape, run, weights, dy, dx),
            None => {
                let plan = Plan::input_gradient(shape);
                let mut packed = run.scratch.take(plan.packed(Sizes::of(run.isa)));
                plan.pack(run, weights, &mut packed);
                plan.run(run, dy, &packed, epilogue, dx);
            }
        }
    }

    /// dw, the gradient of the weights: it is written, not added.
    ///
    /// # Panics
    /// Slices whose lengths do not fit together.
    pub fn weight_gradient(&self, run: Run, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        self.check_weights(dw);
        self.check_images(x, dy);
        let shape = &self.shape;
        match self.methods.weights.side() {
            Some(side) => winograd::weight_gradient(shape, side, run, x, dy, dw),
            None if self.methods.weights == Method::Depthwise => depthwise::weight_gradient(shape, run, x, dy, dw),
            None if self.methods.weights == Method::Narrow => narrow::weight_gradient(shape, run, x, dy, dw),
            None => weights::weight_gradient(shape, run, x, dy, dw),
        }
    }

    fn check_weights(&self, weights: &[f32]) {
        assert_eq!(weights.len(), self.shape.weights(), "numbers of the weights of {:?}", self.shape);
    }

    fn check_images(&self, x: &[f32], y: &[f32]) {
        let [input, output] = self.shape.image();
        let images = x.len() / input;
        assert_eq!(x.len(), images * input, "numbers of the input of {:?}", self.shape);
        assert_eq!(y.len(), images * output, "numbers of the output of {images} images of {:?}", self.shape);
    }
}

impl Prepared {
    pub fn convolution(&self) -> &Convolution {
        &self.convolution
    }

    /// y = epilogue(x * weights).
    ///
    /// # Panics
    /// Slices whose lengths do not fit together, or other instructions than it was prepared for.
    pub fn forward(&self, run: Run, x: &[f32], epilogue: &Epilogue, y: &mut [f32]) {
        assert_eq!(run.isa, self.isa, "the weights were prepared for other instructions");
        self.convolution.forward_packed(run, x, &self.packed, epilogue, y);
    }
}
