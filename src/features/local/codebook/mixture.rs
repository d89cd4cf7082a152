//! Mixtures of Gaussians with diagonal covariances, by expectation and maximisation, begun with k-means. Equal data and
//! seed give the same bits with any number of threads.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::descriptor::{Descriptors, Layout};
use super::kmeans::{DEFAULT_EFFORT, assign, kmeans};
use super::{Codebook, Method, Words};
use crate::product::{serial, vectorised};

/// The `codebook` table of this kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianMixture {
    /// Numbers of Gaussians, the candidates.
    components: Vec<usize>,
}

/// A mixture that was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// k, together 1
    weights: Array1<f32>,
    /// k x d
    means: Array2<f32>,
    /// k x d
    variances: Array2<f32>,
    /// k x 2 d: what a row and its squares are multiplied with for the logarithm of its density...
    factors: Array2<f32>,
    /// ... and what is added.
    constants: Array1<f32>,
}

/// Room for the posteriors of a block of rows.
#[derive(Default)]
pub struct Scratch {
    extended: Vec<f32>,
    posteriors: Vec<f32>,
}

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 15;
/// A variance is at least so much of that of all rows: a component does not shrink onto a few of them.
const FLOOR: f32 = 0.01;
/// Numbers that are looked at side by side.
const LANES: usize = 8;
/// Posteriors below this share of the largest (e^-12) are taken for 0.
const NEGLIGIBLE: f32 = -12.0;

impl Method for GaussianMixture {
    fn version(&self) -> (&'static str, u32) {
        ("gaussian-mixture", 2)
    }

    fn takes(&self, layout: Layout) -> Result<(), String> {
        match layout {
            Layout::Roots(_) | Layout::Floats(_) => Ok(()),
            Layout::Bits(_) => {
                Err("codebook kind = \"gaussian-mixture\" needs descriptors that are numbers, such as dense-sift"
                    .into())
            }
        }
    }

    fn sizes(&self) -> &[usize] {
        &self.components
    }

    fn learn(&self, sample: &Descriptors, components: usize, rng: &mut ChaCha8Rng) -> Codebook {
        let shape = (sample.len(), sample.layout().floats());
        let rows = Array2::from_shape_vec(shape, sample.floats().into_owned()).expect("descriptors have one length");
        Mixture::learn(rows.view(), components, rng).into()
    }
}

impl Words for Mixture {
    fn len(&self) -> usize {
        self.weights.len()
    }

    /// The likeliest component.
    fn assign(&self, descriptors: &Descriptors) -> Vec<usize> {
        let (floats, mut scratch, mut words) = (descriptors.floats(), Scratch::default(), Vec::new());
        for rows in floats.chunks(Self::BLOCK * self.dimension()) {
            let (_, posteriors) = self.posteriors(rows, &mut scratch);
            let largest = |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            words.extend(posteriors.chunks_exact(self.len()).map(largest));
        }
        words
    }
}

impl Mixture {
    /// Rows that are looked at together: few enough for the processor's cache.
    pub const BLOCK: usize = 256;

    /// d
    pub fn dimension(&self) -> usize {
        self.means.ncols()
    }

    /// Weight, means and variances.
    pub fn component(&self, i: usize) -> (f32, &[f32], &[f32]) {
        let row = |of: &'_ Array2<f32>| -> std::ops::Range<usize> { i * of.ncols()..(i + 1) * of.ncols() };
        let (means, variances) = (self.means.as_slice(), self.variances.as_slice());
        let of = "rows lie one after the other";
        (self.weights[i], &means.expect(of)[row(&self.means)], &variances.expect(of)[row(&self.variances)])
    }

    /// From weights (k), means and variances (k x d).
    pub fn new(weights: Array1<f32>, means: Array2<f32>, variances: Array2<f32>) -> Mixture {
        let d = means.ncols();
        let mut factors = Array2::zeros((means.nrows(), 2 * d));
        factors.slice_mut(s![.., ..d]).assign(&(&means / &variances));
        factors.slice_mut(s![.., d..]).assign(&variances.mapv(|v| -0.5 / v));
        let constant = |(i, &weight): (usize, &f32)| {
            let of_one = |(&m, &v): (&f32, &f32)| {
                let (m, v) = (f64::from(m), f64::from(v));
                m * m / v + (2.0 * std::f64::consts::PI * v).ln()
            };
            let sum: f64 = means.row(i).iter().zip(variances.row(i)).map(of_one).sum();
            (f64::from(weight).ln() - 0.5 * sum) as f32
        };
        let constants = weights.iter().enumerate().map(constant).collect();
        Mixture { weights, means, variances, factors, constants }
    }

    /// A mixture of at most `k` components for the rows (n x d); fewer where there are fewer rows.
    pub fn learn(rows: ArrayView2<f32>, k: usize, rng: &mut ChaCha8Rng) -> Mixture {
        let k = k.min(rows.nrows());
        if k == 0 {
            return Mixture::new(Array1::zeros(0), Array2::zeros((0, rows.ncols())), Array2::zeros((0, rows.ncols())));
        }
        let floor = floor(rows);
        let mut mixture = Self::of_centres(rows, kmeans(rows, k, DEFAULT_EFFORT, rng).view(), &floor);
        for _ in 0..ROUNDS {
            mixture = mixture.better(rows, &floor);
        }
        mixture
    }

    /// Of the rows that are nearest to each centre.
    fn of_centres(rows: ArrayView2<f32>, centres: ArrayView2<f32>, floor: &Array1<f32>) -> Mixture {
        let (k, d) = centres.dim();
        let mut sums = Array2::<f64>::zeros((k, 1 + 2 * d));
        for (row, (centre, _)) in rows.outer_iter().zip(assign(rows, centres)) {
            let mut sums = sums.row_mut(centre);
            sums[0] += 1.0;
            for (j, &x) in row.iter().enumerate() {
                sums[1 + j] += f64::from(x);
                sums[1 + d + j] += f64::from(x) * f64::from(x);
            }
        }
        Self::of_sums(&sums, floor)
    }

    /// From each component's sums of posteriors, of the rows and of their squares.
    fn of_sums(sums: &Array2<f64>, floor: &Array1<f32>) -> Mixture {
        let d = floor.len();
        // a component that nothing belongs to keeps a little weight
        let posteriors = sums.column(0).mapv(|sum| sum.max(1e-3));
        let total = posteriors.sum();
        let weights = posteriors.mapv(|sum| (sum / total).max(1e-6) as f32);
        let means = Array2::from_shape_fn((sums.nrows(), d), |(i, j)| sums[(i, 1 + j)] / posteriors[i]);
        let variances = Array2::from_shape_fn((sums.nrows(), d), |(i, j)| {
            let variance = sums[(i, 1 + d + j)] / posteriors[i] - means[(i, j)] * means[(i, j)];
            (variance as f32).max(floor[j])
        });
        Mixture::new(weights, means.mapv(|m| m as f32), variances)
    }

    /// After a round of expectation and maximisation.
    fn better(&self, rows: ArrayView2<f32>, floor: &Array1<f32>) -> Mixture {
        const TASK: usize = 32 * Mixture::BLOCK;
        let (k, d) = self.means.dim();
        let of_task = |task: ArrayView2<f32>| {
            let (mut sums, mut scratch) = (Array2::<f64>::zeros((k, 1 + 2 * d)), Scratch::default());
            for block in task.axis_chunks_iter(Axis(0), Self::BLOCK) {
                let block = block.as_standard_layout();
                let (extended, posteriors) = self.posteriors(block.as_slice().unwrap_or(&[]), &mut scratch);
                let mut here = Array2::<f32>::zeros((k, 2 * d));
                let rows = posteriors.len() / k;
                let transposed = ArrayView2::from_shape((rows, k), posteriors).expect("rows x k").reversed_axes();
                let extended = ArrayView2::from_shape((rows, 2 * d), extended).expect("rows x 2 d").reversed_axes();
                serial(here.view_mut(), transposed, extended);
                let mut into = sums.slice_mut(s![.., 1..]);
                into.zip_mut_with(&here, |sum, &here| *sum += f64::from(here));
                for row in posteriors.chunks_exact(k) {
                    sums.column_mut(0).iter_mut().zip(row).for_each(|(sum, &p)| *sum += f64::from(p));
                }
            }
            sums
        };
        // tasks are cut by the data and summed up in their order
        let tasks: Vec<_> = rows.axis_chunks_iter(Axis(0), TASK).collect();
        let parts: Vec<Array2<f64>> = tasks.into_par_iter().map(of_task).collect();
        let sums = parts.into_iter().fold(Array2::zeros((k, 1 + 2 * d)), |sum, part| sum + part);
        Self::of_sums(&sums, floor)
    }

    /// Of at most [`Self::BLOCK`] rows (n x d): the rows with their squares behind them (n x 2 d), and how likely each
    /// component is (n x k, rows summing to 1).
    pub fn posteriors<'a>(&self, rows: &[f32], scratch: &'a mut Scratch) -> (&'a [f32], &'a [f32]) {
        let (k, d) = self.means.dim();
        let n = rows.len() / d.max(1);
        scratch.extended.resize(n * 2 * d, 0.0);
        scratch.posteriors.resize(n * k, 0.0);
        let (extended, posteriors) = (&mut scratch.extended, &mut scratch.posteriors);
        vectorised(
            #[inline(always)]
            || {
                for (row, extended) in rows.chunks_exact(d).zip(extended.chunks_exact_mut(2 * d)) {
                    let (values, squares) = extended.split_at_mut(d);
                    values.copy_from_slice(row);
                    squares.iter_mut().zip(row).for_each(|(square, x)| *square = x * x);
                }
            },
        );
        let out = ndarray::ArrayViewMut2::from_shape((n, k), posteriors).expect("n x k");
        serial(out, ArrayView2::from_shape((n, 2 * d), extended).expect("n x 2 d"), self.factors.view());
        let constants = self.constants.as_slice().unwrap_or(&[]);
        vectorised(
            #[inline(always)]
            || {
                for row in posteriors.chunks_exact_mut(k) {
                    softmax(row, constants);
                }
            },
        );
        (extended, posteriors)
    }
}

/// A share of the variance of all rows in each number, and never 0.
fn floor(rows: ArrayView2<f32>) -> Array1<f32> {
    let of_column = |column: ndarray::ArrayView1<f32>| {
        let n = column.len() as f64;
        let mean = column.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = column.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        (FLOOR * variance as f32).max(1e-10)
    };
    rows.axis_iter(Axis(1)).into_par_iter().map(of_column).collect::<Vec<_>>().into()
}

/// Logarithms of densities without their constants become posteriors.
#[inline(always)]
fn softmax(row: &mut [f32], constants: &[f32]) {
    row.iter_mut().zip(constants).for_each(|(value, constant)| *value += constant);
    let largest = fold(row, f32::NEG_INFINITY, |a, b| if a > b { a } else { b });
    row.iter_mut().for_each(|value| *value = exp(*value - largest));
    let factor = 1.0 / fold(row, 0.0, |a, b| a + b);
    row.iter_mut().for_each(|value| *value *= factor);
}

/// All of a row by `of`, in lanes, which are vectorised, and in an order that is always the same.
#[inline(always)]
fn fold(row: &[f32], start: f32, of: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    chunks.iter().for_each(|chunk| lanes = std::array::from_fn(|i| of(lanes[i], chunk[i])));
    lanes.into_iter().chain(rest.iter().copied()).fold(start, of)
}

/// e to a power from -12 to 0, right to 6 digits; 0 below. Without a call, so that loops of it are vectorised.
#[inline(always)]
fn exp(power: f32) -> f32 {
    /// Added to a number, it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if power > NEGLIGIBLE { power } else { NEGLIGIBLE };
    let twos = clamped * std::f32::consts::LOG2_E;
    let shifted = twos + ROUND;
    // what is left of the power of two, from -0.5 to 0.5, by the series of e to the x
    let x = (twos - (shifted - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x / 720.0)))));
    // the whole number becomes an exponent, whose bias is 127
    let power_of_two = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if power < NEGLIGIBLE { 0.0 } else { series * power_of_two }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn powers_of_e() {
        for i in 0..=1200 {
            let x = -12.0 + i as f32 / 100.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 2e-6, "{x}: {} {}", exp(x), x.exp());
        }
        assert_eq!(exp(-12.1), 0.0);
    }

    fn blobs() -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        Array2::from_shape_fn((3000, 3), |(i, j)| {
            let noise: f32 = (0..6).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 1.414;
            ((i % 3) * 10 * (j + 1)) as f32 + noise * (1 + i % 3) as f32
        })
    }

    #[test]
    fn separate_gaussians_are_found_with_any_number_of_threads() {
        let rows = blobs();
        let fit = || Mixture::learn(rows.view(), 3, &mut ChaCha8Rng::seed_from_u64(2));
        let mixture = fit();
        let mut found: Vec<(f32, f32, f32)> = (0..3)
            .map(|i| {
                let (weight, means, variances) = mixture.component(i);
                (means[0], variances[0].sqrt(), weight)
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (i, (mean, deviation, weight)) in found.into_iter().enumerate() {
            assert!((mean - 10.0 * i as f32).abs() < 0.3, "{mean}");
            assert!((deviation / (i + 1) as f32 - 1.0).abs() < 0.1, "{deviation}");
            assert!((weight - 1.0 / 3.0).abs() < 0.01);
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(mixture, one.install(fit));
    }

    #[test]
    fn posteriors_are_those_of_the_densities() {
        let rows = blobs();
        let mixture = Mixture::learn(rows.view(), 4, &mut ChaCha8Rng::seed_from_u64(3));
        let mut scratch = Scratch::default();
        let block = rows.slice(s![..100, ..]).to_owned();
        let (_, found) = mixture.posteriors(block.as_slice().unwrap(), &mut scratch);
        for (row, found) in block.outer_iter().zip(found.chunks(4)) {
            let density = |i: usize| {
                let (weight, means, variances) = mixture.component(i);
                let exponent: f64 = row
                    .iter()
                    .zip(means.iter().zip(variances))
                    .map(|(&x, (&m, &v))| {
                        let (x, m, v) = (f64::from(x), f64::from(m), f64::from(v));
                        -0.5 * ((x - m).powi(2) / v + (2.0 * std::f64::consts::PI * v).ln())
                    })
                    .sum();
                f64::from(weight).ln() + exponent
            };
            let logs: Vec<f64> = (0..4).map(density).collect();
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logs.iter().map(|l| (l - largest).exp()).sum();
            for (log, &found) in logs.iter().zip(found) {
                assert!(((log - largest).exp() / sum - f64::from(found)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn fewer_rows_than_components_and_constant_rows() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        assert_eq!(Mixture::learn(blobs().slice(s![..2, ..]), 5, &mut rng).len(), 2);
        assert_eq!(Mixture::learn(Array2::zeros((0, 4)).view(), 5, &mut rng).len(), 0);
        let flat = Mixture::learn(Array2::ones((50, 4)).view(), 3, &mut rng);
        let mut scratch = Scratch::default();
        assert!(flat.posteriors(&[1.0; 8], &mut scratch).1.iter().all(|p| p.is_finite()));
    }
}
