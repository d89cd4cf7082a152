//! Vectors of f32 as a kernel sees them: one trait, and an implementation for AVX-512, AVX2 and plain Rust.
//! A token of such a type proves that the processor has the instructions, so arithmetic is safe; memory is not.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Every method is inlined into a function that is compiled with the instructions.
pub(crate) trait Simd: Copy {
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a b + c, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of a number and 0; a NaN stays one.
    fn relu(self, a: Self::V) -> Self::V;
    /// In each lane where `x` is larger than `best`, or no number, `x` and `tap`; otherwise `best` and `place`.
    fn larger(self, x: Self::V, best: Self::V, tap: Self::V, place: Self::V) -> [Self::V; 2];
    /// # Safety
    /// `LANES` numbers can be read at `p`.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` numbers can be written at `p`.
    unsafe fn store(self, v: Self::V, p: *mut f32);

    /// The first `count` numbers at `p`, then zeros.
    /// # Safety
    /// `count` numbers, at most `LANES`, can be read at `p`.
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, count: usize) -> Self::V {
        let mut all = [0.0f32; 16];
        for (i, x) in all.iter_mut().enumerate().take(count) {
            // SAFETY: i < count
            *x = unsafe { *p.add(i) };
        }
        // SAFETY: no vector is longer than 16.
        unsafe { self.load(all.as_ptr()) }
    }

    /// # Safety
    /// `count` numbers, at most `LANES`, can be written at `p`.
    #[inline(always)]
    unsafe fn store_first(self, v: Self::V, p: *mut f32, count: usize) {
        let mut all = [0.0f32; 16];
        // SAFETY: no vector is longer than 16.
        unsafe { self.store(v, all.as_mut_ptr()) };
        for (i, x) in all.iter().enumerate().take(count) {
            // SAFETY: i < count
            unsafe { *p.add(i) = *x };
        }
    }
}

/// Asks for the cache line of a number that is read soon.
#[inline(always)]
pub(crate) fn prefetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing; any address will do.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(p.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// N x N vectors; `steps` are the numbers from one row to the next and from one column to the next.
/// # Safety
/// All of them can be read.
#[inline(always)]
pub(crate) unsafe fn load_square<S: Simd, const N: usize>(simd: S, p: *const f32, steps: [usize; 2]) -> [[S::V; N]; N] {
    let mut all = [[simd.splat(0.0); N]; N];
    for (row, line) in all.iter_mut().enumerate() {
        for (column, v) in line.iter_mut().enumerate() {
            // SAFETY: the caller's.
            *v = unsafe { simd.load(p.add(row * steps[0] + column * steps[1])) };
        }
    }
    all
}

/// Vectors of four, which every 64-bit processor has; the compiler finds them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; 4] {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        // where it is no instruction, mul_add is a slow function
        if cfg!(target_arch = "aarch64") { each(|i| a[i].mul_add(b[i], c[i])) } else { each(|i| a[i] * b[i] + c[i]) }
    }
    #[inline(always)]
    fn relu(self, a: [f32; 4]) -> [f32; 4] {
        each(|i| if a[i] < 0.0 { 0.0 } else { a[i] })
    }
    #[inline(always)]
    fn larger(self, x: [f32; 4], best: [f32; 4], tap: [f32; 4], place: [f32; 4]) -> [[f32; 4]; 2] {
        let is = [0, 1, 2, 3].map(|i| x[i] > best[i] || x[i].is_nan());
        [each(|i| if is[i] { x[i] } else { best[i] }), each(|i| if is[i] { tap[i] } else { place[i] })]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> [f32; 4] {
        // SAFETY: the caller's; no alignment is asked for.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, v: [f32; 4], p: *mut f32) {
        // SAFETY: the caller's.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
}

/// Proof that the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

/// Proof that the processor has AVX-512 F, VL and DQ.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// # Safety
    /// The processor has AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Avx2 {
        Avx2(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// # Safety
    /// The processor has AVX-512 F, VL and DQ.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Avx512 {
        Avx512(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    // SAFETY, of all blocks: the token proves the instructions, and what is read or written is the caller's word.
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn relu(self, a: __m256) -> __m256 {
        // of a number and a NaN, max is its second operand
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
    }
    #[inline(always)]
    fn larger(self, x: __m256, best: __m256, tap: __m256, place: __m256) -> [__m256; 2] {
        unsafe {
            let is = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, best), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
            [_mm256_blendv_ps(best, x, is), _mm256_blendv_ps(place, tap, is)]
        }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, v: __m256, p: *mut f32) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    // SAFETY, of all blocks: the token proves the instructions, and what is read or written is the caller's word.
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn relu(self, a: __m512) -> __m512 {
        // of a number and a NaN, max is its second operand
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
    }
    #[inline(always)]
    fn larger(self, x: __m512, best: __m512, tap: __m512, place: __m512) -> [__m512; 2] {
        unsafe {
            let is = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, best) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
            [_mm512_mask_blend_ps(is, best, x), _mm512_mask_blend_ps(is, place, tap)]
        }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, v: __m512, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(count), p) }
    }
    #[inline(always)]
    unsafe fn store_first(self, v: __m512, p: *mut f32, count: usize) {
        unsafe { _mm512_mask_storeu_ps(p, first(count), v) }
    }
}

/// A mask of the first `count` of 16 lanes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first(count: usize) -> u16 {
    ((1u32 << count) - 1) as u16
}
