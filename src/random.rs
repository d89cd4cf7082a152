//! Random numbers that follow from a key alone, whatever was drawn before: every consumer draws from a generator of its
//! own, so that one consumer's appetite never changes another's numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator of these four numbers: different ones, different draws.
pub fn keyed(key: [u64; 4]) -> ChaCha8Rng {
    let mut seed = [0; 32];
    seed.as_chunks_mut().0.iter_mut().zip(key).for_each(|(bytes, number)| *bytes = number.to_le_bytes());
    ChaCha8Rng::from_seed(seed)
}

/// A generator that depends on nothing but `seed` and `name`.
pub fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
