//! Values that a graph replaces every time it runs: what a training step changes.
//! They stay where ONNX Runtime computed them; nothing is copied between two steps.

use ort::session::{OutputSelector, RunOptions, SessionInputValue};
use ort::value::{DynValue, Tensor as OrtTensor, TensorRef};

use super::{Input, Session, SessionError, one_line};
use crate::deep::Tensor;

/// Each value with the input that takes it and the output that replaces it.
#[derive(Debug)]
pub struct State {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    input: String,
    output: String,
    value: DynValue,
}

impl State {
    /// Starts with these values: name of the input, name of the output, numbers.
    pub fn new(values: impl IntoIterator<Item = (String, String, Tensor)>) -> Result<State, SessionError> {
        let slot = |(input, output, tensor): (String, String, Tensor)| {
            let value = OrtTensor::from_array((tensor.shape, tensor.data))?.into_dyn();
            Ok(Slot { input, output, value })
        };
        let slots = values.into_iter().map(slot).collect::<ort::Result<_>>();
        Ok(State { slots: slots.map_err(|e| SessionError::Run(one_line(&e)))? })
    }

    /// Copies of the values, in the order in which they were given, with the names of their inputs.
    pub fn tensors(&self) -> Result<Vec<(&str, Tensor)>, SessionError> {
        let copies = self.slots.iter().map(|slot| Ok((slot.input.as_str(), extract(&slot.value)?)));
        let copies = copies.collect::<ort::Result<_>>();
        copies.map_err(|e| SessionError::Run(one_line(&e)))
    }
}

impl Session {
    /// Runs the graph with `state` among its inputs, replaces it, and returns the outputs of these names. After an
    /// error the state is what it was.
    ///
    /// # Errors
    /// As for [`run`](Session::run).
    pub fn advance(
        &mut self,
        state: &mut State,
        inputs: &[Input],
        outputs: &[&str],
    ) -> Result<Vec<Tensor>, SessionError> {
        self.try_advance(state, inputs, outputs).map_err(|e| SessionError::Run(one_line(&e)))
    }

    fn try_advance(&mut self, state: &mut State, inputs: &[Input], outputs: &[&str]) -> ort::Result<Vec<Tensor>> {
        let mut fed: Vec<(&str, SessionInputValue)> = Vec::with_capacity(inputs.len() + state.slots.len());
        for input in inputs {
            fed.push((input.name, TensorRef::from_array_view((input.shape, input.data))?.into()));
        }
        fed.extend(state.slots.iter().map(|slot| (slot.input.as_str(), (&slot.value).into())));
        let replaced = state.slots.iter().map(|slot| slot.output.as_str());
        let wanted = outputs.iter().copied().chain(replaced).fold(OutputSelector::no_default(), OutputSelector::with);
        let options = RunOptions::new()?.with_outputs(wanted);
        let mut values = self.session.run_with_options(fed, &options)?;
        let found = outputs.iter().map(|name| extract(&values[*name])).collect::<ort::Result<_>>()?;
        for slot in &mut state.slots {
            slot.value = values.remove(&slot.output).expect("a selected output is there");
        }
        Ok(found)
    }
}

/// The shape and a copy of the numbers.
pub(super) fn extract(value: &DynValue) -> ort::Result<Tensor> {
    let (shape, data) = value.try_extract_tensor::<f32>()?;
    let shape: Vec<usize> = shape.iter().map(|&side| side as usize).collect();
    Ok(Tensor::new(&shape, data.to_vec()))
}
