//! Random numbers: every consumer draws from a generator of its own, made from the run's seed and a name, so that one
//! consumer's appetite never changes another's numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator that depends on nothing but `seed` and `name`.
pub fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
