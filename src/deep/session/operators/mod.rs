//! Our operators as ONNX Runtime calls them: what goes in and comes out is the library's memory, threads are its own, and
//! what kernels need between calls is kept with the session.

mod conv;
mod norm;
mod pool;
mod update;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use featbench_kernels::Scratch;
use featbench_kernels::{Isa, Pool, Run};
use ort::operator::{
    BoxedKernel, ComputeContext, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
};
use ort::value::{TensorElementType, ValueRef, ValueRefMut};

use crate::deep::kernels::{Kernels, operator};
use crate::deep::onnx::DOMAIN;

/// All of them, with memory that nodes share which run in turn.
pub fn domain(scratch: Arc<Scratch>) -> ort::Result<OperatorDomain> {
    let all = [&conv::ALL[..], &norm::ALL, &pool::ALL, &update::ALL].concat();
    all.into_iter()
        .try_fold(OperatorDomain::new(DOMAIN)?, |domain, kind| domain.add(Own { kind, scratch: scratch.clone() }))
}

/// One operator: its name, how many inputs and outputs it has at least and at most, and how a node of it is prepared.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    inputs: (usize, usize),
    outputs: (usize, usize),
    prepare: fn(&KernelContext, Arc<Scratch>) -> ort::Result<Compute>,
}

/// Where a pool gives the places of the largest numbers, and its gradient takes them: the only tensors of bytes.
const PLACES: usize = 1;

fn element(bytes: bool) -> TensorElementType {
    if bytes { TensorElementType::Uint8 } else { TensorElementType::Float32 }
}

/// What a node does at every call.
type Compute = Box<dyn FnMut(&Call) -> ort::Result<()> + Send>;

struct Own {
    kind: Kind,
    scratch: Arc<Scratch>,
}

impl Operator for Own {
    type Kernel<'attr> = BoxedKernel<'attr>;

    fn name(&self) -> &str {
        self.kind.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let Kind { name, inputs: (least, most), .. } = self.kind;
        (0..most).map(move |place| {
            let of = element(name == operator::MAX_POOL_GRADIENT && place == PLACES);
            if place < least { OperatorInput::required(of) } else { OperatorInput::optional(of) }
        })
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        let Kind { name, outputs: (least, most), .. } = self.kind;
        (0..most).map(move |place| {
            let of = element(name == operator::MAX_POOL && place == PLACES);
            if place < least { OperatorOutput::required(of) } else { OperatorOutput::optional(of) }
        })
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let mut compute = (self.kind.prepare)(node, self.scratch.clone())?;
        // nothing may unwind into the library
        Ok(Box::new(move |context: &ComputeContext| {
            let call = Call { context, failed: AtomicBool::new(false) };
            let done = catch_unwind(AssertUnwindSafe(|| compute(&call)));
            done.unwrap_or_else(|_| Err(panicked()))?;
            if call.failed.into_inner() { Err(panicked()) } else { Ok(()) }
        }))
    }
}

/// The kernels that are faster on this processor.
pub fn faster() -> Kernels {
    if Isa::detect() == Isa::PORTABLE { Kernels::OnnxRuntime } else { Kernels::Featbench }
}

/// The vector instructions that they use here.
pub fn instructions() -> &'static str {
    Isa::detect().name()
}

/// How kernels run in this call.
fn run<'r>(call: &'r Call, scratch: &'r Scratch) -> Run<'r> {
    Run { isa: Isa::detect(), pool: call, scratch }
}

fn panicked() -> ort::Error {
    ort::Error::new("a kernel of featbench's own failed; run it with --kernels onnxruntime, and report it")
}

fn wrong(what: impl Into<String>) -> ort::Error {
    ort::Error::new(what)
}

/// One call of a node, and the threads that it may use.
struct Call<'c> {
    context: &'c ComputeContext,
    failed: AtomicBool,
}

impl Pool for Call<'_> {
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let failed = &self.failed;
        let one = |i| {
            if catch_unwind(AssertUnwindSafe(|| task(i))).is_err() {
                failed.store(true, Ordering::Relaxed);
            }
        };
        if tasks == 1 {
            one(0);
        } else if self.context.par_for(tasks, 0, one).is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

/// A tensor that goes in.
struct In<'c>(ValueRef<'c>);

impl In<'_> {
    fn shape(&self) -> Vec<usize> {
        self.0.shape().iter().map(|&side| side.max(0) as usize).collect()
    }

    fn floats(&self) -> ort::Result<&[f32]> {
        Ok(self.0.try_extract_tensor::<f32>()?.1)
    }

    fn bytes(&self) -> ort::Result<&[u8]> {
        Ok(self.0.try_extract_tensor::<u8>()?.1)
    }

    /// The sides of a map: images, rows, columns, channels.
    fn sides(&self) -> ort::Result<[usize; 4]> {
        let shape = self.shape();
        shape[..].try_into().map_err(|_| wrong(format!("a map of four sides is expected, not {shape:?}")))
    }

    /// The only number.
    fn number(&self) -> ort::Result<f32> {
        self.floats()?.first().copied().ok_or_else(|| wrong("a number is expected"))
    }
}

impl Call<'_> {
    fn optional(&self, place: usize) -> ort::Result<Option<In<'_>>> {
        if place >= self.context.num_inputs()? {
            return Ok(None);
        }
        Ok(self.context.input(place)?.map(In))
    }

    fn input(&self, place: usize) -> ort::Result<In<'_>> {
        self.optional(place)?.ok_or_else(|| wrong(format!("input {place} is missing")))
    }

    fn output(&self, place: usize, shape: &[usize]) -> ort::Result<ValueRefMut<'_>> {
        let output = self.context.output(place, shape)?;
        output.ok_or_else(|| wrong(format!("output {place} is missing")))
    }

    /// `None` where nobody asks for it.
    fn optional_output(&self, place: usize, shape: &[usize]) -> ort::Result<Option<ValueRefMut<'_>>> {
        if place >= self.context.num_outputs()? { Ok(None) } else { self.context.output(place, shape) }
    }
}

/// The numbers of an output.
fn floats<'v>(output: &'v mut ValueRefMut) -> ort::Result<&'v mut [f32]> {
    Ok(output.try_extract_tensor_mut::<f32>()?.1)
}

fn bytes<'v>(output: &'v mut ValueRefMut) -> ort::Result<&'v mut [u8]> {
    Ok(output.try_extract_tensor_mut::<u8>()?.1)
}

/// A list of lengths among a node's attributes.
fn lengths<const N: usize>(node: &KernelContext, name: &str, default: usize) -> ort::Result<[usize; N]> {
    let Some(list) = node.get::<Vec<i64>>(name) else { return Ok([default; N]) };
    let list: Vec<usize> = list.into_iter().map(|v| v.max(0) as usize).collect();
    list.try_into().map_err(|_| wrong(format!("`{name}` must have {N} numbers")))
}
