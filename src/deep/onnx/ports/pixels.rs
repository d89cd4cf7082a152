//! The input of a network that is shown images, and what it is tied to.

use super::listed;
use crate::deep::onnx::{FLOAT, GraphProto, NodeProto, ValueInfoProto};
use crate::deep::settings::SIDES;

/// Images of every run that a file may fix.
const BATCHES: std::ops::RangeInclusive<usize> = 1..=1024;

/// Inputs that a network may have beside its images; more of them are weights.
const FEW: usize = 8;

/// The only input: N x 3 x height x width.
#[derive(Debug)]
pub struct Pixels {
    pub input: String,
    /// Images of every run, where the file fixes them.
    pub batch: Option<usize>,
    /// Pixels, where the file fixes them.
    pub side: Option<usize>,
}

impl Pixels {
    /// # Errors
    /// What was expected, what the file has, and what to do.
    pub fn of(graph: &GraphProto) -> Result<Pixels, String> {
        let inputs: Vec<_> = graph.fed_inputs().collect();
        let refused = |remedy: &str| {
            let expected = "one input of N x 3 x height x width (32-bit float)";
            Err(format!("{expected} is expected; the file has {}: {remedy}", listed(&inputs)))
        };
        if inputs.len() > FEW {
            return Err(format!(
                "one input is expected; the file has {}, `{}` among them: they are weights that were left out; export it with its \
                 weights (in Python without `export_params=False`)",
                inputs.len(),
                inputs[FEW].name
            ));
        }
        let [only] = inputs[..] else {
            return refused("export the part that takes images and nothing else (of a CLIP, its image encoder)");
        };
        if only.element() != Some(FLOAT) {
            return refused("export it with an input of 32-bit or 16-bit floats or of bytes from 0 to 255");
        }
        let shape = only.float_shape();
        let shape = match shape.as_deref() {
            Some(&[batch, channels, height, width]) => [batch, channels, height, width],
            None if !only.has_shape() => [None; 4],
            _ => return refused("export it with images as its input, one picture a row"),
        };
        let [batch, channels, height, width] = shape;
        if channels.is_some_and(|channels| channels != 3) {
            return refused("its input has another number of channels; only networks for RGB pictures are run");
        }
        if height != width && height.is_some() && width.is_some() {
            let found = listed(&inputs);
            return Err(format!(
                "a square input is expected; the file has {found}: export it for inputs of equal sides, or with free ones"
            ));
        }
        let side = height.or(width);
        if let Some(side) = side.filter(|&side| !u32::try_from(side).is_ok_and(|side| SIDES.contains(&side))) {
            let (least, greatest) = (SIDES.start(), SIDES.end());
            return refused(&format!(
                "its sides are fixed at {side} px, and must be from {least} to {greatest}; export it for such a side, or with \
                 free ones"
            ));
        }
        if let Some(batch) = batch.filter(|batch| !BATCHES.contains(batch)) {
            return refused(&format!(
                "it fixes {batch} images a run, and from 1 to {} can be; export it with a free first side",
                BATCHES.end()
            ));
        }
        Ok(Pixels { input: only.name.clone(), batch, side })
    }
}

/// N x height x width x 3, and not N x 3 x height x width.
pub fn last_are_channels([_, second, _, last]: [Option<usize>; 4]) -> bool {
    last == Some(3) && second != Some(3)
}

/// Is the first thing that is done to the images, but for arithmetic, to bring their channels to the front?
pub fn turned(graph: &GraphProto, input: &str) -> bool {
    let mut value = input;
    // nodes are in the order in which they are computed, so that one pass follows the value
    for node in &graph.node {
        if node.input.first().is_none_or(|first| first != value) {
            continue;
        }
        match node.op_type.as_str() {
            "Transpose" => return to_the_front(node),
            "Cast" | "Identity" | "Sub" | "Add" | "Mul" | "Div" | "Clip" => {
                value = node.output.first().map_or("", String::as_str);
            }
            "Shape" | "Size" => {}
            _ => return false,
        }
    }
    false
}

fn to_the_front(node: &NodeProto) -> bool {
    node.attribute.iter().any(|attribute| attribute.name == "perm" && attribute.ints == [0, 3, 1, 2])
}

impl ValueInfoProto {
    /// `TensorProto.DataType` of a tensor; `None` for any other value.
    pub(super) fn element(&self) -> Option<i32> {
        Some(self.r#type.as_ref()?.tensor_type.as_ref()?.elem_type)
    }

    /// Does the file tell how many sides it has?
    pub(super) fn has_shape(&self) -> bool {
        self.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).is_some_and(|t| t.shape.is_some())
    }

    /// Is it a tensor of 32-bit floats, or of a type that is not stated?
    pub(super) fn may_be_float(&self) -> bool {
        self.r#type.as_ref().is_none_or(|t| t.tensor_type.as_ref().is_some_and(|t| matches!(t.elem_type, 0 | FLOAT)))
    }
}
