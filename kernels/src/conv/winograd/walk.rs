//! How tiles move over images.

use crate::conv::shape::Shape;

/// A pass over tiles of a target, each of which sees a tile of the source that is two pixels larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// Rows and columns of the images, and their channels.
    pub source: [usize; 2],
    pub channels: usize,
    pub target: [usize; 2],
    pub filters: usize,
    /// Where the target's first pixel looks.
    pub offset: [isize; 2],
}

impl Walk {
    pub fn forward(shape: &Shape) -> Walk {
        Walk {
            source: shape.input,
            channels: shape.channels,
            target: shape.output(),
            filters: shape.filters,
            offset: [0, 1].map(|axis| -(shape.padding[axis] as isize)),
        }
    }

    /// The gradient of the input is a convolution of the output's gradient with the kernel turned by half a circle.
    pub fn input_gradient(shape: &Shape) -> Walk {
        Walk {
            source: shape.output(),
            channels: shape.filters,
            target: shape.input,
            filters: shape.channels,
            offset: [0, 1].map(|axis| shape.padding[axis] as isize - 2),
        }
    }

    /// Tiles of m x m pixels along both axes of an image.
    fn grid(&self, m: usize) -> [usize; 2] {
        self.target.map(|side| side.div_ceil(m))
    }

    /// Tiles of so many images.
    pub fn tiles(&self, m: usize, images: usize) -> usize {
        let [rows, columns] = self.grid(m);
        images * rows * columns
    }

    /// Image of a tile, and its first pixel in the target.
    #[inline(always)]
    pub fn tile<const M: usize>(&self, tile: usize) -> (usize, [usize; 2]) {
        let [rows, columns] = self.grid(M);
        (tile / (rows * columns), [tile / columns % rows * M, tile % columns * M])
    }

    /// The first pixel of the source that a tile sees.
    #[inline(always)]
    pub fn seen(&self, place: [usize; 2]) -> [isize; 2] {
        [0, 1].map(|axis| place[axis] as isize + self.offset[axis])
    }
}
