//! Bag of visual words (Csurka and others 2004): how often each word occurs, as shares, with the square root that
//! makes Euclidean distance the Hellinger distance.

/// Version: raised when the same words may give another vector.
pub const STAGE: (&str, u32) = ("words", 1);

/// Hellinger-normalised histogram of word indices: `sqrt(count / total)`, of length 1 in the L2 norm.
/// Without words the vector is zero.
pub fn hellinger(words: impl IntoIterator<Item = usize>, vocabulary: usize) -> Vec<f32> {
    let mut histogram = vec![0f32; vocabulary];
    words.into_iter().for_each(|word| histogram[word] += 1.0);
    let total: f32 = histogram.iter().sum();
    if total > 0.0 {
        histogram.iter_mut().for_each(|count| *count = (*count / total).sqrt());
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_under_a_square_root() {
        assert_eq!(hellinger([0, 2, 2, 2], 4), [0.5, 0.0, 0.75f32.sqrt(), 0.0]);
        assert_eq!(hellinger([], 2), [0.0, 0.0]);
    }
}
