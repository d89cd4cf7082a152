//! Principal components: descriptors in fewer numbers that are not correlated, with whitening each of deviation 1.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::descriptor::{Descriptors, Layout};
use crate::product::{product, serial};

/// The `reduce` table of an arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reduce {
    /// Numbers that are kept.
    pub pca: usize,
    /// Each is divided by its deviation.
    #[serde(default)]
    pub whiten: bool,
}

/// Components that were learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// k x d, divided by deviations where whitened.
    axes: Array2<f32>,
    /// k: the mean along the axes.
    offsets: Array1<f32>,
}

/// Raised when the same descriptors may come to other numbers.
pub const STAGE: (&str, u32) = ("pca", 1);

/// Rows whose products are summed up in f32.
const BLOCK: usize = 4096;
/// Rows that stay in the processor's cache.
const CACHED: usize = 256;
/// A component with less than this share of the largest variance is made of rounding: whitening leaves it alone.
const NOTHING: f64 = 1e-7;

impl Pca {
    /// Of a sample with at least one descriptor; at most as many components as a descriptor has numbers.
    pub fn learn(sample: &Descriptors, settings: &Reduce) -> Pca {
        let (floats, d) = (sample.floats(), sample.layout().floats());
        let rows = ArrayView2::from_shape((sample.len(), d), &floats).expect("descriptors have one length");
        let n = rows.nrows().max(1) as f64;
        let mean = rows
            .axis_chunks_iter(Axis(0), BLOCK)
            .fold(Array1::<f64>::zeros(d), |sum, block| sum + block.mapv(f64::from).sum_axis(Axis(0)))
            / n;
        let means = mean.mapv(|m| m as f32);
        let mut covariance = Array2::<f64>::zeros((d, d));
        for block in rows.axis_chunks_iter(Axis(0), BLOCK) {
            let centred = &block - &means;
            covariance += &product(centred.t(), centred.t()).mapv(f64::from);
        }
        covariance /= n;
        let SymmetricEigen { eigenvectors, eigenvalues } =
            DMatrix::from_fn(d, d, |i, j| 0.5 * (covariance[(i, j)] + covariance[(j, i)])).symmetric_eigen();
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
        order.truncate(settings.pca);
        let least = order.first().map_or(0.0, |&first| eigenvalues[first].max(0.0) * NOTHING);
        let mut axes = Array2::<f64>::zeros((order.len(), d));
        for (&component, mut axis) in order.iter().zip(axes.outer_iter_mut()) {
            // the sign is free: the largest number is positive
            let vector = eigenvectors.column(component);
            let largest = vector.iter().copied().fold(0.0_f64, |most, v| if v.abs() > most.abs() { v } else { most });
            let deviation = match settings.whiten {
                true if eigenvalues[component] > least => eigenvalues[component].sqrt(),
                true => f64::INFINITY,
                false => 1.0,
            };
            axis.iter_mut().zip(vector).for_each(|(a, v)| *a = v * largest.signum() / deviation);
        }
        let offsets = axes.dot(&mean).mapv(|m| m as f32);
        Pca { axes: axes.mapv(|v| v as f32), offsets }
    }

    /// Numbers that are left of a descriptor.
    pub fn dimension(&self) -> usize {
        self.axes.nrows()
    }

    /// Descriptors in the components, their places as they are.
    pub fn apply(&self, descriptors: &Descriptors) -> Descriptors {
        let (floats, d) = (descriptors.floats(), descriptors.layout().floats());
        let rows = ArrayView2::from_shape((descriptors.len(), d), &floats).expect("descriptors have one length");
        let mut reduced = Array2::zeros((rows.nrows(), self.dimension()));
        for (mut reduced, rows) in
            reduced.axis_chunks_iter_mut(Axis(0), CACHED).zip(rows.axis_chunks_iter(Axis(0), CACHED))
        {
            serial(reduced.view_mut(), rows, self.axes.view());
            reduced -= &self.offsets;
        }
        let floats = reduced.into_raw_vec_and_offset().0;
        Descriptors::of_floats(self.dimension(), floats, descriptors.places().to_vec())
    }

    /// What the descriptors become.
    pub fn layout(settings: &Reduce, layout: Layout) -> Layout {
        Layout::Floats(settings.pca.min(layout.floats()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::local::descriptor::Place;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn sample() -> Descriptors {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let row = |rng: &mut ChaCha8Rng| {
            let [a, b, c]: [f32; 3] = std::array::from_fn(|_| rng.random::<f32>() - 0.5);
            [3.0 * a + 7.0, 3.0 * a + b, c * 0.1 - b, b, 2.0]
        };
        let floats: Vec<f32> = (0..5000).flat_map(|_| row(&mut rng)).collect();
        Descriptors::of_floats(5, floats, vec![Place { x: 0.0, y: 0.0, size: 1.0 }; 5000])
    }

    fn moments(reduced: &Descriptors) -> (Array1<f32>, Array2<f32>) {
        let floats = reduced.floats();
        let rows = ArrayView2::from_shape((reduced.len(), reduced.layout().floats()), &floats).unwrap();
        (rows.mean_axis(Axis(0)).unwrap(), rows.t().dot(&rows) / rows.nrows() as f32)
    }

    #[test]
    fn components_are_uncorrelated_and_whitened_ones_have_deviation_1() {
        let sample = sample();
        let (mean, covariance) = moments(&Pca::learn(&sample, &Reduce { pca: 3, whiten: true }).apply(&sample));
        assert!(mean.iter().all(|m| m.abs() < 1e-3), "{mean}");
        assert!((&covariance - &Array2::<f32>::eye(3)).iter().all(|v| v.abs() < 1e-3), "{covariance}");
        let (_, plain) = moments(&Pca::learn(&sample, &Reduce { pca: 3, whiten: false }).apply(&sample));
        assert!(plain[(0, 0)] > plain[(1, 1)] && plain[(1, 1)] > plain[(2, 2)] && plain[(0, 1)].abs() < 1e-3);
    }

    #[test]
    fn numbers_without_variance_give_zeros_and_no_more_are_kept_than_there_are() {
        let pca = Pca::learn(&sample(), &Reduce { pca: 9, whiten: true });
        assert_eq!(pca.dimension(), 5);
        let (_, covariance) = moments(&pca.apply(&sample()));
        assert!(covariance.iter().all(|v| v.is_finite()) && covariance[(4, 4)] == 0.0);
    }
}
