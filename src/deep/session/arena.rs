//! Memory that several sessions share. Each session would keep what its largest run took, so that a training whose
//! last batch is smaller than the others, and has a graph of its own, would hold nearly twice what it needs.

use std::ffi::CStr;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::{AsPointer, ortsys, sys};

use super::operators::Scratch;
use super::{Runtime, SessionError, one_line};

/// Values of these that exist. ONNX Runtime knows one arena of the CPU in a process.
static USERS: Mutex<usize> = Mutex::new(0);

/// Grows by as much as is asked for: the default, powers of two, would take half as much again.
const EXACTLY: (&CStr, usize) = (c"arena_extend_strategy", 1);

/// The CPU's arena, for as long as there is one of these; what sessions still use outlives it.
#[derive(Debug)]
pub struct Arena {
    environment: &'static Environment,
    /// What our kernels work in.
    pub(super) scratch: Arc<Scratch>,
}

impl Arena {
    /// The arena of this process, which the first caller creates.
    ///
    /// # Errors
    /// No library, or it refuses.
    pub fn shared() -> Result<Arena, SessionError> {
        let environment = &Runtime::get()?.environment;
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        if *users == 0 {
            register(environment).map_err(|e| SessionError::Model(one_line(&e)))?;
        }
        *users += 1;
        Ok(Arena { environment, scratch: Arc::default() })
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut users = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        *users -= 1;
        if *users == 0 {
            // nothing can be done where it fails: the next training goes on with this arena
            let _ = unregister(self.environment);
        }
    }
}

fn register(environment: &Environment) -> ort::Result<()> {
    let (keys, values) = ([EXACTLY.0.as_ptr()], [EXACTLY.1]);
    with_place(|place| {
        let mut config = ptr::null_mut();
        // SAFETY: keys and values are as many as is said and outlive the call, which copies them, as the second does.
        unsafe {
            ortsys![unsafe CreateArenaCfgV2(keys.as_ptr(), values.as_ptr(), keys.len(), &mut config)?];
            let registered = create(environment, place, config);
            ortsys![unsafe ReleaseArenaCfg(config)];
            registered
        }
    })
}

/// # Safety
/// `config` is an arena's configuration.
unsafe fn create(
    environment: &Environment,
    place: *const sys::OrtMemoryInfo,
    config: *const sys::OrtArenaCfg,
) -> ort::Result<()> {
    ortsys![unsafe CreateAndRegisterAllocator(environment.ptr().cast_mut(), place, config)?];
    Ok(())
}

fn unregister(environment: &Environment) -> ort::Result<()> {
    with_place(|place| {
        // SAFETY: both are valid; sessions share the ownership of what they use.
        ortsys![unsafe UnregisterAllocator(environment.ptr().cast_mut(), place)?];
        Ok(())
    })
}

/// Hands over what stands for the CPU's memory.
fn with_place(act: impl FnOnce(*const sys::OrtMemoryInfo) -> ort::Result<()>) -> ort::Result<()> {
    let mut place = ptr::null_mut();
    let (kind, memory) = (sys::OrtAllocatorType::OrtArenaAllocator, sys::OrtMemType::OrtMemTypeDefault);
    // SAFETY: it is written to here, and freed below after its only use.
    ortsys![unsafe CreateCpuMemoryInfo(kind, memory, &mut place)?];
    let done = act(place);
    ortsys![unsafe ReleaseMemoryInfo(place)];
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep::onnx::Graph;
    use crate::deep::session::{Device, Input, Session};

    #[test]
    fn sessions_outlive_their_arena_and_the_next_one_is_another() {
        let mut graph = Graph::new("twice");
        graph.input("x", &[]);
        graph.node_to("Add", &["x", "x"], &[], &["y"]);
        graph.output("y", &[]);
        let model = graph.model();
        let open = || {
            let (first, second) = (Arena::shared().unwrap(), Arena::shared().unwrap());
            [&first, &second].map(|arena| Session::open_in(Some(arena), model.clone(), Device::cpu(), 1).unwrap())
        };
        for mut session in [open(), open()].into_iter().flatten() {
            let x = Input { name: "x", shape: &[], data: &[1.5] };
            assert_eq!(session.run(&[x], &["y"]).unwrap()[0].data, [3.0]);
        }
    }
}
