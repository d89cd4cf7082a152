//! ONNX Runtime: loading the library once, and running graphs. The only file that uses the `ort` crate.
//! A session computes with one thread and its results do not depend on how many sessions run beside it, so work is
//! spread by giving each worker a session of its own.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider};
use ort::logging::LogLevel;
use ort::session::RunOptions;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use ort::{AsPointer, ortsys};

use super::Tensor;
use super::cuda::{self, CudaError};
use super::kernels::{self, Kernels};
use super::library::{self, LibraryError};
use super::onnx::{DOMAIN, ModelProto};

mod arena;
mod device;
mod evaluate;
mod operators;
mod state;
#[cfg(test)]
mod tests;

pub use arena::Arena;
pub use device::Device;
pub use evaluate::evaluate;
pub use state::State;

/// What went wrong with the library, a model or a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("ONNX Runtime can't be loaded from {}: {reason}; run `make setup`", path.display())]
    Load { path: PathBuf, reason: String },
    #[error("CUDA can't be used: {0}; {remedy}, or use --device cpu", remedy = .0.remedy())]
    Cuda(CudaError),
    #[error("ONNX Runtime refuses the model: {0}{remedy}", remedy = remedy(.0))]
    Model(String),
    #[error("running the model failed: {0}")]
    Run(String),
}

/// By hand: as a source its words would be printed twice.
impl From<CudaError> for SessionError {
    fn from(error: CudaError) -> Self {
        SessionError::Cuda(error)
    }
}

/// The loaded library.
#[derive(Debug)]
pub struct Runtime {
    environment: ort::environment::Environment,
    /// The file that was loaded.
    pub path: PathBuf,
}

impl Runtime {
    /// The library of this process, found and loaded at the first call.
    ///
    /// # Errors
    /// It is not installed or can't be loaded; every later call says the same.
    pub fn get() -> Result<&'static Runtime, SessionError> {
        static RUNTIME: OnceLock<Result<Runtime, SessionError>> = OnceLock::new();
        RUNTIME.get_or_init(|| Runtime::load(&library::find()?)).as_ref().map_err(Clone::clone)
    }

    fn load(path: &Path) -> Result<Runtime, SessionError> {
        let failed = |reason: String| SessionError::Load { path: path.to_owned(), reason };
        let builder = ort::init_from(path).map_err(|e| failed(cause(&e)))?;
        let builder = builder.with_name("featbench").with_telemetry(false);
        let environment = builder.build().map_err(|e| failed(e.to_string()))?;
        // every failure comes back as an error as well: printed by the library it would stand there twice
        environment.set_log_level(LogLevel::Fatal);
        Ok(Runtime { environment, path: path.canonicalize().unwrap_or_else(|_| path.to_owned()) })
    }

    /// Version and commit, for records and cache keys: `1.32.0 (fab30a4)`. The version is that of the file's name,
    /// the commit that of the build.
    pub fn version(&self) -> String {
        let numbers = library::version(&self.path).unwrap_or_default();
        let version = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let build = ort::info();
        let commit = build.split("git-commit-id=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or(build);
        if version.is_empty() { commit.to_owned() } else { format!("{version} ({commit})") }
    }

    /// Everything that CUDA needs, found and loaded at the first call: the driver, a GPU, the provider in this build
    /// of the library, and NVIDIA's libraries where `make setup CUDA=1` put them beside it.
    fn start_cuda(&self) -> Result<(), CudaError> {
        static STARTED: OnceLock<Result<(), CudaError>> = OnceLock::new();
        let start = || {
            cuda::start_driver()?;
            if !ep::CUDA::is_available().unwrap_or(false) {
                return Err(CudaError::NoProvider(format!("{}, {}", self.version(), self.path.display())));
            }
            let folder = self.path.parent().filter(|folder| folder.join("libcudart.so.13").is_file());
            folder.map_or(Ok(()), preload)
        };
        STARTED.get_or_init(start).clone()
    }
}

/// Loads NVIDIA's libraries from a folder. Once loaded, each is found by its name, wherever it lies.
fn preload(folder: &Path) -> Result<(), CudaError> {
    let failed = |reason: &dyn std::fmt::Display| CudaError::NoLibrary(one_line(reason));
    ort::util::preload_dylib(folder.join("libnvJitLink.so.13")).map_err(|e| failed(&e))?;
    ep::cuda::preload_dylibs(Some(folder), Some(folder)).map_err(|e| failed(&e))
}

/// A named input: shape and numbers, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    pub data: &'a [f32],
}

/// A graph that is ready to run. It copies the weights it is given.
#[derive(Debug)]
pub struct Session {
    session: ort::session::Session,
}

impl Session {
    /// Prepares a model, the bytes of an ONNX file.
    ///
    /// # Errors
    /// No library, no such device, or a model that the library refuses.
    pub fn open(model: &[u8], device: Device) -> Result<Session, SessionError> {
        Session::open_with_threads(model, device, 1)
    }

    /// The same with several threads for each node, where one run must follow the other.
    pub fn open_with_threads(model: &[u8], device: Device, threads: usize) -> Result<Session, SessionError> {
        let rewritten = match device {
            Device::Cpu(Kernels::Featbench) => ModelProto::read(model).ok().and_then(kernels::rewritten),
            _ => None,
        };
        match rewritten {
            Some(rewritten) => Session::prepare(&rewritten.write(), device, threads, None),
            None => Session::prepare(model, device, threads, None),
        }
    }

    /// The same for a model that may have operators of ours, with memory that it shares with others on the CPU, for
    /// sessions that run in turn.
    pub fn open_in(
        arena: Option<&Arena>,
        model: ModelProto,
        device: Device,
        threads: usize,
    ) -> Result<Session, SessionError> {
        let rewritten = match device {
            Device::Cpu(Kernels::Featbench) => kernels::rewritten(model.clone()),
            _ => None,
        };
        let model = rewritten.unwrap_or_else(|| model.in_standard_operators());
        Session::prepare(&model.write(), device, threads, arena)
    }

    fn prepare(model: &[u8], device: Device, threads: usize, arena: Option<&Arena>) -> Result<Session, SessionError> {
        let runtime = device.start()?;
        let provider = match device {
            Device::Cpu(_) => ep::CPU::default().with_arena_allocator(true).build(),
            Device::Cuda => {
                let set = |cuda: ep::CUDA, (key, value): (&str, &str)| cuda.with_arbitrary_config(key, value);
                cuda::OPTIONS.into_iter().fold(ep::CUDA::default(), set).build()
            }
        };
        let refused = |e: ort::Error| SessionError::Model(one_line(&e));
        let options = ort::session::Session::builder(&runtime.environment)
            .and_then(|b| Ok(b.with_intra_threads(threads)?))
            .and_then(|b| Ok(b.with_inter_threads(1)?))
            .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::All)?))
            .and_then(|b| Ok(b.with_config_entry("session.record_ep_graph_assignment_info", "1")?))
            .and_then(|b| Ok(if arena.is_some() { b.with_env_allocators()? } else { b }))
            .and_then(|b| match device {
                Device::Cpu(Kernels::Featbench) => Ok(b.with_operators(operators::domain(
                    arena.map_or_else(Default::default, |arena| arena.scratch.clone()),
                )?)?),
                _ => Ok(b),
            })
            .map_err(refused)?;
        let mut options = options
            .with_execution_providers([provider.error_on_failure()])
            .map_err(|e| CudaError::Refused(in_short(&one_line(&e)).to_owned()))?;
        let session = Session { session: options.commit_from_memory(model).map_err(refused)? };
        if device == Device::Cuda {
            cuda::check_placement(&session.placement().map_err(refused)?)?;
        }
        Ok(session)
    }

    /// How many nodes each one's kernels compute, by operator: `featbench: Conv 20, MaxPool 1; onnxruntime: Flatten 1`.
    ///
    /// # Errors
    /// The library does not tell.
    pub fn nodes(&self) -> Result<String, SessionError> {
        let of = |(kernels, counts): (Kernels, BTreeMap<String, usize>)| {
            let nodes: Vec<String> = counts.iter().map(|(operator, count)| format!("{operator} {count}")).collect();
            format!("{}: {}", kernels.name(), nodes.join(", "))
        };
        Ok(self.counts()?.into_iter().map(of).collect::<Vec<_>>().join("; "))
    }

    /// The same without the operators, for records: `featbench 21, onnxruntime 1`.
    ///
    /// # Errors
    /// The library does not tell.
    pub fn shares(&self) -> Result<String, SessionError> {
        let of = |(kernels, counts): (Kernels, BTreeMap<String, usize>)| {
            format!("{} {}", kernels.name(), counts.values().sum::<usize>())
        };
        Ok(self.counts()?.into_iter().map(of).collect::<Vec<_>>().join(", "))
    }

    /// Nodes by whose kernels compute them, and by operator.
    fn counts(&self) -> Result<BTreeMap<Kernels, BTreeMap<String, usize>>, SessionError> {
        let placed = self.placement().map_err(|e| SessionError::Model(one_line(&e)))?;
        let mut counts: BTreeMap<Kernels, BTreeMap<String, usize>> = BTreeMap::new();
        for (_, operator) in &placed {
            let own = operator.strip_prefix(DOMAIN).and_then(|rest| rest.strip_prefix('.'));
            let whose = if own.is_some() { Kernels::Featbench } else { Kernels::OnnxRuntime };
            *counts.entry(whose).or_default().entry(own.unwrap_or(operator).to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    /// The provider and the operator of every node, as ONNX Runtime placed them; `featbench.` stands before ours.
    fn placement(&self) -> ort::Result<Vec<(String, String)>> {
        let (mut groups, mut count) = (ptr::null(), 0);
        let mut placed = Vec::new();
        // SAFETY: the lists and names belong to the session, which outlives this function; they are copied.
        unsafe {
            let text = |name| CStr::from_ptr(name).to_string_lossy().into_owned();
            ortsys![unsafe Session_GetEpGraphAssignmentInfo(self.session.ptr(), &mut groups, &mut count)?];
            for i in 0..count {
                let (group, mut provider) = (*groups.add(i), ptr::null());
                let (mut nodes, mut count) = (ptr::null(), 0);
                ortsys![unsafe EpAssignedSubgraph_GetEpName(group, &mut provider)?];
                ortsys![unsafe EpAssignedSubgraph_GetNodes(group, &mut nodes, &mut count)?];
                for j in 0..count {
                    let (mut operator, mut domain) = (ptr::null(), ptr::null());
                    ortsys![unsafe EpAssignedNode_GetOperatorType(*nodes.add(j), &mut operator)?];
                    ortsys![unsafe EpAssignedNode_GetDomain(*nodes.add(j), &mut domain)?];
                    let own = if text(domain) == DOMAIN { format!("{DOMAIN}.") } else { String::new() };
                    placed.push((text(provider), own + &text(operator)));
                }
            }
        }
        Ok(placed)
    }

    /// Runs the graph and returns the outputs of these names, in their order. Exclusive, because one session must
    /// not be run by two threads at a time.
    ///
    /// # Errors
    /// An unknown name, a shape that does not fit, an output that does not hold 32-bit floats, a failing node.
    pub fn run(&mut self, inputs: &[Input], outputs: &[&str]) -> Result<Vec<Tensor>, SessionError> {
        self.try_run(inputs, outputs).map_err(|e| SessionError::Run(one_line(&e)))
    }

    fn try_run(&mut self, inputs: &[Input], outputs: &[&str]) -> ort::Result<Vec<Tensor>> {
        let mut fed = Vec::with_capacity(inputs.len());
        for input in inputs {
            fed.push((input.name, TensorRef::from_array_view((input.shape, input.data))?));
        }
        let wanted = outputs.iter().fold(ort::session::OutputSelector::no_default(), |s, &name| s.with(name));
        let options = RunOptions::new()?.with_outputs(wanted);
        let values = self.session.run_with_options(fed, &options)?;
        outputs.iter().map(|name| state::extract(&values[*name])).collect()
    }
}

/// Why loading failed, in the words of the system's loader where it was that.
fn cause(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::Dlopen { error, .. } => error.source().map_or(error.to_string(), ToString::to_string),
        other => other.to_string(),
    }
}

/// What a message of a provider's says, without the places in the source that it came through and the machine's name.
fn in_short(message: &str) -> &str {
    let message = message.rsplit(" : FAIL : ").next().unwrap_or(message);
    message.split(" ; GPU=").next().unwrap_or(message)
}

/// What can be done about a refusal, by its words; nothing where they are others.
fn remedy(refusal: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 5] = [
        (
            "Unsupported model IR version",
            "; the file's format is newer than this ONNX Runtime: export it with an older `onnx` package, or update ONNX Runtime",
        ),
        ("opset", "; export it for an older operator set (torch.onnx.export: opset_version=18)"),
        ("Could not find an implementation", "; export it in 32-bit float with standard operators"),
        ("is not a registered function/op", "; export it with standard operators alone"),
        ("No Op registered", "; export it with standard operators alone"),
    ];
    REMEDIES.into_iter().find(|(words, _)| refusal.contains(words)).map_or("", |(_, remedy)| remedy)
}

/// ONNX Runtime's messages run over several lines, and may begin with the place in its source.
fn one_line(error: &dyn std::fmt::Display) -> String {
    let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    without_place(&message).to_owned()
}

/// The message without `/a/file.cc:12 the_function(and, its, parameters) `, where it begins so.
fn without_place(message: &str) -> &str {
    let place = message.split(' ').next().unwrap_or_default();
    let Some(open) = message.find('(').filter(|_| place.starts_with('/') && place.contains(':')) else {
        return message;
    };
    let mut depth = 0;
    let closed = message[open..].find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    let rest = closed.map_or("", |at| message[open + at + 1..].trim_start());
    let rest = rest.strip_prefix("const ").unwrap_or(rest);
    if rest.is_empty() { message } else { rest }
}
