//! Random numbers that follow from a key alone, whatever was drawn before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator of these four numbers: different ones, different draws.
pub fn keyed(key: [u64; 4]) -> ChaCha8Rng {
    let mut seed = [0; 32];
    seed.as_chunks_mut().0.iter_mut().zip(key).for_each(|(bytes, number)| *bytes = number.to_le_bytes());
    ChaCha8Rng::from_seed(seed)
}
