//! Numbers for tests, the same at every run.

/// Between -1 and 1, from a multiplicative generator.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// The largest distance over the largest value.
pub(crate) fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-30f64, |most, x| most.max(x.abs()));
    let apart = found.iter().zip(expected).map(|(&a, &b)| {
        let apart = (f64::from(a) - b).abs();
        if apart.is_nan() { f64::INFINITY } else { apart }
    });
    apart.fold(0.0f64, f64::max) / largest
}
