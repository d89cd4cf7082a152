//! The window of a convolution or a pooling.

use super::Node;
use crate::deep::onnx::Attribute;

#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// Reads a node's attributes; `kernel` is the size that the weights have.
    pub fn of(node: &Node, kernel: Option<[usize; 2]>) -> Result<Window, String> {
        node.require_explicit_padding()?;
        node.require("ceil_mode", 0)?;
        if node.ints("dilations").is_some_and(|dilations| dilations != [1, 1]) {
            return Err("dilations can't be trained; [1, 1] is expected".into());
        }
        let list = |name: &str| node.ints(name).map(|list| list.iter().map(|&v| v.max(0) as usize).collect());
        let kernel = match kernel {
            Some(kernel) => kernel,
            None => sized("kernel_shape", list("kernel_shape").unwrap_or_default())?,
        };
        let strides = sized("strides", list("strides").unwrap_or(vec![1, 1]))?;
        let pads = sized("pads", list("pads").unwrap_or(vec![0; 4]))?;
        if kernel.contains(&0) || strides.contains(&0) {
            return Err(format!("kernel {kernel:?} and strides {strides:?} must be at least 1"));
        }
        Ok(Window { kernel, strides, pads })
    }

    pub fn attributes(&self) -> [(&'static str, Attribute); 3] {
        [("kernel_shape", ints(&self.kernel)), ("strides", ints(&self.strides)), ("pads", ints(&self.pads))]
    }

    /// The sides of what comes out, and how many pixels below and to the right no window reaches.
    pub fn output(&self, height: usize, width: usize) -> Result<([usize; 2], [usize; 2]), String> {
        let axis = |side: usize, axis: usize| {
            let padded = side + self.pads[axis] + self.pads[axis + 2];
            let room = padded.checked_sub(self.kernel[axis]);
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

fn sized<const N: usize>(name: &str, list: Vec<usize>) -> Result<[usize; N], String> {
    list.try_into()
        .map_err(|list: Vec<usize>| format!("{name} = {list:?} has {} numbers; {N} are expected", list.len()))
}
