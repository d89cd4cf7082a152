//! The shape of a convolution, and what is wrong with one.

/// A two-dimensional convolution as ONNX describes it; the number of images follows from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows and columns of an input image.
    pub input: [usize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros around the image: top, left, bottom, right.
    pub padding: [usize; 4],
    pub groups: usize,
}

/// Why there is no such convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShapeError {
    /// A size, stride, dilation or number of groups that is 0.
    Zero(&'static str),
    /// Channels or filters that the groups do not divide.
    Groups { channels: usize, filters: usize, groups: usize },
    /// A kernel or window that is larger than the padded image.
    Kernel { reach: [usize; 2], padded: [usize; 2] },
    /// A pooling window that may see nothing but padding.
    Padding { padding: [usize; 4], kernel: [usize; 2] },
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            ShapeError::Zero(what) => write!(f, "{what} is 0, but it must be at least 1"),
            ShapeError::Groups { channels, filters, groups } => {
                write!(
                    f,
                    "{groups} groups divide neither {channels} channels nor {filters} filters, or one of them not"
                )
            }
            ShapeError::Kernel { reach, padded } => {
                write!(f, "the kernel reaches over {reach:?} pixels, but the padded image has {padded:?}")
            }
            ShapeError::Padding { padding, kernel } => {
                write!(f, "a padding of {padding:?} must be below the window's {kernel:?}")
            }
        }
    }
}

impl std::error::Error for ShapeError {}

impl Shape {
    /// A square kernel of stride 1 without padding, dilation or groups: the rest by `..`.
    pub fn new(input: [usize; 2], channels: usize, filters: usize, kernel: usize) -> Shape {
        Shape {
            input,
            channels,
            filters,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: [0; 4],
            groups: 1,
        }
    }

    /// The same with another stride and another padding on all sides.
    pub fn with(self, stride: usize, padding: usize) -> Shape {
        Shape { stride: [stride; 2], padding: [padding; 4], ..self }
    }

    pub(super) fn check(&self) -> Result<(), ShapeError> {
        for (what, zero) in [
            ("the number of channels", self.channels == 0),
            ("the number of filters", self.filters == 0),
            ("the number of groups", self.groups == 0),
            ("a side of the kernel", self.kernel.contains(&0)),
            ("a stride", self.stride.contains(&0)),
            ("a dilation", self.dilation.contains(&0)),
            ("a side of the input", self.input.contains(&0)),
        ] {
            if zero {
                return Err(ShapeError::Zero(what));
            }
        }
        let Shape { channels, filters, groups, .. } = *self;
        if channels % groups != 0 || filters % groups != 0 {
            return Err(ShapeError::Groups { channels, filters, groups });
        }
        let (reach, padded) = (self.reach(), self.padded());
        if reach[0] > padded[0] || reach[1] > padded[1] {
            return Err(ShapeError::Kernel { reach, padded });
        }
        Ok(())
    }

    /// Pixels from the first to the last that a kernel sees.
    fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.kernel[axis] - 1) * self.dilation[axis] + 1)
    }

    fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.input[axis] + self.padding[axis] + self.padding[axis + 2])
    }

    /// Rows and columns of an output image, of a shape that can be.
    pub fn output(&self) -> [usize; 2] {
        let (reach, padded) = (self.reach(), self.padded());
        [0, 1].map(|axis| (padded[axis] - reach[axis]) / self.stride[axis] + 1)
    }

    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Numbers of the weights: filters x channels of a group x kernel rows x kernel columns.
    pub fn weights(&self) -> usize {
        self.filters * self.channels / self.groups * self.taps()
    }

    /// Numbers of one image, before and after.
    pub fn image(&self) -> [usize; 2] {
        let output = self.output();
        [self.input[0] * self.input[1] * self.channels, output[0] * output[1] * self.filters]
    }

    /// Multiplications and additions of a direct convolution of so many images.
    pub fn operations(&self, images: usize) -> f64 {
        2.0 * images as f64 * self.image()[1] as f64 * (self.channels / self.groups * self.taps()) as f64
    }
}
