//! The window of a convolution or a pooling.

use super::Node;
use crate::deep::onnx::Attribute;

#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    /// Pixels from one place of the kernel to the next.
    pub dilations: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// Reads a node's attributes for an input with these sides; `kernel` is the size that the weights have. Padding that
    /// is described by a word becomes numbers, and so does `ceil_mode`: a last window that reaches beyond the padding.
    pub fn of(node: &Node, kernel: Option<[usize; 2]>, sides: [usize; 2]) -> Result<Window, String> {
        let list = |name: &str| node.ints(name).map(|list| list.iter().map(|&v| v.max(0) as usize).collect());
        // of a picture that is one pixel high only the width is stated
        let pair = |name: &str, missing: Vec<usize>| match list(name).unwrap_or(missing)[..] {
            [width] => Ok([1, width]),
            ref list => sized(name, list),
        };
        let kernel = kernel.map_or_else(|| pair("kernel_shape", vec![]), Ok)?;
        let (strides, dilations) = (pair("strides", vec![1, 1])?, pair("dilations", vec![1, 1])?);
        let pads = match list("pads").unwrap_or(vec![0; 4])[..] {
            [left, right] => [0, left, 0, right],
            ref list => sized("pads", list)?,
        };
        if [kernel, strides, dilations].concat().contains(&0) {
            let stated = format!("kernel {kernel:?}, strides {strides:?} and dilations {dilations:?}");
            return Err(format!("{stated} must be at least 1"));
        }
        let mut window = Window { kernel, strides, dilations, pads };
        match node.text("auto_pad") {
            None | Some("NOTSET") => {}
            Some("VALID") => window.pads = [0; 4],
            Some(word @ ("SAME_UPPER" | "SAME_LOWER")) => window.pad_to_same(sides, word == "SAME_LOWER"),
            Some(word) => return Err(format!("auto_pad = {word} is unknown; state `pads`")),
        }
        if node.int("ceil_mode", 0) == 1 {
            window.pad_to_last(sides);
        }
        Ok(window)
    }

    /// As many windows as there are strides in the input; an odd pixel of padding comes first or last.
    fn pad_to_same(&mut self, sides: [usize; 2], first: bool) {
        for (axis, side) in sides.into_iter().enumerate() {
            let covered = (side.div_ceil(self.strides[axis]) - 1) * self.strides[axis] + self.reach(axis);
            let pad = covered.saturating_sub(side);
            let (less, more) = (pad / 2, pad.div_ceil(2));
            (self.pads[axis], self.pads[axis + 2]) = if first { (more, less) } else { (less, more) };
        }
    }

    /// Pixels that no window reaches get one more, unless it would begin behind the input.
    fn pad_to_last(&mut self, sides: [usize; 2]) {
        for (axis, side) in sides.into_iter().enumerate() {
            let (stride, begin) = (self.strides[axis], side + self.pads[axis]);
            let Some(room) = (begin + self.pads[axis + 2]).checked_sub(self.reach(axis)) else { continue };
            if room % stride > 0 && (room / stride + 1) * stride < begin {
                self.pads[axis + 2] += stride - room % stride;
            }
        }
    }

    /// Pixels from the first to the last that the kernel sees.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    pub fn is_dilated(&self) -> bool {
        self.dilations != [1, 1]
    }

    pub fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let Window { kernel, strides, dilations, pads } = self;
        let mut attributes = vec![("kernel_shape", ints(kernel)), ("strides", ints(strides)), ("pads", ints(pads))];
        if self.is_dilated() {
            attributes.push(("dilations", ints(dilations)));
        }
        attributes
    }

    /// The sides of what comes out, and how many pixels below and to the right no window reaches.
    pub fn output(&self, [height, width]: [usize; 2]) -> Result<([usize; 2], [usize; 2]), String> {
        let axis = |side: usize, axis: usize| {
            let padded = side + self.pads[axis] + self.pads[axis + 2];
            let room = padded.checked_sub(self.reach(axis));
            let room = room.ok_or_else(|| format!("a window of {:?} is larger than {padded} pixels", self.kernel))?;
            Ok::<_, String>((room / self.strides[axis] + 1, room % self.strides[axis]))
        };
        let ((rows, below), (columns, right)) = (axis(height, 0)?, axis(width, 1)?);
        Ok(([rows, columns], [below, right]))
    }
}

/// A list of lengths as an attribute.
pub fn ints(list: &[usize]) -> Attribute {
    Attribute::Ints(list.iter().map(|&v| v as i64).collect())
}

fn sized<const N: usize>(name: &str, list: &[usize]) -> Result<[usize; N], String> {
    list.try_into().map_err(|_| format!("{name} = {list:?} has {} numbers; {N} are expected", list.len()))
}
