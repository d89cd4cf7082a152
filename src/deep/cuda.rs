//! What CUDA needs besides ONNX Runtime, and whether it does the work: NVIDIA's driver with a GPU, and a graph whose
//! arithmetic was placed on it. Nothing here falls back to the CPU in silence.

use std::collections::BTreeSet;
use std::ffi::{c_int, c_uint};

/// Options of the CUDA provider, as they are set and recorded. cuDNN picks its algorithms by rule rather than by
/// timing them, so that every session computes the same bits; TF32 would cost three digits; memory grows by what is
/// asked for, since shapes are fixed.
pub const OPTIONS: [(&str, &str); 5] = [
    ("device_id", "0"),
    ("cudnn_conv_algo_search", "HEURISTIC"),
    ("cudnn_conv_use_max_workspace", "1"),
    ("arena_extend_strategy", "kSameAsRequested"),
    ("use_tf32", "0"),
];

/// ONNX Runtime's name of the provider.
pub const PROVIDER: &str = "CUDAExecutionProvider";

/// Operators that do a network's arithmetic, before and after ONNX Runtime has fused them.
const ARITHMETIC: [&str; 7] = ["Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul"];

/// Why nothing can be computed on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    #[error("there is no NVIDIA driver (libcuda.so.1 can't be loaded)")]
    NoDriver,
    #[error("the NVIDIA driver finds no GPU that it can use (cuInit gives {0})")]
    NoGpu(i32),
    #[error("this build of ONNX Runtime has no CUDA ({0})")]
    NoProvider(String),
    #[error("NVIDIA's libraries can't be loaded ({0})")]
    NoLibrary(String),
    #[error("ONNX Runtime can't use the GPU ({0})")]
    Refused(String),
    #[error("ONNX Runtime placed {0} elsewhere than on the GPU")]
    Elsewhere(String),
    #[error("its features differ from the CPU's by {0} of the largest")]
    Differs(String),
}

impl CudaError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            CudaError::NoDriver => "install NVIDIA's driver, version 580 or newer, then run `make setup CUDA=1`",
            CudaError::NoGpu(_) => "see what `nvidia-smi` says",
            CudaError::NoProvider(_) | CudaError::NoLibrary(_) => "run `make setup CUDA=1`",
            CudaError::Refused(_) => "see what `nvidia-smi` says, and run `make setup CUDA=1`",
            CudaError::Elsewhere(_) => "export the model with operators that CUDA has",
            CudaError::Differs(_) => "don't trust this GPU with this driver",
        }
    }
}

/// Starts NVIDIA's driver, which says whether there is a GPU.
pub fn start_driver() -> Result<(), CudaError> {
    // SAFETY: the names are C strings, the library is never closed, and `cuInit` has had this signature in every
    // version of the driver.
    let code = unsafe {
        let driver = libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        let init = if driver.is_null() { driver } else { libc::dlsym(driver, c"cuInit".as_ptr()) };
        if init.is_null() {
            return Err(CudaError::NoDriver);
        }
        std::mem::transmute::<*mut libc::c_void, extern "C" fn(c_uint) -> c_int>(init)(0)
    };
    if code == 0 { Ok(()) } else { Err(CudaError::NoGpu(code)) }
}

/// Does the GPU do the network's arithmetic? Nodes that compute shapes belong on the CPU; convolutions and matrix
/// products do not. `placed` holds the provider and the operator of every node.
pub fn check_placement(placed: &[(String, String)]) -> Result<(), CudaError> {
    let arithmetic = |operator: &&str| ARITHMETIC.contains(operator);
    let elsewhere = placed.iter().filter(|(provider, _)| provider != PROVIDER).map(|(_, operator)| operator.as_str());
    let elsewhere: BTreeSet<&str> = elsewhere.filter(arithmetic).collect();
    if !elsewhere.is_empty() {
        return Err(CudaError::Elsewhere(elsewhere.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let any = placed.iter().any(|(provider, _)| provider == PROVIDER);
    if any { Ok(()) } else { Err(CudaError::Elsewhere("every operator".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(nodes: &[(&str, &str)]) -> Vec<(String, String)> {
        nodes.iter().map(|(provider, operator)| (provider.to_string(), operator.to_string())).collect()
    }

    #[test]
    fn arithmetic_belongs_on_the_gpu_and_shapes_do_not() {
        let cpu = "CPUExecutionProvider";
        assert_eq!(check_placement(&placed(&[(PROVIDER, "Conv"), (cpu, "Shape"), (PROVIDER, "Relu")])), Ok(()));
        let told = |nodes: &[_]| check_placement(&placed(nodes)).unwrap_err().to_string();
        assert_eq!(
            told(&[(PROVIDER, "Relu"), (cpu, "Gemm"), (cpu, "Conv"), (cpu, "Conv"), (cpu, "Shape")]),
            "ONNX Runtime placed Conv, Gemm elsewhere than on the GPU"
        );
        assert_eq!(told(&[(cpu, "Relu")]), "ONNX Runtime placed every operator elsewhere than on the GPU");
    }
}
