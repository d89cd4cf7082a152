//! What is done to the output of a convolution while it is in the cache.

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

    /// The same for a vector of sums, of which `out` takes the first.
    #[inline(always)]
    pub(super) fn finish_vector<S: Simd>(&self, simd: S, sums: S::V, out: &mut [f32], filter: usize, place: usize) {
        let count = out.len();
        assert!(count <= S::LANES);
        // SAFETY: the slice has so many numbers.
        let read =
            |numbers: &[f32], start: usize| unsafe { simd.load_first(numbers[start..][..count].as_ptr(), count) };
        let mut y = sums;
        match (self.scale, self.bias) {
            (None, None) => {}
            (None, Some(bias)) => y = simd.add(y, read(bias, filter)),
            (Some(scale), None) => y = simd.mul(y, read(scale, filter)),
            (Some(scale), Some(bias)) => y = simd.fma(y, read(scale, filter), read(bias, filter)),
        }
        if let Some(residual) = self.residual {
            y = simd.add(y, read(residual, place));
        }
        if self.relu {
            y = simd.relu(y);
        }
        // SAFETY: the slice has so many numbers.
        unsafe {
            if count == S::LANES {
                simd.store(y, out.as_mut_ptr())
            } else {
                simd.store_first(y, out.as_mut_ptr(), count)
            }
        }
    }
}
