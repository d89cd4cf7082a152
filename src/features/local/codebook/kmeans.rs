//! k-means: mini-batches find the rough centres (Sculley 2010), whole passes (Lloyd) settle them.
//! Equal data and seed give the same bits with any number of threads.

use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView2, Axis, parallel::prelude::*};
use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::super::descriptor::{Descriptors, Layout};
use super::{Codebook, Method, Words};

/// The `codebook` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KMeans {
    words: Vec<usize>,
}

/// k x d
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Centres(Array2<f32>);

impl Method for KMeans {
    fn version(&self) -> (&'static str, u32) {
        ("k-means", 1)
    }

    fn takes(&self, _: Layout) -> Result<(), String> {
        Ok(())
    }

    fn sizes(&self) -> &[usize] {
        &self.words
    }

    fn learn(&self, sample: &Descriptors, words: usize, rng: &mut ChaCha8Rng) -> Codebook {
        Centres(kmeans(rows(sample).view(), words, DEFAULT_EFFORT, rng)).into()
    }
}

impl Words for Centres {
    fn len(&self) -> usize {
        self.0.nrows()
    }

    fn assign(&self, descriptors: &Descriptors) -> Vec<usize> {
        assign(rows(descriptors).view(), self.0.view()).into_iter().map(|(word, _)| word).collect()
    }

    fn centres(&self) -> Option<Cow<'_, Array2<f32>>> {
        Some(Cow::Borrowed(&self.0))
    }
}

/// n x d
fn rows(descriptors: &Descriptors) -> Array2<f32> {
    let shape = (descriptors.len(), descriptors.layout().floats());
    Array2::from_shape_vec(shape, descriptors.floats().into_owned()).expect("descriptors of one kind have one length")
}

/// Rows that one task assigns; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 256;

/// How long to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Rows of a mini-batch.
    pub batch: usize,
    /// Mini-batches.
    pub batches: usize,
    /// Whole passes after them.
    pub passes: usize,
}

/// Found to be at least as good as scikit-learn's `MiniBatchKMeans` on descriptors, in less time.
pub const DEFAULT_EFFORT: Effort = Effort { batch: 4096, batches: 60, passes: 3 };

/// Centres (k x d) of the rows of `data` (n x d); fewer than k where there are fewer rows.
pub fn kmeans(data: ArrayView2<f32>, k: usize, effort: Effort, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let k = k.min(data.nrows());
    if k == 0 {
        return Array2::zeros((0, data.ncols()));
    }
    let mut centres = spread_seeds(data, k, rng);
    let mut counts = vec![0f32; k];
    let batch_rows = effort.batch.min(data.nrows());
    for _ in 0..effort.batches {
        let batch = data.select(Axis(0), &index::sample(rng, data.nrows(), batch_rows).into_vec());
        let assigned = assign(batch.view(), centres.view());
        for (row, &(centre, _)) in batch.outer_iter().zip(&assigned) {
            counts[centre] += 1.0;
            let rate = 1.0 / counts[centre];
            centres.row_mut(centre).zip_mut_with(&row, |c, &v| *c += rate * (v - *c));
        }
        revive(&mut centres, &mut counts, batch.view(), rng);
    }
    for _ in 0..effort.passes {
        lloyd(data, &mut centres);
    }
    centres
}

/// Moves centres that hardly any row chose (under 1 % of the largest count) onto random rows of the batch.
fn revive(centres: &mut Array2<f32>, counts: &mut [f32], batch: ArrayView2<f32>, rng: &mut ChaCha8Rng) {
    let largest = counts.iter().copied().fold(0.0, f32::max);
    let alive = counts.iter().copied().filter(|&n| n >= 0.01 * largest).fold(f32::INFINITY, f32::min);
    for (centre, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count < 0.01 * largest) {
        centres.row_mut(centre).assign(&batch.row(rng.random_range(0..batch.nrows())));
        *count = alive;
    }
}

/// k-means++ (Arthur and Vassilvitskii 2007) on a sample of the rows.
fn spread_seeds(data: ArrayView2<f32>, k: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let sample = index::sample(rng, data.nrows(), data.nrows().min(k * 10)).into_vec();
    let rows = data.select(Axis(0), &sample);
    let mut chosen = vec![rng.random_range(0..rows.nrows())];
    let mut nearest = vec![f32::INFINITY; rows.nrows()];
    while chosen.len() < k {
        let last = rows.row(chosen[chosen.len() - 1]);
        rows.axis_iter(Axis(0)).into_par_iter().zip(nearest.par_iter_mut()).with_min_len(BLOCK).for_each(
            |(row, nearest)| {
                let difference = &row - &last;
                *nearest = nearest.min(difference.dot(&difference));
            },
        );
        let total: f64 = nearest.iter().map(|&d| f64::from(d)).sum();
        let mut left = rng.random::<f64>() * total;
        let next = nearest.iter().position(|&d| {
            left -= f64::from(d);
            left < 0.0
        });
        // All remaining rows coincide with a chosen one: any row will do.
        chosen.push(next.unwrap_or_else(|| rng.random_range(0..rows.nrows())));
    }
    rows.select(Axis(0), &chosen)
}

/// One whole pass: every centre becomes the mean of its rows; a centre without rows stays.
fn lloyd(data: ArrayView2<f32>, centres: &mut Array2<f32>) {
    let assigned = assign(data, centres.view());
    let mut sums = Array2::<f64>::zeros(centres.dim());
    let mut counts = vec![0usize; centres.nrows()];
    for (row, &(centre, _)) in data.outer_iter().zip(&assigned) {
        counts[centre] += 1;
        sums.row_mut(centre).zip_mut_with(&row, |s, &v| *s += f64::from(v));
    }
    for (centre, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        centres.row_mut(centre).assign(&sums.row(centre).mapv(|s| (s / count as f64) as f32));
    }
}

/// Nearest centre of each row and the squared distance to it (Euclidean); the first of equally near ones.
pub fn assign(rows: ArrayView2<f32>, centres: ArrayView2<f32>) -> Vec<(usize, f32)> {
    let half_norms: Array1<f32> = centres.outer_iter().map(|c| 0.5 * c.dot(&c)).collect();
    let blocks: Vec<Vec<(usize, f32)>> = rows
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|block| assign_block(block, centres, &half_norms))
        .collect();
    blocks.concat()
}

fn assign_block(block: ArrayView2<f32>, centres: ArrayView2<f32>, half_norms: &Array1<f32>) -> Vec<(usize, f32)> {
    let products = block.dot(&centres.t());
    let nearest = |(row, products): (ndarray::ArrayView1<f32>, ndarray::ArrayView1<f32>)| {
        // |x - c|^2 = |x|^2 - 2 (x.c - |c|^2 / 2): the largest bracket is the nearest centre.
        let mut best = (0, f32::NEG_INFINITY);
        for (centre, (p, h)) in products.iter().zip(half_norms).enumerate() {
            if p - h > best.1 {
                best = (centre, p - h);
            }
        }
        (best.0, (row.dot(&row) - 2.0 * best.1).max(0.0))
    };
    block.outer_iter().zip(products.outer_iter()).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;
    use rand::SeedableRng;

    /// Mean squared distance of the rows to their nearest centre.
    fn inertia(rows: ArrayView2<f32>, centres: ArrayView2<f32>) -> f64 {
        assign(rows, centres).iter().map(|&(_, d)| f64::from(d)).sum::<f64>() / rows.nrows() as f64
    }

    fn blobs() -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        Array2::from_shape_fn((600, 4), |(i, j)| ((i % 3) * 10 * (j + 1)) as f32 + rng.random::<f32>())
    }

    #[test]
    fn separate_blobs_are_found_and_the_same_seed_gives_the_same_bits() {
        let data = blobs();
        let fit = || kmeans(data.view(), 3, DEFAULT_EFFORT, &mut ChaCha8Rng::seed_from_u64(7));
        let centres = fit();
        assert!(inertia(data.view(), centres.view()) < 0.5);
        assert_eq!(centres, fit());
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(centres, one.install(fit));
    }

    #[test]
    fn fewer_rows_than_words_and_no_rows_at_all() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        assert_eq!(kmeans(blobs().slice(s![..2, ..]), 5, DEFAULT_EFFORT, &mut rng).nrows(), 2);
        assert_eq!(kmeans(Array2::zeros((0, 4)).view(), 5, DEFAULT_EFFORT, &mut rng).dim(), (0, 4));
    }

    #[test]
    fn the_first_of_equally_near_centres_is_taken() {
        let centres = ndarray::array![[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]];
        assert_eq!(assign(ndarray::array![[0.0, 2.0], [2.0, 0.0]].view(), centres.view()), [(0, 5.0), (0, 1.0)]);
    }
}
