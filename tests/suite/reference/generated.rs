//! The reproducible numbers behind the reference values: weights and inputs that follow from a name alone
//! (FNV-1a of the name seeds splitmix64), the same here as in the Python that computed the values.

use featbench::deep::Tensor;
use featbench::deep::weights::Weights;

/// The 64-bit FNV-1a hash.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Numbers in [-1, 1): the top 24 bits of splitmix64, exact in f64.
fn units(name: &str) -> impl Iterator<Item = f64> {
    let mut state = fnv1a(name.as_bytes());
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        ((z >> 40) as f64 - 8_388_608.0) / 8_388_608.0
    })
}

/// The first values of this name, within `half` of `middle`.
pub fn named(name: &str, count: usize, middle: f64, half: f64) -> Vec<f32> {
    units(name).take(count).map(|t| (middle + half * t) as f32).collect()
}

/// Middle and half width of a parameter's values: such that activations neither grow nor vanish.
fn range(name: &str, shape: &[usize]) -> (f64, f64) {
    let ends = |parts: &[&str]| parts.iter().any(|part| name.ends_with(part));
    match *shape {
        [_, channels, height, width] => (0.0, (6.0 / (channels * height * width) as f64).sqrt()),
        [_, inputs] => (0.0, (3.0 / inputs as f64).sqrt()),
        _ if ends(&[".running_mean"]) => (0.0, 0.1),
        _ if ends(&[".running_var"]) => (1.0, 0.5),
        _ if ends(&[".bias"]) => (0.0, 0.1),
        _ if ends(&["bn2.weight", "bn3.weight"]) => (0.5, 0.2),
        _ => (1.0, 0.2),
    }
}

/// The values of every parameter.
pub fn weights(parameters: &[(String, Vec<usize>)]) -> Weights {
    let tensor = |name: &str, shape: &[usize]| {
        let (middle, half) = range(name, shape);
        let count = shape.iter().product();
        Tensor::new(shape, named(name, count, middle, half))
    };
    parameters.iter().map(|(name, shape)| (name.clone(), tensor(name, shape))).collect()
}

/// The input of this name: `count` x 3 x `side` x `side`, noise upon ramps.
pub fn input(name: &str, count: usize, side: usize) -> Vec<f32> {
    let noise = units(name).take(count * 3 * side * side);
    let value = |(i, t): (usize, f64)| {
        let (image, channel, row, column) = (i / (3 * side * side), i / (side * side) % 3, i / side % side, i % side);
        let ramp = ((row * (image + 1) + column * (channel + 1)) % 32) as f64 / 16.0 - 1.0;
        (t + ramp) as f32
    };
    noise.enumerate().map(value).collect()
}
