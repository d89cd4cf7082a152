//! What is done to the output of a convolution while it is in the cache.

use crate::shared::Shared;
use crate::simd::Simd;

/// y = relu(scale y + bias + residual), each part where it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// One number a filter: a folded batch norm's.
    pub scale: Option<&'a [f32]>,
    /// One number a filter.
    pub bias: Option<&'a [f32]>,
    /// As long as the output.
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
}

impl Epilogue<'_> {
    pub(super) fn check(&self, filters: usize, output: usize) {
        for (what, given, expected) in
            [("scale", self.scale, filters), ("bias", self.bias, filters), ("residual", self.residual, output)]
        {
            if let Some(given) = given {
                assert_eq!(given.len(), expected, "numbers of the epilogue's {what}");
            }
        }
    }

    /// Writes `sums` to `out`, which stands at `place` of the output and at `filter` of its pixel. To be called inside
    /// of a vectorised closure.
    #[inline(always)]
    pub(super) fn finish(&self, sums: &[f32], out: &mut [f32], filter: usize, place: usize) {
        let count = out.len();
        let sums = &sums[..count];
        match (self.scale, self.bias) {
            (None, None) => out.copy_from_slice(sums),
            (None, Some(bias)) => {
                let bias = &bias[filter..][..count];
                (0..count).for_each(|i| out[i] = sums[i] + bias[i]);
            }
            (Some(scale), None) => {
                let scale = &scale[filter..][..count];
                (0..count).for_each(|i| out[i] = sums[i] * scale[i]);
            }
            (Some(scale), Some(bias)) => {
                let (scale, bias) = (&scale[filter..][..count], &bias[filter..][..count]);
                (0..count).for_each(|i| out[i] = sums[i] * scale[i] + bias[i]);
            }
        }
        if let Some(residual) = self.residual {
            let residual = &residual[place..][..count];
            (0..count).for_each(|i| out[i] += residual[i]);
        }
        if self.relu {
            // not max: a NaN stays one
            (0..count).for_each(|i| out[i] = if out[i] < 0.0 { 0.0 } else { out[i] });
        }
    }

    /// Scale and bias of the first `count` filters of a vector, 1 and 0 where there is none.
    #[inline(always)]
    pub(super) fn of_filter<S: Simd>(&self, simd: S, filter: usize, count: usize) -> [S::V; 2] {
        let (mut scale, mut bias) = (simd.splat(1.0), simd.splat(0.0));
        if let Some(numbers) = self.scale {
            // SAFETY: the slice has so many numbers.
            scale = unsafe { simd.load_first(numbers[filter..][..count].as_ptr(), count) };
        }
        if let Some(numbers) = self.bias {
            // SAFETY: likewise.
            bias = unsafe { simd.load_first(numbers[filter..][..count].as_ptr(), count) };
        }
        [scale, bias]
    }

    /// Writes the first `count` of a vector of sums.
    /// # Safety
    /// No other task has these numbers.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd>(
        &self,
        simd: S,
        sums: S::V,
        [scale, bias]: &[S::V; 2],
        out: Shared,
        place: usize,
        count: usize,
    ) {
        let mut y = simd.fma(sums, *scale, *bias);
        if let Some(residual) = self.residual {
            let residual = residual[place..][..count].as_ptr();
            // SAFETY: the slice has so many numbers.
            let residual =
                unsafe { if count == S::LANES { simd.load(residual) } else { simd.load_first(residual, count) } };
            y = simd.add(y, residual);
        }
        if self.relu {
            y = simd.relu(y);
        }
        let out = out.pointer(place, count);
        // SAFETY: so many numbers were seen to be there.
        unsafe { if count == S::LANES { simd.store(y, out) } else { simd.store_first(y, out, count) } }
    }
}
