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
    /// How far the source moves from a tile to the next.
    pub advance: usize,
}

impl Walk {
    /// The convolution by tiles whose outputs have a side of `side` pixels.
    pub fn forward(shape: &Shape, side: usize) -> Walk {
        Walk {
            source: shape.input,
            channels: shape.channels,
            target: shape.output(),
            filters: shape.filters,
            offset: [0, 1].map(|axis| -(shape.padding[axis] as isize)),
            advance: side * shape.stride[0],
        }
    }

    /// The gradient of the input is a convolution of the output's gradient with the kernel turned by half a circle.
    /// With stride 2 and a padding of 1, a tile starts where its source does.
    pub fn input_gradient(shape: &Shape, side: usize) -> Walk {
        Walk {
            source: shape.output(),
            channels: shape.filters,
            target: shape.input,
            filters: shape.channels,
            offset: [0, 1].map(|axis| if shape.stride[0] == 2 { 0 } else { shape.padding[axis] as isize - 2 }),
            advance: side / shape.stride[0],
        }
    }

    /// Tiles of so many rows and columns along both axes of an image.
    fn grid(&self, side: usize) -> [usize; 2] {
        self.target.map(|pixels| pixels.div_ceil(side))
    }

    /// Tiles of so many images.
    pub fn tiles(&self, side: usize, images: usize) -> usize {
        let [rows, columns] = self.grid(side);
        images * rows * columns
    }

    /// Image of a tile, and its first pixel in the target.
    #[inline(always)]
    pub fn tile<const O: usize>(&self, tile: usize) -> (usize, [usize; 2]) {
        let [rows, columns] = self.grid(O);
        (tile / (rows * columns), [tile / columns % rows * O, tile % columns * O])
    }

    /// The first pixel of the source that a tile sees.
    #[inline(always)]
    pub fn seen<const O: usize>(&self, place: [usize; 2]) -> [isize; 2] {
        [0, 1].map(|axis| (place[axis] / O * self.advance) as isize + self.offset[axis])
    }
}
