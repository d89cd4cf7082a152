//! Which vector instructions the kernels use: found at run time, once, and never more than the processor has.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// A set of instructions that this processor has. A value can't be made for one that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Isa(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A loop that is compiled once for every set of instructions. `run` must be `#[inline(always)]`, and so must be all
/// that it calls: what is not inlined is compiled without the instructions.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl Isa {
    /// What any processor of this architecture can do.
    pub const PORTABLE: Isa = Isa(Level::Portable);

    /// The best that this processor has, or the lesser one that the environment variable `KERNELS_ISA` names, for
    /// measuring; a name that it does not have changes nothing.
    pub fn detect() -> Isa {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        let named = || std::env::var("KERNELS_ISA").ok().and_then(|name| Isa::named(&name));
        *FOUND.get_or_init(|| named().unwrap_or_else(|| Isa::available()[0]))
    }

    /// All that this processor has, best first: never empty, ends with [`Isa::PORTABLE`].
    pub fn available() -> Vec<Isa> {
        #[cfg(target_arch = "x86_64")]
        {
            let two = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let five = two
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq");
            let found = [(five, Level::Avx512), (two, Level::Avx2), (true, Level::Portable)];
            found.into_iter().filter(|&(there, _)| there).map(|(_, level)| Isa(level)).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Isa::PORTABLE]
    }

    /// `avx512`, `avx2` or `portable`; nothing where the processor does not have it.
    pub fn named(name: &str) -> Option<Isa> {
        Isa::available().into_iter().find(|isa| isa.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }

    /// Runs a kernel as compiled for these instructions.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Level::Portable => kernel.run(Portable),
            // SAFETY: a level is only made where the processor has it.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { with_avx2(kernel) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { with_avx512(kernel) },
        }
    }

    /// Runs a plain loop as compiled for these instructions; the closure must be `#[inline(always)]`.
    #[inline]
    pub(crate) fn vectorised<R>(self, run: impl FnOnce() -> R) -> R {
        struct Plain<F>(F);
        impl<R, F: FnOnce() -> R> Kernel for Plain<F> {
            type Output = R;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> R {
                (self.0)()
            }
        }
        self.run(Plain(run))
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is only called where the processor has AVX2 and FMA.
    kernel.run(unsafe { Avx2::new() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is only called where the processor has AVX-512.
    kernel.run(unsafe { Avx512::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        let all = Isa::available();
        assert_eq!(all.last(), Some(&Isa::PORTABLE));
        for isa in all {
            assert_eq!(Isa::named(isa.name()), Some(isa));
        }
        assert_eq!(Isa::named("sse9"), None);
    }
}
