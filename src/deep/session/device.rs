//! What a session computes on: a CPU, with whose kernels, or a GPU.

use super::{Runtime, SessionError, operators};
use crate::deep::cuda;
use crate::deep::kernels::{self, Kernels};

/// What a session computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    Cpu(Kernels),
    /// The first NVIDIA GPU; never replaced by the CPU in silence.
    Cuda,
}

impl Device {
    /// As in records: `cpu` or `cuda`.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu(_) => "cpu",
            Device::Cuda => "cuda",
        }
    }

    /// The CPU with the library's kernels alone: where there is no network, and for what any runtime computes alike.
    pub const PLAIN: Device = Device::Cpu(Kernels::OnnxRuntime);

    /// The CPU, with the kernels that are faster on it.
    pub fn cpu() -> Device {
        Device::Cpu(operators::faster())
    }

    /// Everything of it that results depend on, for cache keys and run ids.
    pub fn identity(self) -> String {
        match self {
            Device::Cpu(Kernels::Featbench) => format!("cpu kernels {}", kernels::VERSION),
            Device::Cpu(Kernels::OnnxRuntime) | Device::Cuda => self.name().into(),
        }
    }

    /// Loads the library and everything that this device needs; later calls cost nothing.
    ///
    /// # Errors
    /// No library, or what the device lacks.
    pub fn start(self) -> Result<&'static Runtime, SessionError> {
        let runtime = Runtime::get()?;
        if self == Device::Cuda {
            runtime.start_cuda()?;
        }
        Ok(runtime)
    }

    /// The execution provider and its options, for records.
    pub fn provider(self) -> String {
        match self {
            Device::Cpu(kernels) => {
                let own = format!(" kernels=featbench isa={}", operators::instructions());
                let own = if kernels == Kernels::Featbench { own.as_str() } else { "" };
                format!("CPUExecutionProvider intra_op_threads=1 arena=1{own}")
            }
            Device::Cuda => {
                let options = cuda::OPTIONS.map(|(key, value)| format!("{key}={value}"));
                format!("{} {}", cuda::PROVIDER, options.join(" "))
            }
        }
    }
}
