//! Scaling of vectors, fitted on training rows only and applied to every other row with the same numbers.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use serde::{Deserialize, Serialize};

/// Which scaling an arm wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    None,
    /// Mean 0 and deviation 1 in each dimension (population deviation; a constant dimension is only centred).
    Standardise,
}

/// A fitted scaling: `(x - mean) / deviation`, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale(Option<(Array1<f32>, Array1<f32>)>);

impl Scaling {
    /// Means and deviations of the rows of `x` (n x d), summed in f64.
    pub fn fit(self, x: ArrayView2<f32>) -> Scale {
        if self == Scaling::None || x.nrows() == 0 {
            return Scale(None);
        }
        let n = x.nrows() as f64;
        let mean = x.mapv(f64::from).sum_axis(Axis(0)) / n;
        let mut square = Array1::<f64>::zeros(x.ncols());
        for row in x.outer_iter() {
            Zip::from(&mut square).and(&row).and(&mean).for_each(|s, &v, &m| *s += (f64::from(v) - m).powi(2));
        }
        let deviation = square.mapv(|s| if s > 0.0 { (s / n).sqrt() as f32 } else { 1.0 });
        Scale(Some((mean.mapv(|m| m as f32), deviation)))
    }
}

impl Scale {
    /// No scaling.
    pub fn none() -> Scale {
        Scale(None)
    }

    /// A linear model of scaled vectors (weights d x classes, one intercept a class) as one of the vectors themselves.
    pub fn unscaled(&self, weights: &Array2<f64>, intercepts: &Array1<f64>) -> (Array2<f64>, Array1<f64>) {
        let Some((mean, deviation)) = &self.0 else { return (weights.clone(), intercepts.clone()) };
        let weights = weights / &deviation.mapv(f64::from).insert_axis(Axis(1));
        let shift = mean.mapv(f64::from).dot(&weights);
        (weights, intercepts - &shift)
    }

    /// The scaled rows.
    pub fn apply(&self, x: ArrayView2<f32>) -> Array2<f32> {
        match &self.0 {
            None => x.to_owned(),
            Some((mean, deviation)) => (&x - mean) / deviation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn training_rows_have_mean_0_and_deviation_1_and_other_rows_use_their_numbers() {
        let train = array![[1.0, 5.0], [3.0, 5.0]];
        let scale = Scaling::Standardise.fit(train.view());
        assert_eq!(scale.apply(train.view()), array![[-1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(scale.apply(array![[5.0, 6.0]].view()), array![[3.0, 1.0]]);
    }
}
